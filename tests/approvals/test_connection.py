"""Redis clients that wait, retry and refuse as sayso needs it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
from sayso.approvals import connection
from sayso.approvals.connection import open_blocking_redis, open_redis, open_sync_redis
from sayso.approvals.errors import BadSetting, StoreDown
from sayso.approvals.server_check import UnsafeServer, check_server, server_problem

FIT = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, ""),
        ({"redis_version": "6.2.0"}, ""),
        ({"redis_version": "6.0.16"}, "version 6.0.16; sayso needs 6.2"),
        ({"redis_version": "10.0.0-rc1"}, ""),
        ({"maxmemory_policy": "allkeys-lru"}, "maxmemory-policy allkeys-lru"),
        ({"aof_enabled": 0}, "set appendonly to yes"),
    ],
)
def test_a_server_that_could_lose_approvals_is_named(facts: dict[str, object], words: str) -> None:
    """Too old, evicting, or without an append-only file: one sentence with what to change."""
    problem = server_problem({**FIT, **facts})
    assert bool(problem) is bool(words)
    assert words in problem


async def test_our_own_server_is_fit_and_a_changed_one_is_not(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """The check reads the live server."""
    client = open_redis(redis_url)
    await check_server(client)
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(UnsafeServer, match="allkeys-lru"):
            await check_server(client)
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")
        await client.aclose()


async def test_a_server_that_is_not_there_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is named, the password is not."""
    monkeypatch.setattr(connection, "RETRIES", 0)
    client = open_redis("redis://:hunter2@127.0.0.1:1/0")
    with pytest.raises(StoreDown, match=r"^REDIS_URL: the Redis server cannot be reached") as refusal:
        await check_server(client)
    assert "hunter2" not in str(refusal.value)
    await client.aclose()


def test_an_address_of_the_wrong_kind_is_refused() -> None:
    """Before anything connects."""
    for url in ("http://localhost", "localhost:6379", ""):
        with pytest.raises(BadSetting, match="REDIS_URL must begin with redis://"):
            open_sync_redis(url)


async def test_callers_wait_for_a_free_connection(redis_url: str) -> None:
    """redis-py's own default raises at its limit; a burst of clicks must queue instead."""
    client = open_redis(redis_url, connections=4)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(client.echo(f"{n}") for n in range(200))) == [
            f"{n}".encode() for n in range(200)
        ]
    await client.aclose()


def test_clients_retry_on_their_own_terms(redis_url: str) -> None:
    """A pool made by hand has no retries unless it is given some; blocking reads have no time limit."""
    for client, limit in (
        (open_redis(redis_url), connection.COMMAND_SECONDS),
        (open_blocking_redis(redis_url), None),
        (open_sync_redis(redis_url), connection.COMMAND_SECONDS),
    ):
        made: Any = client.connection_pool.make_connection()
        assert made.retry.get_retries() == connection.RETRIES
        assert made.socket_timeout == limit


async def test_a_task_that_is_busy_with_redis_can_be_cancelled(redis_url: str) -> None:
    """At whatever point it is: on Python 3.11 most cancellations were lost, and the task went on for ever."""
    client, enough = open_redis(redis_url), asyncio.Event()

    async def busy() -> None:
        while not enough.is_set():
            await client.ping()

    for turns in range(40):
        task = asyncio.create_task(busy())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        enough.set()
        await asyncio.wait({task})
        enough.clear()
        assert task.cancelled(), f"lost after {turns} turns of the loop"
    assert await client.ping()
    await client.aclose()
