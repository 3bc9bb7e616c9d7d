"""An agent that is not what it was when people were asked: what they said then moves nothing that it is by now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from foreign import (
    Scripted,
    Shared,
    asking,
    call,
    foreign_world,
    one_node,
    open_requests,
    says,
    senders,
    the_one,
)
from gated import REJECT, World
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.graph import StateGraph
from langgraph.types import interrupt
from sayso.approvals.request import OutcomeKind, Request, State


async def kind_of(world: World, request: Request) -> OutcomeKind | None:
    ended = await world.request(request)
    return ended.outcome.kind if ended.outcome else None


# ---- what it asks today


def buying(price: list[int], bought: list[int]) -> StateGraph[Any, Any, Any, Any]:
    """An agent that looks up its price in the node that asks and buys."""

    def work(state: Shared) -> dict[str, Any]:
        today = price[0]
        if interrupt(f"Buy at {today}?"):
            bought.append(today)
        return {"report": "Done."}

    return one_node(work)


async def test_what_was_approved_at_ten_is_not_bought_at_9999() -> None:
    """LangGraph runs the node again with the answer, whatever was shown: so it is asked once more first."""
    price, bought = [10], list[int]()
    world = foreign_world(buying(price, bought))
    await world.ask()
    request = await the_one(world)
    await world.answer(request)
    price[0] = 9999
    await world.work()
    assert bought == []
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED
    again = await the_one(world)
    assert (again.proposal.action.summary, again.ask.key.round) == ("Buy at 9999?", 2)
    await world.answer(again)
    await world.work()
    assert bought == [9999]


async def test_an_agent_that_asks_something_else_each_time_is_given_up_after_three_rounds() -> None:
    """People are not asked for ever about what nobody can hold it to."""
    price, bought = [10], list[int]()
    world = foreign_world(buying(price, bought))
    await world.ask()
    for _ in range(3):
        await world.answer(await the_one(world))
        price[0] += 1
        await world.work()
    assert bought == []
    assert await world.store.live() == []
    assert "stopped before it acted" in (await world.reports())[0]


async def test_a_prompt_that_changed_under_the_same_id_is_asked_again() -> None:
    """A deployment while people decide: "delete one row?" was approved, "delete all?" is not done."""
    acted: list[str] = []
    world = foreign_world(asking("Delete one row?", acted))
    await world.ask()
    await world.answer(await the_one(world))
    new = world.another_worker("new", asking("Delete all rows?", acted))
    await world.work(new)
    assert acted == []
    assert (await the_one(world)).proposal.action.summary == "Delete all rows?"


async def test_a_question_that_was_put_before_does_not_get_the_answer() -> None:
    """Measured: even by id and in strict mode LangGraph hands it the approval of the old one."""
    acted: list[str] = []

    def two(state: Shared) -> dict[str, Any]:
        acted.extend(question for question in ("Wipe the disk?", "Send?") if interrupt(question))
        return {"report": "Done."}

    world = foreign_world(asking("Send?", acted))
    await world.ask()
    await world.answer(await the_one(world))
    await world.work(world.another_worker("new", one_node(two)))
    assert acted == []
    assert (await the_one(world)).proposal.action.summary == "Wipe the disk?"


async def test_a_no_is_a_no_where_the_question_was_taken_out() -> None:
    """The new code would simply act: after a rejection it is not entered at all."""
    acted: list[str] = []

    def unasked(state: Shared) -> dict[str, Any]:
        acted.append("sent")
        return {"report": "Done."}

    world = foreign_world(asking("Send?", acted))
    await world.ask()
    await world.answer(await the_one(world), REJECT)
    await world.work(world.another_worker("new", one_node(unasked)))
    assert acted == []
    assert (await world.events())[-1] == "run failed"


@pytest.mark.parametrize("decide", [None, REJECT])
async def test_a_node_that_is_gone_is_no_silent_end(decide: Any) -> None:
    """Measured: LangGraph says of such a thread that it has ended. It is left to older workers, then ended aloud."""
    acted: list[str] = []
    world = foreign_world(asking("Send?", acted))
    await world.ask()
    request = await the_one(world)
    new = world.another_worker("new", asking("Send?", acted, name="renamed"))
    await new.reconcile_once()
    assert (await world.request(request)).state is State.OPEN
    await world.answer(request, decide)
    await new.work_once()
    assert (await world.request(request)).state is State.DECIDED
    world.store.advance(timedelta(minutes=11))
    await world.work(new)
    assert acted == []
    assert await kind_of(world, request) is OutcomeKind.INVALIDATED
    assert (await world.events())[-1] == "run failed"
    assert "Its code has changed" in (await world.reports())[0]


async def test_within_ten_minutes_an_older_worker_takes_it() -> None:
    """A rolling deployment ends no run."""
    acted: list[str] = []
    world = foreign_world(asking("Send?", acted))
    await world.ask()
    request = await the_one(world)
    await world.answer(request)
    await world.another_worker("new", asking("Send?", acted, name="renamed")).work_once()
    world.store.advance(timedelta(minutes=1))
    await world.work()
    assert acted == ["Send?"]


async def test_a_node_that_is_new_further_on_disturbs_nothing() -> None:
    """Only what the answer runs into counts."""
    acted: list[str] = []
    world = foreign_world(senders(acted))
    await world.ask()
    longer = senders(acted)
    longer.add_node("archive", lambda state: {})
    longer.add_edge("report", "archive")
    before = await open_requests(world)
    await world.another_worker("new", longer).reconcile_once()
    assert await open_requests(world) == before


# ---- LangChain's middleware


def agent(sent: list[str], gated: Any, mode: str) -> Any:
    @tool
    def send_mail(to: str) -> str:
        """Send a mail."""
        sent.append(to)
        return "Sent."

    middleware = HumanInTheLoopMiddleware(gated, interrupt_mode=mode)  # type: ignore[arg-type]
    return create_agent(Scripted(turns=[says("", call(1, "dana"))]), [send_mail], middleware=[middleware])


MODES = pytest.mark.parametrize("mode", ["batched", "per_call"])


@MODES
async def test_a_no_is_a_no_where_a_condition_decides_anew_whether_to_ask(mode: str) -> None:
    """LangChain: when its `when` says no on resume, "the tool runs, even if they rejected it". So the run is ended."""
    sent: list[str] = []
    answers = iter([True])
    gated = {
        "send_mail": {
            "allowed_decisions": ["approve", "reject"],
            "when": lambda _: next(answers, False),
        }
    }
    world = foreign_world(agent(sent, gated, mode))
    await world.ask()
    request = await the_one(world)
    assert "A no ends the whole run" in request.proposal.assessment.flags
    await world.answer(request, REJECT)
    await world.work()
    assert sent == []
    assert await kind_of(world, request) is OutcomeKind.REFUSED


@MODES
@pytest.mark.parametrize("expires", [False, True])
async def test_a_no_is_a_no_where_the_tool_is_not_gated_any_more(mode: str, expires: bool) -> None:
    """A deployment while people decide: the new middleware would let it through."""
    sent: list[str] = []
    world = foreign_world(agent(sent, {"send_mail": True}, mode))
    await world.ask()
    request = await the_one(world)
    if expires:
        await world.expire(request)
    else:
        await world.answer(request, REJECT)
    await world.work(world.another_worker("new", agent(sent, {"other": True}, mode)))
    assert sent == []
    assert (await world.request(request)).state is State.CLOSED


def two_tools(sent: list[str], gated: tuple[str, ...]) -> Any:
    """An agent that wants to mail and to wipe, with these behind its middleware."""

    @tool
    def send_mail(to: str) -> str:
        """Send a mail."""
        sent.append("mail")
        return "Sent."

    @tool
    def wipe_disk() -> str:
        """Wipe."""
        sent.append("wipe")
        return "Wiped."

    turn = says("", call(1, "dana"), {"name": "wipe_disk", "args": {}, "id": "c2"})
    names: Any = dict.fromkeys(gated, True)
    return create_agent(
        Scripted(turns=[turn]), [send_mail, wipe_disk], middleware=[HumanInTheLoopMiddleware(names)]
    )


async def test_an_approval_of_one_call_is_not_given_to_another() -> None:
    """Decisions are matched by position, and a deployment moved the positions."""
    sent: list[str] = []
    world = foreign_world(two_tools(sent, ("send_mail",)))
    await world.ask()
    request = await the_one(world)
    await world.answer(request)
    await world.work(world.another_worker("new", two_tools(sent, ("wipe_disk",))))
    assert sent == []
    asked = await the_one(world)
    assert asked.proposal.action.tool == "wipe_disk"
