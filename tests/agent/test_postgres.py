"""A graph that keeps its state in its author's PostgreSQL, a real one: asked, answered and acted on exactly once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crashing_worker import a_worker, filing_agent, redis_world
from foreign import Loose
from gated import World
from kept_scenes import Opening, asked_and_approved_across_processes
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, StateGraph
from postgres_server import NoPostgres, PostgresServer, a_postgres
from sayso.agent.kept import UnfitSaver, check_saver
from sayso.approvals import crash
from sayso.approvals.request import EffectState, OutcomeKind, Request, State

pytestmark = pytest.mark.second_server
SCRIPT = Path(__file__).parents[1] / "support" / "crashing_worker.py"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    try:
        with a_postgres() as server:
            yield server
    except NoPostgres as missing:
        pytest.skip(str(missing))


@pytest.fixture
def url(server: PostgresServer) -> str:
    """An empty database."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server.url


@asynccontextmanager
async def working(*worlds: World) -> AsyncIterator[None]:
    """A worker of each world works in this block, each with a pool and locks of its own, like two processes."""
    workers = [a_worker(world, f"w{number}") for number, world in enumerate(worlds)]
    running = [asyncio.create_task(worker.run_forever()) for worker in workers]
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)


async def until(world: World, request: Request, state: State) -> Request:
    """As soon as the record stands so, or people have to settle it."""
    while True:
        found = await world.request(request)
        if found.state is state or (found.effect and found.effect.state is EffectState.UNKNOWN):
            return found
        await asyncio.sleep(0.05)


async def paused(world: World) -> Request:
    """The one request, as soon as it is open."""
    while not (live := await world.store.live()):  # noqa: ASYNC110 what is awaited happens in Redis
        await asyncio.sleep(0.05)
    request: Request = live[0]
    return request


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def killed_at(point: str, redis_url: str, url: str, file: Path, kind: str = "once") -> None:
    """A worker of another process, until it kills itself at this point."""
    found = os.pathsep.join(filter(None, (str(SCRIPT.parent), os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), redis_url, str(file), kind, url,
        env={**os.environ, crash.CRASH_AT: point, "PYTHONPATH": found},
    )  # fmt: skip
    assert await process.wait() == -signal.SIGKILL


async def test_it_is_kept_where_its_author_had_it(url: str) -> None:
    """Another process resumes from there; tables that were never set up are refused in a sentence."""
    opening: Opening = lambda: AsyncPostgresSaver.from_conn_string(url)  # noqa: E731
    async with AsyncPostgresSaver.from_conn_string(url) as own:
        with pytest.raises(UnfitSaver, match="AsyncPostgresSaver cannot be read: UndefinedTable"):
            await check_saver(own)
        await own.setup()
    await asked_and_approved_across_processes(opening)


@pytest.mark.parametrize("kind", ["ours", "middleware"])
async def test_two_workers_act_once_for_each_approval(
    kind: str, url: str, redis_url: str, tmp_path: Path
) -> None:
    """Six runs, two workers with pools of their own, every answer at the same moment; our Redis holds no state."""
    file = tmp_path / "ledger"
    graph = filing_agent(file) if kind == "middleware" else None
    async with (
        redis_world(redis_url, file, own=url, graph=graph) as world,
        redis_world(redis_url, file, own=url, graph=graph) as other,
    ):
        for number in range(6):
            await world.start(thread=f"t{number}")
        async with working(world, other):
            while len(requests := await world.store.live()) < 6:  # noqa: ASYNC110 awaited happens in Redis
                await asyncio.sleep(0.05)
            assert lines(file) == []
            await asyncio.gather(*(world.answer(request) for request in requests))
            ended = [await until(world, request, State.CLOSED) for request in requests]
            while await world.store.unfinished():  # noqa: ASYNC110 what is awaited happens in Redis
                await asyncio.sleep(0.05)
    wanted = OutcomeKind.ANSWERED if kind == "middleware" else OutcomeKind.EXECUTED
    assert [one.outcome.kind for one in ended if one.outcome] == [wanted] * 6
    assert len(lines(file)) == 6
    with psycopg.connect(url) as connection:
        threads = connection.execute("SELECT count(DISTINCT thread_id) FROM checkpoints").fetchone()
    assert threads == (6,)


@pytest.mark.chaos
@pytest.mark.parametrize(
    "point", ["pause-before-open", "resume-before-graph", "after-tool", "resume-after-graph"]
)
async def test_a_killed_worker_loses_and_doubles_nothing(
    point: str, url: str, redis_url: str, tmp_path: Path
) -> None:
    """Another process goes on from PostgreSQL; only where the tool may have run, people settle it."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, own=url) as world:
        await world.start()
        if point.startswith(("start", "pause")):
            await killed_at(point, redis_url, url, file)
        async with working(world):
            request = await paused(world)
        await world.answer(request)
        if not point.startswith(("start", "pause")):
            await killed_at(point, redis_url, url, file)
        async with working(world):
            ended = await until(world, request, State.CLOSED)
            if point == "after-tool":
                assert ended.effect is not None
                assert ended.effect.state is EffectState.UNKNOWN
                assert len(lines(file)) == 1
                return
            while await world.store.unfinished():  # noqa: ASYNC110 what is awaited happens in Redis
                await asyncio.sleep(0.05)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED
    assert lines(file) == [f"1042 129.90 {request.id}"]


@pytest.mark.chaos
@pytest.mark.parametrize("point", ["after-burn", "resume-after-graph"])
async def test_the_middlewares_answer_is_sent_at_most_once(
    point: str, url: str, redis_url: str, tmp_path: Path
) -> None:
    """LangChain's agent over PostgreSQL: what is not known to have arrived is put to people."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, graph=filing_agent(file), own=url) as world:
        await world.start()
        async with working(world):
            request = await paused(world)
        await world.answer(request)
        await killed_at(point, redis_url, url, file, "foreign")
        async with working(world):
            ended = await until(world, request, State.CLOSED)
            if point == "after-burn":
                assert ended.effect is not None
                assert ended.effect.state is EffectState.UNKNOWN
                assert lines(file) == []
                return
            while await world.store.unfinished():  # noqa: ASYNC110 what is awaited happens in Redis
                await asyncio.sleep(0.05)
    assert lines(file) == ["sent"]


@pytest.mark.chaos
async def test_an_outage_of_its_database_gives_no_run_up(
    server: PostgresServer, url: str, redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is tried meanwhile: when PostgreSQL is back the approval is carried out, once."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, own=url) as world:
        await world.ask()
        request = await world.open_request()
        await world.answer(request)
        server.stop()
        try:
            async with working(world):
                while caplog.messages.count("worker.store_away") < 2:  # noqa: ASYNC110 its log is all it can say
                    await asyncio.sleep(0.05)
                assert (await world.request(request)).live
                server.start()
                ended = await until(world, request, State.CLOSED)
        except BaseException:
            server.start()
            raise
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED
    assert len(lines(file)) == 1


async def test_a_graphs_own_mistake_is_no_outage(url: str, redis_url: str, tmp_path: Path) -> None:
    """A run whose code breaks is given up aloud, not tried for ever, while its database answers."""

    def breaks(state: Loose) -> Loose:
        raise ZeroDivisionError

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(Loose)
    graph.add_node("breaks", breaks)
    graph.add_edge(START, "breaks")
    async with redis_world(redis_url, tmp_path / "ledger", own=url, graph=graph) as world:
        await world.ask()
        assert "run failed" in await world.events()


KILLED = """
import sys
import time
from postgres_server import a_postgres
with a_postgres() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def test_the_server_of_these_tests_ends_with_them(url: str) -> None:
    """Also when they are killed: nothing of it runs on, and nothing lies around."""
    found = os.pathsep.join(filter(None, (str(SCRIPT.parent), os.environ.get("PYTHONPATH"))))
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], env={**os.environ, "PYTHONPATH": found}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as tests:  # fmt: skip
        assert tests.stdout is not None
        place = Path(tests.stdout.readline().strip().partition("host=")[2])
        number = int((place / "db/postmaster.pid").read_text().splitlines()[0])
        tests.kill()
    ends = time.monotonic() + 60
    while place.exists() or Path(f"/proc/{number}").exists():
        assert time.monotonic() < ends
        time.sleep(0.05)
