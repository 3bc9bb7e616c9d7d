"""`govern`: a model's calls ask or run as the policy says, and the model reads what became of each."""

from __future__ import annotations

from decimal import Decimal

from gated import REJECT
from governed import call, governed_world, open_requests, says, told
from sayso.approvals.request import OutcomeKind
from sayso.approvals.verdict import Modify

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
    assert said[0] == ("error", "Not done: bo said no: Wrong customer.")
    assert said[1] == ("success", "Sent to p2@example.com.")
    assert said[2] == (
        "success",
        "bo changed this call before it ran: amount = 4.00 instead of 5.00.\nRefunded 4.00.",
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
    assert said == ("error", "Not done: bo asked for something else; the agent plans again.\nMark it as urgent.")
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
