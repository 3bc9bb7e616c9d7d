"""`govern`: a model's calls ask or run as the policy says, and the model reads what became of each."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from foreign import Scripted
from gated import LOW, REJECT, Ledger, World
from governed import (
    POLICY,
    call,
    governed_agent,
    governed_world,
    mailer,
    open_requests,
    reader,
    refunder,
    says,
    told,
)
from langchain.agents import create_agent
from langchain_core.tools import StructuredTool, ToolException, tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt import InjectedState, ToolRuntime
from pydantic import BaseModel, model_validator
from sayso import effect, govern
from sayso.agent.called import Unreadable
from sayso.agent.policy_file import read_policy
from sayso.agent.resume import LeftOpen
from sayso.agent.runtime import NotInWorker
from sayso.approvals.request import OutcomeKind
from sayso.approvals.verdict import Modify
from sayso.cards.standing import outcome_words

ONE = says("Dana asked for it.", call(1))


async def test_an_approved_call_runs_once_as_it_was_shown() -> None:
    """The card says what the model said; the tool runs under the request's own key."""
    world = governed_world(ONE)
    await world.ask("Tell Dana")
    (request,) = await open_requests(world)
    action = request.proposal.action
    assert (action.goal, action.reasoning) == ("Tell Dana", "Dana asked for it.")
    assert action.summary == "send_mail: to = p1@example.com, urgent = False"
    await world.answer(request)
    await world.work()
    assert world.ledger.done == [("send_mail", {"to": "p1@example.com", "urgent": False}, request.id)]
    assert await told(world) == [("success", "Sent to p1@example.com.")]
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED
    assert (await world.events())[-1] == "run finished"


async def test_a_harmless_call_asks_nobody() -> None:
    """It runs at once, under a key, and the record has it."""
    world = governed_world(says("", call(1, "look_up", order=7)))
    await world.ask()
    assert [name for name, _, _ in world.ledger.done] == ["look_up"]
    assert await told(world) == [("success", '{"order": 7, "paid": true}')]
    assert "effect done" in await world.events()


async def test_two_calls_of_one_turn_are_settled_in_any_order() -> None:
    """The second is answered first and runs; the first is refused; the model reads both."""
    world = governed_world(says("Both.", call(1), call(2), call(3, "issue_refund", order=7, amount="5.00")))
    await world.ask()
    refund, first, second = await open_requests(world)
    assert refund.proposal.action.summary == "Refund 5.00 for 7"
    await world.answer(second)
    await world.work()
    assert [arguments["to"] for _, arguments, _ in world.ledger.done] == ["p2@example.com"]
    await world.answer(first, REJECT)
    await world.work()
    await world.answer(refund, Modify({"amount": "4.00"}))
    await world.work()
    assert world.ledger.done[1:] == [("issue_refund", {"order": 7, "amount": Decimal("4.00")}, refund.id)]
    said = await told(world)
    assert said[0] == ("error", "Not done: The answer was no: Wrong customer.")
    assert said[1] == ("success", "Sent to p2@example.com.")
    assert said[2] == (
        "success",
        "People changed this call before it ran: amount = 4.00 instead of 5.00.\nRefunded 4.00.",
    )


async def test_silence_is_told_to_the_model() -> None:
    """Nothing is sent, and it goes on."""
    world = governed_world(ONE)
    await world.ask()
    (request,) = await open_requests(world)
    await world.expire(request)
    await world.work()
    assert world.ledger.done == []
    assert await told(world) == [("error", "Not done: Nobody decided in time; nothing was done.")]
    assert (await world.events())[-1] == "run finished"


async def test_an_instruction_leads_to_a_call_that_says_what_it_revises() -> None:
    """The next call of the tool shows the difference, and names the request it replaces."""
    again = says("As Bo said.", {**call(2), "args": {"to": "p1@example.com", "urgent": True}})
    world = governed_world(ONE, again)
    await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request, Modify(instruction="Mark it as urgent."))
    await world.work()
    said = (await told(world))[0]
    assert said == (
        "error",
        "Not done: It was sent back with a correction.\nMark it as urgent.",
    )
    (revised,) = await open_requests(world)
    assert revised.ask.revises == request.id
    assert revised.proposal.changes == {"urgent": (False, True)}
    await world.answer(revised)
    await world.work()
    assert world.ledger.done == [("send_mail", {"to": "p1@example.com", "urgent": True}, revised.id)]


async def test_what_the_model_calls_wrongly_is_never_asked_about() -> None:
    """It reads what does not fit and may try again."""
    world = governed_world(says("", call(1, "issue_refund", order="seven", amount="5")))
    await world.ask()
    assert await open_requests(world) == []
    ((status, words),) = await told(world)
    assert status == "error"
    assert "order" in words


async def test_any_checkpointer_will_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An agent that keeps its state elsewhere: nothing of ours is in it that LangGraph would not know."""
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "state")) as saver:
        world = governed_world(ONE, saver=saver)
        await world.ask()
        (request,) = await open_requests(world)
        await world.answer(request)
        await world.work()
        assert len(world.ledger.done) == 1
        assert (await told(world))[0][0] == "success"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_tools_get_what_langchain_injects_and_people_see_none_of_it() -> None:
    """State and runtime are handed to the tool when it runs; the model's own word for them is dropped."""
    seen: list[tuple[str, int, str | None]] = []

    @tool
    def send_mail(to: str, state: Annotated[dict[str, Any], InjectedState], runtime: ToolRuntime) -> str:
        """Send a mail."""
        seen.append((to, len(state["messages"]), runtime.tool_call_id))
        return "Sent."

    forged = {**call(1), "args": {"to": "dana", "state": {"messages": []}, "runtime": "mine"}}
    world = governed_world(says("", forged), tools=[send_mail])
    await world.ask()
    (request,) = await open_requests(world)
    assert request.proposal.action.arguments == {"to": "dana"}
    await world.answer(request)
    await world.work()
    assert seen == [("dana", 2, "call-1")]


async def test_a_tool_described_by_a_json_schema_is_governed_too() -> None:
    """As tools of an MCP server are; what does not fit the schema is never asked about."""
    ran: list[dict[str, Any]] = []

    async def send(**arguments: Any) -> str:
        ran.append(arguments)
        return "Sent."

    schema = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
    remote = StructuredTool(name="send_mail", description="Send", args_schema=schema, coroutine=send)
    world = governed_world(says("", call(1, to=7)), says("", call(2, to="dana")), tools=[remote])
    await world.ask()
    (request,) = await open_requests(world)
    assert request.proposal.action.arguments == {"to": "dana"}
    await world.answer(request, Modify({"to": "bo"}))
    await world.work()
    assert ran == [{"to": "bo"}]


@pytest.mark.parametrize("hostile", ["x" * 100_000, "half \ud83d of a sign", "\x00\u202e*_`<@U1>{to}{0}"])
async def test_whatever_the_model_writes_the_run_goes_on(hostile: str) -> None:
    """It is shown to people, or the model reads that it cannot be."""
    ran: list[str] = []

    @effect(name="send_mail", category="external_communication", summary="{to}")
    async def send(to: str) -> str:
        ran.append(to)
        return "Sent."

    world = governed_world(says("", call(1, to=hostile)), tools=[send])
    await world.ask()
    for request in await open_requests(world):
        await world.answer(request)
        await world.work()
        assert ran == [hostile]
    assert len(await told(world)) == 1
    assert (await world.events())[-1] == "run finished"


async def test_what_is_nested_too_deeply_is_told_to_the_model() -> None:
    """Deeper than a record can be read again, and than anybody would look."""
    deep: Any = "x"
    for _ in range(150):
        deep = [deep]

    @effect(name="send_mail", category="external_communication")
    async def send(to: Any) -> None: ...

    world = governed_world(says("", call(1, to=deep)), tools=[send])
    await world.ask()
    assert await told(world) == [("error", "Not done: these arguments cannot be shown to people.")]
    assert (await world.events())[-1] == "run finished"


async def test_the_author_may_ask_for_more_than_the_worker_and_never_for_less() -> None:
    """Of two policies the stricter one holds."""
    ledger = Ledger()
    loose = {"category": "internal_change", **LOW}
    strict = read_policy(
        {**POLICY, "tools": {"look_up": {"category": "deletion", **LOW}, "send_mail": loose}}
    )
    turn = says("", call(1), call(2, "look_up", order=7))
    agent = create_agent(Scripted(turns=[turn]), govern([mailer(ledger), reader(ledger)], strict))
    world = governed_world(graph=agent, ledger=ledger)
    await world.ask()
    assert [one.proposal.action.tool for one in await open_requests(world)] == ["look_up", "send_mail"]
    assert ledger.done == []


async def test_a_rule_has_people_look_at_what_its_levels_would_let_run() -> None:
    """That a model cannot say how sure it is asks nobody; that a rule wants it watched does."""
    watched = {
        "name": "big orders",
        "oversight": "watch",
        "reason": "Audit.",
        "if": "args.order > 1000",
        "tools": ["look_up"],
    }
    policy = read_policy({**POLICY, "rules": [watched]})
    ledger = Ledger()
    turn = says("", call(1, "look_up", order=7), call(2, "look_up", order=5000))
    world = World(graph=governed_agent(ledger, [turn]), ledger=ledger, policy=policy)
    await world.ask()
    (request,) = await open_requests(world)
    assert request.proposal.action.arguments == {"order": 5000}
    assert [arguments for _, arguments, _ in ledger.done] == [{"order": 7}]


def test_what_cannot_be_governed_is_refused_at_once() -> None:
    """Two tools of one name; a name that LangGraph would read as a path; a summary of what is not there."""
    ledger = Ledger()
    with pytest.raises(ValueError, match="two tools are called send_mail"):
        govern([mailer(ledger), mailer(ledger)])
    with pytest.raises(Unreadable):
        govern([effect(name="a|b")(lambda order: order)])
    with pytest.raises(ValueError, match="may name its parameters only"):
        refunder(ledger, summary="Refund {amount.real}")
    with pytest.raises(Unreadable, match="'runtime'"):
        govern([effect(name="start")(lambda runtime: runtime)])
    (once,) = govern([mailer(ledger)])
    assert govern([once]) == [once]


async def test_a_governed_tool_runs_nowhere_but_behind_its_gate() -> None:
    """Called by hand it does nothing, in a worker or not."""
    ledger = Ledger()
    (governed,) = govern([mailer(ledger)])
    with pytest.raises(Exception, match="runtime"):
        await governed.ainvoke({"to": "dana"})
    agent = governed_agent(ledger, [ONE])
    with pytest.raises(GraphBubbleUp) as caught:
        await agent.ainvoke({"messages": [{"role": "user", "content": "go"}]})
    assert isinstance(caught.value, LeftOpen)
    assert isinstance(caught.value.why, NotInWorker)
    assert ledger.done == []


def failing(**options: Any) -> Any:
    """A mailer whose author has its failures told to the model."""

    def send_mail(to: str) -> str:
        """Send a mail."""
        raise ToolException(f"The mail server does not know {to}.")

    return StructuredTool.from_function(send_mail, **options)


@pytest.mark.parametrize(
    ("handle", "words"),
    [(True, "The mail server does not know p1@example.com."), ("Try a letter.", "Try a letter.")],
)
async def test_a_tool_that_tells_the_model_of_its_failure_is_on_record_as_failed(
    handle: bool | str, words: str
) -> None:
    """The model reads what its author wants it to; the card claims neither that it was done nor that nothing was."""
    world = governed_world(ONE, tools=[failing(handle_tool_error=handle)])
    await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request)
    await world.work()
    assert await told(world) == [("error", words)]
    ended = await world.request(request)
    assert ended.outcome is not None
    assert (ended.outcome.kind, ended.outcome.words) == (OutcomeKind.FAILED, words)
    assert outcome_words(ended, ended.outcome.kind) == "Failed, as its tool says"
    assert "effect failed" in await world.events()
    assert (await world.events())[-1] == "run finished"


async def test_a_failure_that_no_author_has_told_is_put_to_people() -> None:
    """It raises, so nobody knows."""
    world = governed_world(ONE, tools=[failing()])
    await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request)
    await world.work()
    assert (await told(world), (await world.request(request)).outcome) == ([], None)


class Mail(BaseModel):
    """A mail, with a rule that its JSON Schema cannot say."""

    to: str

    @model_validator(mode="after")
    def _is_address(self) -> Mail:
        if "@" not in self.to:
            raise ValueError("no address")
        return self


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (False, "Not done: "), ("Give an address.", "Give an address."),
        (lambda error: f"{error.error_count()} mistake", "1 mistake"),
    ],
)  # fmt: skip
async def test_what_a_tools_own_validator_refuses_is_never_asked_about(handle: Any, words: str) -> None:
    """Nothing could run: the model reads its author's words for it, or ours, and tries again."""

    def send_mail(to: str) -> str:
        return "Sent."

    mail = StructuredTool.from_function(
        send_mail, description="Send", args_schema=Mail, handle_validation_error=handle
    )
    world = governed_world(says("", call(1, to="dana")), ONE, tools=[mail])
    await world.ask()
    ((status, said),) = await told(world)
    assert status == "error"
    assert said.startswith(words)
    (request,) = await open_requests(world)
    assert request.proposal.action.arguments == {"to": "p1@example.com"}


@pytest.mark.parametrize("id", ["", None])
async def test_calls_without_an_id_keep_their_own_answers(id: str | None) -> None:
    """Some models number nothing: each call is known by its message and its place there, in this turn and the next."""
    unnumbered = [{**call(number), "id": id} for number in (1, 2)]
    again = says("Once more.", {**call(1), "id": id})
    world = governed_world(says("All.", *unnumbered), again)
    await world.ask()
    first, second = await open_requests(world)
    assert [one.proposal.action.reasoning for one in (first, second)] == ["All.", "All."]
    await world.answer(second, REJECT)
    await world.work()
    await world.answer(first)
    await world.work()
    assert [arguments["to"] for _, arguments, _ in world.ledger.done] == ["p1@example.com"]
    assert sorted(status for status, _ in await told(world)) == ["error", "success"]
    (third,) = await open_requests(world)
    assert third.id not in (first.id, second.id)
    await world.answer(third)
    await world.work()
    assert len(world.ledger.done) == 2
    assert (await world.events())[-1] == "run finished"
