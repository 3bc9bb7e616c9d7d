"""A paused thread that somebody else answered, fed or changed: what they said moves nothing that people here decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from crashing_worker import redis_world
from foreign import Shared, asking, foreign_world, one_node, open_requests, senders, the_one
from foreign_shapes import INBOX
from gated import REJECT, World
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from sayso.agent.resume import answer_foreign
from sayso.agent.stray_answers import NOBODY, RESUME
from sayso.approvals.request import OutcomeKind, Request
from sayso.approvals.verdict import Modify

HERE: Any = {"configurable": {"thread_id": "t1"}}


async def kind_of(world: World, request: Request) -> OutcomeKind | None:
    ended = await world.request(request)
    return ended.outcome.kind if ended.outcome else None


def failing(acted: list[Any], value: Any) -> Any:
    """An agent whose node fails once after it got its answer."""
    broken = iter([True])

    def work(state: Shared) -> dict[str, Any]:
        answer = interrupt(value)
        if next(broken, False):
            raise ConnectionError
        acted.append(answer)
        return {"report": "Done."}

    return one_node(work).compile().with_config(metadata={"sayso_reads": "agent-inbox"})


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("decide", [None, REJECT])
async def test_an_answer_given_past_sayso_is_not_replayed(decide: Any, by_id: bool) -> None:
    """Measured: the first answer of a node that failed afterwards is replayed, whatever is sent later."""
    acted: list[Any] = []
    world = foreign_world(failing(acted, [INBOX]))
    await world.ask()
    request = await the_one(world)
    theirs: Any = [{"type": "accept", "args": "theirs"}]
    with pytest.raises(ConnectionError):
        await world.graph.ainvoke(
            Command(resume={request.ask.key.interrupt: theirs} if by_id else theirs), HERE
        )
    await world.answer(request, decide)
    await world.work()
    assert acted == []
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED
    fresh = await the_one(world)
    assert fresh.ask.key.interrupt != request.ask.key.interrupt
    await world.answer(fresh, decide)
    await world.work()
    assert [one[0]["type"] for one in acted] == ["ignore" if decide else "accept"]
    assert theirs not in acted


async def test_in_our_own_checkpoints_it_is_found_as_well(redis_url: str, tmp_path: Path) -> None:
    """Another program that held the thread: what it left is read, and asked about anew, over Redis."""
    acted: list[Any] = []
    async with redis_world(redis_url, tmp_path / "ledger", graph=failing(acted, [INBOX])) as world:
        await world.start()
        await world.worker.work_once()
        request = await the_one(world)
        async with world.worker.runner.holding(request.ask.run, nothing) as held:
            assert held is not None
            with pytest.raises(ConnectionError):
                await answer_foreign(
                    held.graph, held.config, request.ask.key.interrupt, [{"type": "accept", "args": None}]
                )
        await world.answer(request, REJECT)
        await world.work()
        assert acted == []
        assert (await the_one(world)).ask.key.interrupt != request.ask.key.interrupt


async def nothing() -> None:
    return None


async def test_beside_others_such_an_agent_is_ended() -> None:
    """What ran beside it may not run once more, so it cannot be asked anew."""
    acted: list[str] = []
    broken = iter([True])

    def breaks(number: int) -> None:
        if number == 1 and next(broken, False):
            raise ConnectionError

    world = foreign_world(senders(acted, breaks))
    await world.ask()
    first, second, _ = sorted(await open_requests(world), key=lambda one: one.proposal.action.summary)
    with pytest.raises(ConnectionError):
        await world.graph.ainvoke(Command(resume={first.ask.key.interrupt: "theirs"}), HERE)
    await world.answer(second)
    await world.work()
    assert acted == ["sent 1"]
    assert await kind_of(world, second) is OutcomeKind.FAILED
    assert "past sayso" in (await world.reports())[0]


def two_in_one_node(acted: list[Any]) -> StateGraph[Any, Any, Any, Any]:
    def work(state: Shared) -> dict[str, Any]:
        first = interrupt("One?")
        acted.append(("one", first))
        acted.append(("two", interrupt("Two?")))
        return {"report": "Done."}

    return one_node(work)


async def test_two_questions_of_one_node_are_two_requests() -> None:
    """The second one's pause rightly holds the first one's answer; a doubled answer to the first is none to it."""
    acted: list[Any] = []
    world = foreign_world(two_in_one_node(acted))
    await world.ask()
    one = await the_one(world)
    await world.answer(one, Modify({"answer": "first"}))
    await world.work()
    two = await the_one(world)
    assert two.ask.key.interrupt != one.ask.key.interrupt
    await world.worker.reconcile_once()
    await world.work()
    assert ("two", "first") not in acted
    await world.answer(two, Modify({"answer": "second"}))
    await world.work()
    assert acted[-1] == ("two", "second")


async def test_a_bare_answer_that_still_lies_about_is_none_to_the_next_question() -> None:
    """Measured: after somebody's bare answer to the first, merely running on gives it to the second."""
    acted: list[Any] = []
    world = foreign_world(two_in_one_node(acted))
    await world.ask()
    await world.graph.ainvoke(Command(resume="STALE"), HERE)
    kept = await world.graph.checkpointer.aget_tuple(HERE)
    assert [one[:2] for one in kept.pending_writes if one[0] == NOBODY] == [(NOBODY, RESUME)]
    await world.worker.reconcile_once()
    two = await the_one(world)
    await world.answer(two)
    await world.work()
    assert ("two", "STALE") not in acted
    assert ("two", "yes") not in acted


@pytest.mark.parametrize("decide", [None, REJECT])
async def test_new_input_on_a_paused_thread_kills_its_card_and_nothing_else(decide: Any) -> None:
    """Measured: the pause is discarded and raised anew; an answer to the old one is none to the new one."""
    acted: list[str] = []
    world = foreign_world(asking("Send?", acted))
    await world.ask()
    old = await the_one(world)
    await world.answer(old, decide)
    await world.graph.ainvoke({"goal": "again"}, HERE)
    await world.work()
    assert acted == []
    fresh = await the_one(world)
    assert fresh.ask.key.interrupt != old.ask.key.interrupt
    await world.answer(fresh)
    await world.work()
    assert acted == ["Send?"]


async def test_a_state_that_was_changed_while_it_waited_is_asked_about_anew() -> None:
    """Measured: such a thread waits for nothing until it is run again, and then under a new id."""
    acted: list[str] = []
    world = foreign_world(asking("Send?", acted))
    await world.ask()
    old = await the_one(world)
    await world.answer(old)
    await world.graph.aupdate_state(HERE, {"number": 7}, as_node=START)
    await world.work()
    assert acted == []
    assert await kind_of(world, old) is OutcomeKind.INVALIDATED
    await world.answer(await the_one(world))
    await world.work()
    assert acted == ["Send?"]


async def test_a_loop_in_one_node_asks_each_time() -> None:
    """Each time under its own id: no answer counts twice."""
    acted: list[Any] = []

    def work(state: Shared) -> dict[str, Any]:
        while (answer := interrupt("More?")) != "stop":
            acted.append(answer)
        return {"report": "Done."}

    world = foreign_world(one_node(work))
    await world.ask()
    for said in ("a", "b", "stop"):
        await world.answer(await the_one(world), Modify({"answer": said}))
        await world.work()
    assert acted == ["a", "a", "b", "a", "b"]  # LangGraph runs a node from its beginning each time
    assert await world.reports() == ["Done."]


async def test_the_functional_form_pauses_as_well() -> None:
    """`@entrypoint` has no builder to look into."""
    acted: list[Any] = []

    @entrypoint()
    def flow(goal: Any) -> dict[str, Any]:
        acted.extend([interrupt("Send?")])
        return {"report": "Done."}

    world = foreign_world(flow)
    await world.ask()
    await world.answer(await the_one(world))
    await world.work()
    assert acted == ["yes"]
