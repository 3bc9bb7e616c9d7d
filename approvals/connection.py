"""The one place that makes Redis clients and says whether a server is fit to keep approvals.

Commands of ours are scripts that may safely run twice, because a client sends again after a lost reply.
Blocking reads get a client of their own: on a shared one the time limit of ordinary commands would cut them short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import EqualJitterBackoff
from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from .errors import BadSetting, SaysoError, StoreDown

#: Oldest server that has every command our scripts use.
OLDEST_SERVER = (6, 2)

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


def is_away(error: RedisError) -> bool:
    """Whether the same call may work later: the server is away, or takes no writes for now."""
    return isinstance(error, AWAY) or str(error).startswith(_TAKES_NOTHING)


class UnsafeServer(SaysoError):
    """This Redis server could lose approvals."""


def open_redis(url: str, *, connections: int = 64) -> redis.asyncio.Redis:
    """A client for ordinary commands; it connects when first used. Raises: BadSetting."""
    return _async_client(url, {"socket_timeout": COMMAND_SECONDS, "max_connections": connections})


def open_blocking_redis(url: str, *, connections: int = 8) -> redis.asyncio.Redis:
    """A client for reads that wait (`XREADGROUP ... BLOCK`); it never cuts a wait short. Raises: BadSetting."""
    return _async_client(url, {"socket_timeout": None, "max_connections": connections})


def open_sync_redis(url: str, *, connections: int = 16) -> redis.Redis:
    """A client for threads; it connects when first used. Raises: BadSetting."""
    limits = {"socket_timeout": COMMAND_SECONDS, "max_connections": connections}
    retry = Retry(_backoff(), RETRIES)
    return redis.Redis.from_pool(
        redis.BlockingConnectionPool.from_url(url, retry=retry, **limits, **_options(url))
    )


async def check_server(client: redis.asyncio.Redis) -> None:
    """Refuse a server that could lose approvals; call it once at start.

    Raises:
        UnsafeServer: It is too old, evicts keys, or keeps no append-only file.
        StoreDown: It cannot be reached, or does not let us in.
    """
    try:
        facts: Mapping[str, Any] = await client.info()
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise StoreDown(f"REDIS_URL: the Redis server cannot be reached ({error}).") from error
    except RedisError as error:
        raise StoreDown(f"REDIS_URL: the Redis server refuses us ({error}).") from error
    if problem := server_problem(facts):
        raise UnsafeServer(problem)


def server_problem(facts: Mapping[str, Any]) -> str:
    """One sentence on why a server with these `INFO` facts is not fit; empty when it is."""
    version = str(facts.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < OLDEST_SERVER:
        return f"REDIS_URL: this Redis is version {version}; sayso needs 6.2 or newer, or Valkey."
    policy = str(facts.get("maxmemory_policy", "unknown"))
    if policy != "noeviction":
        return (
            f"REDIS_URL: this Redis throws keys away when memory is short (maxmemory-policy {policy}), "
            "so approvals could vanish; set maxmemory-policy to noeviction."
        )
    if str(facts.get("aof_enabled", "0")) != "1":
        return "REDIS_URL: this Redis keeps no append-only file, so a crash loses approvals; set appendonly to yes."
    return ""


def _async_client(url: str, limits: Mapping[str, Any]) -> redis.asyncio.Redis:
    retry = AsyncRetry(_backoff(), RETRIES)  # a pool made by hand has none of its own
    pool = redis.asyncio.BlockingConnectionPool.from_url(url, retry=retry, **limits, **_options(url))
    pool.connection_class = type("Cancellable", (_Cancellable, pool.connection_class), {})
    return redis.asyncio.Redis.from_pool(pool)


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


def _options(url: str) -> dict[str, Any]:
    scheme = urlsplit(url).scheme
    if scheme not in ("redis", "rediss", "unix"):
        raise BadSetting(
            f"REDIS_URL must begin with redis://, rediss:// or unix://, not {scheme or 'nothing'!r}"
        )
    options: dict[str, Any] = {
        "timeout": POOL_WAIT_SECONDS,
        "socket_connect_timeout": 5.0,
        "health_check_interval": 30,
    }
    if scheme != "unix":
        options["socket_keepalive"] = True  # a wait without end must notice a dead peer
    return options


def _backoff() -> EqualJitterBackoff:
    return EqualJitterBackoff(cap=1.0, base=0.05)
