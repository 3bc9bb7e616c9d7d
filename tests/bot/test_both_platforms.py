"""One request in Slack and in Teams: one person behind both accounts, one decision, and every copy redrawn."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from both_offices import AFTERWARDS, SUPPORT, BothOffices, both_offices, missing, pieces_of
from sayso.approvals import effects, machine
from sayso.approvals.change import Event
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.cards import details
from sayso.cards.card import card_of
from sayso.sandbox.slack import View
from sayso.sandbox.slack.results import ClickResult
from sayso.scheduler.sweep import Sweeper
from scenes import a_run
from teams_bot import TRANSPORTS


def decided(request: Request) -> bool:
    return request.state is State.DECIDED


async def slack_form(o: BothOffices, name: str, label: str) -> View:
    """What opens behind a button of the newest card in Slack, once it has loaded."""
    view = await (await o.slack.person(name).clicks(o.card(), label)).modal()
    await o.workplace.until(lambda: view.title == label.rstrip("…"))
    return view


async def changes_in_teams(o: BothOffices, name: str, amount: str) -> None:
    """Modify, in the form that takes the card's place."""
    person, card = o.teams.person(name), o.teams_card()
    await person.clicks(card, "Modify…")
    sent = await person.clicks(person.fills(card, {"amount": amount}), "Send")
    assert sent.words == ""
    await o.deliver()


async def in_teams(o: BothOffices, name: str, label: str = "Approve") -> str:
    """Press it on the newest card there; what the person reads, if anything."""
    click = await o.teams.person(name).clicks(o.teams_card(), label)
    await o.deliver()
    return click.words


async def in_slack(o: BothOffices, name: str, label: str = "Approve") -> ClickResult:
    """The same in Slack, which is answered before it is counted: once something of it is on record."""
    before = len(o.store._trail)
    click = await o.slack.person(name).clicks(o.card(), label)
    await o.workplace.until(lambda: len(o.store._trail) > before)
    await o.deliver()
    return click


# ---- one decision, every copy


@pytest.mark.parametrize("sdk", TRANSPORTS)
async def test_approved_in_teams_the_cards_in_slack_say_so(sdk: str) -> None:
    """Who it was, on every copy; none has a button left that decides; the vote names the account it came from."""
    async with both_offices(sdk=sdk) as o:
        request = await o.asks()
        assert await in_teams(o, "bo") == ""
        (vote,) = (await o.until(request, decided)).votes
        assert (vote.person, vote.via) == ("bo", f"teams:{o.teams.tenant_id}/{o.teams.person('bo').aad}")
        assert "Approved by @Bo" in o.teams_card().text_as_seen()
        assert o.teams_card().buttons() == AFTERWARDS
        for channel in ("#finance-approvals", SUPPORT):
            assert "Approved by @bo" in o.card(channel).text_as_seen()
            assert o.card(channel).buttons() == ["Details"]


async def test_approved_in_slack_everybody_in_teams_sees_it() -> None:
    """Also who had a form or Details open there: what only they saw is replaced, and sending it is too late."""
    async with both_offices() as o:
        request = await o.asks()
        cy, sue = o.teams.person("cy"), o.teams.person("sue")
        await cy.clicks(o.teams_card(), "Reject…")
        await sue.clicks(o.teams_card(), "Details")
        dialog = await o.teams.person("kim").opens_dialog(o.teams_card(), "Modify in a dialog…")
        await in_slack(o, "bo")
        assert decided(await o.now(request))
        for person in (cy, sue):
            assert "Approved by @Bo" in person.reads(o.teams_card())
            assert person.offered(o.teams_card()) == AFTERWARDS
        sent = await o.teams.person("kim").submits(dialog.fill({"amount": "1.00"}), "Send")
        assert "Approved by @Bo" in sent.words
        assert sent.closed


async def test_changed_in_teams_approved_in_slack() -> None:
    """Both copies show the difference; what stood there before cannot be approved any more, only what stands now."""
    async with both_offices(needed=2) as o:
        request = await o.asks()
        old, old_in_teams = o.card().snapshot(), o.teams_card().snapshot()
        await changes_in_teams(o, "bo", "100.00")
        for shown in (o.card().text_as_seen(), o.teams_card().text_as_seen()):
            assert re.search(r"amount\W+129\.90\W+100\.00", shown)
        late = await o.slack.person("cy").clicks_old(old, "Approve")
        assert "older revision" in await late.whispered()
        assert "older revision" in (await o.teams.person("cy").clicks_old(old_in_teams, "Approve")).words
        assert len((await o.now(request)).votes) == 1
        await in_slack(o, "cy")
        after = await o.now(request)
        assert decided(after)
        assert after.proposal.action.arguments["amount"] == "100.00"
        for shown in (o.card().text_as_seen(), o.teams_card().text_as_seen()):
            assert "100.00" in shown


async def test_the_slower_one_reads_who_was_faster_on_the_other_side() -> None:
    """Slow screens, and a form that was open: all are answered by name, and on record; nothing is counted twice."""
    async with both_offices() as o:
        request = await o.asks()
        old, old_in_teams = o.card().snapshot(), o.teams_card().snapshot()
        form = (await slack_form(o, "sue", "Reject…")).fill({"Why?": "no"})
        await in_teams(o, "bo")
        slower = await o.slack.person("cy").clicks_old(old, "Approve")
        assert "Approved by @Bo" in await slower.whispered()
        slowest = await o.teams.person("kim").clicks_old(old_in_teams, "Approve")
        assert "Approved by @Bo" in slowest.refusal
        assert "not counted" in slowest.refusal
        await o.slack.person("sue").submits(form)
        assert "Approved by @Bo" in form.text_as_seen()
        events = await o.events(request)
        assert (events.count(Event.DECIDED), events.count(Event.REFUSED_ANSWER)) == (1, 3)


async def test_nobody_answers_and_both_are_told() -> None:
    """P7: Expired: every card and every thread says so; who cannot read the channel in Teams is named, not called."""
    async with both_offices() as o:
        request = await o.asks()
        old = o.teams_card().snapshot()
        sweeper = Sweeper(o.store, o.directory)
        o.store.advance(timedelta(days=3))
        while (await o.now(request)).state is State.OPEN:
            await sweeper.sweep()
        await o.deliver()
        assert o.both_read("Nobody decided by")
        for said in (o.slack.messages("#finance-approvals"), o.teams.messages("#finance-approvals")):
            assert "For @alex" in said[-1].text_as_seen().replace("Alex", "alex")
        assert o.teams.messages("#finance-approvals")[-1].live_mentions() == []
        assert "Nobody decided in time" in o.slack.messages(SUPPORT)[-1].text_as_seen()
        assert "expired" in (await o.teams.person("bo").clicks_old(old, "Approve")).words


@pytest.mark.parametrize(
    ("label", "platform", "kind"),
    [
        ("It happened", "teams", OutcomeKind.EXECUTED),
        ("Give up", "slack", OutcomeKind.UNKNOWN),
        ("Run it again", "teams", None),
        ("Run it again", "slack", None),
    ],
)
async def test_three_ways_on_stand_in_both(label: str, platform: str, kind: OutcomeKind | None) -> None:
    """Nobody knows whether it happened: either side can say how it goes on, and the other one shows it."""
    async with both_offices() as o:
        request = await o.asks()
        await in_teams(o, "bo")
        await lost_track(o, request)
        assert o.both_read("It may have happened")
        await (in_teams if platform == "teams" else in_slack)(o, "cy", label)
        after = await o.now(request)
        assert (after.outcome.kind if after.outcome else None) == kind
        assert not o.both_read("It may have happened")
        assert label not in (*o.card().buttons(), *o.teams_card().buttons())


async def lost_track(o: BothOffices, request: Request) -> None:
    """Its worker began, and never said how it ended."""
    lease = timedelta(minutes=1)
    await o.store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
    await o.store.change(
        request.id, lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=lease, now=now)
    )
    await o.store.change(request.id, effects.unknown)
    await o.deliver()


# ---- one person, whatever they click on


async def test_one_person_with_two_accounts_has_one_vote() -> None:
    """P3: Bo answers in Slack and again in Teams; it takes somebody else to decide, and both are on the cards."""
    async with both_offices(needed=2) as o:
        request = await o.asks()
        assert "1 of 2" in await (await in_slack(o, "bo")).whispered()
        assert "already counted" in await in_teams(o, "bo")
        assert [vote.via.partition(":")[0] for vote in (await o.now(request)).votes] == ["slack"]
        assert await in_teams(o, "cy") == ""
        after = await o.now(request)
        assert decided(after)
        assert [vote.person for vote in after.votes] == ["bo", "cy"]
        assert "Approved by @bo and @cy" in o.card().text_as_seen()
        assert "Approved by @Bo and @Cy" in o.teams_card().text_as_seen()


async def test_who_asked_in_slack_does_not_approve_in_teams() -> None:
    """P3: Four eyes are two persons, not two accounts: refused, said, and on record with the account that tried."""
    async with both_offices(everywhere=True) as o:
        request = await o.asks()
        click = await o.teams.person("alex").clicks(o.teams_card(SUPPORT), "Approve")
        assert "You asked for this" in click.refusal
        form = await o.teams.person("alex").clicks(o.teams_card(SUPPORT), "Modify…")
        assert "You asked for this" in form.refusal
        assert (await o.now(request)).votes == ()
        refused = [
            r for r in await o.store.trail(request.ask.run.thread) if r.entry.event is Event.REFUSED_ANSWER
        ]
        assert {record.entry.by for record in refused} == {"alex"}
        assert all(record.entry.facts["via"].startswith("teams:") for record in refused)


async def test_who_asked_in_teams_does_not_approve_in_slack() -> None:
    """P3: The other way round."""
    async with both_offices(everywhere=True) as o:
        asked = await o.teams.person("alex").says(SUPPORT, "@sayso could you refund order 1042?")
        await o.teams.settled()
        request = await o.asks(run=a_run(f"t-{asked.id}", origin=f"teams:{asked.conversation}/{asked.id}"))
        click = await o.slack.person("alex").clicks(o.card(SUPPORT), "Approve")
        assert "You asked for this" in await click.whispered()
        assert (await o.now(request)).votes == ()


@pytest.mark.parametrize(
    ("name", "words"), [("gil", "Guests cannot decide"), ("ned", "I do not know you")]
)  # fmt: skip
async def test_who_has_no_say_reads_the_same_in_both(name: str, words: str) -> None:
    """Guest and stranger: nothing moves on either side."""
    async with both_offices(everywhere=True) as o:
        request = await o.asks()
        assert words in (await o.teams.person(name).clicks(o.teams_card(SUPPORT), "Approve")).refusal
        click = await o.slack.person(name).clicks(o.card(SUPPORT), "Approve")
        assert words in await click.whispered()
        assert (await o.events(request)).count(Event.REFUSED_ANSWER) == 2
        assert (await o.now(request)).state is State.OPEN


async def test_a_press_of_an_account_that_was_closed_meanwhile() -> None:
    """P4: Teams lets nobody in who is closed, but a press may have been under way: refused."""
    async with both_offices() as o:
        request = await o.asks()
        looked = await o.teams.person("bo").clicks(o.teams_card(), "Details")
        assert looked.delivery is not None
        o.teams.close_account("bo")
        o.later()
        press = looked.delivery.activity
        press["id"] = "f:pressed-later"
        press["value"]["action"]["verb"] = "approve"
        answer = json.loads((await o.teams.deliver(press)).body)
        assert answer["statusCode"] == 403
        assert "deactivated" in answer["value"]["message"]
        assert (await o.now(request)).state is State.OPEN


async def test_known_on_one_side_only() -> None:
    """Sue is listed with a Slack account and kim with one of Teams: each counts there, and nowhere else."""
    async with both_offices(needed=2) as o:
        request = await o.asks()
        assert "I do not know you" in await in_teams(o, "sue")
        assert "I do not know you" in await (await in_slack(o, "kim")).whispered()
        assert "1 of 2" in await (await in_slack(o, "sue")).whispered()
        assert await in_teams(o, "kim") == ""
        assert [vote.person for vote in (await o.now(request)).votes] == ["sue", "kim"]
        assert decided(await o.now(request))


async def test_a_vote_lapses_when_its_account_is_closed() -> None:
    """Bo's account in Teams is closed before cy's vote in Slack completes the quorum: it takes a third person."""
    async with both_offices(needed=2) as o:
        request = await o.asks()
        await in_teams(o, "bo")
        o.teams.close_account("bo")
        o.later()
        await in_slack(o, "cy")
        assert (await o.now(request)).state is State.OPEN
        await in_slack(o, "sue")
        after = await o.now(request)
        assert decided(after)
        assert after.decision is not None
        assert set(after.decision.by) == {"cy", "sue"}


async def test_a_lapsed_vote_can_be_given_again_from_the_other_account() -> None:
    """Bo is still an approver in Slack: counted once, from the account that is alive when the quorum is reached."""
    async with both_offices(needed=2) as o:
        request = await o.asks()
        await in_teams(o, "bo")
        o.teams.close_account("bo")
        o.later()
        assert "1 of 2" in await (await in_slack(o, "bo")).whispered()
        await in_slack(o, "cy")
        after = await o.now(request)
        assert decided(after)
        assert [vote.via for vote in after.votes] == ["slack:T0WORKPLACE/U0BO", "slack:T0WORKPLACE/U0CY"]


# ---- the same words


@pytest.mark.parametrize("state", ["open", "unknown", "decided"])
async def test_both_cards_are_the_neutral_card(state: str) -> None:
    """Flags, summary, sections, order and words are the same, and so are the answers that can be given."""
    async with both_offices(needed=2) as o:
        request = await o.asks()
        await in_slack(o, "sue")
        if state != "open":
            await in_teams(o, "bo")
        if state == "unknown":
            await lost_track(o, request)
        card = card_of(await o.now(request), name=o.desk.name)
        wanted = [*card.flags, card.summary, *pieces_of(card.rows)]
        assert missing(o.card().text_as_seen(), wanted) == ""
        assert missing(o.teams_card().text_as_seen(), wanted) == ""
        labels = [button.label for button in card.buttons]
        assert o.card().buttons() == labels
        assert [label for label in o.teams_card().buttons() if not label.endswith("in a dialog…")] == labels


async def test_details_say_the_same_in_both() -> None:
    """All of it, in the same order; in a dialog of Teams too."""
    async with both_offices() as o:
        request = await o.asks()
        wanted = pieces_of(details.details(await o.now(request), name=o.desk.name))
        view = await slack_form(o, "bo", "Details")
        assert "Next page" not in view.buttons()
        cy = o.teams.person("cy")
        dialog = await cy.opens_dialog(o.teams_card(), "Details in a dialog…")
        await cy.clicks(o.teams_card(), "Details")
        assert "Next page" not in (*cy.offered(o.teams_card()), *dialog.buttons())
        for shown in (view.text_as_seen(), cy.reads(o.teams_card()), cy.reads(dialog)):
            assert missing(shown, wanted) == ""
        assert (await o.events(request)).count(Event.DETAILS_SEEN) == 3


async def test_what_waits_for_bo_is_the_same_in_both() -> None:
    """The list is of the person: asked for in either place it holds the same, and it is short by what was answered."""
    async with both_offices(needed=2) as o:
        first = await o.asks()
        assert await pending(o) == [True, True]
        await in_teams(o, "bo")
        assert await pending(o) == [False, False]
        assert (await o.now(first)).state is State.OPEN


async def pending(o: BothOffices) -> list[bool]:
    """Whether the refund is on bo's list in Slack, and in Teams."""
    bo, also_bo = o.slack.person("bo"), o.teams.person("bo")
    heard, told = len(bo.ephemerals), len(also_bo.direct_messages())
    await bo.says(SUPPORT, "@sayso pending")
    await also_bo.says(SUPPORT, "@sayso pending")
    await o.workplace.until(lambda: len(bo.ephemerals) > heard and len(also_bo.direct_messages()) > told)
    said = (bo.ephemerals[-1].text_as_seen(), also_bo.direct_messages()[-1].text_as_seen())
    return ["Refund 129.90" in words for words in said]
