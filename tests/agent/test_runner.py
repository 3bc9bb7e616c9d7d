"""The runner: one pause, one request, one answer, whatever crashes, repeats or comes late."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from gated import REJECT, AgentState, Ledger, World, a_refund, refund_tool
from langgraph._internal import _constants
from langgraph.errors import UnknownInterruptError
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from sayso.agent.credentials import Token
from sayso.agent.effect import Effect, NothingDone, effect
from sayso.agent.gate import Gate
from sayso.agent.resume import STRICT, answer_pause
from sayso.agent.runtime import running, token
from sayso.approvals import effects, machine
from sayso.approvals.change import Change, Work, WorkKind
from sayso.approvals.credential import CredentialRef
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.verdict import Modify
from scenes import BO, CY, a_vote


async def kind_of(world: World, request: Request) -> OutcomeKind | None:
    ended = await world.request(request)
    return ended.outcome.kind if ended.outcome else None


async def resume_again(world: World, request: Request) -> None:
    """The same work comes a second time."""
    again = Work(kind=WorkKind.RESUME, run=request.ask.run, request=request.id)
    await world.store.change(request.id, lambda record, now: Change(request=record, work=(again,)))
    await world.work()


# ---- late, double and foreign answers


async def test_the_same_work_twice_acts_once() -> None:
    """A redelivered resume finds the gate gone and does nothing."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    await resume_again(world, request)
    assert len(world.ledger.done) == 1
    assert (await world.events()).count("effect started") == 1


async def test_a_late_answer_to_gate_one_never_answers_gate_two() -> None:
    """Measured without strict mode: a duplicate click on gate 1 approves gate 2. Here it does not."""
    world = World()
    await world.ask("129.90")
    first = await world.open_request()
    await world.answer(first, Modify(instruction="9000.00"))
    await world.work()
    second = await world.open_request()
    await resume_again(world, first)
    async with world.worker.runner.holding(first.ask.run, _nothing) as held:
        assert held is not None
        with running(held.runtime), pytest.raises(UnknownInterruptError):
            await answer_pause(
                held.graph, held.config, first.ask.key.interrupt, {"type": "approve", "request": second.id}
            )
    assert world.ledger.done == []
    assert (await world.request(second)).state is State.OPEN


async def _nothing() -> None:
    return None


async def test_strict_resume_is_still_there() -> None:
    """LangGraph's switch is private: an upgrade that drops it must fail here, not in production."""
    assert _constants.CONFIG_KEY_STRICT_RESUME == STRICT


async def test_work_for_a_request_that_is_still_open_does_nothing() -> None:
    """Somebody queues a resume although nobody has decided."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await resume_again(world, request)
    assert world.ledger.done == []
    assert (await world.request(request)).state is State.OPEN


async def test_a_start_that_comes_again_disturbs_nothing() -> None:
    """Fresh input on a paused thread would discard its pause and kill every card."""
    world = World()
    run = await world.start()
    item = await world.store.take("dead", idle=timedelta(0), wait=timedelta(0))
    async with world.worker.runner.holding(run, _nothing) as held:
        assert held is not None
        await held.start()
    before = await world.open_request()
    world.store.advance(timedelta(minutes=1))
    assert item is not None
    await world.work()
    assert await world.open_request() == before
    assert world.ledger.planned == 1


async def test_a_token_service_that_is_down_for_a_moment_costs_no_approval() -> None:
    """Nothing was burnt, so the same approval acts once the service answers."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    issued = world.source.fetch
    tries = iter([True, True, False])

    async def sometimes(ref: CredentialRef) -> Token:
        world.source.down = next(tries)
        return await issued(ref)

    world.source.fetch = sometimes  # type: ignore[method-assign]
    await world.work()
    assert len(world.ledger.done) == 1
    assert await kind_of(world, request) is OutcomeKind.EXECUTED


# ---- parallel gates


def parallel_agent(tool: Effect, ledger: Ledger) -> StateGraph[Any, Any, Any, Any]:
    """Two refunds at once, each behind the same gate."""

    def plan(state: AgentState) -> dict[str, Any]:
        ledger.planned += 1
        return {}

    def fan_out(state: AgentState) -> list[Send]:
        return [Send("gate", {"action": a_refund(tool, order, "10.00")}) for order in (1, 2)]

    builder = StateGraph(AgentState)
    builder.add_node("plan", plan)
    Gate(tool).add_to(builder)
    builder.add_node("report", lambda state: {"report": f"{len(state['outcomes'])} ended"})
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", fan_out, ["gate"])
    builder.add_edge("report", END)
    return builder


async def a_parallel_world() -> tuple[World, list[Request]]:
    ledger = Ledger()
    tool = refund_tool(ledger)
    world = World(tool, ledger=ledger, graph=parallel_agent(tool, ledger))
    await world.ask()
    return world, sorted(await world.store.live(), key=lambda r: r.proposal.action.arguments["order"])


async def test_two_gates_at_once_are_two_requests() -> None:
    """One is approved and runs at once, although its sibling still waits; the other is refused."""
    world, (one, two) = await a_parallel_world()
    await world.answer(one)
    await world.work()
    assert [arguments["order"] for _, arguments, _ in world.ledger.done] == [1]
    assert (await world.request(two)).state is State.OPEN
    assert len(await world.store.live()) == 1
    await world.answer(two, REJECT)
    await world.work()
    assert [await kind_of(world, r) for r in (one, two)] == [OutcomeKind.EXECUTED, OutcomeKind.REFUSED]
    assert await world.reports() == ["2 ended"]
    assert world.ledger.planned == 1


async def test_two_answers_at_the_same_moment_are_both_taken() -> None:
    """Two workers bring two siblings' answers to one thread: the second waits for its turn."""
    world, (one, two) = await a_parallel_world()
    await world.answer(one)
    await world.answer(two)
    await asyncio.gather(world.worker.work_once(), world.another_worker("w2").work_once())
    assert sorted(arguments["order"] for _, arguments, _ in world.ledger.done) == [1, 2]
    assert await world.reports() == ["2 ended"]


# ---- tools that fail


def failing_world(error: BaseException | None, **options: Any) -> World:
    """A tool that does its work and then breaks as told, once."""
    ledger = Ledger()

    @effect(name="issue_refund", **options)
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        ledger.done.append(("issue_refund", {"amount": amount}, ""))
        if error is None:
            await asyncio.Event().wait()
        elif len(ledger.done) == 1:
            assert error is not None
            raise error
        return "Refunded."

    return World(issue_refund, ledger=ledger)


async def test_a_tool_that_says_nothing_was_done_is_believed() -> None:
    """Its words reach people and agent."""
    world = failing_world(NothingDone("The account is closed."))
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    ended = await world.request(request)
    assert ended.effect is not None
    assert ended.effect.state is EffectState.FAILED
    assert await world.reports() == ["failed: The account is closed."]


@pytest.mark.parametrize("error", [RuntimeError("socket closed"), None])
async def test_any_other_end_is_unknown_and_never_run_again(error: Exception | None) -> None:
    """An exception or a time-out says nothing about what happened: people settle it."""
    world = failing_world(error, limit=timedelta(milliseconds=20))
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    await resume_again(world, request)
    stuck = await world.request(request)
    assert stuck.effect is not None
    assert stuck.effect.state is EffectState.UNKNOWN
    assert stuck.state is State.RESUMING
    assert len(world.ledger.done) == 1
    assert "effect unknown" in await world.events()


async def test_a_free_action_that_breaks_off_is_told_by_its_agent() -> None:
    """It has no card on which people could settle it, and must not hang either."""
    ledger = Ledger()

    @effect(name="look_up")
    async def look_up(order: int, amount: Decimal) -> str:
        raise RuntimeError("database says: no such order")

    world = World(look_up, ledger=ledger)
    await world.ask()
    assert await world.reports() == [
        "unknown: look_up broke off: RuntimeError: database says: no such order; it may or may not have happened."
    ]
    assert await world.store.live() == []
    assert "effect unknown" in await world.events()


async def test_a_person_says_that_it_happened() -> None:
    """The run goes on as if the tool had reported."""
    world = failing_world(RuntimeError())
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    await world.store.change(request.id, lambda record, now: effects.settled_as_done(record, CY, now))
    await world.work()
    assert len(world.ledger.done) == 1
    assert await kind_of(world, request) is OutcomeKind.EXECUTED
    assert "cy confirmed that it happened." in (await world.reports())[0]


async def test_a_person_gives_up_finding_out() -> None:
    """The agent is told that nobody knows."""
    world = failing_world(RuntimeError())
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    await world.store.change(request.id, lambda record, now: effects.given_up(record, CY, now))
    await world.work()
    assert (await world.reports())[0].startswith("unknown: ")


async def test_a_person_orders_another_run() -> None:
    """Same authority, same key, second attempt; the first approval does not count for it."""
    world = failing_world(RuntimeError())
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    vote = a_vote(request, signer=world.signer, changed={"attempt": 2})
    team = frozenset({BO, CY})
    await world.store.change(request.id, lambda record, now: effects.run_again(record, vote, team, 1, now))
    await world.work()
    ended = await world.request(request)
    assert ended.effect is not None
    assert ended.effect.attempt == 2
    assert len(world.ledger.done) == 2
    assert await kind_of(world, request) is OutcomeKind.EXECUTED


async def test_the_first_approval_does_not_order_another_run() -> None:
    """The old vote, put back into the record, allows attempt 1 only."""
    world = failing_world(RuntimeError())
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    old = a_vote(request, signer=world.signer, changed={"attempt": 1})
    forged = replace(old, attempt=2)
    await world.store.change(request.id, lambda record, now: Change(request=replace(record, votes=(forged,))))
    await resume_again(world, request)
    assert len(world.ledger.done) == 1
    assert "forged or stale vote" in await world.events()
    left = (await world.request(request)).effect
    assert left is not None
    assert left.state is EffectState.UNKNOWN


async def test_a_credential_in_a_tool_s_words_is_withheld() -> None:
    """What a tool returns goes to record, card and state: its own token never does."""
    ledger = Ledger()

    @effect(name="issue_refund")
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        return f"done with {token()}"

    world = World(issue_refund, ledger=ledger)
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    ended = await world.request(request)
    assert ended.effect is not None
    assert ended.effect.result == '"done with (withheld: a token that is in use)"'
    assert await world.reports() == ["executed: done with (withheld: a token that is in use)"]


# ---- withdrawn and replaced


async def test_a_withdrawn_request_lets_the_agent_go() -> None:
    """Nobody can answer it any more, so the agent is told instead of waiting for ever."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.store.change(
        request.id, lambda record, now: machine.withdrawn(record, "alex", "Not needed.", now)
    )
    await world.worker.reconcile_once()
    assert world.ledger.done == []
    assert await world.reports() == ["withdrawn: Not needed."]


async def test_what_changed_in_the_state_is_asked_again() -> None:
    """The pause shows other bytes than the request: the answer is void and people see the new ones."""
    world = World()
    await world.ask("5.00")
    request = await world.open_request()
    larger = replace(request.ask.first, frozen=request.ask.first.frozen.replace("5.00", "6.00"))
    await world.store.change(
        request.id, lambda record, now: Change(request=replace(record, ask=replace(record.ask, first=larger)))
    )
    await world.answer(await world.request(request))
    await world.work()
    assert world.ledger.done == []
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED
    again = await world.open_request()
    assert again.ask.key.round == 2
    assert again.proposal.action.arguments["amount"] == "5.00"
    await world.answer(again)
    await world.work()
    assert world.ledger.amounts == [Decimal("5.00")]
