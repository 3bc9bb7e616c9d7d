"""Connections behind Sentinels: every new one goes to whoever is the primary now, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from many_servers import replicated, until, watched
from redis.exceptions import ConnectionError as RedisConnectionError
from sayso.approvals import connection
from sayso.approvals.connection import open_blocking_redis, open_redis, open_sync_redis
from sayso.approvals.errors import StoreDown
from sayso.approvals.server_check import check_server


@asynccontextmanager
async def a_sentinel(says: Sequence[tuple[str, int]] | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers like a Sentinel: it names these, one after the other and then the last, or knows nobody."""
    heard = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.read(4096):
            if b"HELLO" in asked:
                writer.write(b"%1\r\n$5\r\nproto\r\n:3\r\n")
            elif b"GET-MASTER-ADDR-BY-NAME" in asked:
                heard.append(asked)
                host, port = (says[min(len(heard), len(says)) - 1]) if says else ("", 0)
                named = f"*2\r\n${len(host)}\r\n{host}\r\n${len(str(port))}\r\n{port}\r\n"
                writer.write(named.encode() if says else b"_\r\n")
            else:
                writer.write(b"+OK\r\n" * asked.count(b"*"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


@pytest.mark.second_server
async def test_after_a_failover_every_kind_of_client_finds_the_new_primary(
    each_binary: Path, tmp_path: Path
) -> None:
    """Those that had connections, with the same call; the Sentinel wants a password of its own."""
    with watched(each_binary, tmp_path) as three, open_sync_redis(three.url) as threads:
        client, waiting = open_redis(three.url), open_blocking_redis(three.url)
        three.primary.ask("CONFIG", "SET", "min-replicas-to-write", "0")
        three.replica.ask("CONFIG", "SET", "min-replicas-to-write", "0")
        for one in (client, waiting):
            assert await one.set("k", 1)
        assert threads.set("k", 1)
        three.primary.kill()
        until(lambda: three.named() == three.replica.port)
        for one in (client, waiting):
            assert (await one.info("server"))["tcp_port"] == three.replica.port
            await one.aclose()
        assert threads.info("server")["tcp_port"] == three.replica.port


@pytest.mark.second_server
async def test_a_sentinel_that_is_late_sends_nobody_to_a_replica(valkey_binary: Path, tmp_path: Path) -> None:
    """What a replica answers may be what was; the next answer is the right one. A Sentinel that is away is passed over."""
    with replicated(valkey_binary, tmp_path) as (primary, replica):
        late = [("127.0.0.1", replica.port), ("127.0.0.1", primary.port)]
        async with a_sentinel(late) as (port, heard):
            client = open_redis(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/ours")
            assert (await client.role())[0] == b"master"
            assert len(heard) == 2
            assert b"ours" in heard[0]
            await client.aclose()
        async with a_sentinel(late) as (port, heard):
            url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/ours"
            with open_sync_redis(url) as threads:
                assert (await asyncio.to_thread(threads.role))[0] == b"master"
            assert len(heard) == 2


async def test_sentinels_that_know_nobody_are_a_store_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says which Sentinels were asked, and for whom."""
    monkeypatch.setattr(connection, "RETRIES", 0)
    async with a_sentinel(None) as (port, _):
        url = f"redis+sentinel://:hunter2@127.0.0.1:{port}/ours"
        client = open_redis(url)
        with pytest.raises(
            StoreDown, match=rf"no Sentinel names a primary called ours \(127.0.0.1:{port}"
        ) as no:
            await check_server(client)
        assert "hunter2" not in str(no.value)
        await client.aclose()
        with open_sync_redis(url) as threads, pytest.raises(RedisConnectionError, match="called ours"):
            await asyncio.to_thread(threads.ping)
