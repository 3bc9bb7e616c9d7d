"""`sayso run`: what happens is told as it happens, until the run ends or nobody watches any more."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from langgraph.graph import START, StateGraph
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.credentials import Broker
from sayso.agent.gate import STATE_TYPES
from sayso.agent.secrets import LiveTokens
from sayso.agent.serializer import StateSerializer
from sayso.agent.thread_lock import ThreadLock
from sayso.agent.worker import Worker
from sayso.approvals import machine
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.approvals.errors import SaysoError
from sayso.approvals.people import PersonId, Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.signing import Verifier
from sayso.approvals.store import Store, WorkItem
from sayso.approvals.verdict import ThreadId
from sayso.bot.cli import commands, following
from sayso.bot.settings import load_settings
from scenes import BO, a_vote, an_ask
from settings_files import with_store, write_settings
from typing_extensions import TypedDict


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file over an empty store, and a terminal of 80 columns that is a pipe."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return write_settings(tmp_path)


class Reported(TypedDict):
    report: str


async def a_last_state(url: str, thread: str) -> None:
    """What the agent's graph leaves behind: its report."""
    saver = RedisSaver.at(url)
    builder = StateGraph(Reported)
    builder.add_node("report", lambda state: {"report": "Refunded 129.90 USD.\x1b[2J"})
    builder.add_edge(START, "report")
    graph = builder.compile(checkpointer=saver)
    await graph.ainvoke({"report": ""}, {"configurable": {"thread_id": thread}})
    await saver.aclose()


def a_worker(url: str, end: Event) -> threading.Thread:
    """Takes the run, asks people once, lets Bo approve, and ends the run."""

    async def scene(store: RedisStore) -> None:
        item = await taken_by_a_worker(store)
        run = item.work.run
        assert (run.asked_by, run.origin, run.goal) == (
            PersonId("alex"),
            Place(""),
            "refund order 1042 129.90",
        )
        request = await store.open(
            machine.opened(an_ask(run=run, thread=run.thread, opened_at=await store.now()))
        )
        vote = a_vote(request, BO, at=await store.now())
        await store.change(request.id, lambda r, now: machine.vote(r, vote, frozenset({BO}), 1, now))
        await a_last_state(url, run.thread)
        await store.finish_run(run.thread, AuditEntry(event=end, by="w1", words="The agent has ended"))
        await store.finish(item, "w1")

    thread = threading.Thread(target=with_store, args=(url, scene))
    thread.start()
    return thread


@pytest.mark.parametrize(("end", "status"), [(Event.RUN_FINISHED, 0), (Event.RUN_FAILED, 1)])
def test_a_run_is_followed_to_its_end(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str], end: Event, status: int
) -> None:
    """What happens is told as it happens, and the exit code says how it ended."""
    worker = a_worker(redis_url, end)
    assert following.run_and_follow(office, "ops", "refund order 1042 129.90", "alex") == status
    worker.join()
    out = capsys.readouterr().out
    for part in (
        "Asked ops: run cli-",
        "To be asked in slack:C0FIN",
        "sayso show",
        "Voted approve",
        str(end),
    ):
        assert part in out
    assert "Refunded 129.90 USD." in out.splitlines()[-1]
    assert "\x1b" not in out


def in_thread(url: str, scene: Callable[[RedisStore], Awaitable[None]]) -> threading.Thread:
    """Another process that does something in the store."""
    thread = threading.Thread(target=with_store, args=(url, scene))
    thread.start()
    return thread


async def taken_by_a_worker(store: RedisStore) -> WorkItem:
    """The next piece of work, however long it takes to come."""
    while (item := await store.take("w1", idle=timedelta(seconds=30), wait=timedelta(seconds=1))) is None:
        continue
    return item


def test_a_question_that_no_bot_has_posted_is_not_called_asked(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so until the trail proves that it stands somewhere."""
    monkeypatch.setattr(following, "BOT_SECONDS", 0.0)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)
    missed = threading.Event()
    tell = following._Following._miss_the_bot

    async def told(self: following._Following, store: Store) -> None:
        await tell(self, store)
        if self.asked and not self.hidden:
            missed.set()

    monkeypatch.setattr(following._Following, "_miss_the_bot", told)

    async def scene(store: RedisStore) -> None:
        item = await taken_by_a_worker(store)
        run = item.work.run
        request = await store.open(
            machine.opened(an_ask(run=run, thread=run.thread, opened_at=await store.now()))
        )
        assert await asyncio.to_thread(missed.wait, 20)
        shown = AuditEntry(event=Event.SHOWN, words="Shown in slack:C0FIN")
        await store.note(shown, thread=run.thread, request=request.id)
        await store.finish_run(run.thread, AuditEntry(event=Event.RUN_FINISHED, by="w1", words="Over"))

    worker = in_thread(redis_url, scene)
    assert following.run_and_follow(office, "ops", "refund order 1042 129.90", "alex") == 0
    worker.join()
    out = capsys.readouterr().out
    parts = (
        "To be asked in slack:C0FIN",
        "no bot has posted it: is `sayso serve` running?",
        "Shown in slack:C0FIN",
    )
    assert [out.count(part) for part in parts] == [1, 1, 1]
    assert sorted(parts, key=out.index) == list(parts)


def test_a_failed_try_is_told(office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A real worker, and an agent that breaks at once: what broke where, which attempt, and what comes next."""

    async def scene(store: RedisStore) -> None:
        client, sync_client = open_redis(redis_url), open_sync_redis(redis_url)
        saver = RedisSaver(
            client, sync_client, prefix="sayso", serde=StateSerializer(STATE_TYPES), require_fence=True
        )
        worker = Worker(
            store, {"ops": breaking_graph().compile(checkpointer=saver)}, locks=ThreadLock(client, sync_client, prefix="sayso"),
            policy=load_settings(office, {}).policy, verifier=Verifier([]), broker=Broker({}, LiveTokens()), backoff=(0, 0.01),
        )  # fmt: skip
        while not await worker.work_once():
            continue
        await client.aclose()
        sync_client.close()

    worker = in_thread(redis_url, scene)
    assert following.run_and_follow(office, "ops", "refund order 1042 129.90", "alex") == 1
    worker.join()
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(
        r"The agent broke off \(KeyError at test_following\.py:\d+ plan\), attempt 1 of 5; trying again in 0 s",
        out,
    )
    assert "canary" not in out


def breaking_graph() -> StateGraph[Reported, None, Reported, Reported]:
    """Its only node breaks."""

    def plan(state: Reported) -> Reported:
        raise KeyError("canary")

    builder = StateGraph(Reported)
    builder.add_node("plan", plan)
    builder.add_edge(START, "plan")
    return builder


def test_a_run_that_nobody_takes_says_so(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on waiting, and a worker that comes late still takes it."""
    monkeypatch.setattr(following, "WORKER_SECONDS", 0.0)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    workers: list[threading.Thread] = []

    async def taken(*given: object) -> bool:
        workers.append(a_worker(redis_url, Event.RUN_FINISHED))
        return False

    monkeypatch.setattr(following, "_taken", taken)
    assert following.run_and_follow(office, "ops", "refund order 1042 129.90", "alex") == 0
    workers[0].join()
    assert "Queued; no worker has taken it yet: is `sayso serve` running?" in capsys.readouterr().out.replace(
        "\n", " "
    )


@pytest.mark.parametrize(
    ("graph", "goal", "person", "words"),
    [
        ("opps", "refund", "alex", "There is no graph 'opps' in .*; did you mean 'ops'?"),
        ("ops", "refund", "alx", "There is no person 'alx' in .*; did you mean 'alex'?"),
        ("ops", "refund", "zzz", "There is no person 'zzz' in .*; there is alex, bo, cy, sue"),
        ("ops", "refund", None, "Say who asks with --as PERSON"),
        ("ops", "  ", "alex", "Say what the agent should do"),
        ("ops", "x" * 2001, "alex", "longer than 2,000 characters"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_anything_starts(
    tmp_path: Path, graph: str, goal: str, person: str | None, words: str
) -> None:
    """One sentence that helps; no store is opened for it."""
    with pytest.raises(SaysoError, match=words):
        following.run_and_follow(write_settings(tmp_path), graph, goal, person)
    assert not (tmp_path / ".sayso").exists()


def test_a_detached_run_is_named_and_left(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but its id is printed, for a script to keep; a worker takes it like any other."""
    given = ["run", "ops", "refund order 1042 129.90", "--as", "alex", "--detach", "-s", str(office)]
    with pytest.raises(SystemExit) as ended:
        commands.app(given)
    assert ended.value.code == 0
    thread = ThreadId(capsys.readouterr().out.strip())
    assert re.fullmatch(r"cli-[0-9a-f-]{36}", thread)
    run = with_store(redis_url, lambda store: store.run(thread))
    assert run
    assert (run.goal, run.asked_by) == ("refund order 1042 129.90", PersonId("alex"))
    assert with_store(redis_url, taken_by_a_worker).work.run == run


def test_ctrl_c_stops_following_and_says_how_to_go_on(office: Path, redis_url: str) -> None:
    """The run is not touched: it is asked for already."""
    command = [
        sys.executable,
        "-c",
        "from sayso.bot.cli import main; main()",
        "run",
        "ops",
        "refund",
        "--as",
        "alex",
    ]
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1
    ) as process:
        assert process.stdout
        assert process.stderr
        thread = process.stdout.readline().split()[-1]
        process.send_signal(signal.SIGINT)
        said, complaints = process.stdout.read(), process.stderr.read()
    assert process.returncode == 130
    assert complaints == ""
    assert "sayso show cli-" in said
    run = with_store(redis_url, lambda store: store.run(ThreadId(thread)))
    assert run
    assert run.goal == "refund"
