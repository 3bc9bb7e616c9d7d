"""Record and paused threads are compared both ways, and a changed agent asks again before people decide."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from gated import AgentState, Ledger, World, a_refund, an_agent, planning, refund_tool, reporting
from langgraph.graph import END, START, StateGraph
from sayso.agent.credentials import CredentialSourceDown
from sayso.agent.effect import effect
from sayso.agent.fingerprint import fingerprint, gates_of
from sayso.agent.gate import Gate
from sayso.agent.worker import Worker
from sayso.approvals.request import OutcomeKind, Request, State


async def kind_of(world: World, request: Request) -> OutcomeKind | None:
    ended = await world.request(request)
    return ended.outcome.kind if ended.outcome else None


def deployed(world: World, **options: Any) -> Worker:
    """The next version's worker: the same agent, its tool declared differently."""
    tool = refund_tool(world.ledger, **options)
    return world.another_worker("new", an_agent(tool, world.ledger))


async def test_a_pause_without_a_request_gets_one() -> None:
    """The record was lost between the pause and its opening."""
    world = World()
    await world.ask()
    request = await world.open_request()
    world.store._requests.clear()
    await world.worker.reconcile_once()
    assert (await world.open_request()).id == request.id


async def test_a_request_whose_agent_waits_no_more_is_ended() -> None:
    """Somebody moved the graph on by hand: nobody shall decide about nothing."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.graph.aupdate_state(
        {"configurable": {"thread_id": "t1"}}, {"report": "moved on"}, as_node="report"
    )
    await world.worker.reconcile_once()
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED
    assert await world.reports() == ["moved on"]


async def test_an_unchanged_agent_keeps_its_cards() -> None:
    """A restart with the same code disturbs nothing."""
    world = World()
    await world.ask()
    before = await world.open_request()
    await deployed(world).reconcile_once()
    assert await world.open_request() == before


async def test_a_changed_tool_is_asked_about_again_before_people_decide() -> None:
    """The open card is replaced by one that the new code stands behind."""
    world = World()
    await world.ask()
    old = await world.open_request()
    new = deployed(world, version="2")
    await new.reconcile_once()
    assert await kind_of(world, old) is OutcomeKind.INVALIDATED
    again = await world.open_request()
    assert (again.ask.key.round, again.ask.key.interrupt) == (2, old.ask.key.interrupt)
    await world.answer(again)
    await world.work(new)
    assert world.ledger.amounts == [Decimal("129.90")]
    assert world.ledger.planned == 1


async def test_a_decision_waits_for_a_worker_whose_code_fits() -> None:
    """In a rolling deployment the old worker takes it, within ten minutes."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    new = deployed(world, version="2")
    await new.work_once()
    assert (await world.request(request)).state is State.DECIDED
    world.store.advance(timedelta(minutes=1))
    await world.work()
    assert len(world.ledger.done) == 1


async def test_after_ten_minutes_people_are_asked_again() -> None:
    """Nobody with the old code is left: the approval of the old code is void."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    world.store.advance(timedelta(minutes=11))
    new = deployed(world, version="2")
    await world.work(new)
    assert world.ledger.done == []
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED
    assert (await world.open_request()).ask.key.round == 2


def renamed(world: World) -> Worker:
    """The next version's worker, whose graph has its gate under another name."""
    builder = StateGraph(AgentState)
    builder.add_node("plan", planning(world.tool, world.ledger))
    Gate(world.tool).add_to(builder, "checkpoint")
    builder.add_node("report", reporting)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "checkpoint")
    return world.another_worker("new", builder)


async def test_a_renamed_gate_is_no_silent_end() -> None:
    """Measured: LangGraph takes the answer for a node that is gone without an error, and does nothing."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    new = renamed(world)
    await new.work_once()
    await new.reconcile_once()
    assert (await world.request(request)).state is State.DECIDED
    assert len(await world.store.unfinished()) == 1
    world.store.advance(timedelta(minutes=11))
    await world.work(new)
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED
    assert world.ledger.done == []


async def test_code_that_changed_between_review_and_act_does_not_act() -> None:
    """A crash right after the answer, then a deployment: the new code has no approval."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    world.source.down = True  # so that it stops right before it would act
    async with world.worker.runner.holding(request.ask.run, nothing) as held:
        assert held is not None
        with pytest.raises(CredentialSourceDown):
            await held.resume(await world.request(request))
    world.source.down = False
    world.store.advance(timedelta(minutes=11))
    await world.work(deployed(world, version="2"))
    assert world.ledger.done == []
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED


async def nothing() -> None:
    return None


async def test_after_three_rounds_it_fails_and_the_agent_is_told() -> None:
    """People are not asked for ever."""
    world = World()
    await world.ask()
    for version in ("2", "3", "4"):
        await deployed(world, version=version).reconcile_once()
    assert await world.store.live() == []
    assert world.ledger.done == []
    (report,) = await world.reports()
    assert report.startswith("failed: The agent's code between the question and the action has changed.")


async def test_arguments_that_the_new_tool_does_not_take_are_not_asked_again() -> None:
    """A card that could not run is no question."""
    world = World()
    await world.ask()
    request = await world.open_request()

    @effect(name="issue_refund", category="financial_transaction")
    async def issue_refund(order: int, cents: int) -> str:
        return ""

    builder = an_agent(issue_refund, world.ledger)
    await world.another_worker("new", builder).reconcile_once()
    assert await kind_of(world, request) is OutcomeKind.FAILED
    assert await world.store.live() == []


async def test_a_thread_that_is_being_run_is_left_alone() -> None:
    """Comparing needs the lock; whoever runs the thread puts it right."""
    world = World()
    await world.ask()
    world.store._requests.clear()
    assert await world.locks.acquire("t1", "somebody", 60_000)
    await world.worker.reconcile_once()
    assert await world.store.live() == []


# ---- what the fingerprint covers


def bigger(tool: Any, *, report: str = "report", extra: bool = False) -> Any:
    """The sample agent, with names and neighbours to change."""

    def plan(state: AgentState) -> dict[str, Any]:
        return {"action": a_refund(tool)}

    builder = StateGraph(AgentState)
    builder.add_node("plan", plan)
    Gate(tool, on_reject=report, then=report).add_to(builder)
    builder.add_node(report, lambda state: {})
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "gate")
    if extra:
        builder.add_node("archive", lambda state: {})
        builder.add_edge(report, "archive")
        builder.add_edge("archive", END)
    return builder.compile()


def test_only_what_runs_between_gate_and_act_counts() -> None:
    """Nodes further on may change while people decide; successors, schema and version may not."""
    ledger = Ledger()
    tool = refund_tool(ledger)
    base = fingerprint(bigger(tool), "gate", "issue_refund")
    assert fingerprint(bigger(refund_tool(ledger)), "gate", "issue_refund") == base
    assert fingerprint(bigger(tool, extra=True), "gate", "issue_refund") == base
    assert fingerprint(bigger(tool, report="tell"), "gate", "issue_refund") != base
    assert fingerprint(bigger(refund_tool(ledger, version="2")), "gate", "issue_refund") != base
    assert (
        fingerprint(bigger(tool), "gate", "other") == fingerprint(bigger(tool), "gone", "issue_refund") == ""
    )


def test_a_gate_is_found_however_deep() -> None:
    """Its path names the graphs around it."""
    tool = refund_tool(Ledger())
    outer = StateGraph(AgentState)
    outer.add_node("team", bigger(tool))
    outer.add_edge(START, "team")
    assert list(gates_of(outer.compile())) == ["team|gate"]


async def test_a_gate_two_graphs_deep_works() -> None:
    """Its pause, request and action are found through the graphs around it."""
    ledger = Ledger()
    tool = refund_tool(ledger)
    outer = StateGraph(AgentState)
    outer.add_node("team", bigger(tool))
    outer.add_edge(START, "team")
    world = World(tool, ledger=ledger, graph=outer)
    await world.ask()
    await world.answer(await world.open_request())
    await world.work()
    assert len(ledger.done) == 1


async def test_an_answered_pause_is_not_listed_any_more() -> None:
    """Measured: the outer snapshot goes on listing it when a later node of the gate failed; ours does not."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    world.source.down = True
    async with world.worker.runner.holding(request.ask.run, nothing) as held:
        assert held is not None
        assert [p.interrupt for p in (await held.standing()).pauses] == [request.ask.key.interrupt]
        with pytest.raises(CredentialSourceDown):
            await held.resume(await world.request(request))
        after = await held.standing()
        outer = await held.graph.aget_state(held.config)
    assert [i.id for i in outer.interrupts] == [request.ask.key.interrupt]
    assert (after.pauses, after.unfinished, after.ended) == ((), True, False)
