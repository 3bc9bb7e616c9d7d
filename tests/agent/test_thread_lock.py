"""One worker at a time on a thread, and nothing written by one that has lost it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
from checkpoint_scenes import State, a_config, a_graph, store, the_checkpoint
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from sayso.agent.checkpoint_steps import MissingFence, StaleFence
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.thread_keys import ThreadKeys
from sayso.agent.thread_lock import Fence, ThreadLock
from sayso.approvals.connection import open_redis, open_sync_redis


@pytest.fixture
async def saver(redis_url: str) -> AsyncIterator[RedisSaver]:
    saver = RedisSaver.at(redis_url)
    yield saver
    await saver.aclose()


@pytest.fixture
async def lock(redis_url: str) -> AsyncIterator[ThreadLock]:
    client, sync_client = open_redis(redis_url), open_sync_redis(redis_url)
    yield ThreadLock(client, sync_client)
    await client.aclose()
    sync_client.close()


async def test_only_the_newest_holder_of_the_thread_writes(saver: RedisSaver, lock: ThreadLock) -> None:
    """A worker that lost its lease without noticing is refused in the same step as it would write."""
    slow = await _taken(lock, "t1", "slow")
    await lock.release("t1", "slow")  # as when its lease had ended
    quick = await _taken(lock, "t1", "quick")
    config = await store(saver, a_config(sayso_fence=quick), name="quick")
    with pytest.raises(StaleFence, match="taken thread 't1' over") as refusal:
        await store(saver, a_config(sayso_fence=slow), name="slow")
    assert (refusal.value.carried, refusal.value.newest) == (slow, quick)
    late = a_config(sayso_fence=slow, checkpoint_id=config["configurable"]["checkpoint_id"])
    with pytest.raises(StaleFence):
        await saver.aput_writes(late, [("name", "slow")], "task")
    found = await the_checkpoint(saver, a_config())
    assert found.checkpoint["channel_values"] == {"name": "quick"}
    assert found.pending_writes == []


async def test_langgraph_carries_the_fence_to_every_write(redis_url: str, lock: ThreadLock) -> None:
    """Also those of subgraphs; and the fence is no part of what is stored."""
    saver = RedisSaver.at(redis_url, require_fence=True)
    inner = a_graph(saver)
    outer = StateGraph(State)
    outer.add_node("inner", inner)
    outer.add_edge(START, "inner")
    graph = outer.compile(checkpointer=saver)
    config: RunnableConfig = {
        "configurable": {"thread_id": "t1", "sayso_fence": await lock.acquire("t1", "w", 60_000)}
    }
    await graph.ainvoke({"log": []}, config, durability="sync")
    done = await graph.ainvoke(Command(resume={"type": "approve"}), config, durability="sync")
    assert done["log"][-1] == "act on 1250.10 after 4:00:00"
    stored = [found async for found in saver.alist(None)]
    assert {bool(found.config["configurable"]["checkpoint_ns"]) for found in stored} == {True, False}
    assert not any("sayso_fence" in found.metadata for found in stored)
    await saver.aclose()


async def test_a_write_without_a_fence_is_refused_in_production(redis_url: str) -> None:
    """Where workers run, nobody writes a thread that they do not hold."""
    saver = RedisSaver.at(redis_url, require_fence=True)
    with pytest.raises(MissingFence):
        await store(saver, a_config(), name="x")
    with pytest.raises(MissingFence):
        await saver.aput_writes(a_config(checkpoint_id="c"), [("name", "x")], "task")
    assert await saver.aget_tuple(a_config()) is None
    await saver.aclose()


async def test_a_deleted_thread_shuts_its_worker_out(saver: RedisSaver, lock: ThreadLock) -> None:
    """A run that was under way when its thread was deleted writes nothing back."""
    fence = await _taken(lock, "t1", "worker")
    await store(saver, a_config(sayso_fence=fence), name="x")
    await saver.adelete_thread("t1")
    with pytest.raises(StaleFence):
        await store(saver, a_config(sayso_fence=fence), name="x")


async def test_one_worker_at_a_time(lock: ThreadLock) -> None:
    """Who has the thread keeps it; asking twice gives the same answer, because a lost reply is asked again."""
    fence = await _taken(lock, "t1", "a")
    assert await lock.acquire("t1", "a", 60_000) == fence
    assert await lock.acquire("t1", "b", 60_000) is None
    assert not await lock.renew("t1", "b", 60_000)
    assert not await lock.release("t1", "b")
    assert await lock.renew("t1", "a", 60_000)
    assert await lock.release("t1", "a")
    assert await lock.acquire("t1", "b", 60_000) == fence + 1
    assert await lock.acquire("t2", "b", 60_000)


async def test_racing_workers_get_one_lock(lock: ThreadLock) -> None:
    """Fifty at once: one winner."""
    fences = await asyncio.gather(*(lock.acquire("t1", f"worker {n}", 60_000) for n in range(50)))
    assert len([fence for fence in fences if fence is not None]) == 1


async def test_a_keeper_thread_renews_while_the_loop_is_busy(
    lock: ThreadLock, redis_client: redis.Redis
) -> None:
    """The sync form renews the same lock, and says when it was lost."""
    await lock.acquire("t1", "a", 60_000)
    assert lock.renew_sync("t1", "a", 600_000)
    assert redis_client.pttl(ThreadKeys("sayso", "t1").lock) > 60_000
    await lock.release("t1", "a")
    assert not lock.renew_sync("t1", "a", 600_000)


def test_a_thread_needs_a_name() -> None:
    """An empty hash tag would scatter its keys over the cluster."""
    with pytest.raises(ValueError, match="never empty"):
        ThreadKeys("sayso", "")


async def _taken(lock: ThreadLock, thread: str, owner: str) -> Fence:
    fence = await lock.acquire(thread, owner, 60_000)
    assert fence is not None
    return fence
