"""Many calls of one turn share a round trip, and each of them still stands for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import redis
from drops import Drops
from sayso.approvals import machine
from sayso.approvals.change import Change
from sayso.approvals.errors import RequestNotFound, StoreDown
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.verdict import RequestId
from scenes import an_ask

MANY = 40


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisStore]:
    store = await RedisStore.connect(url, demo=True)
    try:
        yield store
    finally:
        await store.close()


async def opened(store: RedisStore, count: int = MANY) -> Sequence[Request]:
    """Open requests, all asked now."""
    now = await store.now()
    asks = [an_ask(thread=f"t{n}", opened_at=now) for n in range(count)]
    return await asyncio.gather(*(store.open(machine.opened(ask)) for ask in asks))


def withdraw(request: Request, now: datetime) -> Change:
    return machine.withdrawn(request, "alex", "No longer needed.", now)


def reads(client: redis.Redis) -> int:
    """How often the server read from a connection."""
    return int(client.info("stats")["total_reads_processed"])


async def test_what_is_asked_in_one_turn_is_one_round_trip(redis_url: str, redis_client: redis.Redis) -> None:
    """Forty requests are fetched by two sendings, not by forty."""
    async with connected(redis_url) as store:
        requests = await opened(store)
        before = reads(redis_client)
        found = await asyncio.gather(*(store.get(one.id) for one in requests))
        assert reads(redis_client) - before < 10
        assert [one.id for one in found] == [one.id for one in requests]


async def test_a_call_that_fails_fails_alone(redis_url: str, redis_client: redis.Redis) -> None:
    """One is not there and one is no record at all: both are told so, and the others get their answers."""
    async with connected(redis_url) as store:
        requests = await opened(store)
        redis_client.set(f"sayso:{{00}}:req:{(broken := RequestId('00-broken'))}", "no hash")
        ids = [*(one.id for one in requests), broken, RequestId("00-gone")]
        *found, wrong, gone = await asyncio.gather(*map(store.get, ids), return_exceptions=True)
        assert [one.id for one in found if isinstance(one, Request)] == [one.id for one in requests]
        assert isinstance(wrong, redis.ResponseError)
        assert isinstance(gone, RequestNotFound)


async def test_who_gives_up_takes_nobody_along(redis_url: str, redis_client: redis.Redis) -> None:
    """One caller goes away before it was sent and one while the server is at it; their neighbours hear theirs."""
    async with connected(redis_url) as store:
        requests = await opened(store)
        redis_client.client_pause(60_000, all=False)
        asked = [asyncio.create_task(store.get(one.id)) for one in requests]
        await asyncio.sleep(0)
        asked[3].cancel()
        while not [one for one in redis_client.client_list() if "b" in one["flags"]]:  # noqa: ASYNC110 the server tells nobody
            await asyncio.sleep(0.01)
        asked[4].cancel()
        redis_client.client_unpause()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [n for n, one in enumerate(found) if not isinstance(one, Request)] == [3, 4]


async def test_scripts_that_the_server_forgot_are_brought_again(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """It was restarted while many were on their way."""
    async with connected(redis_url) as store:
        requests = await opened(store)
        redis_client.script_flush()
        assert len(await asyncio.gather(*(store.get(one.id) for one in requests))) == MANY


async def test_a_lost_answer_to_many_does_none_of_them_twice(redis_url: str) -> None:
    """The connection breaks after the server has written them: each is withdrawn once, as its caller hears."""
    drops = Drops(redis_url)
    async with drops.listening() as through, connected(through) as store:
        requests = await opened(store)
        drops.next_reply_to(store._scripts["COMMIT"].sha)
        found = await asyncio.gather(*(store.change(one.id, withdraw) for one in requests))
        assert drops.lost == 1
        assert {(one.request.state, one.request.version, one.replayed) for one in found} == {
            (State.CLOSED, 2, False)
        }
        for one in requests:
            numbers = [record.number for record in await store.trail(one.ask.run.thread)]
            assert len(numbers) == 2


async def test_a_server_that_is_away_is_said_to_each(redis_url: str, redis_client: redis.Redis) -> None:
    """It takes no writes: everybody hears that the store is down, and nobody that it was done."""
    async with connected(redis_url) as store:
        requests = await opened(store)
        redis_client.config_set("maxmemory", 1)
        try:
            changes = (store.change(one.id, withdraw) for one in requests)
            found = await asyncio.gather(*changes, return_exceptions=True)
        finally:
            redis_client.config_set("maxmemory", 0)
        assert {type(one) for one in found} == {StoreDown}
        assert {(await store.get(one.id)).state for one in requests} == {State.OPEN}
