"""Much is due at the same instant: sweeps share it, one may die, and nothing that is broken holds up the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import redis
from line_processes import Process
from racing_sweeper import Circles
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.crash import CRASH_AT
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.verdict import RequestId
from sayso.scheduler.sweep import AT_MOST, AT_ONCE, Sweeper
from scenes import an_ask

LONG = timedelta(days=30)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisStore]:
    store = await RedisStore.connect(url, demo=True)
    try:
        yield store
    finally:
        await store.close()


async def overdue(store: RedisStore, count: int) -> Sequence[Request]:
    """Requests whose whole time is over."""
    now = await store.now()
    asks = [an_ask(thread=f"late-{n}", opened_at=now) for n in range(count)]
    found = await asyncio.gather(*(store.open(machine.opened(ask)) for ask in asks))
    await store.push_clock(LONG)
    return found


async def ended(store: RedisStore, request: Request) -> tuple[State, int, list[Event]]:
    after = await store.get(request.id)
    trail = await store.trail(request.ask.run.thread)
    return after.state, after.version, [record.entry.event for record in trail]


ONCE = (State.EXPIRED, 2, [Event.OPENED, Event.EXPIRED])


async def test_two_sweeps_share_what_is_due(redis_url: str) -> None:
    """Both find all of it due, neither knows of the other, and each does a good part of it."""
    async with connected(redis_url) as one, connected(redis_url) as other:
        requests = await overdue(one, 3 * AT_ONCE)
        moved = await asyncio.gather(*(Sweeper(store, Circles()).sweep() for store in (one, other)))
        assert sum(moved) == len(requests)
        assert min(moved) > len(requests) // 8
        assert [await ended(one, request) for request in requests] == [ONCE] * len(requests)


async def test_one_sweep_dies_and_the_other_does_all(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed among what it has fired: what it had done is done, and the next sweep does the rest, each once."""
    monkeypatch.setenv(CRASH_AT, "step-after-fired")
    async with connected(redis_url) as store:
        with Process("racing_sweeper.py", redis_url) as dies:
            dies.ready()
            requests = await overdue(store, 2 * AT_ONCE)
            dies.send("sweep")
            with pytest.raises(AssertionError, match="ended with status -9"):
                await asyncio.to_thread(dies.receive)
        monkeypatch.delenv(CRASH_AT)
        left = len(await store.due())
        assert len(requests) - AT_ONCE <= left < len(requests)
        assert await Sweeper(store, Circles()).sweep() == left
        assert [await ended(store, request) for request in requests] == [ONCE] * len(requests)


async def test_records_that_cannot_be_read_hold_up_nothing(
    redis_url: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is no JSON, one that is no record, and before the others more lost ones than are named at once."""
    async with connected(redis_url) as store:
        garbled, mistaken, *rest = await overdue(store, 12)
        stems = {one.id: f"sayso:{{{one.id[:2]}}}:" for one in (garbled, mistaken, *rest)}
        redis_client.hset(f"{stems[garbled.id]}req:{garbled.id}", "mutable", "no JSON")
        redis_client.delete(f"{stems[mistaken.id]}req:{mistaken.id}")
        redis_client.set(f"{stems[mistaken.id]}req:{mistaken.id}", "no record")
        lost = {f"{rest[0].id[:2]}-lost-{n}": 1 for n in range(AT_MOST + 5)}
        redis_client.zadd(f"{stems[rest[0].id]}due", lost)
        assert await Sweeper(store, Circles()).sweep() == len(rest)
        assert {(await store.get(one.id)).state for one in rest} == {State.EXPIRED}
        wrong = {line.split("request=")[1] for line in caplog.messages if "sweep.failed" in line}
        assert wrong == {garbled.id, mistaken.id, *map(RequestId, lost)}
