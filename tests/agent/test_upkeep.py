"""Stored threads thinned, copied and forgotten: a worker's thread is left alone, and nothing is half done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from checkpoint_scenes import a_config, a_graph, store, the_checkpoint
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from sayso.agent import upkeep_scripts
from sayso.agent.checkpoint_codec import StateLost
from sayso.agent.checkpoint_scripts import Call
from sayso.agent.checkpoint_steps import StaleFence
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.thread_keys import ThreadKeys
from sayso.agent.thread_lock import ThreadLock
from sayso.agent.upkeep_steps import ThreadExists, ThreadHeld
from sayso.approvals.connection import open_redis, open_sync_redis
from typing_extensions import TypedDict

DONE = ["plan", "gate", "act on 1250.10 after 4:00:00"]


@pytest.fixture
async def saver(each_redis_url: str) -> AsyncIterator[RedisSaver]:
    saver = RedisSaver.at(each_redis_url)
    yield saver
    await saver.aclose()


@pytest.fixture
async def lock(each_redis_url: str) -> AsyncIterator[ThreadLock]:
    client, sync_client = open_redis(each_redis_url), open_sync_redis(each_redis_url)
    yield ThreadLock(client, sync_client)
    await client.aclose()
    sync_client.close()


def keys_of(saver: RedisSaver) -> set[bytes]:
    """Everything on the server."""
    return set(saver._sync_client.scan_iter())


async def paused(saver: RedisSaver, thread: str, **names: Any) -> Any:
    """A thread that waits for its answer."""
    graph = a_graph(saver)
    await graph.ainvoke({"log": []}, a_config(thread, **names), durability="sync")
    return graph


async def halted_before(saver: RedisSaver, steps: Any, script: str) -> Call:
    """Carry out the steps up to this call, which is not made."""
    question = next(steps)
    while not (isinstance(question, Call) and question.script == script):
        question = steps.send(await saver._aask(question))
    return question


async def went_on(saver: RedisSaver, steps: Any, question: Any) -> None:
    """Carry out the rest."""
    try:
        while True:
            question = steps.send(await saver._aask(question))
    except StopIteration:
        return


async def test_a_deleted_thread_leaves_no_key(saver: RedisSaver, lock: ThreadLock) -> None:
    """Not one on the whole server: no checkpoint, blob, write or index, and no fence either."""
    fence = await lock.acquire("C1:17.0", "w1", 60_000)
    graph = await paused(saver, "C1:17.0", sayso_fence=fence)
    await graph.ainvoke(Command(resume={"type": "approve"}), a_config("C1:17.0", sayso_fence=fence))
    await store(saver, a_config("C1:17.0", checkpoint_ns="sub|1"), name="inner")
    await lock.release("C1:17.0", "w1")
    assert len(keys_of(saver)) > 5
    await saver.adelete_thread("C1:17.0")
    assert keys_of(saver) == set()


async def test_a_worker_that_held_a_deleted_thread_leaves_no_key_either(
    saver: RedisSaver, lock: ThreadLock
) -> None:
    """It can write nothing any more, not even when the thread has begun anew under the same id."""
    slow = await lock.acquire("t1", "slow", 60_000)
    await store(saver, a_config(sayso_fence=slow), name="x")
    await saver.adelete_thread("t1")
    with pytest.raises(StaleFence):
        await store(saver, a_config(sayso_fence=slow), name="zombie")
    await lock.release("t1", "slow")
    assert keys_of(saver) == set()
    fence = await lock.acquire("t1", "quick", 60_000)
    await store(saver, a_config(sayso_fence=fence), name="new")
    with pytest.raises(StaleFence):
        await store(saver, a_config(sayso_fence=slow), name="zombie")
    assert (await the_checkpoint(saver, a_config())).checkpoint["channel_values"] == {"name": "new"}


async def test_what_a_worker_runs_is_left_alone(saver: RedisSaver, lock: ThreadLock) -> None:
    """Everything else is done, and the held thread is named."""
    for thread in ("t1", "t2", "t3"):
        await paused(saver, thread, run_id="r1")
    await paused(saver, "t4", run_id="r2")
    for thread in ("t2", "t4"):
        assert await lock.acquire(thread, "w1", 60_000)
    before = [found async for found in saver.alist(a_config("t2"))]
    with pytest.raises(ThreadHeld) as prune:
        await saver.aprune(["t1", "t2", "t3"])
    assert prune.value.threads == ("t2",)
    assert [len([one async for one in saver.alist(a_config(t))]) for t in ("t1", "t3")] == [1, 1]
    with pytest.raises(ThreadHeld) as delete:
        await saver.adelete_for_runs(["r1"])
    assert delete.value.threads == ("t2",)
    with pytest.raises(ThreadHeld):
        await saver.acopy_thread("t2", "t9")
    assert [found async for found in saver.alist(a_config("t2"))] == before
    assert {one.config["configurable"]["thread_id"] async for one in saver.alist(None)} == {"t2", "t4"}


@pytest.mark.parametrize("verb", ["prune", "delete_for_runs"])
async def test_a_thread_that_moves_is_looked_at_again(saver: RedisSaver, verb: str) -> None:
    """What was stored between the look and the step is judged too, and never lost."""
    first = await store(saver, a_config(run_id="old"), name="first")
    await store(saver, {**first, "metadata": {"run_id": "old"}}, name="second")
    given = (["t1"], "keep_latest") if verb == "prune" else (["old"],)
    steps = getattr(saver._upkeep, verb)(*given)
    question = await halted_before(saver, steps, upkeep_scripts._DROP)
    await store(saver, {**first, "metadata": {"run_id": "new"}}, name="third")
    await went_on(saver, steps, question)
    left = [one.checkpoint["channel_values"]["name"] async for one in saver.alist(a_config())]
    assert left == ["third"]


async def test_the_runs_of_a_whole_thread_leave_no_key(saver: RedisSaver, lock: ThreadLock) -> None:
    """Also of a run whose writes came before their checkpoint."""
    fence = await lock.acquire("t1", "w1", 60_000)
    await paused(saver, "t1", run_id="r1", sayso_fence=fence)
    orphan = a_config(checkpoint_id="0", sayso_fence=fence)
    await saver.aput_writes(orphan, [("log", ["x"])], "task")
    await lock.release("t1", "w1")
    await saver.adelete_for_runs(["r1"])
    assert keys_of(saver) == set()


class Spread(TypedDict):
    log: Annotated[list[str], DeltaChannel(lambda log, new: [*log, *(x for w in new for x in w)], list)]


async def test_what_a_later_run_is_rebuilt_from_stays(saver: RedisSaver) -> None:
    """A DeltaChannel is spread over the writes of earlier runs: deleting those must not empty it."""
    graph = StateGraph(Spread)
    graph.add_node("one", lambda _: {"log": ["one"]})
    graph.add_node("two", lambda _: {"log": [interrupt("?")]})
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    compiled = graph.compile(checkpointer=saver)
    await compiled.ainvoke({"log": ["input"]}, a_config(run_id="r1"))
    await compiled.ainvoke(Command(resume="two"), a_config(run_id="r2"))
    await saver.adelete_for_runs(["r1"])
    assert (await compiled.aget_state(a_config())).values["log"] == ["input", "one", "two"]


async def test_a_copy_goes_its_own_way(saver: RedisSaver) -> None:
    """A paused thread and its copy are each resumed, with every value, history and pending write."""
    graph = await paused(saver, "t1")
    await saver.acopy_thread("t1", "t2")
    done = [await graph.ainvoke(Command(resume={"type": "approve"}), a_config(t)) for t in ("t2", "t1")]
    assert [one["log"] for one in done] == [DONE, DONE]
    await saver.adelete_thread("t1")
    assert len([one async for one in saver.alist(a_config("t2"))]) > 3
    assert all(saver._sync_client.ttl(key) == -1 for key in keys_of(saver))


async def test_a_copy_is_seen_whole_or_not_at_all(saver: RedisSaver) -> None:
    """Its process dies before the end: no reader sees a part, what is there goes away, and it can be done again."""
    graph = await paused(saver, "t1")
    before = keys_of(saver)
    await halted_before(saver, saver._upkeep.copy("t1", "t2"), upkeep_scripts._PUBLISH)
    assert await saver.aget_tuple(a_config("t2")) is None
    assert all(saver._sync_client.ttl(key) > 0 for key in keys_of(saver) - before)
    await saver.acopy_thread("t1", "t2")
    assert (await graph.ainvoke(Command(resume={"type": "approve"}), a_config("t2")))["log"] == DONE


async def test_a_copy_of_a_thread_that_moves_is_of_one_moment(saver: RedisSaver) -> None:
    """It is made again, so that a graph and its subgraphs fit together."""
    first = await store(saver, a_config(), name="first")
    steps = saver._upkeep.copy("t1", "t2")
    question = await halted_before(saver, steps, upkeep_scripts._STAGE)
    await store(saver, first, name="second")
    await went_on(saver, steps, question)
    assert (await the_checkpoint(saver, a_config("t2"))).checkpoint["channel_values"] == {"name": "second"}


async def test_nothing_is_copied_over_a_thread(saver: RedisSaver, lock: ThreadLock) -> None:
    """Not over one that is there, nor over one that begins meanwhile or is just taken."""
    await store(saver, a_config("t1"), name="one")
    await store(saver, a_config("t2"), name="two")
    with pytest.raises(ThreadExists, match="'t2' exists"):
        await saver.acopy_thread("t1", "t2")
    assert await lock.acquire("t3", "w1", 60_000)
    with pytest.raises(ThreadExists):
        await saver.acopy_thread("t1", "t3")
    steps = saver._upkeep.copy("t1", "t4")
    question = await halted_before(saver, steps, upkeep_scripts._PUBLISH)
    await store(saver, a_config("t4"), name="four")
    with pytest.raises(ThreadExists):
        await went_on(saver, steps, question)
    names = [(await the_checkpoint(saver, a_config(t))).checkpoint["channel_values"] for t in ("t2", "t4")]
    assert names == [{"name": "two"}, {"name": "four"}]


async def test_half_a_state_is_not_copied(saver: RedisSaver) -> None:
    """The copy would look whole."""
    await store(saver, a_config(), name="Dana")
    saver._sync_client.delete(ThreadKeys("sayso", "t1").of("", "b"))
    with pytest.raises(StateLost):
        await saver.acopy_thread("t1", "t2")
    assert await saver.aget_tuple(a_config("t2")) is None


def test_the_sync_verbs_do_the_same(each_redis_url: str) -> None:
    """Without an event loop."""
    with open_sync_redis(each_redis_url) as client:
        saver = RedisSaver(open_redis(each_redis_url), client)
        graph = a_graph(saver)
        graph.invoke({"log": []}, a_config())
        saver.copy_thread("t1", "t2")
        saver.prune(["t1"])
        saver.delete_thread("t1")
        assert graph.invoke(Command(resume={"type": "approve"}), a_config("t2"))["log"] == DONE
        saver.delete_thread("t2")
        assert not list(client.scan_iter())
