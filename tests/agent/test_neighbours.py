"""Pauses beside each other: whatever becomes of one, no other one is run again, cancelled, lost or left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from foreign import (
    POLICY,
    by_summary,
    call,
    foreign_world,
    mailing_agent,
    one_node,
    open_requests,
    says,
    senders,
)
from gated import REJECT, TEAM, AgentState, Ledger, World, a_refund, refund_tool
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt
from sayso.agent.effect import effect
from sayso.agent.gate import Gate
from sayso.agent.not_now import OutcomeUnknown, StillRunning
from sayso.agent.policy_file import read_policy
from sayso.approvals import effects, machine
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.verdict import Respond
from scenes import BO, a_vote


async def kind_of(world: World, request: Request) -> OutcomeKind | None:
    ended = await world.request(request)
    return ended.outcome.kind if ended.outcome else None


def once(number: int) -> Callable[[int], None]:
    """The tool of this number breaks off, the first time."""
    left = [number]

    def breaks(now: int) -> None:
        if now in left:
            left.remove(now)
            raise ConnectionError("the mail server hung up")

    return breaks


async def one_broke_off() -> tuple[World, list[str], list[Request]]:
    """Three agents' mails at once; the first was approved, sent and broke off."""
    acted: list[str] = []
    world = foreign_world(senders(acted, once(1)))
    await world.ask()
    requests = await by_summary(world)
    await world.answer(requests[0])
    await world.work()
    assert acted == ["sent 1"]
    return world, acted, requests


async def again(world: World, request: Request) -> None:
    """Enough people order it once more."""
    vote = a_vote(await world.request(request), BO, signer=world.signer, changed={"attempt": 2})
    await world.store.change(request.id, lambda r, now: effects.run_again(r, vote, TEAM, 1, now))


async def test_an_answer_runs_no_neighbour_again_that_broke_off() -> None:
    """Measured: LangGraph gives a node that broke off its stored answer again with every neighbour's answer."""
    world, acted, (_, second, _) = await one_broke_off()
    await world.answer(second)
    await world.work()
    assert acted == ["sent 1"]
    waiting = await world.request(second)
    assert (waiting.state, waiting.waits_for) == (State.DECIDED, 1)


async def test_once_people_order_it_again_what_waited_goes_on_by_itself() -> None:
    """Nobody has to press anything for the answers that were held back."""
    world, acted, (first, second, third) = await one_broke_off()
    await world.answer(second)
    await world.work()
    await again(world, first)
    await world.work()
    assert acted == ["sent 1", "sent 1", "sent 2"]
    await world.answer(third)
    await world.work()
    assert await world.reports() == ["Sent [1, 2, 3]."]
    assert [await kind_of(world, one) for one in (first, second, third)] == [OutcomeKind.ANSWERED] * 3


@pytest.mark.parametrize(
    ("way", "kind"),
    [(effects.settled_as_done, OutcomeKind.EXECUTED), (effects.given_up, OutcomeKind.UNKNOWN)],
)
@pytest.mark.parametrize("decided", [False, True])
async def test_where_it_is_not_to_go_on_again_the_run_ends_aloud(
    way: Any, kind: OutcomeKind, decided: bool
) -> None:
    """It happened, or nobody finds out: entering the thread would do it again, so nothing else of it is done."""
    world, acted, (first, second, third) = await one_broke_off()
    if decided:
        await world.answer(second)
        await world.work()
    await world.store.change(first.id, lambda r, now: way(r, BO, now))
    await world.work()
    assert acted == ["sent 1"]
    assert await kind_of(world, first) is kind
    assert [await kind_of(world, one) for one in (second, third)] == [OutcomeKind.WITHDRAWN] * 2
    assert (await world.events())[-1] == "run failed"
    assert "not known whether the agent acted" in (await world.reports())[0]


async def test_a_killed_worker_s_neighbour_does_not_run_its_work_again() -> None:
    """The burn is on record; while its lease lasts the neighbour waits, then people are asked."""
    acted: list[str] = []
    world = foreign_world(senders(acted))
    await world.ask()
    first, second, _ = await by_summary(world)
    await world.answer(first)
    await world.store.change(first.id, lambda r, now: machine.resuming(r, "dead", now))
    lease = timedelta(seconds=10)
    await world.store.change(
        first.id, lambda r, now: effects.begin(r, attempt=1, worker="dead", lease=lease, now=now)
    )
    await world.answer(second)
    async with world.worker.runner.holding(second.ask.run, nothing) as held:
        assert held is not None
        with pytest.raises(StillRunning):
            await held.resume(await world.request(second))
        world.store.advance(timedelta(seconds=30))
        with pytest.raises(OutcomeUnknown):
            await held.resume(await world.request(second))
    assert acted == []
    effect = (await world.request(first)).effect
    assert effect is not None
    assert effect.state is EffectState.UNKNOWN


async def nothing() -> None:
    return None


async def test_a_start_that_comes_again_runs_no_tool_again() -> None:
    """The tool broke off behind LangChain's middleware; a redelivered start must not finish the step."""
    sent: list[dict[str, Any]] = []
    broken = iter([True])

    def breaks() -> None:
        if next(broken, False):
            raise ConnectionError

    world = foreign_world(mailing_agent(sent, [says("", call(1, "dana"))], breaks=breaks))
    run = await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request)
    await world.work()
    async with world.worker.runner.holding(run, nothing) as held:
        assert held is not None
        with pytest.raises(OutcomeUnknown):
            await held.start()
    assert len(sent) == 1


async def test_an_approval_stands_when_its_neighbour_was_taken_back_meanwhile() -> None:
    """Between the look at the votes and the burn: nothing was sent, so nothing is lost."""
    sent: list[dict[str, Any]] = []
    world = foreign_world(mailing_agent(sent, [says("", call(1, "dana"), call(2, "bo"))]))
    await world.ask()
    first, second = await open_requests(world)
    await world.answer(first)
    await world.answer(second)
    taken: list[Any] = []
    change = world.store.change

    async def taken_back_at_the_burn(id: Any, step: Any, **options: Any) -> Any:
        if id == second.id and str(options.get("token", "")).startswith("burn-") and not taken:
            taken.append(await change(id, lambda r, now: machine.withdrawn(r, "alex", "Not needed.", now)))
        return await change(id, step, **options)

    world.store.change = taken_back_at_the_burn
    await world.work()
    assert taken
    assert sent == [{"to": "dana", "urgent": False}]
    assert [await kind_of(world, one) for one in (first, second)] == [
        OutcomeKind.ANSWERED, OutcomeKind.WITHDRAWN,
    ]  # fmt: skip


async def test_a_text_that_may_not_have_arrived_is_sent_once_more_when_people_say_so() -> None:
    """Their new signature stands under the same text; an approval alone would be none of it."""
    sent: list[dict[str, Any]] = []
    config = {"allow_accept": False, "allow_edit": False, "allow_ignore": True, "allow_respond": True}
    asked = {"action_request": {"action": "ask", "args": {}}, "config": config, "description": ""}

    def work(state: Any) -> dict[str, Any]:
        sent.append(interrupt([asked])[0])
        if len(sent) == 1:
            raise ConnectionError
        return {"report": "Thanks."}

    world = foreign_world(one_node(work))
    await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request, Respond("Friday"))
    await world.work()
    broken = await world.request(request)
    vote = a_vote(broken, BO, Respond("Friday"), signer=world.signer, changed={"attempt": 2})
    await world.store.change(request.id, lambda r, now: effects.run_again(r, vote, TEAM, 1, now))
    await world.work()
    assert [one["args"] for one in sent] == ["Friday", "Friday"]
    assert await kind_of(world, request) is OutcomeKind.ANSWERED


async def test_a_forged_order_to_run_it_again_changes_nothing() -> None:
    """The first run's signature under an order for the second: nobody knows what happened, and the record says no other."""
    world, acted, (first, *_) = await one_broke_off()
    lifted = replace(a_vote(first, BO, signer=world.signer), attempt=2)
    await world.store.change(first.id, lambda r, now: effects.run_again(r, lifted, TEAM, 1, now))
    await world.work()
    assert acted == ["sent 1"]
    left = await world.request(first)
    assert left.live
    assert left.effect is not None
    assert left.effect.state is EffectState.UNKNOWN


async def test_what_langgraph_holds_back_says_so() -> None:
    """The first was approved and taken; the step after it waits for the two others."""
    acted: list[str] = []
    world = foreign_world(senders(acted))
    await world.ask()
    first, *_ = await by_summary(world)
    await world.answer(first)
    await world.work()
    ended = await world.request(first)
    assert ended.outcome is not None
    assert "What follows waits for 2 other answers." in ended.outcome.words


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
async def test_answers_in_any_order_act_once_each(order: tuple[int, ...]) -> None:
    """Each answer runs the others up to their question again; no card is made twice."""
    acted: list[str] = []
    world = foreign_world(senders(acted))
    await world.ask()
    requests = await by_summary(world)
    for index in order:
        await world.answer(requests[index])
        await world.work()
    assert sorted(acted) == ["sent 1", "sent 2", "sent 3"]
    assert (await world.events()).count("opened") == 3
    assert await world.reports() == ["Sent [1, 2, 3]."]


# ---- gates of ours


def gated_twice(world_tool: Any) -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(AgentState)
    builder.add_node("plan", lambda state: {})
    Gate(world_tool).add_to(builder)
    builder.add_node("report", lambda state: {"report": f"{len(state['outcomes'])} ended"})
    builder.add_edge(START, "plan")
    builder.add_conditional_edges(
        "plan",
        lambda state: [Send("gate", {"action": a_refund(world_tool, order, "10.00")}) for order in (1, 2)],
        ["gate"],
    )
    return builder


async def two_gates() -> tuple[World, list[Any], list[Request]]:
    """Two refunds at once; the first one's tool breaks off, the second takes its time."""
    ledger = Ledger()

    @effect(name="issue_refund", category="financial_transaction", irreversibility="high")
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        if order == 1:
            ledger.done.append(("issue_refund", {"order": order}, ""))
            raise ConnectionError
        await asyncio.sleep(0.05)  # long enough to be cancelled, if anybody did
        ledger.done.append(("issue_refund", {"order": order}, ""))
        return "Refunded."

    world = World(issue_refund, ledger=ledger, graph=gated_twice(issue_refund))
    await world.ask()
    requests = sorted(await world.store.live(), key=lambda r: r.proposal.action.arguments["order"])
    await world.answer(requests[0])
    await world.work()
    return world, ledger.done, requests


async def test_a_tool_is_not_cancelled_because_its_neighbour_is_not_known() -> None:
    """Measured: LangGraph cancels what runs beside a node that fails; waiting for people is no failure."""
    world, done, (first, second) = await two_gates()
    await world.answer(second)
    await world.work()
    assert [arguments["order"] for _, arguments, _ in done] == [1, 2]
    assert await kind_of(world, second) is OutcomeKind.EXECUTED
    assert await kind_of(world, first) is None


async def test_a_rejection_beside_an_unknown_outcome_is_on_record_at_once() -> None:
    """It does not have to wait until somebody finds out about the other."""
    world, _, (_, second) = await two_gates()
    await world.answer(second, REJECT)
    await world.work()
    assert await kind_of(world, second) is OutcomeKind.REFUSED


@pytest.mark.parametrize(
    ("way", "kind"),
    [(effects.settled_as_done, OutcomeKind.EXECUTED), (effects.given_up, OutcomeKind.UNKNOWN)],
)
async def test_the_run_goes_on_once_people_know(way: Any, kind: OutcomeKind) -> None:
    """Unlike somebody else's agent, a gate of ours can be told what happened."""
    world, done, (first, second) = await two_gates()
    await world.answer(second)
    await world.work()
    await world.store.change(first.id, lambda r, now: way(r, BO, now))
    await world.work()
    assert len(done) == 2
    assert await kind_of(world, first) is kind
    assert await world.reports() == ["2 ended"]


async def test_what_pauses_at_once_has_one_deadline() -> None:
    """LangGraph goes on with all of them together, so the shortest clock is everybody's."""
    turn = says("Both.", call(1, "dana"), {"name": "wipe_disk", "args": {}, "id": "c2"})
    policy = {**POLICY, "tools": {"send_mail": {**POLICY["tools"]["send_mail"], "ttl": "7m"}}}
    agent = mailing_agent([], [turn], mode="per_call", also="wipe_disk")
    world = World(graph=agent, policy=read_policy(policy))
    await world.ask()
    first, second = await open_requests(world)
    assert first.ask.key.interrupt != second.ask.key.interrupt
    assert first.ask.deadline == second.ask.deadline


async def test_code_that_swallows_a_gate_s_pause_swallows_its_action() -> None:
    """Measured: `except Exception` also catches LangGraph's pause. A gate of ours that was not answered does nothing."""
    ledger = Ledger()
    tool = refund_tool(ledger)
    gate = Gate(tool).graph

    async def careless(state: AgentState) -> dict[str, Any]:
        try:
            await gate.ainvoke({"action": a_refund(tool)})
        except Exception:  # noqa: BLE001 as careless as people's agents are
            return {"report": "Went on regardless."}
        raise AssertionError("it was not asked")

    builder = StateGraph(AgentState)
    builder.add_node("careless", careless)
    builder.add_edge(START, "careless")
    world = World(tool, ledger=ledger, graph=builder)
    await world.ask()
    assert ledger.done == []
    assert await world.reports() == ["Went on regardless."]
