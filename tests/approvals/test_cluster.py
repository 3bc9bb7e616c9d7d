"""What only a Cluster can get wrong: slots that move, nodes that are gone, news from another node."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from many_servers import Server
from racing_sweeper import Circles
from redis.crc import key_slot
from redis.exceptions import ClusterDownError
from sayso.approvals import cluster, machine
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.approvals.errors import StoreDown
from sayso.approvals.naming import PARTITIONS, partition_of
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from sayso.approvals.server_check import UnsafeServer, check_server
from sayso.approvals.verdict import ThreadId
from sayso.scheduler.sweep import Sweeper
from scenes import a_run, an_ask

pytestmark = pytest.mark.second_server


async def opened(store: RedisStore, thread: str = "t1") -> Request:
    """An open request whose clock began now."""
    return await store.open(machine.opened(an_ask(thread=thread, opened_at=await store.now())))


def keeper_of(nodes: Sequence[Server], slot: int) -> tuple[Server, Server]:
    """The node that keeps a slot, and another one."""
    for first, last, place, *_ in nodes[0].ask("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            (here,) = [node for node in nodes if node.port == place[1]]
            return here, next(node for node in nodes if node is not here)
    raise AssertionError(slot)


def id_of(node: Server) -> bytes:
    return bytes(node.ask("CLUSTER", "MYID"))


async def test_the_partitions_lie_on_every_node(cluster_url: str, cluster_nodes: Sequence[Server]) -> None:
    """So that three nodes carry what one did."""
    store = await RedisStore.connect(cluster_url)
    await store.close()
    streams = [list(node.ask("KEYS", "sayso:*:work")) for node in cluster_nodes]
    assert all(streams)
    assert sum(map(len, streams)) == PARTITIONS


async def test_a_slot_that_is_being_moved_is_away_and_nothing_is_made_twice(
    cluster_url: str, cluster_nodes: Sequence[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of its keys are elsewhere: following the server's hint, a script would not find the request."""
    monkeypatch.setattr(cluster, "PAUSES", (0, 0.01))
    store = await RedisStore.connect(cluster_url)
    request = await opened(store)
    slot = key_slot(f"{{{partition_of(ThreadId('t1')):02x}}}".encode())
    here, there = keeper_of(cluster_nodes, slot)
    there.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", id_of(here))
    here.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", id_of(there))
    keys = here.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
    here.ask("MIGRATE", "127.0.0.1", there.port, "", 0, 5000, "KEYS", *keys[: len(keys) // 2])
    for verb in (store.get(request.id), opened(store), store.start(a_run("t1"))):
        with pytest.raises(StoreDown):
            await verb
    here.ask("MIGRATE", "127.0.0.1", there.port, "", 0, 5000, "KEYS", *keys[len(keys) // 2 :])
    for node in (there, here, *cluster_nodes):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", id_of(there))
    assert await store.get(request.id) == request
    assert [one.id for one in await store.live()] == [request.id]
    with open_sync_redis(cluster_url) as client:
        assert client.exists(f"sayso:{{{partition_of(ThreadId('t1')):02x}}}:work")
    await store.close()
    back = there.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
    here.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", id_of(there))
    there.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", id_of(here))
    there.ask("MIGRATE", "127.0.0.1", here.port, "", 0, 5000, "KEYS", *back)
    for node in (here, there, *cluster_nodes):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", id_of(here))


async def test_news_from_any_node_wakes_who_listens_on_one(
    cluster_url: str, cluster_nodes: Sequence[Server]
) -> None:
    """What is published on one node is heard on the others, long before anybody would look by himself."""
    store = await RedisStore.connect(cluster_url)
    for _ in range(2):  # everything was looked at once, and the subscription stands
        assert await store.take("w1", idle=timedelta(minutes=1), wait=timedelta(seconds=1)) is None
    for thread in [f"t{n}" for n in range(12)]:
        waiting = asyncio.create_task(store.take("w1", idle=timedelta(minutes=1), wait=timedelta(seconds=40)))
        await asyncio.sleep(0)
        await store.start(a_run(thread))
        async with asyncio.timeout(20):
            while (item := await waiting) is None:
                waiting = asyncio.create_task(
                    store.take("w1", idle=timedelta(minutes=1), wait=timedelta(seconds=40))
                )
        assert item.work.run.thread == thread
        await store.finish(item, "w1")
    await store.close()


async def test_scripts_that_a_node_forgot_are_brought_again(
    cluster_url: str, cluster_nodes: Sequence[Server]
) -> None:
    """A node that was restarted, or a new primary, knows none."""
    store = await RedisStore.connect(cluster_url)
    requests = [await opened(store, f"t{n}") for n in range(6)]
    for node in cluster_nodes:
        node.ask("SCRIPT", "FLUSH")
    assert [(await store.get(one.id)).id for one in requests] == [one.id for one in requests]
    assert store.renew(requests[0].id, "w1", timedelta(seconds=1)) is False
    await store.close()


async def test_a_node_that_hangs_is_a_store_that_is_down_until_it_is_back(
    cluster_url: str, cluster_nodes: Sequence[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its partitions wait, and then everything is as it was."""
    monkeypatch.setattr("sayso.approvals.connection.COMMAND_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "PAUSES", (0, 0.01))
    store = await RedisStore.connect(cluster_url)
    request = await opened(store)
    here, _ = keeper_of(cluster_nodes, key_slot(f"{{{partition_of(ThreadId('t1')):02x}}}".encode()))
    here.signal(signal.SIGSTOP)
    try:
        with pytest.raises(StoreDown):
            await store.get(request.id)
    finally:
        here.signal(signal.SIGCONT)
    async with asyncio.timeout(30):
        while True:
            try:
                assert await store.get(request.id) == request
                break
            except StoreDown:
                await asyncio.sleep(0.1)
    await store.close()


async def test_many_callers_wait_for_a_connection_of_their_node(cluster_url: str) -> None:
    """A burst queues, on each node, instead of failing."""
    client = open_redis(cluster_url, connections=2)
    assert await asyncio.gather(*(client.set(f"k{n}", n) for n in range(200))) == [True] * 200
    assert len([key async for key in client.scan_iter("k*")]) == 200
    with pytest.raises(NotImplementedError):
        client.pipeline()
    await client.aclose()


async def test_each_node_is_looked_at_before_the_store_is_used(
    cluster_url: str, cluster_nodes: Sequence[Server]
) -> None:
    """One of three that throws keys away is enough to lose approvals."""
    client = open_redis(cluster_url)
    await check_server(client)
    cluster_nodes[2].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(UnsafeServer, match="allkeys-lru"):
            await check_server(client)
    finally:
        cluster_nodes[2].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await client.aclose()


async def test_a_cluster_that_is_not_there_is_said_as_of_any_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for threads."""
    monkeypatch.setattr(cluster, "PAUSES", (0, 0.01))
    client: Any = open_redis("redis+cluster://127.0.0.1:1")
    with pytest.raises(ClusterDownError):
        await client.get("k")
    with pytest.raises(StoreDown):
        await check_server(client)
    await client.aclose()
    with open_sync_redis("redis+cluster://127.0.0.1:1") as sync_client, pytest.raises(ClusterDownError):
        sync_client.get("k")


async def test_what_is_due_on_every_node_is_fired_by_one_sweep(
    cluster_url: str, cluster_nodes: Sequence[Server]
) -> None:
    """Each node is asked for its partitions at once; scripts are forgotten, and the map of slots is out of date."""
    store = await RedisStore.connect(cluster_url, demo=True)
    requests = [await opened(store, f"t{n}") for n in range(48)]
    await store.push_clock(timedelta(days=30))
    for node in cluster_nodes:
        node.ask("SCRIPT", "FLUSH")
    slot = key_slot(f"sayso:{{{requests[0].id[:2]}}}:".encode())
    _, elsewhere = keeper_of(cluster_nodes, slot)
    store._redis._slots._moved[slot] = ("127.0.0.1", elsewhere.port)
    assert sorted(await store.due()) == sorted(one.id for one in requests)
    assert await Sweeper(store, Circles()).sweep() == 48
    assert {(await store.get(one.id)).version for one in requests} == {2}
    assert await store.due() == []
    await store.close()
