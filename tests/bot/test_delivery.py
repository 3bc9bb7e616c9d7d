"""Cards converge to the record whatever Slack does; nothing that cannot be delivered is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from office import ROUTE, SIGNER, Office, office
from sayso.approvals import canonical, machine
from sayso.approvals.change import AuditEntry, Change, Event, Notice, NoticeKind
from sayso.approvals.packed import unpack
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.store import Lane, Target, TargetKind
from sayso.bot.channel import Dead, RetryLater
from sayso.bot.places import Places
from sayso.bot.slack.pace import BURST
from sayso.cards.card import card_of
from sayso.sandbox.faults import Delay, Dropped, Fail, LostReply, RateLimited, Status
from sayso.sandbox.slack import Message
from scenes import a_request, a_vote

FINANCE = Target(kind=TargetKind.CARD, id="", where="slack:C0FINANCE")


def cards(o: Office, channel: str = "#finance-approvals") -> list[Message]:
    return [message for message in o.slack.messages(channel) if "Details" in message.buttons()]


async def approve(o: Office, request: Request) -> None:
    """Bo approves, as far as the record is concerned."""
    vote = a_vote(await o.now(request), PersonId("bo"), signer=SIGNER)
    may = frozenset({PersonId("bo")})
    await o.store.change(request.id, lambda r, now: machine.vote(r, vote, may, 1, now))


async def close(o: Office, request: Request) -> None:
    """The tool has run."""
    await o.store.change(request.id, lambda r, now: machine.closed(r, OutcomeKind.EXECUTED, "Refunded.", now))


async def later(o: Office, **span: float) -> None:
    """Time passes in the store, and what is due then is delivered."""
    o.store.advance(timedelta(**span))
    await o.deliver()


async def test_a_card_stands_in_every_place_and_follows_the_record_to_its_end() -> None:
    """One card per place, drawn once per state, without live buttons at the end; notices in its thread."""
    async with office() as o:
        request = await o.asks()
        for step in (approve, close):
            await step(o, request)
            await o.deliver()
        for channel in ("#finance-approvals", "#support"):
            (card,) = cards(o, channel)
            assert card.buttons() == ["Details"]
            assert "Refunded." in card.text_as_seen()
        assert o.card().metadata == {
            "event_type": "sayso_request", "event_payload": {
                "request": request.id, "revision": 1, "digest": request.current.digest,
            },
        }  # fmt: skip
        assert len(o.slack.person("bo").sees_in_thread(o.card())) == 2


async def test_what_was_said_where_is_on_record() -> None:
    """Each notice in each place once, for an audit; the run's own trail is not drowned in it."""
    async with office() as o:
        request = await o.asks()
        await o.deliver()
        await approve(o, request)
        await o.deliver()
        everything = [one.entry for one in await o.store.happened(request.ask.opened_at)]
        said = [entry for entry in everything if entry.event is Event.SAID]
        assert {entry.words for entry in said} >= {f"Said 'decided' in {FINANCE.where}/{o.card().ts}"}
        assert all(entry.facts["message"] for entry in said)
        trail = await o.store.trail(request.ask.run.thread)
        assert Event.SAID not in {record.entry.event for record in trail}


async def test_what_was_shown_where_is_on_record() -> None:
    """P20: The audit holds the card's words, and the digest of each revision that stood in each place, once."""
    async with office() as o:
        request = await o.asks()
        await approve(o, request)
        await o.deliver()
        trail = [record.entry for record in await o.store.trail(request.ask.run.thread)]
        shown = [entry for entry in trail if entry.event is Event.SHOWN]
        text = unpack(shown[0].shown)
        assert request.proposal.action.summary in text
        assert canonical.digest(text) == shown[0].facts["card_digest"]
        assert {entry.words for entry in shown} == {
            "Shown in slack:C0FINANCE",
            f"Shown in {request.ask.run.origin}",
        }
        assert len(shown) == 2
        assert {entry.facts["digest"] for entry in shown} == {request.current.digest}


async def test_many_changes_are_one_redraw() -> None:
    """What is drawn is the newest record, not each step on the way."""
    async with office() as o:
        request = await o.asks()
        before = o.card().edits
        for _ in range(20):
            await o.store.change(request.id, lambda r, _: Change(request=r))
        await o.deliver()
        assert o.card().edits == before + 1


async def test_a_deleted_card_is_replaced_and_the_old_one_stays_gone() -> None:
    """P14: Somebody deleted the card: a new one in its thread; later changes redraw that one."""
    async with office() as o:
        request = await o.asks()
        o.card("#support").deleted = True
        await approve(o, request)
        await o.deliver()
        (card,) = cards(o, "#support")
        assert "Approved by" in card.text_as_seen()
        await close(o, request)
        await o.deliver()
        assert len(cards(o, "#support")) == 1


@pytest.mark.parametrize(
    "fault", [Fail("internal_error"), Status(503), Dropped(), Fail("service_unavailable")]
)
async def test_a_card_that_did_not_go_out_goes_out_later(fault: object) -> None:
    """Nothing was posted: tried again after a pause, and exactly one card stands."""
    async with office() as o:
        o.slack.faults.add(fault, on="chat.postMessage")  # type: ignore[arg-type]
        await o.asks()
        await later(o, seconds=90)
        assert len(cards(o)) == 1


async def test_a_lost_answer_costs_no_second_card() -> None:
    """It was posted, the answer was lost: found again by its metadata."""
    async with office() as o:
        o.slack.faults.add(LostReply(), on="chat.postMessage", times=2)
        request = await o.asks()
        await later(o, seconds=10)
        await approve(o, request)
        await later(o, seconds=10)
        for channel in ("#finance-approvals", "#support"):
            (card,) = cards(o, channel)
            assert "Approved by" in card.text_as_seen()


async def test_where_we_may_not_read_an_unclear_card_is_posted_again() -> None:
    """Rather one card too many than none: the app lacks the permission to look."""
    async with office() as o:
        o.slack.faults.add(LostReply(), on="chat.postMessage")
        o.slack.faults.add(Fail("missing_scope"), on="conversations.history")
        request = await o.asks()
        await later(o, seconds=10)
        assert len(cards(o)) == 2
        assert Event.UNDELIVERABLE not in await o.events(request)


async def test_retry_after_is_respected_without_waiting_for_it() -> None:
    """P16: 429: no early call, and nothing else is held up meanwhile (the sandbox notes early calls)."""
    async with office() as o:
        o.slack.faults.add(RateLimited(1), on="chat.postMessage")
        began = asyncio.get_running_loop().time()
        await o.asks()
        assert asyncio.get_running_loop().time() - began < 0.9
        assert cards(o) == []
        posts = [call for call in o.slack.calls if call.method == "chat.postMessage"]
        assert len(posts) == 1


async def test_one_channel_s_burst_does_not_hold_up_another() -> None:
    """P16: After a short burst a channel gets one message a second; the other channel gets its card at once."""
    async with office() as o:
        words = card_of(a_request(), name=str)
        for _ in range(BURST):
            await o.channel.post_card(Place("slack:C0OPS"), words)
        with pytest.raises(RetryLater) as later:
            await o.channel.post_card(Place("slack:C0OPS"), words)
        assert timedelta(0) < later.value.after <= timedelta(seconds=1)
        await o.channel.post_card(Place("slack:C0FINANCE"), words)


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda o: o.slack.archive("#finance-approvals"), "archived"),
        (lambda o: o.slack.kick_bot("#finance-approvals"), "not a member"),
    ],
)
async def test_a_dead_channel_is_said_elsewhere_and_approvers_get_the_card(
    break_it: Callable[[Office], None], why: str
) -> None:
    """P15: Audited, told in the thread that is left, and each approver can decide in a direct message."""
    async with office() as o:
        break_it(o)
        request = await o.asks()
        assert (await o.events(request)).count(Event.UNDELIVERABLE) == 1
        thread = o.slack.person("alex").sees_in_thread(o.card("#support"))
        assert any(why in message.text_as_seen() for message in thread)
        for name in ("bo", "cy"):
            (direct,) = [one for one in o.slack.person(name).direct_messages() if "Approve" in one.buttons()]
            assert "Refund 129.90 USD" in direct.text_as_seen()
        await o.slack.person("bo").clicks(direct_card(o, "bo"), "Approve")
        await o.until(request, lambda r: r.state is State.DECIDED)
        await o.deliver()
        assert direct_card(o, "cy").buttons() == ["Details"]
        assert (await o.events(request)).count(Event.UNDELIVERABLE) == 1


def direct_card(o: Office, name: str) -> Message:
    return [one for one in o.slack.person(name).direct_messages() if "Details" in one.buttons()][-1]


async def test_no_card_stands_where_outsiders_read() -> None:
    """A channel shared with another company gets none; the approvers get it directly."""
    async with office() as o:
        await o.asks(route=replace(ROUTE, places=(Place("slack:C0PARTNERS"),)))
        assert o.slack.messages("#partners") == []
        assert "Approve" in direct_card(o, "bo").buttons()


async def test_a_revoked_token_is_on_record() -> None:
    """P15: Nothing can be said in Slack any more: the audit says so, once per place."""
    async with office() as o:
        request = await o.asks()
        o.slack.revoke_bot_token()
        await approve(o, request)
        await o.deliver()
        assert (await o.events(request)).count(Event.UNDELIVERABLE) >= 2


async def test_a_place_of_no_platform_is_on_record() -> None:
    """A route that names Teams where only Slack is set up."""
    async with office() as o:
        request = await o.asks(route=replace(ROUTE, places=(Place("slack:C0FINANCE"), Place("teams:19:x"))))
        assert Event.UNDELIVERABLE in await o.events(request)
        assert len(cards(o)) == 1


async def test_notices_go_into_every_card_s_thread_and_name_whom_they_call() -> None:
    """The second line is told: a live mention in each thread, and nowhere else."""
    async with office() as o:
        request = await o.asks()
        o.store.advance(timedelta(hours=19))
        await o.store.change(request.id, machine.fire)
        await o.deliver()
        for channel in ("#finance-approvals", "#support"):
            said = o.slack.person("bo").sees_in_thread(o.card(channel))
            assert sum("<@U0SUE>" in message.live_mentions() for message in said) == 1


async def test_a_notice_is_not_repeated_where_it_was_heard() -> None:
    """One of two threads refuses for a moment: only that one hears it again."""
    async with office() as o:
        request = await o.asks()
        await approve(o, request)
        o.slack.faults.add(Fail("service_unavailable"), on="chat.postMessage")
        await o.deliver()
        await later(o, seconds=10)
        for channel in ("#finance-approvals", "#support"):
            assert len(o.slack.person("bo").sees_in_thread(o.card(channel))) >= 2
            heard = [
                m
                for m in o.slack.person("bo").sees_in_thread(o.card(channel))
                if "Approved by" in m.text_as_seen()
            ]
            assert len([m for m in heard if not m.buttons()]) == 1


async def test_the_agent_s_report_reaches_its_thread() -> None:
    """A run's last words, in the thread it was asked in; what an agent writes is never live."""
    async with office() as o:
        request = await o.asks()
        run = request.ask.run
        notice = Notice(
            key="report",
            kind=NoticeKind.REPORT,
            place=run.origin,
            thread=run.thread,
            text="Done. <!channel> <@U0BO>",
        )
        await o.store.finish_run(run.thread, AuditEntry(event=Event.RUN_FINISHED, words="done"), (notice,))
        await o.deliver()
        (said,) = [m for m in o.slack.messages("#support") if "Done." in m.text_as_seen()]
        assert said.live_mentions() == []


async def test_pages_and_new_cards_do_not_wait_for_redraws() -> None:
    """P16: Redraws hang at a slow Slack; a page and a new request's card go out at once."""
    async with office() as o:
        request = await o.asks()
        o.slack.faults.add(Delay(1.5), on="chat.update", times=2)
        running = asyncio.create_task(o.deliverer.run())
        await o.store.change(request.id, lambda r, _: Change(request=r))
        await o.slack.until(lambda: len(o.slack.faults._plans) == 0 or o.slack.faults._plans[0].left < 2)
        began = asyncio.get_running_loop().time()
        run = request.ask.run
        other = a_request(run=run, route=ROUTE, interrupt="i9", opened_at=await o.store.now())
        await o.store.open(machine.opened(other.ask))
        o.store.advance(timedelta(hours=24))
        await o.store.change(other.id, machine.fire)
        await o.workplace.until(lambda: len(cards(o)) == 2 and o.pages)
        assert asyncio.get_running_loop().time() - began < 1.2
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_target_that_breaks_is_logged_and_does_not_stop_the_lane(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A defect in drawing one card is that card's affair."""
    async with office() as o:
        broken = await o.asks()
        record = o.store._requests[broken.id]
        bad = replace(record.ask.first, frozen="{not json")
        o.store._requests[broken.id] = replace(record, ask=replace(record.ask, first=bad), version=9)
        await o.store.set_told(
            replace(FINANCE, id=broken.id), await o.store.told(FINANCE), again=timedelta(0)
        )
        await o.asks(interrupt="i2")
        assert f"deliver.failed target=card|{broken.id}" in caplog.text
        assert len(cards(o)) == 2


async def test_the_lanes_keep_their_order() -> None:
    """Pages are claimed before new cards, those before redraws."""
    async with office() as o:
        request = await o.asks()
        await o.store.change(request.id, lambda r, _: Change(request=r))
        o.store.advance(timedelta(hours=24))
        await o.store.change(request.id, machine.fire)
        claimed = await o.store.claim(tuple(Lane), lease=timedelta(0))
        assert claimed[0].kind is TargetKind.PAGE


async def test_a_person_without_an_account_cannot_be_reached() -> None:
    """Said by name of the failure, not swallowed."""
    async with office() as o:
        with pytest.raises(Dead):
            await Places({"slack": o.channel}, o.directory).at(
                Place("person:nobody"), lambda _, there: o.channel.say(there, [])
            )
