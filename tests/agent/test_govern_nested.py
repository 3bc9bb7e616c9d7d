"""Governed tools of an agent that is itself a tool of another: asked about, answered, broken off and deployed anew."""

from __future__ import annotations

from typing import Any

import pytest
from foreign import Scripted
from gated import Ledger
from governed import call, governed_agent, governed_world, open_requests, refunder, says, told
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from sayso import govern
from sayso.approvals import effects
from sayso.approvals.request import EffectState, OutcomeKind
from scenes import BO

REFUND = says("Due.", call(1, "issue_refund", order=7, amount="5.00"))
TWO = says(
    "Both.", call(1, "issue_refund", order=1, amount="1.00"), call(2, "issue_refund", order=2, amount="2.00")
)
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "pay them back"}]}


def supervisor(how: str, refund: Any, turn: AIMessage = TWO, entered: list[str] | None = None) -> Any:
    """An agent with another one as its tool, which refunds. `how` its code has it: at hand, made inside, in a thread."""

    def made() -> Any:
        return create_agent(Scripted(turns=[turn]), govern([refund]))

    billing = made()

    async def at_hand(question: str) -> str:
        """Ask billing."""
        if entered is not None:
            entered.append(question)
        return str((await billing.ainvoke(ASKED))["messages"][-1].content)

    async def made_inside(question: str) -> str:
        """Ask billing."""
        return str((await made().ainvoke(ASKED))["messages"][-1].content)

    def in_a_thread(question: str) -> str:
        """Ask billing."""
        return str(billing.invoke(ASKED)["messages"][-1].content)

    ask = tool("ask_billing")(
        {"at hand": at_hand, "made inside": made_inside, "in a thread": in_a_thread}[how]
    )
    outer = says("Billing knows.", {"name": "ask_billing", "args": {"question": "?"}, "id": "outer-1"})
    return create_agent(Scripted(turns=[outer]), [ask])


@pytest.mark.parametrize("how", ["at hand", "made inside", "in a thread"])
async def test_two_calls_deep_inside_are_settled_in_any_order(how: str) -> None:
    """Each is its own request and runs once; a worker that looks meanwhile disturbs neither."""
    ledger = Ledger()
    world = governed_world(graph=supervisor(how, refunder(ledger)), ledger=ledger)
    await world.ask()
    first, second = await open_requests(world)
    await world.worker.reconcile_once()
    await world.answer(second)
    await world.work()
    assert [key for _, _, key in ledger.done] == [second.id]
    await world.worker.reconcile_once()
    await world.answer(first)
    await world.work()
    assert [key for _, _, key in ledger.done] == [second.id, first.id]
    assert await told(world) == [("success", "Done.")]
    assert (await world.events())[-1] == "run finished"


async def test_a_broken_call_deep_inside_waits_for_people_and_for_nothing_else() -> None:
    """Its neighbour ends; looking after them runs none of the agent's code; what people say ends it."""
    ledger, entered, left = Ledger(), list[str](), iter([True])

    def breaks() -> None:
        if next(left, False):
            raise ConnectionError("the bank hung up")

    refund = refunder(ledger, breaks)
    world = governed_world(graph=supervisor("at hand", refund, entered=entered), ledger=ledger)
    await world.ask()
    first, second = await open_requests(world)
    for request in (first, second):
        await world.answer(request)
        await world.work()
    assert [key for _, _, key in ledger.done] == [first.id, second.id]
    broken = await world.request(first)
    assert broken.effect is not None
    assert broken.effect.state is EffectState.UNKNOWN
    before = len(entered)
    await world.worker.reconcile_once()
    assert len(entered) == before
    await world.store.change(first.id, lambda r, now: effects.settled_as_done(r, BO, now))
    await world.work()
    assert len(ledger.done) == 2
    assert (await world.events())[-1] == "run finished"


@pytest.mark.parametrize("how", ["", "at hand"])
async def test_another_version_is_asked_about_again_before_people_decide(how: str) -> None:
    """A deployment changes what the tool does: the open request ends, and the next one runs the new code."""
    ledger = Ledger()

    def agent(version: str) -> Any:
        refund = refunder(ledger, version=version)
        return supervisor(how, refund, REFUND) if how else governed_agent(ledger, [REFUND], [refund])

    world = governed_world(graph=agent("1"), ledger=ledger)
    await world.ask()
    (request,) = await open_requests(world)
    later = world.another_worker("w2", agent("2"))
    await later.reconcile_once()
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.INVALIDATED
    (again,) = await open_requests(world)
    await world.answer(again)
    await world.work(later)
    assert [key for _, _, key in ledger.done] == [again.id]


async def test_code_that_nobody_could_see_changing_is_not_run() -> None:
    """The inner agent is made anew in every call: its gate itself sees that it is not what people approved."""
    ledger = Ledger()
    world = governed_world(graph=supervisor("made inside", refunder(ledger), REFUND), ledger=ledger)
    await world.ask()
    (request,) = await open_requests(world)
    later = world.another_worker("w2", supervisor("made inside", refunder(ledger, version="2"), REFUND))
    await world.answer(request)
    await world.work(later)
    assert ledger.done == []
    ended = await world.request(request)
    assert ended.outcome is not None
    assert (ended.outcome.kind, ended.outcome.words[:16]) == (OutcomeKind.FAILED, "The agent's code")
    assert (await world.events())[-1] == "run finished"


@pytest.mark.parametrize("threads", [1, 2])
async def test_an_agent_that_blocks_its_worker_is_refused_and_never_hangs(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`invoke` within an async tool stops the very loop that its gate needs: one sentence, and nothing is asked."""
    monkeypatch.setattr("sayso.agent.govern.BLOCKED_SECONDS", 0.2)
    ledger = Ledger()
    turn = TWO if threads > 1 else REFUND  # LangGraph runs a single task in the caller's own thread
    billing: Any = create_agent(Scripted(turns=[turn]), govern([refunder(ledger)]))

    @tool
    async def ask_billing(question: str) -> str:
        """Ask billing."""
        return str(billing.invoke(ASKED)["messages"][-1].content)

    outer = says("Billing knows.", {"name": "ask_billing", "args": {"question": "?"}, "id": "outer-1"})
    world = governed_world(graph=create_agent(Scripted(turns=[outer]), [ask_billing]), ledger=ledger)
    await world.ask()
    assert await open_requests(world) == []
    assert ledger.done == []
    assert (await world.events())[-1] == "run failed"
