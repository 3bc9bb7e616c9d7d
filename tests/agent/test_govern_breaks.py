"""Governed tools when something breaks: killed workers, tools that never report, forged votes, error handlers, siblings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from foreign import Scripted
from gated import Ledger, World
from governed import (
    call,
    governed_world,
    mailer,
    open_requests,
    reader,
    says,
    told,
)
from langchain.agents import create_agent
from langchain.agents.middleware import ToolRetryMiddleware
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from sayso import govern
from sayso.approvals import effects, machine
from sayso.approvals.change import Change, Work, WorkKind
from sayso.approvals.request import EffectState, OutcomeKind, Request
from sayso.approvals.signing import Signer
from scenes import BO, a_vote

ONE = says("Dana asked for it.", call(1))
TWO = says("Both.", call(1), call(2))


def breaking() -> Any:
    """Breaks off after the first sending."""
    left = iter([True])

    def breaks() -> None:
        if next(left, False):
            raise ConnectionError("the mail server hung up")

    return breaks


async def broken_off(turn: Any = ONE) -> tuple[World, list[Request]]:
    """An approved call whose tool sent, and then raised."""
    ledger = Ledger()
    world = governed_world(turn, ledger=ledger, tools=[mailer(ledger, breaking())])
    await world.ask()
    requests = await open_requests(world)
    await world.answer(requests[0])
    await world.work()
    return world, requests


async def test_a_tool_that_broke_off_is_put_to_people() -> None:
    """It may have sent: nothing is run again, and the model is told nothing yet."""
    world, (request,) = await broken_off()
    assert len(world.ledger.done) == 1
    record = await world.request(request)
    assert record.effect is not None
    assert record.effect.state is EffectState.UNKNOWN
    await world.worker.reconcile_once()
    await world.work()
    assert len(world.ledger.done) == 1
    assert await told(world) == []
    await world.store.change(request.id, lambda r, now: effects.settled_as_done(r, BO, now))
    await world.work()
    assert len(world.ledger.done) == 1
    assert await told(world) == [("success", "confirmed by a person")]
    assert (await world.events())[-1] == "run finished"


async def test_people_order_it_once_more() -> None:
    """A new signed vote, and the same key."""
    world, (request,) = await broken_off()
    broken = await world.request(request)
    vote = a_vote(broken, BO, signer=world.signer, changed={"attempt": 2})
    await world.store.change(request.id, lambda r, now: effects.run_again(r, vote, frozenset({BO}), 1, now))
    await world.work()
    assert [key for _, _, key in world.ledger.done] == [request.id, request.id]
    assert await told(world) == [("success", "Sent to p1@example.com.")]


async def test_a_neighbour_is_not_held_up_by_a_broken_tool() -> None:
    """While people find out what happened to one call, the other is answered, runs to its end, once."""
    world, (first, second) = await broken_off(TWO)
    await world.answer(second)
    await world.work()
    assert [key for _, _, key in world.ledger.done] == [first.id, second.id]
    ended = await world.request(second)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED
    await world.store.change(first.id, lambda r, now: effects.given_up(r, BO, now))
    await world.work()
    assert len(world.ledger.done) == 2
    assert "It is not known whether this was done" in (await told(world))[0][1]
    assert (await world.events())[-1] == "run finished"


async def test_a_worker_that_died_in_the_tool_leaves_it_to_people() -> None:
    """The burn is all that is left of it; the next worker does not send."""
    world = governed_world(ONE)
    await world.ask()
    (request,) = await open_requests(world)
    decided = await world.answer(request)
    await world.store.change(decided.id, lambda r, now: machine.resuming(r, "dead", now))
    lease = timedelta(seconds=10)
    await world.store.change(
        decided.id, lambda r, now: effects.begin(r, attempt=1, worker="dead", lease=lease, now=now)
    )
    world.store.advance(timedelta(seconds=30))
    await world.work()
    assert world.ledger.done == []
    record = await world.request(request)
    assert record.effect is not None
    assert record.effect.state is EffectState.UNKNOWN


async def test_the_same_work_twice_sends_once() -> None:
    """A redelivered resume, and one while another call still waits."""
    world = governed_world(TWO)
    await world.ask()
    first, second = await open_requests(world)
    await world.answer(first)
    await world.work()
    again = Work(kind=WorkKind.RESUME, run=first.ask.run, request=first.id)
    await world.store.change(first.id, lambda record, _: Change(request=record, work=(again,)))
    await world.work()
    assert len(world.ledger.done) == 1
    await world.answer(second)
    await world.work()
    assert len(world.ledger.done) == 2


async def test_a_forged_approval_sends_nothing() -> None:
    """The model reads that it was not done."""
    world = governed_world(ONE)
    await world.ask()
    (request,) = await open_requests(world)
    forged = a_vote(request, BO, signer=Signer(b"x" * 32))
    await world.store.change(request.id, lambda r, now: machine.vote(r, forged, frozenset({BO}), 1, now))
    await world.work()
    assert world.ledger.done == []
    assert "forged or stale vote" in await world.events()
    assert (await told(world))[0][0] == "error"


async def test_no_handler_of_errors_tells_the_model_what_is_for_people() -> None:
    """Retry middleware and a tool node that makes messages of errors see nothing of what is for the runner."""
    ledger = Ledger()
    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0, on_failure="continue")
    agent = create_agent(Scripted(turns=[ONE]), govern([mailer(ledger, breaking())]), middleware=[retry])
    tool_node: Any = agent.builder.nodes["tools"].runnable
    tool_node._handle_tool_errors = True
    world = governed_world(graph=agent, ledger=ledger)
    await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request)
    await world.work()
    assert len(ledger.done) == 1
    assert await told(world) == []
    record = await world.request(request)
    assert record.effect is not None
    assert record.effect.state is EffectState.UNKNOWN


def one_task(ledger: Ledger, *turns: Any) -> Any:
    """A hand-written agent whose tool node runs all calls of a turn in one task."""
    model = Scripted(turns=list(turns))
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode(govern([mailer(ledger), reader(ledger)])))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder


async def test_a_tool_node_of_one_task_asks_one_after_the_other() -> None:
    """LangGraph shows one pause of a task at a time: each call keeps its own, and runs once."""
    ledger = Ledger()
    turn = says("All.", call(1), call(2, "look_up", order=7), call(3))
    world = governed_world(graph=one_task(ledger, turn), ledger=ledger)
    await world.ask()
    while requests := await open_requests(world):
        (request,) = requests
        await world.answer(request)
        await world.work()
    assert sorted(name for name, _, _ in ledger.done) == ["look_up", "send_mail", "send_mail"]
    assert {arguments["to"] for name, arguments, _ in ledger.done if name == "send_mail"} == {
        "p1@example.com", "p3@example.com",
    }  # fmt: skip
    assert [words for _, words in await told(world)] == [
        "Sent to p1@example.com.", '{"order": 7, "paid": true}', "Sent to p3@example.com.",
    ]  # fmt: skip
