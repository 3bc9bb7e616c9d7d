"""Edits that need more than they got, by a policy that the bot does not know: nothing runs, and people are asked again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from foreign import Scripted
from gated import POLICY as GATED
from gated import Ledger, World
from governed import POLICY, call, governed_world, open_requests, refunder, says, told
from langchain.agents import create_agent
from sayso import govern
from sayso.agent.policy import Policy
from sayso.agent.policy_file import read_policy
from sayso.approvals import editing, machine
from sayso.approvals.change import Change
from sayso.approvals.people import PersonId
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.verdict import Modify, Way
from scenes import BO, a_vote

LARGE = {"name": "large", "if": "amount > 500", "compliance": "high", "reason": "More than 500."}
MORE = Modify({"amount": "900.00"})


def strict(**rule: Any) -> Policy:
    """An author's own: like everybody's, with a rule about large amounts."""
    return read_policy({**POLICY, "rules": [{**LARGE, **rule}]})


async def asked(policy: Policy) -> tuple[World, Request]:
    """A refund of 5.00 that waits, under an author's policy that the world around it does not have."""
    ledger = Ledger()
    turn = says("They asked.", call(1, "issue_refund", order=7, amount="5.00"))
    agent = create_agent(Scripted(turns=[turn]), govern([refunder(ledger)], policy))
    world = governed_world(graph=agent, ledger=ledger)
    await world.ask()
    (request,) = await open_requests(world)
    return world, request


async def test_an_edit_beyond_its_authors_policy_is_asked_again_without_it() -> None:
    """One answer decided it; nothing was done. What the agent asked for is put to people anew, and runs if they say so."""
    world, request = await asked(strict())
    decided = await world.answer(request, MORE)
    assert decided.state is State.DECIDED
    await world.work()
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.INVALIDATED
    assert ended.outcome.words.startswith("As it was changed, it is riskier than what was asked")
    assert world.ledger.done == []
    (again,) = await open_requests(world)
    assert (again.ask.key.round, again.proposal.action.arguments["amount"]) == (2, "5.00")
    assert Way.EDIT not in again.ways
    assert {Way.APPROVE, Way.REJECT, Way.INSTRUCT} <= set(again.ways)
    await world.answer(again)
    await world.work()
    assert world.ledger.amounts == [Decimal("5.00")]
    assert await told(world) == [("success", "Refunded 5.00.")]


async def test_an_edit_that_was_shown_once_more_runs() -> None:
    """Somebody approved it as it then was: that is what asking again would bring."""
    world, request = await asked(strict())

    def shown(record: Request, now: Any) -> Change:
        revision, _ = editing.edited(record, MORE.changes, BO, lambda _: record.proposal.assessment)
        changed = {"revision": revision.number, "digest": revision.digest}
        vote = a_vote(record, BO, MORE, signer=world.signer, changed=changed)
        return machine.edit(record, revision, vote, frozenset({BO}), 1, ask_again=True, now=now)

    edited = (await world.store.change(request.id, shown)).request
    assert edited.state is State.OPEN
    await world.answer(edited, person=PersonId("cy"))
    await world.work()
    assert world.ledger.amounts == [Decimal("900.00")]


async def test_an_edit_within_its_authors_policy_runs_as_edited() -> None:
    """Smaller is no riskier."""
    world, request = await asked(strict())
    await world.answer(request, Modify({"amount": "4.00"}))
    await world.work()
    assert world.ledger.amounts == [Decimal("4.00")]


def newer(route: dict[str, Any]) -> Policy:
    """The worker's settings of today, in which large amounts go elsewhere."""
    routes = {
        **GATED["routes"],
        "board": {"places": ["slack:C0BRD"], "approvers": ["finance"], "pager": "primary", **route},
    }
    large = {"name": "large", "if": "amount > 500", "route": "board"}
    return read_policy({**GATED, "routes": routes, "rules": [large]})


@pytest.mark.parametrize("route", [{"needed": 2}, {"approvers": ["board"]}])
async def test_an_edit_that_others_have_to_agree_to_is_asked_again(route: dict[str, Any]) -> None:
    """By the worker's settings it goes to more people, or to others; the bot that counted the vote has older ones."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request, MORE)
    world.policy = newer(route)
    await world.work(world.another_worker("w2"))
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.INVALIDATED
    assert "others have to agree to it" in ended.outcome.words
    assert world.ledger.done == []


async def test_past_its_gate_it_is_not_done() -> None:
    """The first worker let the gate go and could not act; the next one has stricter settings: it fails, aloud."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request, MORE)
    world.source.down = True
    assert await world.worker.work_once()
    world.source.down = False
    world.policy = newer({"needed": 2})
    worker = world.another_worker("w2")
    world.store.advance(timedelta(minutes=11))  # it is tried again every ten
    await world.store.change(request.id, machine.fire)
    await world.work(worker)
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.FAILED
    assert world.ledger.done == []
