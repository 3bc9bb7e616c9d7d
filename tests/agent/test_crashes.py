"""SIGKILL at every named point of start, pause, resume, act and report: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from correcting import NOTHING
from crashing_worker import a_worker, agent_of, filing_agent, redis_world
from gated import World
from sayso.agent.checkpoint_steps import StaleFence
from sayso.agent.thread_keys import ThreadKeys
from sayso.approvals import crash
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.verdict import Modify

SCRIPT = Path(__file__).parents[1] / "support" / "crashing_worker.py"
POINTS = re.findall(r"`([a-z]+-[a-z-]+)`", (crash.__doc__ or "").partition("talks to people")[0])
#: From here on the tool may have run, so that people have to say what happened.
MAYBE = ("after-burn", "after-tool")
BEFORE_THE_ANSWER = tuple(p for p in POINTS if p.startswith(("start-", "pause-")))


async def dies_at(point: str, url: str, file: Path, kind: str = "once") -> None:
    """Run a worker process until it kills itself at this point."""
    found = os.pathsep.join(filter(None, (str(SCRIPT.parent), os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), url, str(file), kind,
        env={**os.environ, crash.CRASH_AT: point, "PYTHONPATH": found},
    )  # fmt: skip
    assert await process.wait() == -signal.SIGKILL


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    """A healthy worker of another process works in this block."""
    worker = a_worker(world, "healthy")
    running = asyncio.create_task(worker.run_forever())
    try:
        async with asyncio.timeout(15):
            yield
    finally:
        worker.stop()
        await running


async def works_until(world: World, state: State) -> Request:
    """Work until a request stands so, or people have to settle it."""
    async with working(world):
        while (found := await _in(world, state)) is None:  # noqa: ASYNC110 what is awaited happens in Redis
            await asyncio.sleep(0.05)
    return found


async def _in(world: World, state: State) -> Request | None:
    ids = {r.request for r in await world.store.trail("t1") if r.request}
    requests = [await world.store.get(id) for id in ids]
    unknown = [r for r in requests if r.effect and r.effect.state is EffectState.UNKNOWN]
    return next((r for r in [*unknown, *requests] if r.state is state or r in unknown), None)


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def finished(world: World) -> None:
    """The run reports, once, whoever is left to do it."""
    async with working(world):
        while await world.store.unfinished():  # noqa: ASYNC110 what is awaited happens in Redis
            await asyncio.sleep(0.05)
    assert (await world.events()).count("run finished") == 1


@pytest.mark.chaos
@pytest.mark.parametrize("kind", ["once", "governed"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_worker_loses_and_doubles_nothing(
    point: str, kind: str, redis_url: str, tmp_path: Path
) -> None:
    """P8: Another process takes over; only where the tool may have run, people have to settle it."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, graph=agent_of(kind, file)) as world:
        await world.start()
        if point in BEFORE_THE_ANSWER or point == "before-ack":
            await dies_at(point, redis_url, file, kind)
        request = await works_until(world, State.OPEN)
        await world.answer(request)
        if point not in BEFORE_THE_ANSWER:
            await dies_at(point, redis_url, file, kind)
        ended = await works_until(world, State.CLOSED)
        if point in MAYBE:
            assert ended.effect is not None
            assert ended.effect.state is EffectState.UNKNOWN
            assert len(lines(file)) == (point == "after-tool")
            return
        assert ended.outcome is not None
        assert ended.outcome.kind is OutcomeKind.EXECUTED
        assert lines(file) == [f"1042 129.90 {request.id}"]
        await finished(world)
        assert (await world.events()).count("opened") == 1


@pytest.mark.chaos
async def test_what_a_tool_handed_on_outlives_its_worker(redis_url: str, tmp_path: Path) -> None:
    """Killed when the tool was done and its agent had not gone on: another process puts it on the tool's message."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, graph=agent_of("handing", file)) as world:
        await world.start()
        await world.answer(await works_until(world, State.OPEN))
        await dies_at("after-done", redis_url, file, "handing")
        await finished(world)
        (message,) = [one for one in (await world.state())["messages"] if one.type == "tool"]
        assert (message.content, message.artifact) == ("Refunded.", {"paid": Decimal("129.90"), "of": [1042]})
        assert len(lines(file)) == 1


@pytest.mark.chaos
@pytest.mark.parametrize("point", MAYBE)
async def test_an_idempotent_tool_is_run_again_with_its_key(
    point: str, redis_url: str, tmp_path: Path
) -> None:
    """Its backend knows the key, so nobody has to be asked what happened."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, idempotent=True) as world:
        await world.start()
        request = await works_until(world, State.OPEN)
        await world.answer(request)
        await dies_at(point, redis_url, file, "idempotent")
        ended = await works_until(world, State.CLOSED)
        assert ended.outcome is not None
        assert ended.outcome.kind is OutcomeKind.EXECUTED
        assert set(lines(file)) == {f"1042 129.90 {request.id}"}
        await finished(world)


#: Where somebody else's agent may or may not have got its answer.
SENT = ("after-burn", "resume-before-graph")


@pytest.mark.chaos
@pytest.mark.parametrize(
    "point", ["resume-taken", "resume-claimed", *SENT, "resume-after-graph", "resume-after-close"]
)
async def test_a_foreign_agent_gets_its_answer_at_most_once(
    point: str, redis_url: str, tmp_path: Path
) -> None:
    """LangChain's own agent, whose tool has no burn: the answer has one, so it is sent once or put to people."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, graph=filing_agent(file)) as world:
        await world.start()
        request = await works_until(world, State.OPEN)
        await world.answer(request)
        await dies_at(point, redis_url, file, "foreign")
        ended = await works_until(world, State.CLOSED)
        if point in SENT:
            assert ended.effect is not None
            assert ended.effect.state is EffectState.UNKNOWN
            assert lines(file) == []
            return
        assert ended.outcome is not None
        assert ended.outcome.kind is OutcomeKind.ANSWERED
        await finished(world)
        assert lines(file) == ["sent"]


async def test_a_foreign_agent_runs_through_on_redis(redis_url: str, tmp_path: Path) -> None:
    """LangChain's messages in our checkpoints, its pause in our record."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, graph=filing_agent(file)) as world:
        await world.start()
        request = await works_until(world, State.OPEN)
        await world.answer(request)
        ended = await works_until(world, State.CLOSED)
        assert ended.outcome is not None
        assert ended.outcome.kind is OutcomeKind.ANSWERED
        await finished(world)
        assert lines(file) == ["sent"]


@pytest.mark.parametrize("kind", ["once", "governed"])
async def test_without_a_crash_it_runs_through_on_redis(kind: str, redis_url: str, tmp_path: Path) -> None:
    """The same scene on real Redis: every checkpoint write carries its fence."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, graph=agent_of(kind, file)) as world:
        await world.start()
        request = await works_until(world, State.OPEN)
        assert lines(file) == []
        await world.answer(request)
        ended = await works_until(world, State.CLOSED)
        assert ended.outcome is not None
        assert ended.outcome.kind is OutcomeKind.EXECUTED
        await finished(world)
        assert lines(file) == [f"1042 129.90 {request.id}"]


async def test_while_people_think_the_agent_holds_nothing(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """S6: goal, action and reasons are in the store; no lock, no lease, no work is left, and its process may end."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file) as asking:
        await asking.start()
        request = await works_until(asking, State.OPEN)
        state = await asking.state(request.ask.run.thread)
    held = [
        key for part in (":lock", ":lease:*", ":leased") for key in redis_client.scan_iter(f"sayso*{part}")
    ]
    assert held == []
    assert [key for key in redis_client.scan_iter("sayso:*:work") if redis_client.xlen(key)] == []
    assert state["goal"] == "129.90"
    assert state["action"].reasoning == request.proposal.action.reasoning == "The parcel arrived broken."

    async with redis_world(redis_url, file) as going_on:
        await going_on.answer(request)
        await works_until(going_on, State.CLOSED)
        await finished(going_on)
        assert (lines(file), going_on.ledger.planned) == ([f"1042 129.90 {request.id}"], 0)


async def test_a_worker_that_slept_through_its_lease_writes_nothing(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """Somebody else has the thread: the fence refuses the late checkpoint, and nothing is asked twice."""
    async with redis_world(redis_url, tmp_path / "ledger") as world:
        run = await world.start()
        async with world.worker.runner.holding(run, nothing) as held:
            assert held is not None
            redis_client.delete(ThreadKeys("sayso", run.thread).lock)
            assert await world.locks.acquire(run.thread, "other", 60_000)
            with pytest.raises(StaleFence):
                await held.start()
        assert await world.store.live() == []


async def nothing() -> None:
    return None


def test_every_named_point_exists() -> None:
    """The list that people read is the list that the code has."""
    root = Path(crash.__file__).parents[1]
    code = [
        file.read_text()
        for folder in ("agent", "approvals", "bot", "scheduler")
        for file in (root / folder).rglob("*.py")
    ]
    calls = re.findall(r"crash_point\((.+)\)", "\n".join(code))
    used = {name for call in calls for name in re.findall(r'"([a-z-]+)"', call)}
    assert used == set(re.findall(r"`([a-z]+-[a-z-]+)`", crash.__doc__ or ""))


@pytest.mark.chaos
@pytest.mark.parametrize("point", ["resume-after-close", "report-corrected-told"])
async def test_a_worker_that_dies_over_the_telling_loses_and_doubles_nothing(
    point: str, redis_url: str, tmp_path: Path
) -> None:
    """Another one says the rest, once."""
    file = tmp_path / "ledger"
    async with redis_world(redis_url, file, graph=agent_of("corrected", file)) as world:
        await world.start()
        request = await works_until(world, State.OPEN)
        await world.answer(request, Modify(instruction="nothing"))
        await dies_at(point, redis_url, file, "corrected")
        await finished(world)
        ended = await world.request(request)
        assert ended.state is State.CLOSED
        assert ended.outcome is not None
        assert ended.outcome.then is not None
        assert ended.outcome.then.words == NOTHING
        assert (await world.events()).count("ended without asking again") == 1
