"""Three sweepers at once, and each step of each request fires once: promise 9's half in the store."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from line_processes import Process
from sayso.approvals import canonical, machine
from sayso.approvals.change import AuditEntry, Event, Work
from sayso.approvals.deadline import TtlClass
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.store import Lane, TargetKind
from sayso.approvals.verdict import ThreadId
from scenes import an_ask

MINUTE = timedelta(minutes=1)
#: When something happens, since opening: reminder; second line; nobody supervises, so the page follows at once; expiry.
FIRES_AT = (timedelta(minutes=15), timedelta(minutes=22.5), timedelta(minutes=27), timedelta(minutes=40))
EXPECTED = [
    (Event.OPENED, "sayso"),
    (Event.STEP, "Reminded the approvers"),
    (Event.STEP, "Told seniors, who may decide from now on"),
    (Event.STEP, "Nobody is in supervisors; going on to the next step"),
    (Event.PAGED, "The approvers' time is over; on-call is paged"),
    (Event.EXPIRED, "Nobody decided in time; nothing is done"),
]


async def opened(store: RedisStore, count: int) -> list[Request]:
    """Urgent requests, all asked at the same instant."""
    now = await store.now()
    asks = [an_ask(thread=f"late-{n}", ttl_class=TtlClass.URGENT, opened_at=now) for n in range(count)]
    return list(await asyncio.gather(*(store.open(machine.opened(ask)) for ask in asks)))


async def sweep_through(store: RedisStore, url: str, opened_at: datetime) -> list[int]:
    """Push the clock to each step; all sweepers set off together. How many requests each of them moved."""
    moved = [0, 0, 0]
    with ExitStack() as stack:
        sweepers = [stack.enter_context(Process("racing_sweeper.py", url)) for _ in moved]
        for sweeper in sweepers:
            sweeper.ready()
        for fires in FIRES_AT:
            await store.push_clock(opened_at + fires - await store.now())
            for sweeper in sweepers:
                sweeper.send("sweep")
            for n, sweeper in enumerate(sweepers):
                moved[n] += sweeper.receive()["moved"]
    return moved


def resumes(client: redis.Redis) -> list[str]:
    """Which requests were put to the workers."""
    streams: list[Any] = [client.xrange(key) for key in client.scan_iter("sayso:*:work")]
    bodies = [fields[b"body"] for entries in streams for _, fields in entries]
    return [str(canonical.decode(Work, body).request) for body in bodies]


async def pages(store: RedisStore) -> list[str]:
    """Which requests have a page to bring up to date."""
    await store.woken((Lane.PAGE,), timedelta(0))
    targets = await store.claim((Lane.PAGE,), lease=MINUTE, limit=10_000)
    return [target.id for target in targets if target.kind is TargetKind.PAGE]


def told(entry: AuditEntry) -> tuple[Event, str]:
    return (entry.event, "sayso" if entry.event is Event.OPENED else entry.words)


async def swept(url: str, client: redis.Redis, count: int) -> tuple[list[int], str]:
    """Each of that many requests went through all its steps once; how many each sweeper moved, and that in words."""
    store = await RedisStore.connect(url, demo=True)
    try:
        requests = await opened(store, count)
        moved = await sweep_through(store, url, requests[0].ask.opened_at)
        wrong = []
        for number, request in enumerate(requests):
            trail = [told(record.entry) for record in await store.trail(ThreadId(f"late-{number}"))]
            after = await store.get(request.id)
            if trail != EXPECTED or after.state is not State.EXPIRED or after.version != 1 + len(FIRES_AT):
                wrong.append(f"{request.id}: version {after.version}, {after.state}, {trail}")
        ids = sorted(str(request.id) for request in requests)
        assert (wrong, sorted(resumes(client)), sorted(await pages(store))) == ([], ids, ids)
    finally:
        await store.close()
    figures = f"{count} requests, {len(FIRES_AT)} instants, 3 sweepers moved {moved}; each step fired once"
    sys.stdout.write(f"{figures}\n")
    return moved, figures


async def test_each_step_fires_once_whoever_sweeps(
    redis_url: str, redis_client: redis.Redis, record_property: Callable[[str, object], None]
) -> None:
    """P9: Reminder, wider circle, an empty circle, page, expiry: three processes find the same work due and do it once."""
    _, figures = await swept(redis_url, redis_client, 24)
    record_property("figures", figures)


@pytest.mark.chaos
async def test_of_five_hundred_due_requests_each_fires_once(
    redis_url: str, redis_client: redis.Redis, record_property: Callable[[str, object], None]
) -> None:
    """P9: The same with 500 requests due at the same instant, which no sweeper had for itself."""
    moved, figures = await swept(redis_url, redis_client, 500)
    record_property("figures", figures)
    assert sum(1 for n in moved if n) > 1, "they did not sweep at the same time"
