"""A page follows the record: opened when on-call is needed, closed with the decision, whatever the pager does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.memory import MemoryStore
from sayso.approvals.request import Request
from sayso.approvals.store import Lane, MessageRef, Target, TargetKind, Told
from sayso.sandbox.faults import FOREVER, Dropped, LostReply, RateLimited, Status
from sayso.sandbox.pager import Pager as PagerStandIn
from sayso.sandbox.workplace import Workplace
from sayso.scheduler.pager import Link
from sayso.scheduler.pagerduty import PagerDuty, PagerDutyPager, RoutingKey
from sayso.scheduler.paging import Pages, PageWords
from scenes import BO, a_request, a_vote

ENQUEUE = "/v2/enqueue"


@dataclass
class Scene:
    """A request whose on-call was paged for, a pager, and the keeper of pages."""

    store: MemoryStore
    phone: PagerStandIn
    pages: Pages
    request: Request

    async def decide(self) -> None:
        """Bo approves."""
        vote = a_vote(await self.store.get(self.request.id), BO)
        await self.store.change(
            self.request.id, lambda r, now: machine.vote(r, vote, frozenset({BO}), 1, now)
        )

    async def tend(self, *, hours: float = 0) -> None:
        """Let time pass in steps of ten seconds, or not at all, and do what is due."""
        for _ in range(int(hours * 360) or 1):
            for target in await self.store.claim([Lane.PAGE], lease=timedelta(seconds=30)):
                if target.kind is TargetKind.PAGE:
                    await self.pages.bring_up_to_date(target)
            if hours:
                self.store.advance(timedelta(seconds=10))

    async def events(self) -> list[Event]:
        return [record.entry.event for record in await self.store.trail(self.request.ask.run.thread)]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """The approvers' 24 hours are over; the grace of an hour has begun."""
    async with Workplace.running() as workplace, httpx.AsyncClient(trust_env=False) as http:
        store = MemoryStore()
        request = await store.open(machine.opened(a_request(opened_at=await store.now()).ask))
        store.advance(timedelta(hours=24))
        await store.change(request.id, machine.fire)

        async def words(request: Request) -> PageWords:
            return PageWords(
                summary=f"Approval needed: {request.proposal.action.summary}",
                details={"if nobody acts": "cancelled, nothing is done"},
                links=(Link(href="https://slack.example/p1", text="the card"),),
            )

        key = RoutingKey(workplace.pager.routing_key)
        pager = PagerDutyPager(sender=PagerDuty(workplace.pager.url, http), key=key)
        pages = Pages(store=store, pagers={"primary": pager}, words=words, source="sayso", jitter=lambda: 0.0)
        yield Scene(store=store, phone=workplace.pager, pages=pages, request=request)


async def test_a_page_is_closed_by_the_decision(scene: Scene) -> None:
    """P10: On-call is woken once; the approval closes the incident."""
    await scene.tend()
    (incident,) = scene.phone.open_incidents()
    assert incident.dedup_key == f"sayso:{scene.request.id}"
    assert incident.summary == "Approval needed: Refund 129.90 USD to Dana Smith for order 1042"
    await scene.tend()
    await scene.decide()
    await scene.tend(hours=0.5)
    assert incident.history == ["trigger", "resolve"]
    assert Event.PAGE_CLOSED in await scene.events()


async def test_a_page_is_closed_by_the_expiry(scene: Scene) -> None:
    """Nobody acts: the request expires and the phone is quiet again."""
    await scene.tend()
    scene.store.advance(timedelta(hours=1))
    await scene.store.change(scene.request.id, machine.fire)
    await scene.tend(hours=0.1)
    assert scene.phone.open_incidents() == []


async def test_a_decision_before_the_page_went_out_wakes_nobody(scene: Scene) -> None:
    """P10: The record says decided when the page's turn comes: no event at all."""
    await scene.decide()
    await scene.tend(hours=0.5)
    assert scene.phone.events == []


async def test_a_decision_while_the_words_are_made_wakes_nobody(scene: Scene) -> None:
    """P10: The record is read again after the page is written down as begun, just before it is sent."""
    made = scene.pages._words

    async def slow(request: Request) -> PageWords:
        await scene.decide()
        return await made(request)

    scene.pages._words = slow
    await scene.tend(hours=0.5)
    assert scene.phone.notifications == 0


async def test_a_trigger_that_ended_unknown_is_closed_three_times(scene: Scene) -> None:
    """P10: The answer was lost and a late trigger may still arrive: resolve at once, after 60 s and after 10 min."""
    scene.phone.faults.add(Dropped(), on=ENQUEUE)
    await scene.tend()
    await scene.decide()
    await scene.tend(hours=1)
    assert [event["event_action"] for event in scene.phone.events] == ["resolve"] * 3
    assert (await scene.events()).count(Event.PAGE_CLOSED) == 1


async def test_a_lost_answer_pages_again_under_the_same_key(scene: Scene) -> None:
    """P9: A page is rather sent twice than lost: one incident, since the key is the same."""
    scene.phone.faults.add(LostReply(), on=ENQUEUE)
    await scene.tend(hours=0.1)
    (incident,) = scene.phone.incidents
    assert incident.history == ["trigger", "trigger"]
    assert incident.notifications == 1


async def test_an_outage_of_ten_minutes_loses_no_page(scene: Scene) -> None:
    """P10: Retried until it is accepted."""
    scene.phone.faults.add(Status(500), on=ENQUEUE, times=FOREVER)
    await scene.tend(hours=1 / 6)
    assert scene.phone.incidents == []
    scene.phone.faults.clear()
    await scene.tend(hours=1 / 6)
    assert len(scene.phone.open_incidents()) == 1


async def test_a_storm_of_429_does_not_keep_a_page_open(scene: Scene) -> None:
    """P10: The resolve is retried until it is accepted, longer than the request lives."""
    await scene.tend()
    scene.phone.faults.add(RateLimited(), on=ENQUEUE, times=20)
    await scene.decide()
    await scene.tend(hours=3)
    assert scene.phone.open_incidents() == []
    assert scene.phone.incidents[0].history == ["trigger", "resolve"]


async def test_a_trigger_begun_by_a_process_that_died_is_waited_for(scene: Scene) -> None:
    """P10: Another process began the page: it is left alone until its attempt has ended, then closed for certain."""
    target = Target(kind=TargetKind.PAGE, id=scene.request.id, where="primary")
    ref = MessageRef(
        platform="pagerduty", channel="primary", message=f"sayso:{scene.request.id}",
        facts={"routing_key_ref": "primary", "unclear": ""},
    )  # fmt: skip
    begun = Told(ref=ref, status="triggering", at=await scene.store.now())
    await scene.store.set_told(target, begun, again=timedelta(0))
    await scene.decide()
    await scene.tend()
    assert scene.phone.events == []
    await scene.tend(hours=1)
    assert [event["event_action"] for event in scene.phone.events] == ["resolve"] * 3


async def test_a_page_that_is_refused_is_said_where_the_cards_stand(scene: Scene) -> None:
    """A route whose pager is gone: on record and told once, not silently dropped."""
    scene.pages._pagers = {}
    await scene.tend(hours=0.1)
    assert (await scene.events()).count(Event.UNDELIVERABLE) == 1
    notices = [await scene.store.notice(t.id) for t in await scene.store.claim([Lane.TELL], lease=timedelta(1))
               if t.kind is TargetKind.NOTICE]  # fmt: skip
    assert "the pager primary" in [notice.text for notice in notices if notice]
