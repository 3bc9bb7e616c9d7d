"""`sayso serve` that cannot start or breaks: one sentence that names the setting, and an end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sayso.approvals.change import Event
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Run
from sayso.approvals.verdict import ThreadId
from sayso.bot.agents import open_worker
from sayso.bot.app import PartEnded, _run_until, _Running
from sayso.bot.serving import Broke, run_aloud
from sayso.bot.settings import load_settings
from sayso.bot.signing_keys import load_signer
from sayso.sandbox.workplace import ThreadedWorkplace, Workplace
from settings_files import sayso, write_settings

SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-of-nobody", "SLACK_SIGNING_SECRET": "s" * 32, "PAGER_KEY": "0123456789abcdef" * 2,
    "ENTRA_SECRET": "e" * 32,
}  # fmt: skip

#: Its edge leads nowhere.
BROKEN_GRAPH = """
from langgraph.graph import START, StateGraph

graph = StateGraph(dict)
graph.add_node("plan", lambda state: {})
graph.add_edge(START, "plan")
graph.add_edge("plan", "gaet")
"""

#: A part breaks while a tool of another one still hangs in its thread.
HANGING = """
import asyncio, time
from sayso.approvals.errors import SaysoError
from sayso.bot import logs, serving

async def breaks():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
    await asyncio.sleep(0)
    raise RuntimeError("canary")

logs.set_up()
serving.GRACE_SECONDS = 0.2
serving.run_aloud(breaks())
"""


@pytest.fixture(scope="module")
def workplace() -> Iterator[ThreadedWorkplace]:
    """A Slack that says no."""
    with Workplace.in_thread() as running:
        yield running


def refused(folder: Path, redis_url: str, *roles: str, **env: str) -> str:
    """The one sentence that `serve` ends with."""
    arguments = [part for role in roles for part in ("--role", role)]
    ran = sayso("serve", *arguments, folder=folder, env={**SECRETS, "REDIS_URL": redis_url, **env})
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("sayso: ")
    assert ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr


def test_a_slack_that_cannot_be_reached_is_named(tmp_path: Path, redis_url: str) -> None:
    """With the address that was tried."""
    write_settings(tmp_path, ("[slack]", '[slack]\napi = "http://127.0.0.1:1/"'))
    said = refused(tmp_path, redis_url, "bot")
    assert said == "sayso: slack.api: Slack cannot be reached at http://127.0.0.1:1/\n"


def test_a_token_that_slack_does_not_know_is_named(
    workplace: ThreadedWorkplace, tmp_path: Path, redis_url: str
) -> None:
    """By the variable that holds it."""
    write_settings(tmp_path, ("[slack]", f'[slack]\napi = "{workplace.slack.api_url}"'))
    said = refused(tmp_path, redis_url, "bot")
    assert said == "sayso: SLACK_BOT_TOKEN: sayso's Slack token is not valid\n"
    assert [str(one) for one in workplace.violations.take()] == ["slack auth.test: invalid_auth"]


def test_another_workspaces_token_is_refused(
    workplace: ThreadedWorkplace, tmp_path: Path, redis_url: str
) -> None:
    """Otherwise every click would be refused as foreign."""
    api = ("[slack]", f'[slack]\napi = "{workplace.slack.api_url}"')
    write_settings(tmp_path, api, ('"T0WORKPLACE"', '"T0OTHER"'))
    said = refused(tmp_path, redis_url, "bot", SLACK_BOT_TOKEN=workplace.slack.bot_token)
    assert said == "sayso: slack.team is T0OTHER, but SLACK_BOT_TOKEN belongs to T0WORKPLACE\n"


def test_a_graph_that_does_not_compile_is_named(tmp_path: Path, redis_url: str) -> None:
    """By its setting, and in LangGraph's words."""
    write_settings(tmp_path)
    (tmp_path / "little_graph.py").write_text(BROKEN_GRAPH)
    said = refused(tmp_path, redis_url, "worker")
    assert said.startswith("sayso: graphs.ops: little_graph.py:graph does not compile: Found edge ending at")


async def test_a_broken_graph_stops_no_other_and_its_runs_are_left_to_others(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One sentence in the log; whoever follows such a run reads it once, and the work stays for a whole worker."""
    monkeypatch.setenv("ENTRA_SECRET", "e" * 32)
    file = write_settings(tmp_path, ("[graphs]", '[graphs]\nbroken = "broken.py:graph"'))
    (tmp_path / "broken.py").write_text("import no_such_library\n")
    settings = load_settings(file)
    load_signer(settings)
    run = Run(thread=ThreadId("t1"), graph="broken", goal="refund", asked_by=PersonId("alex"))
    store = await RedisStore.connect(redis_url)
    caplog.set_level("INFO")
    async with open_worker(settings, store, redis_url) as worker:
        assert list(worker.runner.graphs) == ["ops"]
        await store.start(run)
        for _ in range(2):
            assert await worker.work_once()
            await asyncio.sleep(0)
            worker._idle = timedelta(0)
    (said,) = (vars(one) for one in caplog.records if one.message == "graph.broken")
    assert said["graph"] == "broken"
    assert said["words"] == (
        "broken.py:graph cannot be imported: ModuleNotFoundError: No module named 'no_such_library'"
    )
    (told,) = [r.entry for r in await store.trail(run.thread) if r.entry.event is Event.NOT_TAKEN]
    assert told.words == f"Not taken by {worker.name}, which cannot run broken; it is left for another worker"
    whole = await store.take("w2", idle=timedelta(0), wait=timedelta(0))
    assert whole
    assert (whole.work.run, whole.tries) == (run, 0)
    await store.close()


def test_a_part_that_breaks_ends_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """The log has type and place, never the error's words."""
    ended = []

    async def breaks() -> None:
        raise RuntimeError("canary")

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("worker")

    with pytest.raises(Broke):
        run_aloud(_run_until(asyncio.Event(), [_Running("worker", works), _Running("delivery", breaks)]))
    assert ended == ["worker"]
    (record,) = (one for one in caplog.records if one.message == "serve.broke")
    assert vars(record)["error"] == "RuntimeError"
    assert "test_serving.py" in vars(record)["at"]
    assert "canary" not in str(vars(record))
    assert not [
        one for one in threading.enumerate() if isinstance(one, threading.Timer) and not one.finished.is_set()
    ]


def test_a_part_that_ends_by_itself_ends_the_program() -> None:
    """A process that is up and does nothing looks well to everybody."""

    async def ends() -> None:
        return

    with pytest.raises(PartEnded, match="The delivery stopped although nobody had asked it to"):
        run_aloud(_run_until(asyncio.Event(), [_Running("delivery", ends)]))


def test_what_is_asked_to_stop_has_not_broken() -> None:
    """Neither by its own stop nor by being cancelled."""
    told = asyncio.Event()

    async def stops() -> None:
        await told.wait()

    async def goes_on() -> None:
        await asyncio.Event().wait()

    async def scene() -> None:
        stopped = asyncio.Event()
        parts = [_Running("worker", stops, told.set), _Running("delivery", goes_on)]
        asyncio.get_running_loop().call_soon(stopped.set)
        await _run_until(stopped, parts)

    run_aloud(scene())
    assert told.is_set()


def test_what_broke_ends_even_while_a_tool_hangs() -> None:
    """Python would wait for the tool's thread; whoever restarts us would wait with it."""
    ran = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 1
    assert "serve.broke error=RuntimeError" in ran.stderr
    assert ran.stderr.endswith("sayso: Sayso broke; the log says where. Start it again.\n")
    assert "canary" not in ran.stderr
