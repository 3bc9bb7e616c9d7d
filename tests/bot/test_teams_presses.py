"""What people press in Teams, over real HTTP with signed tokens: every press gets its answer at once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from office import SIGNER, WatchedStore
from sayso.approvals import effects, machine
from sayso.approvals.change import Applied, Event
from sayso.approvals.errors import StoreDown
from sayso.approvals.people import Person, PersonId
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.signing import Verifier
from sayso.approvals.store import PureStep, Target, TargetKind, Told
from sayso.approvals.verdict import RequestId, Rule
from sayso.sandbox.faults import FOREVER, Status
from sayso.sandbox.teams import Client
from sayso.sandbox.teams.places import object_id
from scenes import an_action
from teams_bot import TRANSPORTS
from teams_office import ROUTE, staff, teams_office, teams_policy

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))
LOOK = ["Details", "Details in a dialog…"]


def decided(request: Request) -> bool:
    return request.state is State.DECIDED


@pytest.mark.parametrize("sdk", TRANSPORTS)
async def test_bo_approves_and_every_card_says_so(sdk: str) -> None:
    """Bo's own card is redrawn in the answer, everybody else's by update; the vote is signed."""
    async with teams_office(sdk=sdk) as o:
        request = await o.asks()
        bo, cy = o.teams.person("bo"), o.teams.person("cy")
        click = await bo.clicks(o.card(), "Approve")
        assert click.ms < 3_000
        assert "Approved by @Bo" in bo.reads(o.card())
        assert "Approved by @Bo" not in cy.reads(o.card())
        assert bo.offered(o.card()) == LOOK
        (vote,) = (await o.until(request, decided)).votes
        await o.deliver()
        for channel in ("#finance-approvals", "#support"):
            assert "Approved by @Bo" in o.card(channel).text_as_seen()
            assert o.card(channel).buttons() == LOOK
        Verifier([SIGNER.public_key]).check(vote)
        assert vote.via == f"teams:{o.teams.tenant_id}/{bo.aad}"


async def test_who_may_not_reads_why() -> None:
    """Requester, unknown, guest, outsider: nothing moves, the sentence stands under the card, and it is audited."""
    async with teams_office() as o:
        request = await o.asks()
        for name, channel, words in (
            ("alex", "#support", "You asked for this"), ("ned", "#support", "I do not know you"),
            ("gil", "#support", "Guests cannot decide"), ("kim", "#finance-approvals", "not an approver"),
        ):  # fmt: skip
            click = await o.teams.person(name).clicks(o.card(channel), "Approve")
            assert words in click.refusal
            assert click.answer is not None
            assert json.loads(click.answer.body)["statusCode"] == 403
        assert (await o.now(request)).state is State.OPEN
        assert (await o.events(request)).count(Event.REFUSED_ANSWER) == 4


async def test_an_account_of_two_persons_decides_nothing() -> None:
    """P2: Ambiguous: refused with the reason."""
    people = [*staff(), Person(id=PersonId("bo2"), name="Bo again", accounts={"teams": object_id("bo")})]
    async with teams_office(people=people) as o:
        await o.asks()
        click = await o.teams.person("bo").clicks(o.card(), "Approve")
        assert "more than one person" in click.refusal


async def test_when_entra_cannot_say_who_somebody_is_nothing_counts() -> None:
    """The directory is down: fail closed, and say so."""
    async with teams_office() as o:
        request = await o.asks()
        o.teams.graph.faults.add(Status(500), on="users", times=FOREVER)
        click = await o.teams.person("bo").clicks(o.card(), "Approve")
        assert "cannot check who you are" in click.refusal
        assert click.answer is not None
        assert json.loads(click.answer.body)["statusCode"] == 503
        assert (await o.now(request)).votes == ()


async def test_the_slower_one_reads_who_was_faster_and_what_they_decided() -> None:
    """P13: Cy's screen was slow: the old card's button is answered by name, and what was asked stays decided once."""
    async with teams_office() as o:
        request = await o.asks()
        old = o.card().snapshot()
        await o.teams.person("bo").clicks(o.card(), "Approve")
        await o.deliver()
        for title in ("Approve", "Modify…", "Reject…"):
            click = await o.teams.person("cy").clicks_old(old, title)
            assert "Approved by @Bo" in click.refusal
            assert "not counted" in click.refusal
            assert click.answer is not None
            assert json.loads(click.answer.body)["statusCode"] == 409
        assert len((await o.now(request)).votes) == 1


async def test_the_first_of_two_sees_that_another_is_needed() -> None:
    """Counted, but nothing is decided yet: the card shows the vote, to Bo at once and then to everybody."""
    async with teams_office(policy=teams_policy(routes={"finance": TWO})) as o:
        await o.asks(route=TWO)
        await o.teams.person("bo").clicks(o.card(), "Approve")
        assert "votes: @Bo approved" in o.teams.person("bo").reads(o.card())
        await o.deliver()
        assert "votes: @Bo approved" in o.card().text_as_seen()
        again = await o.teams.person("bo").clicks(o.card(), "Approve")
        assert "already counted" in again.refusal


async def test_a_press_delivered_again_is_answered_as_the_first_time() -> None:
    """P6: The same bytes, and the same body with a fresh token: counted once."""
    async with teams_office(policy=teams_policy(routes={"finance": TWO})) as o:
        request = await o.asks(route=TWO)
        click = await o.teams.person("bo").clicks(o.card(), "Approve")
        assert click.delivery is not None
        assert click.answer is not None
        for answer in (await o.teams.replay(click.delivery), await o.teams.redeliver(click.delivery)):
            assert (answer.status, answer.body) == (200, click.answer.body)
        assert (await o.events(request)).count(Event.VOTED) == 1


async def test_poorer_clients_decide_just_as_well() -> None:
    """Without a trigger, without views of one's own (then the update shows it), without dialogs."""
    async with teams_office() as o:
        bo = o.teams.person("bo")
        for bo.client in (Client(trigger=False), Client(own_views=False), Client(dialogs=False)):
            request = await o.asks()
            await bo.clicks(o.card(), "Approve")
            assert decided(await o.now(request))
            await o.deliver()
            assert "Approved by @Bo" in bo.reads(o.card())
            assert bo.offered(o.card()) == LOOK


async def test_a_request_nobody_has_any_more_is_answered() -> None:
    """P13: After a restore from an older backup a card may name an unknown request."""
    async with teams_office() as o:
        request = await o.asks()
        del o.store._requests[request.id]
        for title in ("Approve", "Modify…", "Details"):
            click = await o.teams.person("bo").clicks(o.card(), title)
            assert "do not know this request" in click.refusal


async def test_a_store_that_is_down_counts_nothing_and_says_so() -> None:
    """Answered in time all the same, on the card and in a dialog."""

    class Away(WatchedStore):
        away = False

        async def get(self, id: RequestId) -> Request:
            if self.away:
                raise StoreDown
            return await super().get(id)

    store = Away()
    async with teams_office(store=store) as o:
        await o.asks()
        store.away = True
        bo = o.teams.person("bo")
        assert "cannot reach my records" in (await bo.clicks(o.card(), "Approve")).refusal
        assert "cannot reach my records" in (await bo.clicks(o.card(), "Modify in a dialog…")).words
        store.away = False


async def test_an_answer_that_was_counted_is_not_said_to_be_lost() -> None:
    """The store breaks off after it has counted: Bo is sent to the card, which says what stands."""

    class BreaksOff(WatchedStore):
        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            await super().change(id, step, token=token)
            raise StoreDown

    async with teams_office(store=BreaksOff()) as o:
        request = await o.asks()
        click = await o.teams.person("bo").clicks(o.card(), "Approve")
        assert decided(await o.now(request))
        assert "do not know whether that was counted" in click.refusal
        await o.deliver()
        assert "Approved by @Bo" in o.card().text_as_seen()


async def test_details_show_everything_and_take_an_answer() -> None:
    """Whoever looks is on record; the way back leads to the card; Approve inside is answered there."""
    async with teams_office() as o:
        request = await o.asks(action=an_action(reasoning="Because. " * 3_000))
        bo = o.teams.person("bo")
        await bo.clicks(o.card(), "Details")
        assert "Page 1 of 3" in bo.reads(o.card())
        assert Event.DETAILS_SEEN in await o.events(request)
        await bo.clicks(o.card(), "Next page")
        assert "Page 2 of 3" in bo.reads(o.card())
        await bo.clicks(o.card(), "Back to the card")
        assert "Approve" in bo.offered(o.card())
        await bo.clicks(o.card(), "Details")
        await bo.clicks(o.card(), "Approve")
        assert "Approved by @Bo" in bo.reads(o.card())
        await o.until(request, decided)


async def test_details_in_a_dialog_turn_their_pages_and_take_an_answer() -> None:
    """For clients that show no view of one's own."""
    async with teams_office() as o:
        request = await o.asks(action=an_action(reasoning="Because. " * 3_000))
        bo = o.teams.person("bo")
        bo.client = Client(own_views=False)
        dialog = await bo.opens_dialog(o.card(), "Details in a dialog…")
        assert (dialog.title, "Page 1 of 3" in dialog.text_as_seen()) == ("Details", True)
        await bo.submits(dialog, "Next page")
        assert "Page 2 of 3" in dialog.text_as_seen()
        done = await bo.submits(dialog, "Approve")
        assert done.closed
        assert done.words.startswith("Approved")
        await o.until(request, decided)


async def test_who_may_not_decide_reads_that_instead_of_a_form() -> None:
    """Alex asked for it: no form to fill in in vain, neither in the card nor in a dialog."""
    async with teams_office() as o:
        request = await o.asks()
        alex = o.teams.person("alex")
        for title in ("Modify…", "Reject…", "Modify in a dialog…"):
            click = await alex.clicks(o.card("#support"), title)
            assert "You asked for this" in click.words
            assert click.dialog is None
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


@pytest.mark.parametrize(
    ("label", "kind", "inside"),
    [("It happened", OutcomeKind.EXECUTED, False), ("Give up", OutcomeKind.UNKNOWN, True)],
)
async def test_people_settle_an_unknown_outcome(label: str, kind: OutcomeKind, inside: bool) -> None:
    """The card offers three ways on, and takes them; so do Details."""
    async with teams_office() as o:
        request = await o.asks()
        cy = o.teams.person("cy")
        await cy.clicks(o.card(), "Approve")
        lease = timedelta(minutes=1)
        await o.store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
        await o.store.change(
            request.id, lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=lease, now=now)
        )
        await o.store.change(request.id, effects.unknown)
        await o.deliver()
        if inside:
            await cy.submits(await cy.opens_dialog(o.card(), "Details in a dialog…"), label)
        else:
            await cy.clicks(o.card(), label)
        after = await o.now(request)
        assert after.outcome is not None
        assert after.outcome.kind is kind


async def test_a_card_whose_posting_was_never_recorded_is_adopted_by_its_first_press() -> None:
    """We crashed between posting and storing: the press brings the card back into our care."""
    async with teams_office() as o:
        request = await o.asks()
        target = Target(kind=TargetKind.CARD, id=request.id, where=ROUTE.places[0])
        known = (await o.store.told(target)).ref
        assert known is not None
        await o.store.set_told(target, Told(), again=timedelta(days=1))
        await o.teams.person("bo").clicks(o.card(), "Approve")

        def adopted() -> bool:
            ref = o.store._told[request.id][str(target)].ref
            return ref is not None and (ref.channel, ref.message) == (known.channel, known.message)

        await o.workplace.until(adopted)
        await o.deliver()
        assert len(o.cards()) == 1
        assert "Approved by @Bo" in o.card().text_as_seen()


async def test_a_stray_second_card_is_redrawn_when_it_is_pressed() -> None:
    """The one extra card a crash may cost has no live button after it was used."""
    async with teams_office() as o:
        request = await o.asks()
        stray = o.card()
        target = Target(kind=TargetKind.CARD, id=request.id, where=ROUTE.places[0])
        await o.store.set_told(target, Told(), again=timedelta(0))
        await o.deliver()
        assert o.card() is not stray
        click = await o.teams.person("bo").clicks(stray, "Approve")
        assert (await click.redrawn()).buttons() == LOOK
        await o.deliver()
        assert o.card().buttons() == LOOK


async def test_a_list_is_no_card() -> None:
    """Details opened from “pending” stand in its place for Bo alone; nothing there is redrawn or adopted."""
    async with teams_office() as o:
        request = await o.asks()
        target = Target(kind=TargetKind.CARD, id=request.id, where=ROUTE.places[0])
        await o.store.set_told(target, Told(), again=timedelta(days=1))
        bo = o.teams.person("bo")
        await bo.says("@sayso", "pending")
        listed = await bo.waits_for("@sayso", "Refund")
        await bo.clicks(listed, "Details")
        await bo.clicks(listed, "Back to the card")
        await bo.clicks(listed, "Approve")
        await o.until(request, decided)
        await o.listener.close()
        assert listed.edits == 0
        assert (await o.store.told(target)).ref is None
