"""Keeps each page as the record wants it: on-call is paged while people are needed, and not a moment longer.

Level-triggered: whoever claims a page target reads the record and the page, and makes one step. A trigger is
written down as begun before it is sent, so that after a crash or a lost answer it is closed again for certain:
PagerDuty drops a resolve without an incident, but a forgotten incident wakes somebody for nothing.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..approvals.change import AuditEntry, Change, Event, Notice, NoticeKind
from ..approvals.crash import crash_point
from ..approvals.marks import next_page, page_is_wanted, pager_of
from ..approvals.people import Place
from ..approvals.request import Request, State
from ..approvals.saying import ALL_CARDS
from ..approvals.store import DeadLetter, MessageRef, Store, Target, Told
from ..approvals.verdict import RequestId
from .pager import (
    ATTEMPT_LIMIT,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Accepted,
    Alarm,
    Closing,
    Link,
    Pager,
    Refused,
    Result,
    RetryLater,
    Severity,
    Unknown,
)

log = logging.getLogger(__name__)

#: After a trigger whose answer was lost, resolve is sent again after these pauses: the trigger may arrive late.
RESOLVE_AGAIN = (timedelta(seconds=60), timedelta(minutes=9))

#: A pager that has not taken a page after so many tries, or that says to come back much later, is left for the next one.
MOST_TRIES, TOO_LATE = 4, timedelta(minutes=1)

#: A trigger found as begun belongs to somebody else, or to the dead, until its attempt must have ended.
_ATTEMPT_ENDED = ATTEMPT_LIMIT + timedelta(seconds=2)

TRIGGERING, TRIGGERED, RESOLVING, RESOLVED, UNKNOWN = (
    "triggering",
    "triggered",
    "resolving",
    "resolved",
    "unknown",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWords:
    """What the person on call reads; made by the bot, which knows names and links."""

    summary: str
    details: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    severity: Severity = Severity.ERROR


Words = Callable[[Request], Awaitable[PageWords]]


class Pages:
    """Brings page targets up to date."""

    def __init__(
        self, *, store: Store, pagers: Mapping[str, Pager], words: Words, source: str,
        jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        """Take pagers by the names that routes use, and `source`, what PagerDuty shows as the asker."""
        self._store = store
        self._pagers = pagers
        self._words = words
        self._source = source
        self._jitter = jitter

    async def bring_up_to_date(self, target: Target) -> None:
        """Make one step towards what the record wants. Raises: StoreDown, RequestNotFound."""
        request = await self._store.get(RequestId(target.id))
        told = await self._store.told(target)
        pager = self._pagers.get(pager_of(target.where))
        now = await self._store.now()
        if told.status == TRIGGERING and told.at is not None:
            left = told.at + _ATTEMPT_ENDED - now
            if left > timedelta(0):
                await self._store.set_told(target, told, again=left)
                return
            told = replace(told, status=UNKNOWN)
        if pager is None:
            await self._lost(target, request, told, f"No pager is called {pager_of(target.where)!r}")
        elif page_is_wanted(request, target.where):
            await self._page(target, request, told, pager)
        else:
            await self._close(target, request, told, pager)

    # ---- paging

    async def _page(self, target: Target, request: Request, told: Told, pager: Pager) -> None:
        if told.status == TRIGGERED:
            await self._store.set_told(target, replace(told, version=request.version))
            return
        words = await self._words(request)
        now = await self._store.now()
        since = request.paged_at or now
        ref = MessageRef(
            platform=pager.platform, channel=target.where, message=_key(request, target.where),
            facts={"routing_key_ref": pager_of(target.where), "unclear": _unclear(told), "since": since.isoformat()},
        )  # fmt: skip
        begun = replace(told, ref=ref, status=TRIGGERING, at=now)
        await self._store.set_told(target, begun, again=_ATTEMPT_ENDED)
        if not page_is_wanted(
            await self._store.get(request.id), target.where
        ):  # decided while the words were made
            await self._store.set_told(target, told, again=timedelta(0))
            return
        alarm = Alarm(
            key=ref.message, summary=words.summary, severity=words.severity, source=self._source, at=since,
            details=words.details, links=words.links, component=request.proposal.action.tool, group=request.ask.route,
        )  # fmt: skip
        crash_point("page-begun")
        result = await pager.trigger(alarm)
        crash_point("page-triggered")
        await self._paged(target, request, begun, result)

    async def _paged(self, target: Target, request: Request, begun: Told, result: Result) -> None:
        log.info("page.triggered request=%s result=%s", request.id, type(result).__name__)
        match result:
            case Accepted():
                told = replace(begun, status=TRIGGERED, version=request.version, attempts=0)
                await self._store.set_told(target, told)
                entry = AuditEntry(event=Event.PAGE_TAKEN, words=f"Taken by the pager {target.where}")
                token = f"page-taken-{target}-{request.paged_at}"
                await self._store.note(entry, thread=request.ask.run.thread, request=request.id, token=token)
            case Refused(reason):
                await self._lost(target, request, begun, reason)
            case RetryLater(after):
                await self._not_taken(target, request, replace(begun, status=UNKNOWN), after)
            case Unknown():
                assert begun.ref is not None
                ref = replace(begun.ref, facts={**begun.ref.facts, "unclear": "yes"})
                await self._not_taken(target, request, replace(begun, ref=ref, status=UNKNOWN))

    async def _not_taken(
        self, target: Target, request: Request, told: Told, after: timedelta = timedelta(0)
    ) -> None:
        """Again, or by the next pager; the last one is tried until it takes it."""
        told = replace(told, attempts=told.attempts + 1)
        if next_page(request, target.where) and (told.attempts >= MOST_TRIES or after > TOO_LATE):
            await self._lose(target, request, told, f"it did not take it in {told.attempts} tries")
            await self._store.set_told(target, told, again=timedelta(0))  # what may have arrived is closed
        else:
            await self._store.set_told(target, told, again=self._pause(told, after))

    # ---- closing

    async def _close(self, target: Target, request: Request, told: Told, pager: Pager) -> None:
        if told.status in ("", RESOLVED):
            await self._store.set_told(target, replace(told, version=request.version))
            return
        assert told.ref is not None
        facts = told.ref.facts
        closing = Closing(
            key=told.ref.message, began=_since(request, told), count=int(facts.get("again", "0")),
            at=await self._store.now(),
        )  # fmt: skip
        result = await pager.resolve(closing)
        crash_point("page-resolved")
        log.info("page.resolved request=%s result=%s", request.id, type(result).__name__)
        match result:
            case Accepted():
                await self._closed(target, request, told)
            case Refused(reason):
                await self._lost(target, request, told, f"The page could not be closed: {reason}")
            case RetryLater(after):
                trying = replace(told, attempts=told.attempts + 1)
                await self._store.set_told(target, trying, again=self._pause(trying, after))
            case Unknown():
                trying = replace(told, attempts=told.attempts + 1)
                await self._store.set_told(target, trying, again=self._pause(trying))

    async def _closed(self, target: Target, request: Request, told: Told) -> None:
        """Done; or, where a lost trigger may still arrive, to be done again."""
        assert told.ref is not None
        again = int(told.ref.facts.get("again", "0"))
        unsure = told.status == UNKNOWN or _unclear(told)
        if again == 0:
            await self._note_closed(target, request)
        if unsure and again < len(RESOLVE_AGAIN):
            ref = replace(told.ref, facts={**told.ref.facts, "unclear": "yes", "again": str(again + 1)})
            closing = replace(told, ref=ref, status=RESOLVING, version=request.version, attempts=0)
            await self._store.set_told(target, closing, again=RESOLVE_AGAIN[again])
            return
        await self._store.set_told(
            target, replace(told, ref=_sure(told.ref), status=RESOLVED, version=request.version, attempts=0)
        )

    async def _note_closed(self, target: Target, request: Request) -> None:
        at = request.paged_at or (request.decision.at if request.decision else None)
        words, token = "On-call need not act any more; the page is closed", f"page-closed-{request.id}-{at}"
        if request.state is State.OPEN:
            words, token = "This page is closed: a later one has taken its place", f"{token}-{target.where}"
        entry = AuditEntry(event=Event.PAGE_CLOSED, words=words)
        await self._store.note(entry, thread=request.ask.run.thread, request=request.id, token=token)

    # ---- both

    async def _lost(self, target: Target, request: Request, told: Told, why: str) -> None:
        """Nothing more can be done here by machine: a dead letter until the record changes."""
        version = await self._lose(target, request, told, why)
        status = told.status if told.status != TRIGGERING else ""
        rested = replace(told, status=status, attempts=told.attempts + 1)
        letter = DeadLetter(
            target=target, places=(Place(pager_of(target.where)),), why=why[:300], since=await self._store.now(),
            tries=rested.attempts, thread=request.ask.run.thread, request=request.id,
        )  # fmt: skip
        await self._store.bury(letter, rested, version=version)

    async def _lose(self, target: Target, request: Request, told: Told, why: str) -> int:
        """Put on record that this pager does not take it; people are told once, and the next one is tried.

        The version of the record afterwards.
        """
        log.error("page.lost request=%s pager=%s", request.id, target.where)
        entry = AuditEntry(event=Event.UNDELIVERABLE, words=f"Page at {target.where}: {why}"[:300])
        notice = Notice(
            key=f"{request.id}-page-lost-{target.where}", kind=NoticeKind.UNREACHABLE, place=ALL_CARDS,
            thread=request.ask.run.thread, request=request.id, text=f"the pager {pager_of(target.where)}",
        )  # fmt: skip

        def step(current: Request, _: datetime) -> Change:
            lost = (
                (*current.lost_pagers, target.where)
                if page_is_wanted(current, target.where)
                else current.lost_pagers
            )
            after = replace(current, lost_pagers=tuple(dict.fromkeys(lost)))
            return Change(request=after, audit=(entry,), notices=(notice,))

        token = f"page-lost-{target.where}-{told.status}"
        return (await self._store.change(request.id, step, token=token)).request.version

    def _pause(self, told: Told, at_least: timedelta = timedelta(0)) -> timedelta:
        """Doubling, with up to a quarter of jitter, until it is accepted."""
        pause = min(FIRST_PAUSE * (1 << min(told.attempts - 1, 16)), LONGEST_PAUSE)
        return max(pause, at_least) * (1 + self._jitter() / 4)


def _unclear(told: Told) -> str:
    """Whether some earlier trigger of this page may arrive late: "yes" or empty."""
    return told.ref.facts.get("unclear", "") if told.ref else ""


def _key(request: Request, page: str) -> str:
    """What PagerDuty knows the incident by; a later turn is an incident of its own, for who acknowledged the first."""
    turn = page.partition("#")[2]
    return f"sayso:{request.id}:{turn}" if turn else f"sayso:{request.id}"


def _since(request: Request, told: Told) -> datetime:
    """When the page began, as its pager was told."""
    said = told.ref.facts.get("since", "") if told.ref else ""
    return datetime.fromisoformat(said) if said else request.ask.opened_at


def _sure(ref: MessageRef) -> MessageRef:
    return replace(
        ref, facts={name: text for name, text in ref.facts.items() if name not in ("unclear", "again")}
    )
