"""One undo, however many people press it in however many processes, and wherever a worker dies on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from crashing_worker import a_worker
from gated import World
from line_processes import HERE, Process
from sayso.approvals.change import Event
from sayso.approvals.crash import CRASH_AT
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.verdict import Undo
from undo_worker import drafting_world

#: How often each process clicks.
CLICKS = (67, 67, 66)


@asynccontextmanager
async def workers(world: World, *names: str) -> AsyncIterator[None]:
    """These workers take whatever comes."""
    working = [a_worker(world, name) for name in names]
    running = [asyncio.create_task(one.run_forever()) for one in working]
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        for one in working:
            one.stop()
        await asyncio.gather(*running)


async def settled(world: World, offer: Request) -> Request:
    """The record once it is closed, or people have to say what happened."""
    while not _settled(now := await world.request(offer)):  # noqa: ASYNC110 what is awaited happens in Redis
        await asyncio.sleep(0.05)
    return now


def _settled(request: Request) -> bool:
    unknown = request.effect is not None and request.effect.state is EffectState.UNKNOWN
    return unknown or request.state is State.CLOSED


@pytest.mark.chaos
async def test_of_two_hundred_clicks_from_three_processes_one_undoes(redis_url: str, tmp_path: Path) -> None:
    """All at once, each delivered twice, and two workers take what comes: one vote counts, one compensation runs."""
    file = tmp_path / "ledger"
    async with drafting_world(redis_url, file) as world:
        await world.ask()
        offer = await world.open_request()
        with ExitStack() as stack:
            racers = [
                stack.enter_context(Process("undo_racer.py", redis_url, f"p{n}"))
                for n, _ in enumerate(CLICKS)
            ]
            for racer in racers:
                racer.ready()
            async with workers(world, "w1", "w2"):
                for racer, clicks in zip(racers, CLICKS, strict=True):
                    racer.send([offer.id, clicks])
                after = await settled(world, offer)
            said = sum((Counter(racer.receive()) for racer in racers), Counter[str]())
        assert said == {"counted": 1, "AlreadySettled": sum(CLICKS) - 1}
        assert after.outcome is not None
        assert (after.outcome.kind, len(after.votes)) == (OutcomeKind.UNDONE, 1)
        (drafted, discarded) = file.read_text().splitlines()
        assert (drafted.split()[0], discarded) == ("drafted", f"discarded 1042 {offer.id}")
        events = [
            r.entry.event for r in await world.store.trail(offer.ask.run.thread) if r.request == offer.id
        ]
        assert (events.count(Event.DECIDED), events.count(Event.EFFECT_STARTED)) == (1, 1)


@pytest.mark.chaos
@pytest.mark.parametrize("point", ["undo-claimed", "after-tool"])
async def test_a_worker_that_dies_while_it_undoes_loses_and_doubles_nothing(
    point: str, redis_url: str, tmp_path: Path
) -> None:
    """Another one takes over; only where the tool may have run, people have to say what happened."""
    file = tmp_path / "ledger"
    async with drafting_world(redis_url, file) as world:
        await world.ask()
        offer = await world.open_request()
        await world.answer(offer, Undo())
        await dies_at(point, redis_url, file)
        async with workers(world, "healthy"):
            ended = await settled(world, offer)
        runs = [line for line in file.read_text().splitlines() if line.startswith("discarded")]
        assert runs == [f"discarded 1042 {offer.id}"]
        assert ended.effect is not None
        if point == "after-tool":
            assert ended.effect.state is EffectState.UNKNOWN
        else:
            assert ended.outcome is not None
            assert ended.outcome.kind is OutcomeKind.UNDONE


async def dies_at(point: str, url: str, file: Path) -> None:
    """A worker of another process kills itself at this point."""
    found = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "undo_worker.py"), url, str(file),
        env={**os.environ, CRASH_AT: point, "PYTHONPATH": found},
    )  # fmt: skip
    assert await process.wait() == -signal.SIGKILL
