"""Checkpoints in Redis: whole or an error, one round trip a call, and only from the worker that has the thread."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
import redis
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from redis.exceptions import ConnectionError as RedisConnectionError
from sayso.agent.checkpoint_codec import StateLost
from sayso.agent.checkpoint_steps import MissingFence, StaleFence
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.serializer import TokenInState
from sayso.agent.thread_keys import ThreadKeys
from sayso.agent.thread_lock import Fence, ThreadLock
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.bot.valkey import EmbeddedValkey
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    amount: Decimal
    grace: timedelta
    asked_at: datetime
    by_number: dict[int, str]
    log: Annotated[list[str], operator.add]
    answer: str


def plan(state: State) -> State:
    return {
        "amount": Decimal("1250.10"),
        "grace": timedelta(hours=4),
        "asked_at": datetime(2030, 1, 1, 12, tzinfo=UTC),
        "by_number": {7: "x"},
        "log": ["plan"],
    }


def gate(state: State) -> State:
    return {"answer": interrupt({"amount": str(state["amount"])})["type"], "log": ["gate"]}


def act(state: State) -> State:
    return {"log": [f"act on {state['amount']} after {state['grace']}"]}


def a_graph(saver: RedisSaver) -> Any:
    """Plan, gate, act: made anew as another process would."""
    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_node("gate", gate)
    graph.add_node("act", act)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "gate")
    graph.add_edge("gate", "act")
    graph.add_edge("act", END)
    return graph.compile(checkpointer=saver)


def a_config(thread: str = "t1", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


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


async def store(saver: RedisSaver, config: RunnableConfig, **values: Any) -> RunnableConfig:
    """Put one checkpoint with these values, all of them new."""
    versions = dict.fromkeys(values, saver.get_next_version(None, None))
    checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": versions}
    return await saver.aput(config, checkpoint, {"source": "loop", "step": 1}, versions)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the suite's own
async def test_langgraphs_conformance_suite_passes(each_redis_url: str) -> None:
    """Every verb, also the optional ones: 81 tests of LangGraph's."""

    @checkpointer_test(name="sayso")
    async def factory() -> AsyncIterator[RedisSaver]:
        saver = RedisSaver.at(each_redis_url)
        yield saver
        await saver.aclose()

    report = await validate(factory)
    assert {name: result.failures for name, result in report.results.items() if not result.passed} == {}
    assert sum(result.tests_passed for result in report.results.values()) >= 81


async def test_a_pause_resumes_elsewhere_with_every_value_intact(each_redis_url: str) -> None:
    """S9, S10: prior steps do not run again, and the amount approved is the amount acted on."""
    first = RedisSaver.at(each_redis_url)
    await a_graph(first).ainvoke({"log": []}, a_config(), durability="sync")
    await first.aclose()

    other = RedisSaver.at(each_redis_url)
    graph = a_graph(other)
    [pending] = (await graph.aget_state(a_config())).interrupts
    done = await graph.ainvoke(
        Command(resume={pending.id: {"type": "approve"}}), a_config(), durability="sync"
    )
    await other.aclose()
    assert done["log"] == ["plan", "gate", "act on 1250.10 after 4:00:00"]
    assert done["asked_at"] == datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert done["by_number"] == {7: "x"}


def test_the_sync_verbs_do_the_same(redis_url: str) -> None:
    """A graph run without an event loop pauses, resumes, lists, forks, copies and deletes."""
    saver = RedisSaver.at(redis_url)
    graph = a_graph(saver)
    graph.invoke({"log": []}, a_config())
    graph.invoke(Command(resume={"type": "approve"}), a_config())
    history = list(graph.get_state_history(a_config()))
    assert [len(list(saver.list(a_config(), limit=n))) for n in (0, 2, 99)] == [0, 2, len(history)]
    saver.copy_thread("t1", "t2")
    saver.prune(["t1"])
    assert [len(list(saver.list(a_config(thread)))) for thread in ("t1", "t2")] == [1, len(history)]
    assert {found.config["configurable"]["thread_id"] for found in saver.list(None)} == {"t1", "t2"}
    saver.delete_thread("t1")
    assert saver.get_tuple(a_config()) is None
    asyncio.run(saver.aclose())


async def test_two_branches_of_a_thread_keep_their_own_values(saver: RedisSaver) -> None:
    """Two ways on from one checkpoint write the same channel in the same step: neither overwrites the other."""
    root = await store(saver, a_config(), answer="none")
    ways = [await store(saver, root, answer=answer) for answer in ("approve", "reject")]
    answers = [(await _get(saver, way)).checkpoint["channel_values"]["answer"] for way in ways]
    assert answers == ["approve", "reject"]


async def test_channels_spread_over_writes_are_rebuilt(saver: RedisSaver) -> None:
    """A DeltaChannel stores no value between snapshots; a fresh saver, and pruning, must not lose it."""

    class Spread(TypedDict):
        log: Annotated[list[str], DeltaChannel(lambda log, new: [*log, *(x for w in new for x in w)], list)]

    graph = StateGraph(Spread)
    graph.add_node("one", lambda _: {"log": ["one"]})
    graph.add_node("two", lambda _: {"log": [interrupt("?")]})
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    compiled = graph.compile(checkpointer=saver)
    await compiled.ainvoke({"log": ["input"]}, a_config())
    await saver.aprune(["t1"])
    done = await compiled.ainvoke(Command(resume="two"), a_config())
    assert done["log"] == ["input", "one", "two"]


async def test_a_lost_value_is_an_error(saver: RedisSaver, redis_client: redis.Redis) -> None:
    """A run never goes on from half a state."""
    await store(saver, a_config(), amount=Decimal(10), name="Dana")
    blobs = ThreadKeys("sayso", "t1").of("", "b")
    names: Any = redis_client.hkeys(blobs)
    [gone] = [name for name in names if name.endswith(b"\0amount")]
    redis_client.hdel(blobs, gone)
    with pytest.raises(StateLost, match="'t1' is not whole: amount is gone"):
        await saver.aget_tuple(a_config())


async def test_a_redis_error_is_never_no_checkpoint(tmp_path: Path) -> None:
    """Otherwise the run would begin anew and the person's approval would be lost."""
    with EmbeddedValkey(tmp_path) as server:
        saver = RedisSaver.at(server.url)
        graph = a_graph(saver)
        await graph.ainvoke({"log": []}, a_config())
    with pytest.raises(RedisConnectionError):
        await graph.ainvoke(Command(resume={"type": "approve"}), a_config())
    with EmbeddedValkey(tmp_path):
        done = await graph.ainvoke(Command(resume={"type": "approve"}), a_config())
        await saver.aclose()
    assert done["log"] == ["plan", "gate", "act on 1250.10 after 4:00:00"]


async def test_writes_come_back_in_the_order_of_the_run(saver: RedisSaver) -> None:
    """By task path first; task ids are hashes, and index ten comes after index nine."""
    config = await store(saver, a_config())
    await saver.aput_writes(config, [("log", "b")], "task-a", "~push, 1")
    await saver.aput_writes(config, [("log", f"a{n}") for n in range(11)], "task-z", "~push, 0")
    found = await _get(saver, config)
    assert [value for _, _, value in found.pending_writes or ()] == [*(f"a{n}" for n in range(11)), "b"]


async def test_a_write_sent_twice_is_kept_once_and_an_answer_is_replaced(saver: RedisSaver) -> None:
    """The client repeats a call whose reply was lost; only errors, interrupts and answers may change."""
    config = await store(saver, a_config())
    for attempt in ("first", "second"):
        await saver.aput_writes(config, [("log", attempt), ("__resume__", attempt)], "task")
    found = await _get(saver, config)
    assert {(channel, value) for _, channel, value in found.pending_writes or ()} == {
        ("log", "first"),
        ("__resume__", "second"),
    }


async def test_many_channels_fit(saver: RedisSaver) -> None:
    """More values than Lua passes to one command."""
    values = {f"channel {number}": number for number in range(9000)}
    await store(saver, a_config(), **values)
    assert (await _get(saver, a_config())).checkpoint["channel_values"] == values


async def test_each_call_is_one_round_trip(saver: RedisSaver, redis_client: redis.Redis) -> None:
    """put, put_writes and get_tuple: one script call each once the scripts are known."""
    config = await store(saver, a_config(), log=["x"])
    await saver.aput_writes(config, [("log", "y")], "task")
    await saver.aget_tuple(config)
    before = _calls(redis_client)
    config = await store(saver, config, log=["x"])
    await saver.aput_writes(config, [("log", "y"), ("log", "z")], "task")
    await saver.aget_tuple(config)
    assert _calls(redis_client) - before == 3


@pytest.mark.parametrize("thread", ["C123:1699.0001", "a{b}c", "50%", "x:ns", "Müller"])
async def test_thread_ids_cannot_meet(saver: RedisSaver, redis_client: redis.Redis, thread: str) -> None:
    """Whatever the id, its keys share one cluster slot, nobody else's, and deleting leaves nothing."""
    await store(saver, a_config("x"), name="other")
    others = set(redis_client.scan_iter())
    await store(saver, a_config(thread), name="mine")
    config = await store(saver, a_config(thread, checkpoint_ns="sub:1|{x}"), name="mine too")
    await saver.aput_writes(config, [("name", "new")], "task")
    ours = set(redis_client.scan_iter()) - others
    assert len({key.split(b"{")[1].split(b"}")[0] for key in ours}) == 1
    listed = [found async for found in saver.alist({"configurable": {"thread_id": thread}})]
    assert {found.config["configurable"]["checkpoint_ns"] for found in listed} == {"", "sub:1|{x}"}
    await saver.adelete_thread(thread)
    assert set(redis_client.scan_iter()) == others


async def test_installations_share_a_server(redis_url: str, saver: RedisSaver) -> None:
    """Another prefix is another world, even one with letters that mean something in a pattern."""
    theirs = RedisSaver.at(redis_url, prefix="say*[so]")
    await store(theirs, a_config("t2"), name="theirs")
    await store(saver, a_config("t1"), name="ours")
    for each, thread in ((saver, "t1"), (theirs, "t2")):
        found = [tuple_.config["configurable"]["thread_id"] async for tuple_ in each.alist(None)]
        assert found == [thread]
    await theirs.aclose()


async def test_a_finished_thread_expires_unless_it_goes_on(
    saver: RedisSaver, redis_client: redis.Redis
) -> None:
    """Retention takes all of a thread or nothing: a write to it keeps every key."""
    config = await store(saver, a_config(), name="Dana")
    await saver.aput_writes(config, [("name", "new")], "task")
    await saver.aexpire_thread("t1", timedelta(days=30))
    keys = list(redis_client.scan_iter())
    assert all(0 < redis_client.ttl(key) <= 30 * 86400 for key in keys)
    await saver.aput_writes(config, [("name", "newer")], "task 2")
    assert all(redis_client.ttl(key) == -1 for key in redis_client.scan_iter())


async def test_a_token_in_the_state_is_refused_with_its_path(
    saver: RedisSaver, redis_client: redis.Redis
) -> None:
    """S22: in values, in writes and in what LangGraph copies from the config into the metadata."""
    token = "ghp_" + "a1B2" * 9
    config = await store(saver, a_config("clean"))
    with pytest.raises(TokenInState, match=r"^channel_values\.messages\[0\]\.text holds"):
        await store(saver, a_config(), messages=[{"text": token}])
    with pytest.raises(TokenInState, match=r"^writes\.messages holds"):
        await saver.aput_writes(config, [("messages", token)], "task")
    with pytest.raises(TokenInState, match=r"^metadata\.api_key holds"):
        await store(saver, a_config(api_key=token), name="x")
    assert not any(token.encode() in (redis_client.dump(key) or b"") for key in redis_client.scan_iter())


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
    found = await _get(saver, a_config())
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
    fence = await lock.acquire("t1", "a", 60_000)
    assert fence == 1
    assert await lock.acquire("t1", "a", 60_000) == 1
    assert await lock.acquire("t1", "b", 60_000) is None
    assert not await lock.renew("t1", "b", 60_000)
    assert not await lock.release("t1", "b")
    assert await lock.renew("t1", "a", 60_000)
    assert await lock.release("t1", "a")
    assert await lock.acquire("t1", "b", 60_000) == 2
    assert await lock.acquire("t2", "b", 60_000) == 1


async def test_racing_workers_get_one_lock(lock: ThreadLock) -> None:
    """Fifty at once: one winner."""
    fences = await asyncio.gather(*(lock.acquire("t1", f"worker {n}", 60_000) for n in range(50)))
    assert [fence for fence in fences if fence is not None] == [1]


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


async def _get(saver: RedisSaver, config: RunnableConfig) -> CheckpointTuple:
    found = await saver.aget_tuple(config)
    assert found is not None
    return found


async def _taken(lock: ThreadLock, thread: str, owner: str) -> Fence:
    fence = await lock.acquire(thread, owner, 60_000)
    assert fence is not None
    return fence


def _calls(client: redis.Redis) -> int:
    stats: dict[str, dict[str, int]] = client.info("commandstats")
    return sum(entry["calls"] for name, entry in stats.items() if name in ("cmdstat_evalsha", "cmdstat_eval"))
