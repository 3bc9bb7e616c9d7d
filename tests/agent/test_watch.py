"""Human on the loop: what is watched runs at once, and people can take it back: once, in time, by their signed votes (S26)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gated import POLICY, TEAM, AgentState, Ledger, World, an_agent
from langchain_core.tools import tool as as_tool
from sayso.agent.called import CalledTool
from sayso.agent.effect import Effect, NothingDone, effect
from sayso.agent.policy_file import read_policy
from sayso.agent.runtime import idempotency_key
from sayso.approvals import canonical, effects, machine, signing
from sayso.approvals.action import Action
from sayso.approvals.change import Change, work_for
from sayso.approvals.errors import AlreadySettled, BadVote, NotOffered
from sayso.approvals.naming import request_id
from sayso.approvals.people import PersonId
from sayso.approvals.request import Decision, OutcomeKind, Request, Revision, State
from sayso.approvals.risk import Oversight
from sayso.approvals.signing import Verifier
from sayso.approvals.verdict import Approve, Modify, Reject, Undo
from sayso.approvals.watched import has_card
from sayso.cards.standing import is_unknown
from scenes import ALEX, BO, NOON, a_run, a_vote

WATCHED = {
    "category": "internal_change",
    "irreversibility": "medium",
    "blast_radius": "medium",
    "compliance": "low",
}


def watching(**said: object) -> Any:
    """A policy that watches drafts."""
    return read_policy({**POLICY, "tools": {**POLICY["tools"], "draft": {**WATCHED, **said}}})


def discard_tool(ledger: Ledger, **options: Any) -> Effect:
    """Deletes a draft."""

    @effect(name="discard", **options)
    async def discard(order: int, result: dict[str, Any]) -> str:
        ledger.done.append(("discard", {"order": order, "draft": result["draft"]}, idempotency_key()))
        return f"Draft {result['draft']} is gone."

    return discard


def draft_tool(ledger: Ledger, undo: Effect | None) -> Effect:
    """Writes a draft."""

    @effect(name="draft", category="internal_change", undo=undo)
    async def draft(order: int, text: str) -> dict[str, object]:
        ledger.done.append(("draft", {"order": order, "text": text}, idempotency_key()))
        return {"draft": 7, "order": order}

    return draft


def drafting(tool: Effect) -> Any:
    """A planner that drafts a letter."""

    def plan(state: AgentState) -> dict[str, Any]:
        action = Action.of(
            tool, order=1042, text="Dear Dana", goal="Answer Dana", summary="Draft a letter about order 1042",
            reasoning="She asked.", confidence=0.99,
        )  # fmt: skip
        return {"action": action}

    return plan


def a_world(undo: Any = discard_tool, policy: Any = None, **options: Any) -> World:
    """An agent that drafts."""
    ledger = Ledger()
    tool = draft_tool(ledger, undo(ledger) if undo else None)
    graph = an_agent(tool, ledger, plan=drafting(tool))
    return World(tool, graph=graph, ledger=ledger, policy=policy or watching(), **options)


def ended(request: Request) -> OutcomeKind | None:
    """How it ended."""
    return request.outcome.kind if request.outcome else None


async def undone(world: World, offer: Request) -> Request:
    """Bo undoes it, and a worker sees to it."""
    await world.answer(offer, Undo(), BO)
    await world.work()
    return await world.request(offer)


async def test_it_runs_at_once_and_can_be_undone_once() -> None:
    """S26: nobody is asked, a card offers to take it back, and what takes it back gets arguments and result."""
    world = a_world()
    await world.ask()
    assert [name for name, *_ in world.ledger.done] == ["draft"]
    assert (await world.state())["report"].startswith("executed")
    offer = await world.open_request()
    assert offer.ask.places == ("slack:C0SUP/1700.1", "slack:C0FIN")
    after = await undone(world, offer)
    assert ended(after) is OutcomeKind.UNDONE
    assert world.ledger.done[1] == ("discard", {"order": 1042, "draft": 7}, offer.id)
    with pytest.raises(AlreadySettled):
        await world.answer(after, Undo(), BO)
    assert len(world.ledger.done) == 2


async def test_what_nothing_takes_back_asks_first() -> None:
    """Watching means that people can still do something: without an undo they are asked before."""
    world = a_world(undo=None)
    await world.ask()
    assert world.ledger.done == []
    request = await world.open_request()
    assert (request.oversight, request.asked) == (Oversight.WATCH, True)
    await world.answer(request)
    await world.work()
    assert [name for name, *_ in world.ledger.done] == ["draft"]


@pytest.mark.parametrize(
    "said",
    [
        watching(log_only=True),
        read_policy(
            {
                **POLICY,
                "tools": {"draft": WATCHED},
                "rules": [{"name": "letters", "tools": ["draft"], "log_only": True}],
            }
        ),
    ],
    ids=["the tool's table", "a rule"],
)
async def test_what_the_policy_only_logs_runs_without_an_undo(said: Any) -> None:
    """Its card says so and offers nothing."""
    world = a_world(undo=None, policy=said)
    run = await world.ask()
    assert [name for name, *_ in world.ledger.done] == ["draft"]
    assert await world.store.live() == []
    trail = await world.store.trail(run.thread)
    assert "ran watched" in [record.entry.event for record in trail]
    (id,) = {record.request for record in trail if record.request}
    assert has_card(await world.store.get(id))


@pytest.mark.parametrize(
    ("said", "window"), [({}, timedelta(hours=24)), ({"undo_window": "2h"}, timedelta(hours=2))]
)
async def test_after_its_window_it_stays_done(said: dict[str, str], window: timedelta) -> None:
    """At the very end it is too late, by the store's clock; nothing happens and nobody is disturbed."""
    world = a_world(policy=watching(**said))
    await world.ask()
    offer = await world.open_request()
    world.store.advance(window)
    after = await world.answer(offer, Undo(), BO)
    assert ended(after) is OutcomeKind.EXPIRED
    with pytest.raises(AlreadySettled):
        await world.answer(after, Undo(), BO)
    await world.work()
    assert [name for name, *_ in world.ledger.done] == ["draft"]
    assert [notice.kind for notice in world.store._notices.values()] == ["report"]


async def test_an_undo_takes_no_other_answer() -> None:
    """Nobody can approve, change or reject what has been done."""
    world = a_world()
    await world.ask()
    offer = await world.open_request()
    for verdict in (Approve(), Reject("No."), Modify({"order": 7})):
        with pytest.raises(NotOffered):
            await world.store.change(
                offer.id,
                lambda r, now, v=verdict: machine.vote(
                    r, a_vote(offer, BO, v, signer=world.signer), TEAM, 1, now
                ),
            )
    with pytest.raises(AlreadySettled):
        machine.withdrawn(offer, "alex", "Let it be.", await world.store.now())


async def test_an_undo_that_nobody_signed_does_nothing() -> None:
    """P5: what is written into the store by hand undoes nothing, and the card names nobody."""
    world = a_world()
    await world.ask()
    offer = await world.open_request()
    now = await world.store.now()
    decision = Decision(verdict=Undo(), by=(BO,), at=now)
    forged = replace(offer, state=State.DECIDED, decision=decision, resume_by=now + timedelta(minutes=10))
    await world.store.change(offer.id, lambda record, _: Change(request=forged, work=(work_for(forged),)))
    await world.work()
    after = await world.request(offer)
    assert (ended(after), after.decision) == (OutcomeKind.FAILED, None)
    assert "forged or stale vote" in await world.events()
    assert len(world.ledger.done) == 1


async def test_an_approval_is_no_undo() -> None:
    """A signed approval lifted into the votes of an undo allows nothing."""
    world = a_world()
    await world.ask()
    offer = await world.open_request()
    vote = a_vote(offer, BO, Approve(), signer=world.signer)
    with pytest.raises(BadVote):
        signing.warrant(
            replace(offer, votes=(vote,)), Verifier([world.signer.public_key]), thread=offer.ask.run.thread,
            frozen=offer.ask.first.frozen, now=NOON,
        )  # fmt: skip


async def test_an_undo_of_something_else_does_nothing() -> None:
    """What is called must follow from what was done: a request made up in the store is not acted on, whoever signed."""
    world = a_world()
    await world.ask()
    offer = await world.open_request()
    proposal = offer.ask.first.proposal
    other = replace(proposal, action=replace(proposal.action, arguments={"order": 7, "result": {"draft": 1}}))
    key = replace(offer.ask.key, interrupt="undo:made-up")
    made_up = replace(
        offer.ask, id=request_id(key), key=key, first=Revision(number=1, frozen=canonical.encode(other).decode())
    )  # fmt: skip
    request = await world.store.open(Change(request=Request(ask=made_up)))
    assert ended(await undone(world, request)) is OutcomeKind.FAILED
    assert len(world.ledger.done) == 1


async def test_an_undo_that_does_nothing_says_so() -> None:
    """The tool knows best: what it could not take back is not claimed. It is said once, and not offered again."""

    def locked(_: Ledger) -> Effect:
        @effect(name="discard")
        def discard(order: int) -> str:
            raise NothingDone(f"The draft of order {order} is locked.")

        return discard

    world = a_world(undo=locked)
    await world.ask()
    offer = await world.open_request()
    after = await undone(world, offer)
    assert ended(after) is OutcomeKind.FAILED
    assert after.outcome is not None
    assert after.outcome.words == "The draft of order 1042 is locked."
    assert await world.store.live() == []
    with pytest.raises(AlreadySettled):
        await world.answer(after, Undo(), PersonId("cy"))
    await world.work()
    assert await world.request(offer) == after


async def test_an_undo_that_broke_off_is_put_to_people() -> None:
    """Nobody knows whether it happened: never run again silently, and run again only by votes for that."""
    tries: list[int] = []

    def shaky(_: Ledger) -> Effect:
        @effect(name="discard")
        def discard(order: int) -> str:
            tries.append(order)
            if len(tries) == 1:
                raise RuntimeError
            return "Gone."

        return discard

    world = a_world(undo=shaky)
    await world.ask()
    offer = await world.open_request()
    after = await undone(world, offer)
    assert is_unknown(after)
    again = a_vote(after, BO, Undo(), signer=world.signer, changed={"attempt": 2})
    await world.store.change(after.id, lambda r, now: effects.run_again(r, again, TEAM, 1, now))
    await world.work()
    assert ended(await world.request(offer)) is OutcomeKind.UNDONE
    assert tries == [1042, 1042]


async def test_a_worker_without_that_undo_leaves_it_to_one_that_has_it() -> None:
    """During a rolling deployment the new code waits; once that is over, it is not done aloud."""
    world = a_world()
    await world.ask()
    offer = await world.open_request()
    ledger = Ledger()
    tool = draft_tool(ledger, discard_tool(ledger, version="2"))
    newer = world.another_worker("w2", an_agent(tool, ledger, plan=drafting(tool)), idle=timedelta(0))
    await world.answer(offer, Undo(), BO)
    await newer.work_once()
    assert (await world.request(offer)).state is State.DECIDED
    world.store.advance(timedelta(minutes=10))
    await newer.work_once()
    after = await world.request(offer)
    assert (ended(after), ledger.done) == (OutcomeKind.FAILED, [])


async def test_the_tool_is_done_also_where_its_undo_does_not_take_its_result() -> None:
    """What ran is on record whatever follows; its card then offers nothing."""

    def picky(_: Ledger) -> Effect:
        @effect(name="discard")
        def discard(result: int) -> str:
            return f"Gone: {result}"

        return discard

    world = a_world(undo=picky)
    await world.ask()
    assert await world.store.live() == []
    words = [record.entry.words for record in await world.store.trail("t1")]
    assert "Cannot be undone: discard does not take what draft was given and returned" in words


def test_an_undo_is_given_arguments_and_result_only() -> None:
    """Who declares one that wants more reads it when the module is loaded."""

    @effect()
    def discard(draft: int) -> str:
        return f"{draft} is gone"

    with pytest.raises(TypeError, match="its undo discard wants 'draft'"):

        @effect(undo=discard)
        def draft_it(order: int) -> str:
            return f"{order}"


async def test_a_run_that_was_given_up_can_be_undone_all_the_same() -> None:
    """The undo is nobody's pause: the run's end leaves it alone, and it needs no thread."""
    ledger = Ledger()
    tool = draft_tool(ledger, discard_tool(ledger))

    def broken(state: AgentState) -> dict[str, str]:
        raise RuntimeError

    world = World(
        tool,
        graph=an_agent(tool, ledger, plan=drafting(tool), report=broken),
        ledger=ledger,
        policy=watching(),
    )
    await world.ask()
    assert "run failed" in await world.events()
    assert ended(await undone(world, await world.open_request())) is OutcomeKind.UNDONE


async def test_a_watched_tool_that_never_reported_is_put_to_people() -> None:
    """Its card appears then, with the ways on; the agent waits."""
    ledger = Ledger()

    @effect(name="draft", category="internal_change", undo=discard_tool(ledger))
    def draft(order: int, text: str) -> str:
        raise RuntimeError(f"{order} {text}")

    world = World(
        draft, graph=an_agent(draft, ledger, plan=drafting(draft)), ledger=ledger, policy=watching()
    )
    await world.ask()
    (request,) = await world.store.live()
    assert (is_unknown(request), has_card(request)) == (True, True)
    await world.store.change(request.id, lambda r, now: effects.settled_as_done(r, BO, now))
    await world.work()
    assert (await world.state())["report"].startswith("executed")


async def test_a_run_in_its_owners_process_asks_first() -> None:
    """It ends with its process, so nobody could undo what it did."""
    world = a_world()
    world.worker = world.another_worker("w1", knows="own:graph")
    run = replace(a_run("t1", ALEX), graph="own:graph")
    async with world.worker.runner.holding(run, _uncounted) as held:
        assert held is not None
        await world.store.start(run)
        await held.start()
    assert (await world.open_request()).asked


async def _uncounted() -> None:
    """No tries are counted."""


def test_behind_govern_both_policies_have_to_say_that_it_is_only_logged() -> None:
    """The stricter of the author's policy and the worker's holds."""

    def draft(order: int) -> str:
        """Writes a draft."""
        return f"{order}"

    action = Action(tool="draft", arguments={"order": 1}, goal="-", summary="-", reasoning="It is asked for.")
    lax, strict = watching(log_only=True), watching()
    sure = replace(action, confidence=0.99)
    made = CalledTool.of(as_tool(draft), strict)
    assert not made.only_logged(sure, lax)
    assert CalledTool.of(as_tool(draft), lax).only_logged(sure, lax)
