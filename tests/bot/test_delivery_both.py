"""Slack and Teams side by side: one conversation's trouble is no other's, and every copy ends in its final state."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from both_channels import BothChannels, both_channels
from office import SIGNER
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.corrected import ended_unasked
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import OutcomeKind, Request, RunEnd
from sayso.approvals.store import Target, TargetKind
from sayso.approvals.verdict import Modify
from sayso.bot import delivery, places
from sayso.bot.backoff import LONGEST, pause
from sayso.sandbox.faults import FOREVER, Delay, Dropped, Fail, Fault, Ignored, LostReply, RateLimited, Status
from scenes import a_run, a_vote

#: Each of them means "not now"; the card goes out later, once.
LATER: tuple[Fault, ...] = (
    RateLimited(),
    Fail("PreconditionFailed"),
    Fail("BadGateway"),
    Status(503),
    Fail("GatewayTimeout"),
)
#: Nobody can say whether the card stands there.
UNCLEAR: tuple[Fault, ...] = (LostReply(), Fail("ServiceError"))


def shown(o: BothChannels) -> list[str]:
    """The cards in both channels, as people see them."""
    here, there = o.slack.messages("#finance-approvals"), o.teams.messages("#finance-approvals")
    return [
        *(one.text_as_seen() for one in here if "Details" in one.buttons()),
        *(one.text_as_seen() for one in there if "Details" in one.buttons()),
    ]


def card_in(place: Place, request: Request) -> Target:
    return Target(kind=TargetKind.CARD, id=request.id, where=place)


async def test_a_conversation_that_is_told_to_wait_holds_up_no_other() -> None:
    """P16: Its card is not tried again before the time Teams has said; all other cards stand meanwhile."""
    async with both_channels() as o:
        o.teams.faults.add(RateLimited(60), on="create")
        places = (o.there(), o.there("#ops-approvals"), Place("slack:C0FINANCE"), Place("slack:C0OPS"))
        began = asyncio.get_running_loop().time()
        request = await o.asks(route=replace(o.route, places=places))
        await o.asks(run=a_run("t2", origin=""), route=replace(o.route, places=places[1:]))
        await o.later(seconds=55)
        assert asyncio.get_running_loop().time() - began < 5
        assert (o.cards(), o.cards("#ops-approvals")) == ([True, True], [True, True, True, True])
        limited = [call for call in o.teams.calls if call.status == 429]
        assert len(limited) == 1
        told = await o.store.told(card_in(o.there(), request))
        assert (told.ref, told.attempts) == (None, 1)


async def test_slack_s_wait_is_not_teams() -> None:
    """Slack's rule is for its whole workspace; Teams goes on."""
    async with both_channels() as o:
        o.slack.faults.add(RateLimited(60), on="chat.postMessage")
        await o.asks()
        await o.later(seconds=55)
        assert (len(o.slack.messages("#finance-approvals")), o.cards()) == (0, [True])


@pytest.mark.parametrize("fault", LATER, ids=str)
async def test_not_now_is_later_and_once(fault: Fault) -> None:
    """Posted when Teams is well again, and no place is given up."""
    async with both_channels() as o:
        o.teams.faults.add(fault, on="create", times=3)
        request = await o.asks()
        await o.later(seconds=60)
        assert o.cards() == [True, True]
        assert (await o.now(request)).unreachable == ()


@pytest.mark.parametrize("fault", UNCLEAR, ids=str)
async def test_an_unclear_post_costs_at_most_a_second_card(fault: Fault) -> None:
    """A bot cannot read Teams back: rather one card too many than none, and the one it knows follows the record."""
    async with both_channels() as o:
        o.teams.faults.add(fault, on="create")
        o.slack.faults.add(
            fault if isinstance(fault, LostReply) else Fail("internal_error"), on="chat.postMessage"
        )
        request = await o.asks()
        await o.later(seconds=10)
        await o.approve(request)
        await o.later(seconds=10)
        stray = [True] if isinstance(fault, LostReply) else []
        assert o.cards() == [False, *stray, False]


@pytest.mark.parametrize(
    "fault", [Fail("ActivityNotFoundInConversation"), RateLimited(), Dropped(), Status(500), Fail("PreconditionFailed")],
    ids=str,
)  # fmt: skip
async def test_a_redraw_that_failed_is_made_up_for(fault: Fault) -> None:
    """In place, or with a new card in the thread of the lost one."""
    async with both_channels() as o:
        request = await o.asks()
        o.teams.faults.add(fault, on="update")
        await o.approve(request)
        await o.later(seconds=15)
        told = await o.store.told(card_in(o.there(), request))
        assert told.version == (await o.now(request)).version
        lost = isinstance(fault, Fail) and fault.error.startswith("Activity")
        assert o.cards() == [False, *([True] if lost else []), False]
        assert told.ref is not None
        assert (told.ref.message == told.ref.thread) is not lost


async def test_an_update_that_teams_lost_is_put_right_by_the_next_one() -> None:
    """Teams said yes and did nothing; nobody can know, until the record moves on."""
    async with both_channels() as o:
        request = await o.asks()
        o.teams.faults.add(Ignored(), on="update")
        await o.approve(request)
        await o.later()
        assert o.cards() == [False, True]
        await o.close(request)
        await o.later()
        assert o.cards() == [False, False]


async def test_what_stays_unclear_is_gone_round() -> None:
    """Every try may leave one more card: after four the fallback gets it, and the place is listed until it works."""
    async with both_channels() as o:
        o.teams.faults.add(LostReply(), on="create", times=delivery.MOST_TRIES)
        request = await o.asks(route=replace(o.route, places=(o.there(),), fallback=o.there("#second-line")))
        await o.later(seconds=600)
        assert len(o.cards()) == delivery.MOST_TRIES
        assert o.cards("#second-line") == [True]
        (letter,) = await o.store.dead_letters()
        assert (letter.places, letter.why) == ((o.there(),), delivery.LOST)
        assert await o.store.replay(letter.target)
        await o.later(seconds=10)
        assert (await o.now(request)).unreachable == ()
        assert await o.letters() == []


async def test_a_call_ends_before_its_claim_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roster, then card, each as slow as it may be: given up in time, so that no other process posts it as well."""
    assert timedelta(seconds=places.PATIENCE) < delivery.LEASE
    monkeypatch.setattr(places, "PATIENCE", 0.3)
    async with both_channels() as o:
        for call in ("pagedmembers", "create"):
            o.teams.faults.add(Delay(0.2), on=call)
        request = await o.asks(route=replace(o.route, places=(o.there(),)))
        (told,) = (await o.store.all_told(request.id)).values()
        assert (told.ref, told.status) == (None, delivery.UNCLEAR)
        monkeypatch.undo()
        await o.later(seconds=5)
        (told,) = (await o.store.all_told(request.id)).values()
        assert told.ref is not None


async def test_a_storm_is_waited_out_with_longer_and_longer_pauses() -> None:
    """An hour of failures: a minute apart at the end, never given up, and no wake of a person for it."""
    async with both_channels(jitter=1.0) as o:
        o.teams.faults.add(Status(503), on="create", times=FOREVER)
        request = await o.asks()
        await o.later(seconds=3600, by=25)
        tries = len([call for call in o.teams.calls if call.status == 503])
        assert 40 <= tries <= 60
        o.teams.faults.clear()
        await o.later(seconds=100, by=25)
        assert o.cards() == [True, True]
        assert Event.UNDELIVERABLE not in await o.events(request)


def test_pauses_double_up_to_a_minute_and_differ() -> None:
    """What failed together is not tried again together; what the platform said is the least."""
    assert [pause(n, jitter=0).total_seconds() for n in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert pause(9, jitter=1) == LONGEST * 1.25
    assert pause(0, timedelta(minutes=5), jitter=0) == timedelta(minutes=5)


# ---- every copy ends in its final state

ON_SLACK: tuple[Callable[[], Fault], ...] = (
    lambda: Fail("message_not_found"), lambda: Fail("internal_error"), lambda: Fail("service_unavailable"),
    lambda: Status(503), Dropped, LostReply, RateLimited,
)  # fmt: skip
ON_TEAMS: tuple[Callable[[], Fault], ...] = (
    lambda: Fail("ActivityNotFoundInConversation"), lambda: Fail("ServiceError"), lambda: Fail("PreconditionFailed"),
    lambda: Fail("BadGateway"), Dropped, LostReply, RateLimited,
)  # fmt: skip


async def every_copy_ends(o: BothChannels, chance: random.Random, *, requests: int) -> None:
    """Cards in five places each; a tenth of the updates in each state meet a misfortune."""
    places = (*o.route.places, Place("slack:C0OPS"), o.there("#ops-approvals"), Place("person:sue"))
    route, asked = replace(o.route, places=places), list[Request]()
    for n in range(requests):
        asked.append(await o.asks(run=a_run(f"t{n}", origin=""), route=route))
    await o.later(seconds=requests * 2, by=1)
    for step in (o.approve, o.close):
        for faults, update, kinds in (
            (o.slack.faults, "chat.update", ON_SLACK),
            (o.teams.faults, "update", ON_TEAMS),
        ):
            for _ in range(max(1, len(asked) * len(places) // 20)):
                faults.add(chance.choice(kinds)(), on=update)
        for request in asked:
            await step(request)
        await o.later(seconds=60)
    for request in asked:
        record, told = await o.now(request), await o.store.all_told(request.id)
        for place in places:
            shown = told[str(card_in(place, request))]
            assert shown.ref is not None
            assert shown.version == record.version
    assert await o.store.dead_letters() == []
    assert only_lost_ones_can_be_approved(o)


def only_lost_ones_can_be_approved(o: BothChannels) -> bool:
    """Live buttons are left only on messages that are said to be gone, with the right card in their thread."""
    channels, threads = ("#finance-approvals", "#ops-approvals"), list[list[list[str]]]()
    for channel in channels:
        for here in (m for m in o.slack.messages(channel) if "Approve" in m.buttons()):
            threads.append([one.buttons() for one in o.slack.person("bo").sees_in_thread(here)])
        for there in (m for m in o.teams.messages(channel) if "Approve" in m.buttons()):
            threads.append([one.buttons() for one in o.teams.person("bo").sees_in_thread(there)])
    gone = {call.body["id"] for call in o.teams.calls if (call.name, call.status) == ("update", 404)}
    alive = {m.id for m in o.teams.person("sue").direct_messages() if "Approve" in m.buttons()}
    return alive <= gone and all(["Details"] in [buttons[:1] for buttons in thread[1:]] for thread in threads)


async def test_every_copy_is_terminal_or_replaced_whatever_its_updates_met() -> None:
    """P14: Slack, Teams and a personal chat; a tenth of all updates fail; within a minute all show the outcome."""
    async with both_channels() as o:
        await every_copy_ends(o, random.Random(14), requests=4)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(3))
async def test_every_copy_is_terminal_or_replaced_on_a_large_scale(seed: int) -> None:
    """P14: Two hundred copies, another mix of misfortunes each time."""
    async with both_channels(jitter=0.5) as o:
        await every_copy_ends(o, random.Random(seed), requests=40)


async def test_a_correction_that_came_to_nothing_is_said_on_every_card() -> None:
    """Both cards stop saying that the agent plans again; in both threads whoever corrected it reads what it said."""
    async with both_channels() as o:
        request = await o.asks()
        vote = a_vote(request, PersonId("bo"), Modify(instruction="order=999999"), signer=SIGNER)
        may = frozenset({PersonId("bo")})
        await o.store.change(request.id, lambda r, now: machine.vote(r, vote, may, 1, now))
        words = "It was sent back with a correction."
        await o.store.change(request.id, lambda r, now: machine.closed(r, OutcomeKind.REVISED, words, now))
        await o.deliverer.deliver_due()
        assert all("the agent plans again" in seen for seen in shown(o))
        await o.store.change(
            request.id,
            lambda r, now: ended_unasked(r, RunEnd.FINISHED, "There is no *order* 999999.", now, "w1"),
        )
        await o.deliverer.deliver_due()
        assert all("ended without asking again" in seen and "999999.”" in seen for seen in shown(o))
        said = [
            one for one in o.slack.messages("#finance-approvals") if "sent this back" in one.text_as_seen()
        ]
        assert len(said) == 1
        assert "There is no *order* 999999." in said[0].text_as_seen()
        there = [
            one for one in o.teams.messages("#finance-approvals") if "Bo sent this back" in one.text_as_seen()
        ]
        assert len(there) == 1
