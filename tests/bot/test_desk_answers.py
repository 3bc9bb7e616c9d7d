"""What becomes of an answer: edits, instructions, handing on, unknown outcomes, starting a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from desk_scene import PEOPLE, SIGNER, TWO, Scene, who
from sayso.agent.policy import PolicyRule
from sayso.approvals import effects, machine
from sayso.approvals.change import Event
from sayso.approvals.errors import (
    AlreadySettled,
    AnswerRefused,
    BadChange,
    BadSetting,
    NotAllowed,
    NotOffered,
    Outdated,
    RequestNotFound,
)
from sayso.approvals.people import Place
from sayso.approvals.request import Edits, OutcomeKind, Request, State
from sayso.approvals.risk import Dimension, Finding, Level
from sayso.approvals.signing import Verifier
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, Respond, Rule, ThreadId
from sayso.bot.asked import WayOn
from sayso.bot.desk import TooLong
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from scenes import ALEX, BO, FINANCE, an_assessment
from tokens import CANARIES


async def test_an_edit_is_a_new_revision_and_the_old_card_is_outdated() -> None:
    """P5: With two needed the editor counts once on the new revision; a click on the old one does not count."""
    scene = Scene()
    request = await scene.asks(route=TWO)
    await scene.approve(request, "cy")
    edited = await scene.approve(request, "bo", verdict=Modify({"amount": "100.00"}))
    assert (edited.revision, [vote.person for vote in edited.votes]) == (2, [BO])
    assert edited.votes[0].digest == edited.current.digest
    with pytest.raises(Outdated):
        await scene.approve(request, "cy", token="old card")
    assert (await scene.approve(edited, "cy", token="new card")).state is State.DECIDED


async def test_an_edit_that_raises_the_risk_is_asked_again() -> None:
    """P5: One vote would do, but the edited action is riskier: nobody has approved that yet."""
    worse = an_assessment(findings=tuple(Finding(one, Level.HIGH, "worst") for one in Dimension))
    scene = Scene()
    scene.desk = scene.a_desk({}, scored=lambda _: worse)
    edited = await scene.approve(await scene.asks(), "bo", verdict=Modify({"amount": "9000.00"}))
    assert (edited.state, edited.revision, edited.votes) == (State.OPEN, 2, ())


async def test_too_late_on_record_says_decided_also_while_the_agent_comes_back() -> None:
    """How far the agent is on its way says nothing about the answer."""
    scene = Scene()
    request = await scene.asks()
    await scene.approve(request, "bo")
    await scene.store.change(request.id, lambda r, now: machine.resuming(r, "worker-1", now))
    with pytest.raises(AlreadySettled):
        await scene.approve(request, "cy", token="later")
    last = (await scene.store.trail(request.ask.run.thread))[-1].entry
    assert (last.event, last.words) == (Event.REFUSED_ANSWER, "Too late: it was decided already")


async def test_no_token_goes_to_an_agent_by_an_answer() -> None:
    """An edit, an instruction or a reply that holds one is refused and says which; the audit does not quote it."""
    scene = Scene()
    request = await scene.asks()
    for verdict in (
        Modify({"amount": CANARIES["JWT"]}),
        Modify(instruction=f"use {CANARIES['JWT']}"),
        Respond(CANARIES["JWT"]),
    ):
        with pytest.raises(BadChange, match="holds a JSON web token, which no agent is given"):
            await scene.approve(request, "bo", verdict=verdict)
    assert CANARIES["JWT"] not in repr(await scene.store.trail(request.ask.run.thread))


async def test_a_no_counts_without_the_token_in_its_reason() -> None:
    """It is withheld before the vote is signed: the worker can verify what stands in the record."""
    scene = Scene()
    request = await scene.asks()
    refused = await scene.approve(request, "bo", verdict=Reject(f"You leaked {CANARIES['GitHub']}!"))
    (vote,) = refused.votes
    assert vote.verdict == Reject("You leaked (withheld: a GitHub token)!")
    Verifier([SIGNER.public_key]).check(vote)


async def test_an_edit_that_does_not_fit_names_the_field() -> None:
    """The tool's own schema decides; the audit holds the name, not what was typed."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(BadChange) as bad:
        await scene.approve(request, "bo", verdict=Modify({"amount": "a lot"}))
    assert set(bad.value.problems) == {"amount"}
    words = (await scene.store.trail(request.ask.run.thread))[-1].entry.words
    assert words == "The edit of amount does not fit"


@pytest.mark.parametrize(
    "verdict", [Modify({}, "split it in two"), Modify({"amount": "1.00"}, "and tell Dana")]
)
async def test_an_instruction_goes_to_the_agent(verdict: Modify) -> None:
    """Decided as a modification: the agent plans again."""
    scene = Scene()
    done = await scene.approve(await scene.asks(), "bo", verdict=verdict)
    assert done.decision is not None
    assert (done.revision, done.decision.verdict) == (1, verdict)


async def test_a_button_that_the_agent_does_not_take_is_refused_and_on_record() -> None:
    """A forged press: a gate of ours takes no text in place of its action."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(NotOffered):
        await scene.approve(request, "bo", verdict=Respond("It is done already."))
    assert (await scene.store.get(request.id)).state is State.OPEN
    assert (await scene.store.trail(request.ask.run.thread))[-1].entry.event is Event.REFUSED_ANSWER


async def test_where_edits_are_replanned_they_go_to_the_agent_checked() -> None:
    """The values still have to fit the tool."""
    scene = Scene()
    request = await scene.asks(edits=Edits.REPLAN)
    with pytest.raises(BadChange):
        await scene.approve(request, "bo", verdict=Modify({"order": "many"}))
    done = await scene.approve(request, "bo", verdict=Modify({"order": 7}))
    assert (done.revision, done.state) == (1, State.DECIDED)


async def test_a_circle_added_meanwhile_is_looked_up_before_the_vote_counts() -> None:
    """P19: The second line was told between looking up and counting: its member's click counts."""
    scene = Scene()
    request = await scene.asks()
    asked = scene.slack.group

    async def widened_while_asking(id: str) -> frozenset[str]:
        if not (await scene.store.get(request.id)).circles:
            scene.store.advance(timedelta(hours=19))
            await scene.store.change(request.id, machine.fire)
        return await asked(id)

    scene.slack.group = widened_while_asking  # type: ignore[method-assign]
    assert (await scene.approve(request, "di")).state is State.DECIDED


async def test_the_question_can_be_handed_on() -> None:
    """Bo hands it to the next line: Di may decide now; an outsider cannot hand on."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(NotAllowed):
        await scene.desk.hand_on(request.id, 1, "not mine", who("di"), token="di")
    done = await scene.desk.hand_on(request.id, 1, "not mine", who("bo"), token="bo")
    assert done.request.circles == ("seniors",)
    assert (await scene.approve(request, "di")).state is State.DECIDED


async def unknown(scene: Scene) -> Request:
    """Approved, started, and never heard of again."""
    request = await scene.approve(await scene.asks(), "bo")
    steps: list[PureStep] = [
        lambda r, now: machine.resuming(r, "w1", now),
        lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=timedelta(minutes=1), now=now),
        effects.unknown,
    ]
    for step in steps:
        request = (await scene.store.change(request.id, step)).request
    return request


async def test_people_settle_what_nobody_knows() -> None:
    """It happened, or give up: closed with that outcome; only by whom may decide."""
    for way, kind in ((WayOn.HAPPENED, OutcomeKind.EXECUTED), (WayOn.GIVE_UP, OutcomeKind.UNKNOWN)):
        scene = Scene()
        request = await unknown(scene)
        with pytest.raises(NotAllowed):
            await scene.desk.settle(request.id, 1, way, who("alex"), token="own")
        done = await scene.desk.settle(request.id, 1, way, who("cy"), token="cy")
        assert done.request.outcome is not None
        assert done.request.outcome.kind is kind
        assert done.request.outcome.words.startswith("Cy ")


async def test_running_it_again_takes_a_signed_vote_for_that_run() -> None:
    """The vote allows attempt 2 and nothing else."""
    scene = Scene()
    request = await unknown(scene)
    done = await scene.desk.settle(request.id, 1, WayOn.AGAIN, who("cy"), token="cy")
    (vote,) = done.request.votes
    Verifier([SIGNER.public_key]).check(vote)
    assert vote.attempt == 2


async def test_who_looked_after_one_try_does_not_order_another_after_the_next() -> None:
    """Bo saw that the first try did not happen; before he presses, Cy's order runs, and nobody knows of that one either."""
    scene = Scene()
    request = await unknown(scene)
    shown = request.question[:24]
    await scene.desk.settle(request.id, 1, WayOn.AGAIN, who("cy"), token="cy", shown=shown)
    for step in (
        lambda r, now: effects.begin(r, attempt=2, worker="w2", lease=timedelta(seconds=5), now=now),
        effects.unknown,
    ):
        await scene.store.change(request.id, step)
    for way in WayOn:
        with pytest.raises(Outdated):
            await scene.desk.settle(request.id, 1, way, who("bo"), token=f"late {way}", shown=shown)
    newest = (await scene.store.get(request.id)).question[:24]
    await scene.desk.settle(request.id, 1, WayOn.HAPPENED, who("bo"), token="bo", shown=newest)


async def test_ways_on_are_for_unknown_outcomes_only() -> None:
    """Pressing one on an open request changes nothing."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(AlreadySettled):
        await scene.desk.settle(request.id, 1, WayOn.HAPPENED, who("bo"), token="t")


async def test_pending_lists_what_waits_for_me() -> None:
    """Not what I asked for, not what I answered, not what others decide."""
    scene = Scene()
    mine = await scene.asks(route=TWO)
    await scene.asks(thread="t2", interrupt="i2")
    assert len(await scene.desk.pending(who("bo"))) == 2
    await scene.approve(mine, "bo")
    assert [one.ask.run.thread for one in await scene.desk.pending(who("bo"))] == ["t2"]
    assert await scene.desk.pending(who("alex")) == []
    assert await scene.desk.pending(who("di")) == []


async def test_a_run_starts_once_and_only_for_somebody_we_know() -> None:
    """The thread's id makes a redelivered mention harmless; a stranger starts nothing."""
    scene = Scene()
    ask = partial(
        scene.desk.ask,
        graph="ops",
        thread=ThreadId("slack:T1:C1:1.1"),
        origin=Place("slack:C1/1.1"),
        token="Ev1",
    )
    assert await ask(goal="refund order 1042", who=who("alex")) is True
    assert await ask(goal="refund order 1042", who=who("alex")) is False
    run = await scene.store.run(ThreadId("slack:T1:C1:1.1"))
    assert run is not None
    assert run.asked_by == ALEX
    with pytest.raises(NotAllowed):
        await ask(goal="x", who=who("nobody"))
    with pytest.raises(TooLong):
        await ask(goal="x" * 2001, who=who("alex"))
    with pytest.raises(AnswerRefused):
        await ask(goal="x", who=who("alex"), graph="nobody knows it")


async def test_an_unknown_request_is_said_to_be_unknown() -> None:
    """After a restore from an older backup a card may name a request nobody has."""
    with pytest.raises(RequestNotFound):
        await Scene().desk.answer(RequestId("00-gone"), 1, Approve(), who("bo"), token="t")


async def test_who_looked_at_the_details_is_on_record() -> None:
    """Once per click."""
    scene = Scene()
    request = await scene.asks()
    for _ in range(2):
        await scene.desk.seen(request.id, who("bo"), token="t")
    assert (await scene.events(request)).count(Event.DETAILS_SEEN) == 1


def test_a_set_that_names_a_stranger_is_refused_at_start() -> None:
    """So is one id for two persons."""
    with pytest.raises(BadSetting, match=r"sets\.finance"):
        ConfiguredDirectory(people=[], sets={"finance": ApproverSet(people=(BO,))}, platforms={})
    with pytest.raises(BadSetting, match="one id"):
        ConfiguredDirectory(people=[PEOPLE[0], PEOPLE[0]], sets={}, platforms={})


async def test_an_edit_that_leads_to_others_is_shown_again() -> None:
    """A rule sends large amounts to two people: the one who made it large does not decide it."""
    two = replace(FINANCE, name="two", rule=Rule(approvers=("finance",), needed=2))
    large = PolicyRule(name="large", reason="Large.", when="amount > 500", route="two")
    scene = Scene(policy={"routes": {"finance": FINANCE, "two": two}, "rules": (large,)})
    edited = await scene.approve(await scene.asks(), "bo", verdict=Modify({"amount": "9000.00"}))
    assert (edited.state, edited.votes) == (State.OPEN, ())
    edited = await scene.approve(edited, "bo", token="again")
    assert edited.state is State.OPEN
    assert (await scene.approve(edited, "cy")).state is State.DECIDED
