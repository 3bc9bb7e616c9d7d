"""With a replica, nothing is claimed that a failover could take back; without one, nothing is waited for."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis
from many_servers import Server, replicated, until
from sayso.approvals import copies, effects, machine
from sayso.approvals.change import Change
from sayso.approvals.connection import open_redis
from sayso.approvals.errors import NotCopied, StoreDown
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.server_check import Accepted, UnsafeServer, check_server
from sayso.cards.words import refusal
from scenes import BO, CY, a_vote, an_ask

EVERYBODY = frozenset({BO, CY})


def approve(request: Request, now: datetime) -> Change:
    return machine.vote(request, a_vote(request, at=now), EVERYBODY, 1, now)


async def opened(store: RedisStore) -> Request:
    """An open request whose clock began now."""
    return await store.open(machine.opened(an_ask(opened_at=await store.now())))


@pytest.fixture
def both(each_binary: Path, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """A primary and its replica."""
    with replicated(each_binary, tmp_path) as both:
        yield both


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stopped replica is waited for; one that runs answers at once."""
    monkeypatch.setattr(copies, "COPY_MS", 1500)


@pytest.fixture
async def two(both: tuple[Server, Server]) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """The store as two processes see it."""
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(2):
            stores.append(await RedisStore.connect(f"redis://127.0.0.1:{both[0].port}"))
            stack.push_async_callback(stores[-1].close)
        yield stores[0], stores[1]


@pytest.mark.second_server
async def test_a_decision_that_no_replica_has_is_not_claimed_by_anybody(
    both: tuple[Server, Server], two: tuple[RedisStore, RedisStore]
) -> None:
    """Who answered is told so, no other process reads it as decided, and when the replica goes on it counts."""
    here, elsewhere = two
    request = await opened(here)
    both[1].signal(signal.SIGSTOP)
    with pytest.raises(NotCopied):
        await here.change(request.id, approve, token="click-1")
    for store in two:
        with pytest.raises(NotCopied):
            await store.get(request.id)
    with pytest.raises(NotCopied):
        await elsewhere.change(request.id, approve, token="click-2")
    both[1].signal(signal.SIGCONT)
    assert (await elsewhere.get(request.id)).state is State.DECIDED
    again = await here.change(request.id, approve, token="click-1")
    assert (again.replayed, again.request.state) == (True, State.DECIDED)
    assert len(again.request.votes) == 1


@pytest.mark.second_server
async def test_a_tool_is_not_put_on_record_as_started_when_no_replica_is_there(
    both: tuple[Server, Server], two: tuple[RedisStore, RedisStore]
) -> None:
    """Else people would have to say later whether it ran."""
    store, _ = two
    request = await opened(store)
    await store.change(request.id, approve)
    await store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
    both[1].signal(signal.SIGSTOP)
    begin = lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=timedelta(seconds=30), now=now)  # noqa: E731
    with pytest.raises(NotCopied):
        await store.change(request.id, begin)
    both[1].signal(signal.SIGCONT)
    assert (await store.get(request.id)).effect is None
    assert (await store.change(request.id, begin)).request.effect is not None


@pytest.mark.second_server
async def test_a_primary_that_refuses_writes_without_a_replica_is_a_store_that_is_down(
    both: tuple[Server, Server], two: tuple[RedisStore, RedisStore]
) -> None:
    """`min-replicas-to-write`: the server says NOREPLICAS, and the same call works later."""
    primary, replica = both
    store, _ = two
    request = await opened(store)
    primary.ask("CONFIG", "SET", "min-replicas-max-lag", "1")
    replica.signal(signal.SIGSTOP)
    until(lambda: primary.ask("INFO", "replication")["min_slaves_good_slaves"] == 0)
    with pytest.raises(StoreDown):
        await store.change(request.id, approve)
    replica.signal(signal.SIGCONT)
    until(lambda: primary.ask("INFO", "replication")["min_slaves_good_slaves"] == 1)
    assert (await store.change(request.id, approve)).request.state is State.DECIDED


async def test_without_replicas_nothing_is_waited_for(redis_url: str, redis_client: redis.Redis) -> None:
    """One server alone: a decision is a read and a script, as ever."""
    store = await RedisStore.connect(redis_url)
    request = await opened(store)
    redis_client.config_resetstat()
    await store.change(request.id, approve)
    await store.get(request.id)
    await store.close()
    asked = {
        name.removeprefix("cmdstat_"): one["calls"] for name, one in redis_client.info("commandstats").items()
    }
    assert asked["evalsha"] == 3
    assert not asked.keys() & {"wait", "waitaof"}


@pytest.mark.second_server
async def test_a_primary_that_would_go_on_alone_is_refused_unless_that_is_accepted(
    each_binary: Path, tmp_path: Path
) -> None:
    """Cut off, it takes writes that the failover throws away: the operator has to say that this is known."""
    with replicated(each_binary, tmp_path, least=0) as (primary, _):
        client = open_redis(f"redis://127.0.0.1:{primary.port}")
        with pytest.raises(UnsafeServer, match=r"min-replicas-to-write 0.*accepts = "):
            await check_server(client)
        await check_server(client, [Accepted.ALONE])
        await client.aclose()


@pytest.mark.second_server
async def test_a_replica_without_a_file_is_refused_unless_that_is_accepted(
    valkey_binary: Path, tmp_path: Path
) -> None:
    """Its copy would be gone with a power cut; accepted, its memory is enough. Redis 7.0 cannot say."""
    with replicated(valkey_binary, tmp_path, replica_options=("--appendonly", "no")) as (primary, _):
        client = open_redis(f"redis://127.0.0.1:{primary.port}")
        with pytest.raises(UnsafeServer, match="set appendonly to yes there too"):
            await check_server(client)
        await check_server(client, [Accepted.NO_REPLICA_FILE])
        await client.aclose()


def test_who_answered_reads_that_it_does_not_count_yet() -> None:
    """Not that it was lost: it may count in a minute."""
    told = refusal(NotCopied(), name=str)
    assert "does not count yet" in told
    assert "look at the card again" in told
