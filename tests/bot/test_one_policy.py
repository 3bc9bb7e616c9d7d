"""One policy for all replicas: the bot publishes its own, and whoever works by another says what differs."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sayso.agent.policy import Policy
from sayso.approvals.change import NO_RUN, Event
from sayso.approvals.memory import MemoryStore
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.sealing import Seal
from sayso.bot.app import _comparing, _readiness
from sayso.bot.cli.check import check
from sayso.bot.one_policy import OnePolicy
from sayso.bot.settings import load_settings
from settings_files import with_store, write_settings


@pytest.fixture
def ours(tmp_path: Path) -> Policy:
    return load_settings(write_settings(tmp_path), {}).policy


@pytest.fixture
def other(tmp_path: Path) -> Policy:
    folder = tmp_path / "other"
    folder.mkdir()
    edits = (
        ('irreversibility = "high"', 'irreversibility = "low"'),
        ('operators = ["sue"]', "low_confidence = 0.5"),
    )
    return load_settings(write_settings(folder, *edits), {}).policy


async def test_another_policy_is_on_record(ours: Policy, other: Policy) -> None:
    """Which one, and which one before; publishing the same one again is no change."""
    store = MemoryStore()
    for policy in (ours, ours, other, ours):
        await OnePolicy(store, policy).publish()
    trail = [record.entry for record in await store.trail(NO_RUN)]
    assert [(entry.event, entry.facts["before"], entry.facts["policy"]) for entry in trail] == [
        (Event.POLICY_CHANGED, "", ours.version), (Event.POLICY_CHANGED, ours.version, other.version),
        (Event.POLICY_CHANGED, other.version, ours.version),
    ]  # fmt: skip


async def test_a_worker_with_another_policy_says_once_what_differs(
    ours: Policy, other: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    """And that it is over, when it is."""
    caplog.set_level(logging.INFO)
    store = MemoryStore()
    await OnePolicy(store, ours).publish()
    worker = OnePolicy(store, other)
    await worker.look()
    await worker.look()
    (said,) = (one.getMessage() for one in caplog.records if one.levelno == logging.ERROR)
    assert said.startswith(
        f"policy.differs The policy here is {other.version}, but the bot that was started last works by {ours.version}"
    )
    assert "low_confidence, tools.issue_refund differ" in said
    await OnePolicy(store, other).publish()
    await worker.look()
    assert worker.problem == ""
    assert caplog.records[-1].getMessage() == f"policy.same version={other.version}"


async def test_nobody_complains_before_a_bot_was_started(ours: Policy) -> None:
    """A worker may be first."""
    worker = OnePolicy(MemoryStore(), ours)
    await worker.look()
    assert worker.problem == ""


async def test_a_bot_whose_policy_was_replaced_is_not_ready(
    tmp_path: Path, redis_url: str, ours: Policy, other: Policy
) -> None:
    """The newer bot takes over; the older one finds out by itself."""
    settings = load_settings(tmp_path / "sayso.toml", {})
    store = await RedisStore.connect(redis_url)
    old, new = OnePolicy(store, ours), OnePolicy(store, other)
    ready = _readiness(store, (), old)
    await old.publish()
    assert await ready() == ""
    await new.publish()
    async with asyncio.timeout(30), _comparing(settings, store, old, None):
        while not (problem := await ready()):  # noqa: ASYNC110 a tick tells nobody
            await asyncio.sleep(0.01)
    assert problem.startswith("The policy here is")
    assert await _readiness(store, (), new)() == ""
    await store.close()


async def test_a_policy_that_cannot_be_opened_is_told_and_stops_nothing(redis_url: str, ours: Policy) -> None:
    """Keys were changed, and the bot still runs with the old ones."""
    for seal, verb in (
        (Seal([b"o" * 32]), OnePolicy.publish),
        (Seal([b"n" * 32, b"o" * 32]), OnePolicy.look),
    ):
        store = await RedisStore.connect(redis_url, seal=seal)
        await verb(OnePolicy(store, ours))
        await store.close()
    store = await RedisStore.connect(redis_url, seal=Seal([b"n" * 32]))
    worker = OnePolicy(store, ours)
    await worker.look()
    assert "start the bot again with the keys of today" in worker.problem
    await worker.publish()
    await worker.look()
    assert worker.problem == ""
    await store.close()


def test_check_says_whether_the_running_bot_works_by_this_file(
    tmp_path: Path,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    other: Policy,
) -> None:
    """A file that was changed and a bot that was not started again."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    file = write_settings(
        tmp_path,
        ("[slack]\n", '[slack]\napi = "http://127.0.0.1:1/"\n'),
        ("https://127.0.0.1:1", "https://127.0.0.1:2"),
    )

    def line() -> str:
        check(file, offline=False)
        return next(one for one in capsys.readouterr().out.splitlines() if one[7:].startswith("policy"))

    assert "no bot was started yet" in line()
    with_store(redis_url, lambda store: OnePolicy(store, other).publish())
    assert line().startswith("WARN")
    with_store(redis_url, lambda store: OnePolicy(store, load_settings(file, {}).policy).publish())
    assert "the bot works by it" in line()


def test_every_process_finds_the_same_version_of_one_file(tmp_path: Path) -> None:
    """Also where names stand in a set, whose order is another one in each process."""
    file = write_settings(
        tmp_path,
        ('operators = ["sue"]', 'denied = ["sue", "alex", "zoe"]'),
        ("sue = {", 'zoe = { name = "Zoe", slack = "U0ZOE" }\nsue = {'),
    )
    script = f"from pathlib import Path; from sayso.bot.settings import load_settings as l; print(l(Path({str(file)!r}), {{}}).policy.version)"
    ran = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        for seed in ("1", "2", "3")
    ]
    assert len({one.stdout for one in ran}) == 1, ran
    assert ran[0].stdout.strip()
