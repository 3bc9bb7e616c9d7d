"""Workers that die while they answer an agent at its server, and a server that goes away: once, or told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import remote_worker
from agent_server import BINARY, RemoteWorld, ServerProcess, paused
from gated import REJECT
from remote_worker import a_worker, remote_world
from sayso.agent.worker import Worker
from sayso.approvals.crash import CRASH_AT
from sayso.approvals.request import OutcomeKind, Request, State

pytestmark = [
    pytest.mark.chaos, pytest.mark.second_server,
    pytest.mark.skipif(not BINARY.exists(), reason="no Agent Server here: sh .ci/agent-server python3 installs one"),
]  # fmt: skip

#: Longest time for one thing to happen on a busy machine, seconds.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("agent-server"))
    process.start()
    yield process
    process.stop()


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    """It works as long as the block."""
    task = asyncio.create_task(worker.run_forever())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(task, PATIENCE)


async def one_dies(url: str, server: ServerProcess, point: str) -> None:
    """A worker process that is killed at this point."""
    command = [sys.executable, remote_worker.__file__, url, server.url]
    env = {**os.environ, CRASH_AT: point, "PYTHONWARNINGS": "default"}
    victim = await asyncio.to_thread(subprocess.run, command, env=env, timeout=PATIENCE * 2)
    assert victim.returncode == -signal.SIGKILL


async def ended(world: RemoteWorld, request: Request) -> Request:
    """The request, once it is closed."""
    async with asyncio.timeout(PATIENCE):
        while (record := await world.request(request)).state is not State.CLOSED:  # noqa: ASYNC110 Redis tells nobody
            await asyncio.sleep(0.05)
    return record


@pytest.mark.parametrize(
    "point", ["resume-claimed", "after-burn", "resume-before-graph", "remote-sent", "resume-after-graph"]
)
async def test_an_answer_arrives_once_whoever_dies(point: str, redis_url: str, server: ServerProcess) -> None:
    """Before it was sent it is sent again, afterwards never: the server is asked which it was."""
    async with remote_world(redis_url, server) as world:
        thread, request = await paused(world)
        await world.answer(request)
        await one_dies(redis_url, server, point)
        async with working(a_worker(world, "w2")):
            record = await ended(world, request)
        assert record.outcome is not None
        assert record.outcome.kind is OutcomeKind.ANSWERED
        assert server.acted(thread) == ["yes"]
        assert await world.answers(thread) == 1


async def test_a_dead_worker_leaves_an_agent_that_is_still_at_it(
    redis_url: str, server: ServerProcess, tmp_path: Path
) -> None:
    """The worker dies while the agent acts at its server: the next one waits for it."""
    hold = tmp_path / "hold"
    hold.touch()
    async with remote_world(redis_url, server) as world:
        thread, request = await paused(world, hold=str(hold))
        await world.answer(request)
        await one_dies(redis_url, server, "remote-sent")
        async with working(a_worker(world, "w2")):
            await asyncio.sleep(2)  # it takes the work over and finds the thread busy
            assert (await world.request(request)).state is State.RESUMING
            hold.unlink()
            record = await ended(world, request)
        assert record.outcome is not None
        assert record.outcome.kind is OutcomeKind.ANSWERED
        assert await world.answers(thread) == 1
        assert server.acted(thread) == ["yes"]


@pytest.mark.parametrize("point", ["remote-ended", "report-before-told"])
async def test_a_no_ends_it_whoever_dies(point: str, redis_url: str, server: ServerProcess) -> None:
    """The run was ended at the server and the worker died before it could say so: the card says who said no."""
    async with remote_world(redis_url, server) as world:
        thread, request = await paused(world)
        await world.answer(request, REJECT)
        await one_dies(redis_url, server, point)
        async with working(a_worker(world, "w2")):
            record = await ended(world, request)
        assert record.outcome is not None
        assert record.outcome.kind is OutcomeKind.REFUSED
        assert record.outcome.words.startswith("The answer was no: Wrong customer.")
        assert server.acted(thread) == []
        assert await world.pending(thread) == []


async def test_a_server_that_is_away_gets_the_answer_when_it_is_back(redis_url: str, tmp_path: Path) -> None:
    """It is restarted between question and answer: nothing is given up, nobody is asked again, it acts once."""
    server = ServerProcess(tmp_path)
    server.start()
    try:
        async with remote_world(redis_url, server) as world:
            thread, request = await paused(world)
            server.stop()
            async with working(a_worker(world, "w2")):
                await world.answer(request)
                await asyncio.sleep(3)  # it has tried, and has not given up
                assert (await world.request(request)).state is State.DECIDED
                server.start()
                record = await ended(world, request)
            assert record.outcome is not None
            assert record.outcome.kind is OutcomeKind.ANSWERED
            assert server.acted(thread) == ["yes"]
    finally:
        server.stop()
