"""Forgeries: whatever is written into the record, only signatures over what was frozen make a tool run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gated import REJECT, World
from sayso.agent.runtime import running
from sayso.approvals import canonical
from sayso.approvals.change import Change, Work, WorkKind
from sayso.approvals.request import Decision, OutcomeKind, Request, State
from sayso.approvals.risk import Oversight
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import Approve, Modify, ThreadId
from scenes import BO, NOON, a_vote


async def kind_of(world: World, request: Request) -> OutcomeKind | None:
    ended = await world.request(request)
    return ended.outcome.kind if ended.outcome else None


async def forge(world: World, request: Request, **changes: Any) -> None:
    """Write straight into the store that people approved."""
    decision = Decision(verdict=Approve(), by=(BO,), at=NOON)
    work = Work(kind=WorkKind.RESUME, run=request.ask.run, request=request.id)
    forged = {
        "state": State.DECIDED, "decision": decision, "resume_by": NOON + timedelta(minutes=10), **changes,
    }  # fmt: skip
    await world.store.change(
        request.id, lambda record, now: Change(request=replace(record, **forged), work=(work,))
    )
    await world.work()


@pytest.mark.parametrize("forgery", ["no vote", "own key", "lifted", "expired", "a refusal"])
async def test_a_forged_approval_never_acts(forgery: str) -> None:
    """P5: The acting node believes signatures, not the record."""
    world = World()
    await world.ask()
    request = await world.open_request()
    stranger = Signer(b"x" * 32)
    other = replace(request, ask=replace(request.ask, run=replace(request.ask.run, thread=ThreadId("t2"))))
    votes = {
        "no vote": (),
        "own key": (a_vote(request, signer=stranger),),
        "lifted": (a_vote(other, signer=world.signer),),
        "expired": (a_vote(request, signer=world.signer, changed={"expires": NOON - timedelta(1)}),),
        "a refusal": (a_vote(request, verdict=REJECT, signer=world.signer),),
    }
    await forge(world, request, votes=votes[forgery])
    assert world.ledger.done == []
    assert "forged or stale vote" in await world.events()
    assert await kind_of(world, request) is OutcomeKind.FAILED
    assert (await world.request(request)).decision is None  # no card names people who never decided


async def test_an_approval_of_a_small_amount_does_not_move_a_large_one() -> None:
    """P5: Swapped arguments in the record do not reach the tool."""
    world = World()
    await world.ask("5.00")
    request = await world.open_request()
    vote = a_vote(request, signer=world.signer)
    large = replace(request.ask.first, frozen=request.ask.first.frozen.replace("5.00", "5000.00"))
    await forge(world, request, ask=replace(request.ask, first=large), votes=(vote,))
    assert world.ledger.done == []


async def test_a_wish_for_changes_cannot_be_turned_into_an_approval() -> None:
    """A signed Modify over what was asked is no yes to it, even if the record says "approved"."""
    world = World()
    await world.ask()
    request = await world.open_request()
    wish = a_vote(request, verdict=Modify({"amount": "1.00"}), signer=world.signer)
    await forge(world, request, votes=(wish,))
    assert world.ledger.done == []


async def test_a_checkpoint_rewritten_to_need_nobody_never_acts() -> None:
    """P5: Whoever can write to Redis can say that an action is free; the acting worker asks its own policy."""
    world = World()
    await world.ask()
    request = await world.open_request()
    free = replace(
        request.proposal, assessment=replace(request.proposal.assessment, oversight=Oversight.FREE)
    )
    frozen = canonical.encode(free).decode()
    sealed = {"frozen": frozen, "digest": canonical.digest(frozen), "key": "free:forged", "payload": None}
    async with world.worker.runner.holding(request.ask.run, _uncounted) as held:
        assert held is not None
        paused = await held.graph.aget_state(held.config, subgraphs=True)
        inside: Any = paused.tasks[0].state
        await held.graph.aupdate_state(inside.config, {"sayso": sealed}, as_node="assess")
        with running(held.runtime):
            await held.graph.ainvoke(None, held.config)
    assert world.ledger.done == []
    assert "forged or stale vote" in await world.events()


async def _uncounted() -> None:
    """No work item stands behind this."""
