"""The one place that makes Redis clients: of one server, of the primary that Sentinels name, of a Cluster.

Commands of ours are scripts that may safely run twice, because a client sends again after a lost reply.
Blocking reads get a client of their own: on a shared one the time limit of ordinary commands would cut them short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import EqualJitterBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from .address import Address, Kind, read_address
from .cluster import ClusterRedis, SyncClusterRedis
from .found_server import (
    AnyNode,
    AsyncAnyNode,
    AsyncFound,
    AsyncPrimary,
    Found,
    Primary,
    async_only_primary,
    only_primary,
)

T = TypeVar("T")

#: How long one ordinary command may take, seconds.
COMMAND_SECONDS = 10.0

#: How long a caller waits for a free connection of the pool, seconds.
POOL_WAIT_SECONDS = 20.0

#: Sent again this often; 1.7 to 3.5 seconds in all, which outlasts a restart of the embedded server.
RETRIES = 6


#: What the client raises while a server is away, or up and takes no writes for now (a failover, a full memory).
AWAY = (
    RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError,
)  # fmt: skip
#: The same where the client has no name for it: a full disk, too few replicas, a script that takes long.
_TAKES_NOTHING = ("MISCONF", "NOREPLICAS", "BUSY ")


def is_away(error: Exception) -> bool:
    """Whether the same call may work later: the server is away, or takes no writes for now."""
    return isinstance(error, AWAY) or (
        isinstance(error, RedisError) and str(error).startswith(_TAKES_NOTHING)
    )


def open_redis(url: str, *, connections: int = 64) -> redis.asyncio.Redis:
    """A client for ordinary commands; it connects when first used. Raises: BadSetting.

    On a Cluster it finds the node of each key (`connections` for each); a pipeline goes through `at_primary`.
    """
    address, limits = read_address(url), {"socket_timeout": COMMAND_SECONDS, "max_connections": connections}
    if address.kind is not Kind.CLUSTER:
        return redis.asyncio.Redis.from_pool(_async_pool(address, limits))

    def open_node(place: tuple[str, int]) -> redis.asyncio.Redis:
        node = Address(kind=Kind.SERVER, server=address.at(*place))
        return redis.asyncio.Redis.from_pool(_async_pool(node, limits, retries=0))

    return ClusterRedis(address.hosts, open_node, _async_pool(address, limits))


def open_blocking_redis(url: str, *, connections: int = 8) -> redis.asyncio.Redis:
    """A client for reads that wait (`XREADGROUP ... BLOCK`); it never cuts a wait short. Raises: BadSetting.

    On a Cluster it is connected to any one node, which is enough to subscribe: nodes pass on what is published.
    """
    limits = {"socket_timeout": None, "max_connections": connections}
    return redis.asyncio.Redis.from_pool(_async_pool(read_address(url), limits))


def open_sync_redis(url: str, *, connections: int = 16) -> redis.Redis:
    """A client for threads; it connects when first used. Raises: BadSetting."""
    address, limits = read_address(url), {"socket_timeout": COMMAND_SECONDS, "max_connections": connections}
    if address.kind is not Kind.CLUSTER:
        return redis.Redis.from_pool(_sync_pool(address, limits))

    def open_node(place: tuple[str, int]) -> redis.Redis:
        node = Address(kind=Kind.SERVER, server=address.at(*place))
        return redis.Redis.from_pool(_sync_pool(node, limits, retries=0))

    return SyncClusterRedis(address.hosts, open_node, _sync_pool(address, limits))


async def at_primary(
    client: redis.asyncio.Redis, key: str, ask: Callable[[redis.asyncio.Redis], Awaitable[T]]
) -> T:
    """Ask the server that keeps this key, with a client of it alone; `ask` may be called again on another one."""
    if isinstance(client, ClusterRedis):
        return await client.routed(key, ask)
    return await ask(client)


def lies_with(client: redis.asyncio.Redis, key: str) -> object:
    """The same for all keys that one server keeps, as far as is known."""
    return client.place_of(key) if isinstance(client, ClusterRedis) else None


async def primaries(client: redis.asyncio.Redis) -> Sequence[redis.asyncio.Redis]:
    """A client of each server that takes writes."""
    return await client.primaries() if isinstance(client, ClusterRedis) else (client,)


async def has_stand_in(client: redis.asyncio.Redis) -> bool:
    """Whether a Cluster knows replicas that could take over, up or not."""
    if not isinstance(client, ClusterRedis):
        return False
    nodes: bytes = await client.execute_command("CLUSTER", "NODES")
    return any(b"slave" in line.split()[2] for line in nodes.splitlines())


def _async_pool(
    address: Address, limits: Mapping[str, Any], retries: int | None = None
) -> redis.asyncio.BlockingConnectionPool:
    retry = AsyncRetry(_backoff(), RETRIES if retries is None else retries)  # a pool made by hand has none
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        address.server, retry=retry, **limits, **_options(address)
    )
    if address.kind is not Kind.SERVER:
        find = AsyncPrimary(address) if address.kind is Kind.SENTINEL else AsyncAnyNode(address)
        pool.connection_kwargs["find"] = find
        pool.connection_class = type("Found", (AsyncFound, pool.connection_class), {})
    if address.kind is Kind.SENTINEL:
        pool.connection_kwargs["redis_connect_func"] = async_only_primary
    pool.connection_class = type("Ours", (_Cancellable, _Packing, pool.connection_class), {})
    return pool


def _sync_pool(
    address: Address, limits: Mapping[str, Any], retries: int | None = None
) -> redis.BlockingConnectionPool:
    retry = Retry(_backoff(), RETRIES if retries is None else retries)
    pool = redis.BlockingConnectionPool.from_url(address.server, retry=retry, **limits, **_options(address))
    if address.kind is not Kind.SERVER:
        find = Primary(address) if address.kind is Kind.SENTINEL else AnyNode(address)
        pool.connection_kwargs["find"] = find
        pool.connection_class = type("Found", (Found, pool.connection_class), {})
    if address.kind is Kind.SENTINEL:
        pool.connection_kwargs["redis_connect_func"] = only_primary
    return pool


class _Cancellable:
    """Mixed into a connection: a task that is cancelled while it sends ends, as it should.

    redis-py sends under `asyncio.wait_for`, which on Python 3.11 forgets a cancellation that comes in the same turn
    of the loop in which the sending ended: four out of five, for a task that is busy with Redis (cpython#86296).
    """

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 theirs
        task = asyncio.current_task()
        asked = task.cancelling() if task else 0
        await super().send_packed_command(command, check_health)  # type: ignore[misc]
        if task and task.cancelling() > asked:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined] # an answer nobody waits for is coming
            raise asyncio.CancelledError


class _Packing:
    """Mixed into a connection: commands become bytes in hiredis, as those of the other client do, and not in Python."""

    _packer = HiredisRespSerializer()

    def pack_command(self, *args: Any) -> list[bytes]:
        packed: list[bytes] = self._packer.pack(*args)
        return packed


def _options(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {
        "timeout": POOL_WAIT_SECONDS,
        "socket_connect_timeout": 5.0,
        "health_check_interval": 30,
    }
    if not address.server.startswith("unix"):
        options["socket_keepalive"] = True  # a wait without end must notice a dead peer
    return options


def _backoff() -> EqualJitterBackoff:
    return EqualJitterBackoff(cap=1.0, base=0.05)
