"""Checkpoints in Redis: whole or an error, one round trip a call, and only from the worker that has the thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
import redis
from checkpoint_scenes import a_config, a_graph, store, the_checkpoint
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from redis.exceptions import ConnectionError as RedisConnectionError
from sayso.agent.checkpoint_codec import StateLost
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.serializer import TokenInState
from sayso.agent.thread_keys import ThreadKeys
from sayso.bot.valkey import EmbeddedValkey
from typing_extensions import TypedDict


@pytest.fixture
async def saver(redis_url: str) -> AsyncIterator[RedisSaver]:
    saver = RedisSaver.at(redis_url)
    yield saver
    await saver.aclose()


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
    answers = [(await the_checkpoint(saver, way)).checkpoint["channel_values"]["answer"] for way in ways]
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
    found = await the_checkpoint(saver, config)
    assert [value for _, _, value in found.pending_writes or ()] == [*(f"a{n}" for n in range(11)), "b"]


async def test_a_write_sent_twice_is_kept_once_and_an_answer_is_replaced(saver: RedisSaver) -> None:
    """The client repeats a call whose reply was lost; only errors, interrupts and answers may change."""
    config = await store(saver, a_config())
    for attempt in ("first", "second"):
        await saver.aput_writes(config, [("log", attempt), ("__resume__", attempt)], "task")
    found = await the_checkpoint(saver, config)
    assert {(channel, value) for _, channel, value in found.pending_writes or ()} == {
        ("log", "first"),
        ("__resume__", "second"),
    }


async def test_many_channels_fit(saver: RedisSaver) -> None:
    """More values than Lua passes to one command."""
    values = {f"channel {number}": number for number in range(9000)}
    await store(saver, a_config(), **values)
    assert (await the_checkpoint(saver, a_config())).checkpoint["channel_values"] == values


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


async def test_calls_of_one_turn_go_together(saver: RedisSaver, redis_client: redis.Redis) -> None:
    """Fifty threads at once: each gets its own answer, in far fewer round trips than calls."""
    await asyncio.gather(*(store(saver, a_config(f"t{n}"), name=n) for n in range(50)))
    before = redis_client.info("stats")["total_reads_processed"]
    found = await asyncio.gather(*(the_checkpoint(saver, a_config(f"t{n}")) for n in range(50)))
    assert [one.checkpoint["channel_values"]["name"] for one in found] == list(range(50))
    assert redis_client.info("stats")["total_reads_processed"] - before < 25


async def test_one_bad_call_spoils_no_other(saver: RedisSaver, redis_client: redis.Redis) -> None:
    """The others are stored, also after a restart forgot the scripts; and no error quotes the state."""
    redis_client.set(ThreadKeys("sayso", "t3").namespaces, "no set")
    redis_client.script_flush()
    calls = [store(saver, a_config(f"t{n}"), name=f"Dana {n}") for n in range(8)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    [refused] = [one for one in answers if isinstance(one, BaseException)]
    assert answers[3] is refused
    assert isinstance(refused, redis.ResponseError)
    assert str(refused).startswith("WRONGTYPE")
    assert "Dana" not in str(refused)


async def test_whoever_stops_waiting_stops_nobody_else(saver: RedisSaver) -> None:
    """Two of ten runs are cancelled while their checkpoints are under way."""
    tasks = [asyncio.create_task(store(saver, a_config(f"t{n}"), name=n)) for n in range(10)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[5].cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [n for n, one in enumerate(ended) if isinstance(one, BaseException)] == [0, 5]
    for n in set(range(10)) - {0, 5}:
        assert (await the_checkpoint(saver, a_config(f"t{n}"))).checkpoint["channel_values"] == {"name": n}


async def test_everybody_hears_that_the_server_is_away(tmp_path: Path) -> None:
    """Not one of many calls is left waiting."""
    with EmbeddedValkey(tmp_path) as server:
        saver = RedisSaver.at(server.url)
        await store(saver, a_config(), name="Dana")
    async with asyncio.timeout(60):
        answers = await asyncio.gather(
            *(saver.aget_tuple(a_config(f"t{n}")) for n in range(20)), return_exceptions=True
        )
    await saver.aclose()
    assert all(isinstance(one, RedisConnectionError) for one in answers)


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
    """S22 P11: in values, in writes and in what LangGraph copies from the config into the metadata."""
    token = "ghp_" + "a1B2" * 9
    config = await store(saver, a_config("clean"))
    with pytest.raises(TokenInState, match=r"^channel_values\.messages\[0\]\.text holds"):
        await store(saver, a_config(), messages=[{"text": token}])
    with pytest.raises(TokenInState, match=r"^writes\.messages holds"):
        await saver.aput_writes(config, [("messages", token)], "task")
    with pytest.raises(TokenInState, match=r"^metadata\.api_key holds"):
        await store(saver, a_config(api_key=token), name="x")
    assert not any(token.encode() in (redis_client.dump(key) or b"") for key in redis_client.scan_iter())


def _calls(client: redis.Redis) -> int:
    stats: dict[str, dict[str, int]] = client.info("commandstats")
    return sum(entry["calls"] for name, entry in stats.items() if name in ("cmdstat_evalsha", "cmdstat_eval"))
