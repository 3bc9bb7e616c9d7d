"""SIGKILL of the bot while a service starts a run: the same call afterwards is that run, started once."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_scene import API, CRM_KEY, ENV
from sayso.approvals.change import Event
from sayso.approvals.crash import CRASH_AT
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.verdict import ThreadId
from sayso.bot.demo.process import Served
from sayso.sandbox.workplace import ThreadedWorkplace, Workplace
from settings_files import with_store, write_settings

pytestmark = pytest.mark.chaos

CALL = {"graph": "ops", "input": "129.90", "asked_by": "alex"}


@pytest.fixture
def workplace() -> Iterator[ThreadedWorkplace]:
    with Workplace.in_thread() as running:
        yield running


@pytest.fixture
def bot(workplace: ThreadedWorkplace, tmp_path: Path, redis_url: str) -> Iterator[Served]:
    """A bot of its own process, with the API; nothing of it is left after this."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = write_settings(
        tmp_path, ("[server]", API.format(hosts="")), ("port = 0", f"port = {port}"),
        ("[slack]", f'[slack]\napi = "{workplace.slack.api_url}"'),
    )  # fmt: skip
    env = {
        **ENV, "SLACK_BOT_TOKEN": workplace.slack.bot_token, "SLACK_SIGNING_SECRET": workplace.slack.signing_secret,
        "PAGER_KEY": "0123456789abcdef" * 2, "REDIS_URL": redis_url,
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    served = Served("bot", ("bot",), settings=file, env=env, log=tmp_path / "log", ready_url=f"{url}/readyz")
    try:
        yield served
    finally:
        served.kill()


def called(bot: Served) -> httpx.Response:
    """The one call, with its one key."""
    headers = {"authorization": f"Bearer {CRM_KEY}", "idempotency-key": "ticket-4711"}
    base = bot._ready_url.removesuffix("/readyz")
    return httpx.post(f"{base}/v1/runs", json=CALL, headers=headers, trust_env=False, timeout=30)


@pytest.mark.parametrize("point", ["run-before-start", "run-after-start"])
def test_the_same_call_after_a_crash_is_the_same_run(bot: Served, redis_url: str, point: str) -> None:
    """Whether or not it was started when the process died."""
    os.environ[CRASH_AT] = point
    try:
        bot.start()
        bot.wait_ready()
    finally:
        del os.environ[CRASH_AT]
    with pytest.raises(httpx.TransportError):
        called(bot)
    _wait_dead(bot)
    bot.kill()
    bot.start()
    bot.wait_ready()
    answers = [called(bot) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    (run,) = {answer.json()["id"] for answer in answers}

    async def events(store: RedisStore) -> list[Event]:
        assert [one.thread for one in await store.unfinished()] == [run]
        return [record.entry.event for record in await store.trail(ThreadId(run))]

    assert with_store(redis_url, events) == [Event.RUN_STARTED, Event.RUN_STARTED]  # asked for, and by whom
    assert b"serve.ready roles=bot address=http://127.0.0.1:" in bot._log.read_bytes()
    assert CRM_KEY.encode() not in bot._log.read_bytes()


def _wait_dead(bot: Served) -> None:
    process, deadline = bot._process, time.monotonic() + 20
    assert process is not None
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is not None
