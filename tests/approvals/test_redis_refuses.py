"""A Redis that is up and takes no writes: a full memory, a lost replica, a failover."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
import redis
from sayso.approvals import machine
from sayso.approvals.change import Change
from sayso.approvals.errors import StoreDown
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from scenes import BO, a_run, a_vote, an_ask


def approve(request: Request, now: datetime) -> Change:
    return machine.vote(request, a_vote(request, at=now), frozenset({BO}), 1, now)


@contextmanager
def trouble(server: redis.Redis, begin: Callable[[redis.Redis], object]) -> Iterator[None]:
    """The server is in trouble in this block, and well again afterwards."""
    begin(server)
    try:
        yield
    finally:
        server.replicaof("NO", "ONE")
        server.config_set("maxmemory", 0)
        server.config_set("min-replicas-to-write", 0)


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(lambda server: server.config_set("maxmemory", 1), id="memory full"),
        pytest.param(lambda server: server.config_set("min-replicas-to-write", 1), id="replica lost"),
        pytest.param(lambda server: server.replicaof("127.0.0.1", 1), id="a replica now"),
    ],
)
async def test_a_server_that_takes_no_writes_is_down_for_us(
    redis_client: redis.Redis, redis_url: str, begin: Callable[[redis.Redis], object]
) -> None:
    """Whoever clicks is told that, every loop waits, and all goes on when it is over."""
    store = await RedisStore.connect(redis_url)
    try:
        request = await store.open(machine.opened(an_ask(opened_at=await store.now())))
        with trouble(redis_client, begin):
            with pytest.raises(StoreDown):
                await store.change(request.id, approve, token="click")
            with pytest.raises(StoreDown):
                await store.start(a_run("t2"))
        assert not (await store.change(request.id, approve, token="click")).replayed
    finally:
        await store.close()
