"""Three workers and one switch: nothing new resumes or acts once sayso is paused, whichever process is asked: promise 21."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from crashing_worker import redis_world
from gated import World
from line_processes import Process
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.halt import Halt
from sayso.approvals.request import Request, State
from sayso.approvals.verdict import ThreadId

RUNS = 24
#: What no worker may write once sayso is paused.
ACTS = frozenset({Event.RESUMING, Event.EFFECT_STARTED})


@pytest.mark.chaos
async def test_nothing_acts_in_any_process_while_sayso_is_paused(redis_url: str, tmp_path: Path) -> None:
    """P21: Paused in the midst of the work: what was burnt is done, the rest waits over a restart, and is done once."""
    ledger = tmp_path / "ledger"
    async with redis_world(redis_url, ledger) as world:
        requests = await asked(world)
        for request in requests:
            await world.answer(request)
        with ExitStack() as stack:
            workers = [a_process(stack, redis_url, ledger, f"w{number}") for number in range(3)]
            for one in workers:
                one.ready()
                one.send("work")
            until(lambda: lines(ledger) >= 3)
            paused_at = await pause(world)
            for one in workers:
                one.receive()
            acted = lines(ledger)
            assert 3 <= acted < RUNS
            acts = await written(world, requests)
            assert [at for at, _ in acts if at > paused_at] == []
            assert sum(event is Event.EFFECT_STARTED for _, event in acts) == acted
            workers = [*workers[1:], a_process(stack, redis_url, ledger, "begun since")]
            workers[-1].ready()
            assert work(workers) == 0
            assert lines(ledger) == acted
            await world.store.unhalt("", AuditEntry(event=Event.UNHALTED, by="kim", words="Ended"))
            until(lambda: work(workers) >= 0 and lines(ledger) == RUNS)
        ends = [(await world.store.get(request.id)).state for request in requests]
        assert ends == [State.CLOSED] * RUNS
        assert len(set(ledger.read_text().splitlines())) == RUNS


async def asked(world: World) -> Sequence[Request]:
    """So many runs that wait for people."""
    for number in range(RUNS):
        await world.ask(thread=f"t{number}")
    found: Sequence[Request] = await world.store.live()
    return found


async def pause(world: World) -> datetime:
    """The instant from which on it holds everywhere."""
    now = await world.store.now()
    halt = Halt(graph="", by="kim", why="the refunds look wrong", since=now)
    await world.store.halt(halt, AuditEntry(event=Event.HALTED, by="kim", words="Paused"))
    at: datetime = await world.store.now()
    return at


async def written(world: World, requests: Sequence[Request]) -> list[tuple[datetime, Event]]:
    """When workers acted."""
    return [
        (record.at, record.entry.event)
        for request in requests
        for record in await world.store.trail(ThreadId(request.ask.run.thread))
        if record.entry.event in ACTS
    ]


def a_process(stack: ExitStack, url: str, ledger: Path, name: str) -> Process:
    return stack.enter_context(Process("halted_worker.py", url, str(ledger), name))


def work(workers: Sequence[Process]) -> int:
    """How much work there was for them together."""
    for one in workers:
        one.send("work")
    return sum(one.receive()["done"] for one in workers)


def lines(ledger: Path) -> int:
    return len(ledger.read_text().splitlines()) if ledger.exists() else 0


def until(true: Any) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)
