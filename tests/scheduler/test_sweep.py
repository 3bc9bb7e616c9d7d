"""The clock: steps fire once, empty circles do not hold things up, an outage is made up for at start."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.errors import DirectoryDown, NotAllowed, StoreDown
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Identity, Person, PersonId
from sayso.approvals.request import Request, State
from sayso.approvals.store import Lane, TargetKind
from sayso.scheduler.sweep import Sweeper
from sayso.scheduler.ticking import Job, ticking
from scenes import a_request

HOUR = timedelta(hours=1)


class Circles:
    """A directory that knows sets only; a name in `down` cannot be looked up."""

    def __init__(self, sets: Mapping[str, str], down: frozenset[str] = frozenset()) -> None:
        self.sets = sets
        self.down = down

    async def person(self, identity: Identity) -> Person:
        raise NotAllowed

    async def members(self, approvers: str) -> frozenset[PersonId]:
        if approvers in self.down:
            raise DirectoryDown
        return frozenset(PersonId(one) for one in self.sets.get(approvers, "").split())

    def known(self, id: PersonId) -> Person | None:
        return None


FULL = Circles({"finance": "bo cy", "seniors": "cy", "supervisors": "sue", "on-call": "kim"})


async def opened(store: MemoryStore, **overrides: object) -> Request:
    return await store.open(machine.opened(a_request(opened_at=await store.now(), **overrides).ask))


async def events(store: MemoryStore, request: Request) -> list[Event]:
    return [record.entry.event for record in await store.trail(request.ask.run.thread)]


async def test_every_step_fires_once_and_the_last_one_ends_it() -> None:
    """Reminder, second line, supervisor, page, expiry: each once, however often and by however many it is swept."""
    store = MemoryStore()
    request = await opened(store)
    sweepers = [Sweeper(store, FULL) for _ in range(3)]
    for _ in range(27):
        store.advance(HOUR)
        await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))
    assert await events(store, request) == [
        Event.OPENED, Event.STEP, Event.STEP, Event.STEP, Event.PAGED, Event.EXPIRED, Event.STUCK, Event.STUCK,
    ]  # fmt: skip
    assert (await store.get(request.id)).circles == ("seniors", "supervisors", "on-call")


async def test_nothing_moves_before_its_time() -> None:
    """A sweep with nothing due changes nothing."""
    store = MemoryStore()
    request = await opened(store)
    store.advance(timedelta(hours=11, minutes=59))
    assert await Sweeper(store, FULL).sweep() == 0
    assert (await store.get(request.id)).version == request.version


async def test_after_an_outage_it_is_expired_without_a_late_page() -> None:
    """Everything was overdue: one sweep expires it; nobody is woken for what can no longer be decided."""
    store = MemoryStore()
    request = await opened(store)
    store.advance(timedelta(days=3))
    assert await Sweeper(store, FULL).sweep() == 1
    assert (await store.get(request.id)).state is State.EXPIRED
    assert await events(store, request) == [Event.OPENED, Event.EXPIRED]
    targets = await store.claim([Lane.PAGE], lease=HOUR)
    assert not [target for target in targets if target.kind is TargetKind.PAGE]


async def test_an_empty_circle_is_passed_over_at_once() -> None:
    """Nobody is in the second line: the supervisors are told in the same sweep, and it is said aloud."""
    store = MemoryStore()
    request = await opened(store)
    store.advance(timedelta(hours=18))
    await Sweeper(store, Circles({"finance": "bo", "supervisors": "sue", "on-call": "kim"})).sweep()
    assert (await store.get(request.id)).circles == ("seniors", "supervisors")
    words = [record.entry.words for record in await store.trail(request.ask.run.thread)]
    assert "Nobody is in seniors; going on to the next step" in words


async def test_a_circle_that_cannot_be_looked_up_is_not_empty() -> None:
    """The directory is down: the second line keeps its time."""
    store = MemoryStore()
    request = await opened(store)
    store.advance(timedelta(hours=18))
    await Sweeper(store, Circles(FULL.sets, down=frozenset({"seniors"}))).sweep()
    assert (await store.get(request.id)).circles == ("seniors",)


async def test_one_bad_request_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A request that vanished between the list and the sweep is logged; the next one still fires."""
    store = MemoryStore()
    gone, kept = await opened(store), await opened(store, thread="t2")
    store.advance(timedelta(days=3))
    due = await store.due()
    del store._requests[gone.id]

    class Late(MemoryStore):
        async def due(self, limit: int = 100) -> list:  # type: ignore[type-arg]
            return list(due)

    late = Late()
    late._requests, late._clock = store._requests, store._clock
    assert await Sweeper(late, FULL).sweep() == 1
    assert (await late.get(kept.id)).state is State.EXPIRED
    assert f"sweep.failed request={gone.id}" in caplog.text


async def test_the_first_tick_comes_at_once_and_a_failing_job_ticks_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """P8: A job that raises is logged and called again; a neighbour is not disturbed."""
    third, calls = asyncio.Event(), list[str]()

    async def fails() -> None:
        calls.append("fails")
        if calls.count("fails") == 3:
            third.set()
        raise StoreDown

    async def works() -> None:
        calls.append("works")

    every = timedelta(milliseconds=30)
    async with ticking(
        Job(name="a", every=every, run=fails), Job(name="b", every=timedelta(hours=1), run=works)
    ):
        async with asyncio.timeout(5):
            await third.wait()
    assert calls.count("works") == 1
    assert "tick.failed job=a" in caplog.text


async def test_a_job_that_is_broken_off_at_the_end_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever stops a program reads of no failure in its log."""
    begun = asyncio.Event()

    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with ticking(Job(name="waits", every=timedelta(hours=1), run=waits)), asyncio.timeout(5):
        await begun.wait()
    for _ in range(5):
        await asyncio.sleep(0)  # the job is broken off, and APScheduler hears of it
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []
