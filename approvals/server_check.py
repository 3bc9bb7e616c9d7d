"""Says whether the servers of a store are fit to keep approvals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .connection import at_primary, primaries
from .copies import COPY_MS, MARK_MS, has_replicas, version
from .errors import SaysoError, StoreDown
from .naming import PARTITIONS

#: Oldest server that has every command our scripts use.
OLDEST_SERVER = (6, 2)

#: From here on a server can say whether a replica has something on disk.
WAITAOF = (7, 2)


class Accepted(StrEnum):
    """Settings of a server that could lose approvals, which an operator may accept by name."""

    EVICTION = "maxmemory-policy"  #: keys vanish when memory is short
    NO_FILE = "appendonly"  #: a crash loses what was written last
    ALONE = "min-replicas-to-write"  #: a primary that is cut off goes on taking writes
    NO_REPLICA_FILE = "replica-appendonly"  #: a replica keeps no file, so its copy is in memory only


class UnsafeServer(SaysoError):
    """This Redis server could lose approvals."""


async def check_server(client: redis.asyncio.Redis, accepted: Collection[str] = ()) -> None:
    """Refuse a server that could lose approvals; call it once at start.

    Args:
        accepted: What the operator has accepted by name (`Accepted`).

    Raises:
        UnsafeServer: It is too old, evicts keys, keeps no append-only file, or fails over to less than it confirmed.
        StoreDown: It cannot be reached, or does not let us in.
    """
    try:
        servers = [await node.info() for node in await primaries(client)]
        problems = [problem for facts in servers if (problem := server_problem(facts, accepted))]
        says = all(version(facts) >= WAITAOF for facts in servers) and any(map(has_replicas, servers))
        if not problems and says and Accepted.NO_REPLICA_FILE not in accepted:
            problems = await _replica_problems(client)
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise StoreDown(f"REDIS_URL: the Redis server cannot be reached ({error}).") from error
    except RedisError as error:
        raise StoreDown(f"REDIS_URL: the Redis server refuses us ({error}).") from error
    if problems:
        raise UnsafeServer(problems[0])


def server_problem(facts: Mapping[str, Any], accepted: Collection[str] = ()) -> str:
    """One sentence on why a server with these `INFO` facts is not fit; empty when it is."""
    if version(facts) < OLDEST_SERVER:
        return f"REDIS_URL: this Redis is version {facts.get('redis_version', '0')}; sayso needs 6.2 or newer, or Valkey."
    policy = str(facts.get("maxmemory_policy", "unknown"))
    if policy != "noeviction" and Accepted.EVICTION not in accepted:
        return _unfit(
            Accepted.EVICTION,
            f"this Redis throws keys away when memory is short (maxmemory-policy {policy}), so approvals could vanish; "
            "set maxmemory-policy to noeviction",
        )
    if str(facts.get("aof_enabled", "0")) != "1" and Accepted.NO_FILE not in accepted:
        return _unfit(
            Accepted.NO_FILE,
            "this Redis keeps no append-only file, so a crash loses approvals; set appendonly to yes",
        )
    guarded = "min_slaves_good_slaves" in facts  # INFO has it only while min-replicas-to-write is above 0
    if has_replicas(facts) and not guarded and Accepted.ALONE not in accepted:
        return _unfit(
            Accepted.ALONE,
            "cut off from its replicas, this Redis goes on taking writes that a failover throws away "
            "(min-replicas-to-write 0); set min-replicas-to-write to 1",
        )
    return ""


async def _replica_problems(client: redis.asyncio.Redis) -> list[str]:
    """Of primaries whose replicas follow, and have nothing on disk; not to follow right now is no reason to refuse."""
    asked = set[redis.asyncio.Redis]()

    async def ask(node: redis.asyncio.Redis) -> str:
        if node in asked:
            return ""
        asked.add(node)
        async with node.pipeline(transaction=False) as pipe:
            pipe.set(key, "", px=MARK_MS)
            pipe.execute_command("WAITAOF", 0, 1, COPY_MS)
            pipe.execute_command("WAIT", 1, 1)
            _, files, copies = await pipe.execute()
        return "" if files[1] >= 1 or copies < 1 else _IN_MEMORY

    found = []
    for partition in range(PARTITIONS):  # wherever a Cluster keeps them
        key = f"sayso:{{{partition:02x}}}:copied"
        found.append(await at_primary(client, key, ask))
    return list(filter(None, found))


def _unfit(name: Accepted, why: str) -> str:
    return f'REDIS_URL: {why} (or accept it: [store] accepts = ["{name}"]).'


_IN_MEMORY = _unfit(
    Accepted.NO_REPLICA_FILE,
    "no replica of this Redis keeps an append-only file, so its copy is gone with a power cut; "
    "set appendonly to yes there too",
)
