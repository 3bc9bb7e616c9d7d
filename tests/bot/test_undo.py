"""Undo from a card: the people who could have approved it, each platform's own question before it, and late is late (S26)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from desk_scene import SIGNER as DESK_SIGNER
from desk_scene import TWO, Scene, who
from office import ROUTE, office
from sayso.approvals import effects, machine
from sayso.approvals.change import Change, Event, WorkKind
from sayso.approvals.errors import NotAllowed, WhyNot
from sayso.approvals.people import PersonId
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.signing import Verifier, warrant
from sayso.approvals.verdict import Undo
from sayso.bot.directory import ApproverSet
from sayso.bot.withdrawal import TooLate
from scenes import FINANCE, a_run
from teams_office import ROUTE as TEAMS_ROUTE
from teams_office import teams_office
from watched import noted


def ordered(request: Request) -> bool:
    return request.state is State.DECIDED


async def undo(scene: Scene, offer: Request, user: str) -> Request:
    """Somebody presses Undo."""
    done = await scene.desk.answer(offer.id, 1, Undo(), who(user), token=f"undo of {user}")
    return done.request


async def test_an_undo_is_a_signed_vote_and_work_for_a_worker() -> None:
    """What the desk counts is a warrant to the worker, and nothing has been undone yet."""
    scene = Scene()
    offer = await noted(scene.store)
    after = await undo(scene, offer, "bo")
    now, thread = await scene.store.now(), offer.ask.run.thread
    made = warrant(
        after, Verifier([DESK_SIGNER.public_key]), thread=thread, frozen=offer.ask.first.frozen, now=now
    )
    assert (made.revision.number, made.attempt) == (1, 1)
    item = await scene.store.take("w", idle=timedelta(minutes=1), wait=timedelta(0))
    assert item is not None
    assert (item.work.kind, item.work.request) == (WorkKind.UNDO, offer.id)


@pytest.mark.parametrize(
    ("user", "why"),
    [("alex", WhyNot.OWN_REQUEST), ("di", WhyNot.NOT_AN_APPROVER), ("nobody", WhyNot.UNKNOWN_PERSON)],
)
async def test_who_could_not_have_approved_it_cannot_undo_it(user: str, why: WhyNot) -> None:
    """The same authority as approving: the requester alone may not, nor an outsider."""
    scene = Scene()
    offer = await noted(scene.store)
    with pytest.raises(NotAllowed) as refused:
        await undo(scene, offer, user)
    assert refused.value.why is why
    assert (await scene.store.get(offer.id)).state is State.OPEN
    assert (await scene.events(offer))[-1] is Event.REFUSED_ANSWER


async def test_the_policy_of_today_counts_for_what_was_done() -> None:
    """Who has left the action's own route meanwhile may not undo it; the undo's tool has no route of its own."""
    scene = Scene()
    offer = await noted(scene.store)
    others = replace(
        FINANCE, rule=replace(FINANCE.rule, approvers=("seniors",)), second_line="", supervisor="", on_call=""
    )
    tools = {"add_note": replace(scene.desk._electing.rules.of("add_note"), route="others")}  # type: ignore[attr-defined]
    scene.desk = scene.a_desk(
        {"routes": {"finance": FINANCE, "others": replace(others, name="others")}, "tools": tools}
    )
    with pytest.raises(NotAllowed):
        await undo(scene, offer, "bo")


async def test_two_have_to_agree_where_two_had_to_approve() -> None:
    """The quorum is that of the route."""
    scene = Scene(policy={"routes": {"finance": TWO}})
    offer = await noted(scene.store, route=TWO)
    assert (await undo(scene, offer, "bo")).state is State.OPEN
    assert (await undo(scene, offer, "cy")).state is State.DECIDED


async def test_what_can_be_undone_waits_for_nobody() -> None:
    """It is no answer that is owed."""
    scene = Scene(sets={"finance": ApproverSet(people=(who_is("bo"),))})
    await noted(scene.store)
    assert await scene.desk.pending(who("bo")) == []


def who_is(name: str) -> PersonId:
    return PersonId(name)


async def test_in_slack_undo_asks_once_more_and_the_card_tells_how_it_went() -> None:
    """Log card, question, order, outcome; a second press and a late one read why they do not count."""
    async with office() as o:
        offer = await noted(o.store, route=ROUTE, run=a_run(origin="slack:C0SUPPORT"))
        await o.deliver()
        card = o.card()
        assert "Ran without asking" in card.text_as_seen()
        assert "Can be undone until" in card.text_as_seen()
        assert "(not @alex)" in card.text_as_seen()
        assert card.buttons() == ["Undo…", "Details"]
        old = card.snapshot()
        click = await o.slack.person("alex").clicks(o.card("#support"), "Undo…")
        assert "You asked for this" in await click.whispered()
        await o.slack.person("bo").clicks(card, "Undo…")
        after = await o.until(offer, ordered)
        await o.deliver()
        assert "Undo ordered by @bo" in o.card().text_as_seen()
        await o.store.change(after.id, lambda r, now: machine.resuming(r, "w", now))
        await o.store.change(after.id, begun)
        await o.store.change(
            after.id, lambda r, now: effects.done(r, "w", '"ok"', "Note 7 was removed.", now)
        )
        await o.deliver()
        assert "Undone by @bo" in o.card().text_as_seen()
        assert "Note 7 was removed." in o.card().text_as_seen()
        late = await o.slack.person("cy").clicks_old(old, "Undo…")
        assert "Undo ordered by @Bo" in await late.whispered()


def begun(request: Request, now: datetime) -> Change:
    return effects.begin(request, attempt=1, worker="w", lease=timedelta(minutes=1), now=now)


async def test_an_undo_that_did_nothing_is_told_and_not_offered_again() -> None:
    """Its card says why and has no button for it any more; a press on an old copy is not counted."""
    async with office() as o:
        offer = await noted(o.store, route=ROUTE)
        await o.deliver()
        old = o.card().snapshot()
        await o.slack.person("bo").clicks(o.card(), "Undo…")
        after = await o.until(offer, ordered)
        await o.store.change(after.id, lambda r, now: machine.resuming(r, "w", now))
        await o.store.change(after.id, begun)
        await o.store.change(after.id, lambda r, now: effects.failed(r, "w", "Note 7 is locked.", now))
        await o.deliver()
        assert "Not undone" in o.card().text_as_seen()
        assert "Note 7 is locked." in o.card().text_as_seen()
        assert o.card().buttons() == ["Details"]
        ended = await o.store.get(offer.id)
        late = await o.slack.person("cy").clicks_old(old, "Undo…")
        assert "was not counted" in await late.whispered()
        assert await o.store.get(offer.id) == ended


async def test_after_the_window_a_press_reads_that_it_is_too_late() -> None:
    """Also on a card that still shows the button."""
    async with office() as o:
        offer = await noted(o.store, route=ROUTE)
        await o.deliver()
        o.store.advance(timedelta(hours=24))
        click = await o.slack.person("bo").clicks(o.card(), "Undo…")
        assert "Too late: it could be undone until" in await click.whispered()
        after = await o.until(offer, lambda r: r.state is State.CLOSED)
        assert after.outcome is not None
        assert after.outcome.kind is OutcomeKind.EXPIRED
        await o.deliver()
        assert o.card().buttons() == ["Details"]


async def test_details_in_slack_show_what_was_done_and_what_an_undo_would_call() -> None:
    """And the undo can be ordered there, too."""
    async with office() as o:
        offer = await noted(o.store, route=ROUTE, run=a_run(origin=""))
        await o.deliver()
        bo = o.slack.person("bo")
        opened = await (await bo.clicks(o.card(), "Details")).modal()
        await o.workplace.until(lambda: opened.title == "Details")
        assert {"add_note", "remove_note"} <= set(opened.text_as_seen().split())
        await bo.clicks(opened, "Undo…")
        await o.until(offer, ordered)


async def test_in_teams_undo_shows_its_question_first() -> None:
    """Teams has no question of its own: the first press shows one in place of the card, the second one counts."""
    async with teams_office() as o:
        offer = await noted(o.store, route=TEAMS_ROUTE, run=a_run(origin=""))
        await o.deliver()
        bo = o.teams.person("bo")
        assert o.card().buttons() == ["Undo…", "Undo in a dialog…", "Details in a dialog…", "Details"]
        await bo.clicks(o.card(), "Undo…")
        assert (await o.now(offer)).state is State.OPEN
        assert "cannot be taken back" in bo.reads(o.card())
        await bo.clicks(o.card(), "Undo it")
        assert "Undo ordered by @Bo" in bo.reads(o.card())
        assert (await o.now(offer)).state is State.DECIDED


async def test_what_is_only_logged_offers_nothing() -> None:
    """Its card says so."""
    async with office() as o:
        await noted(o.store, route=ROUTE, undoable=False)
        await o.deliver()
        assert "it is only logged" in o.card().text_as_seen()
        assert o.card().buttons() == ["Details"]


async def test_nothing_typed_under_a_log_card_counts() -> None:
    """No approval, and no withdrawal by whoever asked: that would take everybody's undo away."""
    async with office() as o:
        offer = await noted(o.store, route=ROUTE, run=a_run(origin="slack:C0SUPPORT"))
        await o.deliver()
        await o.slack.person("bo").says("#finance-approvals", "approve", thread=o.card())
        await o.slack.person("alex").says("#support", "withdraw", thread=o.card("#support"))
        await o.slack.settled()
        assert (await o.now(offer)).state is State.OPEN
        assert (await o.now(offer)).votes == ()


async def test_an_offer_to_undo_cannot_be_withdrawn() -> None:
    """Not by its id, either."""
    scene = Scene()
    offer = await noted(scene.store)
    with pytest.raises(TooLate):
        await scene.desk.withdraw(offer.id, "never mind", who("alex"), token="w1")
