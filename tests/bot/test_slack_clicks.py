"""What people press in Slack, over real HTTP: every click is acknowledged at once and gets an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from office import ROUTE, SIGNER, WatchedStore, office, staff, the_policy
from sayso.approvals import effects, machine
from sayso.approvals.change import Event
from sayso.approvals.errors import StoreDown
from sayso.approvals.people import Person, PersonId
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.signing import Verifier
from sayso.approvals.store import Target, TargetKind, Told
from sayso.approvals.verdict import RequestId, Rule
from sayso.sandbox.faults import Delay, Fail
from sayso.sandbox.slack import SlackTimes

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))


def decided(request: Request) -> bool:
    return request.state is State.DECIDED


async def test_bo_approves_and_every_card_says_so() -> None:
    """A click decides; all copies are redrawn without their buttons; the vote is signed."""
    async with office() as o:
        request = await o.asks()
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        assert click.status == 200
        (vote,) = (await o.until(request, decided)).votes
        await o.deliver()
        for channel in ("#finance-approvals", "#support"):
            assert "Approved by @bo" in o.card(channel).text_as_seen()
            assert o.card(channel).buttons() == ["Details"]
        Verifier([SIGNER.public_key]).check(vote)
        assert vote.via == "slack:T0WORKPLACE/U0BO"


@pytest.mark.parametrize(
    ("name", "channel", "words"),
    [
        ("alex", "#support", "You asked for this"), ("ned", "#support", "I do not know you"),
        ("gil", "#support", "Guests cannot decide"), ("uma", "#support", "Guests cannot decide"),
        ("kim", "#finance-approvals", "not an approver"),
    ],
)  # fmt: skip
async def test_who_may_not_reads_why(name: str, channel: str, words: str) -> None:
    """P13: Requester, unknown, guests, outsider: nothing moves, the reason is whispered and the refusal audited."""
    async with office() as o:
        request = await o.asks()
        click = await o.slack.person(name).clicks(o.card(channel), "Approve")
        assert words in await click.whispered()
        assert (await o.now(request)).state is State.OPEN
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


async def test_an_account_of_two_persons_decides_nothing() -> None:
    """P2: Ambiguous: refused with the reason."""
    people = [*staff(), Person(id=PersonId("bo2"), name="Bo again", accounts={"slack": "U0BO"})]
    async with office(people=people) as o:
        await o.asks()
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        assert "more than one person" in await click.whispered()


async def test_when_slack_cannot_say_who_somebody_is_nothing_counts() -> None:
    """The directory is down: fail closed, and say so."""
    async with office() as o:
        request = await o.asks()
        o.slack.faults.add(Fail("internal_error"), on="users.info")
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        assert "cannot check who you are" in await click.whispered()
        assert (await o.now(request)).votes == ()


async def test_the_slower_one_reads_who_was_faster_and_what_they_decided() -> None:
    """P13: Cy's screen was slow: the old card's button is answered by name."""
    async with office() as o:
        request = await o.asks()
        old = o.card().snapshot()
        await o.slack.person("bo").clicks(o.card(), "Approve")
        await o.until(request, decided)
        await o.deliver()
        click = await o.slack.person("cy").clicks_old(old, "Approve")
        words = await click.whispered()
        assert "Approved by @Bo" in words
        assert "not counted" in words


async def test_the_first_of_two_reads_that_another_is_needed() -> None:
    """Counted, but nothing is decided yet; the card shows the vote."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o:
        await o.asks(route=TWO)
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        assert "1 of 2" in await click.whispered()
        await o.deliver()
        assert "votes: @bo approved" in o.card().text_as_seen()


async def test_a_replayed_click_changes_nothing() -> None:
    """P6: The same bytes again, as an eavesdropper would send them."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o:
        request = await o.asks(route=TWO)
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        await click.whispered()
        assert (await o.slack.replay(click.request)).status == 200
        await o.workplace.until(lambda: len(click.ephemerals) == 2)
        assert {message.text_as_seen() for message in click.ephemerals} == {
            "Counted: 1 of 2 so far. The others have to answer too."
        }
        assert (await o.events(request)).count(Event.VOTED) == 1
        assert not any(o.slack.bot_token in token for token in o.store._tokens)


async def test_a_button_that_no_longer_exists_is_answered() -> None:
    """P13: A card drawn by an older version, and one that carries nonsense."""
    async with office() as o:
        await o.asks()
        for action, value in (
            ("sayso.ship_it", None),
            ("other_app.yes", None),
            ("sayso.approve", "nonsense"),
        ):
            old = o.card().snapshot()
            button = old.blocks[-1]["elements"][0]
            button["action_id"] = action
            button["value"] = value or button["value"]
            click = await o.slack.person("bo").clicks_old(old, "Approve")
            assert "newest card" in await click.whispered()


async def test_a_request_nobody_has_any_more_is_answered() -> None:
    """P13: After a restore from an older backup a card may name an unknown request."""
    async with office() as o:
        request = await o.asks()
        del o.store._requests[request.id]
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        assert "do not know this request" in await click.whispered()


async def test_a_store_that_is_down_counts_nothing_and_says_so() -> None:
    """P13: The click is acknowledged all the same, and the person is asked to try again."""

    class Away(WatchedStore):
        away = False

        async def get(self, id: RequestId) -> Request:
            if self.away:
                raise StoreDown
            return await super().get(id)

    store = Away()
    async with office(store=store) as o:
        await o.asks()
        store.away = True
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        assert "cannot reach my records" in await click.whispered()
        store.away = False


async def test_details_show_everything_and_take_an_answer() -> None:
    """Whoever looks is on record; Approve inside the modal is answered there."""
    async with office() as o:
        request = await o.asks()
        bo = o.slack.person("bo")
        view = await (await bo.clicks(o.card(), "Details")).modal()
        await o.workplace.until(lambda: view.title == "Details")
        assert "issue_refund" in view.text_as_seen()
        assert Event.DETAILS_SEEN in await o.events(request)
        while "Next page" in view.buttons() and "Approve" not in view.buttons():
            await bo.clicks(view, "Next page")
        await bo.clicks(view, "Approve")
        await o.until(request, decided)
        await o.workplace.until(lambda: "Approved" in view.text_as_seen())


async def test_a_slow_store_does_not_lose_the_form() -> None:
    """P12: The modal is opened before anything is asked: 200 ms per read with a trigger that lasts 150 ms."""

    class Slow(WatchedStore):
        async def get(self, id: RequestId) -> Request:
            await asyncio.sleep(0.2)
            return await super().get(id)

    async with office(store=Slow(), times=SlackTimes(trigger=0.15)) as o:
        await o.asks()
        click = await o.slack.person("bo").clicks(o.card(), "Modify…")
        view = await click.modal()
        assert view.text_as_seen() == "One moment\nLoading…\n[Close]"
        await o.workplace.until(lambda: view.title == "Modify")
        methods = [call.method for call in o.slack.calls]
        assert methods.index("views.open") < methods.index("users.info")


async def test_an_expired_trigger_is_said() -> None:
    """P12: Slack was too slow to let us open the form: the person reads to click again."""
    async with office(times=SlackTimes(trigger=0.05)) as o:
        await o.asks()
        o.slack.faults.add(Delay(0.2), on="views.open")
        click = await o.slack.person("bo").clicks(o.card(), "Reject…")
        assert "click once more" in await click.whispered()


async def test_who_may_not_decide_reads_that_instead_of_a_form() -> None:
    """Alex asked for it: no form to fill in in vain."""
    async with office() as o:
        request = await o.asks()
        view = await (await o.slack.person("alex").clicks(o.card("#support"), "Modify…")).modal()
        await o.workplace.until(lambda: "You asked for this" in view.text_as_seen())
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


@pytest.mark.parametrize(
    ("label", "kind"), [("It happened", OutcomeKind.EXECUTED), ("Give up", OutcomeKind.UNKNOWN)]
)
async def test_people_settle_an_unknown_outcome(label: str, kind: OutcomeKind) -> None:
    """The card offers three ways on, and takes them."""
    async with office() as o:
        request = await o.asks()
        await o.slack.person("bo").clicks(o.card(), "Approve")
        await o.until(request, decided)
        lease = timedelta(minutes=1)
        await o.store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
        await o.store.change(
            request.id, lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=lease, now=now)
        )
        await o.store.change(request.id, effects.unknown)
        await o.deliver()
        await o.slack.person("cy").clicks(o.card(), label)
        after = await o.until(request, lambda r: r.state is State.CLOSED)
        assert after.outcome is not None
        assert after.outcome.kind is kind


async def test_a_card_whose_posting_was_never_recorded_is_adopted_by_its_first_click() -> None:
    """P13: We crashed between posting and storing: the click brings the card back into our care."""
    async with office() as o:
        request = await o.asks()
        target = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FINANCE")
        known = await o.store.told(target)
        await o.store.set_told(target, Told(), again=timedelta(days=1))
        await o.slack.person("bo").clicks(o.card(), "Approve")
        await o.workplace.until(lambda: o.store._told[request.id][str(target)].ref == known.ref)
        await o.deliver()
        assert len([m for m in o.slack.messages("#finance-approvals") if m.buttons()]) == 1
        assert "Approved by @bo" in o.card().text_as_seen()


async def test_a_stray_second_card_is_redrawn_when_it_is_clicked() -> None:
    """The one extra card a crash may cost has no live button after it was used."""
    async with office() as o:
        request = await o.asks()
        stray = o.card()
        target = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FINANCE")
        await o.store.set_told(target, Told(), again=timedelta(0))
        await o.deliver()
        assert o.card() is not stray
        click = await o.slack.person("bo").clicks(stray, "Approve")
        assert (await click.redrawn()).buttons() == ["Details"]
        await o.deliver()
        assert o.card().buttons() == ["Details"]
