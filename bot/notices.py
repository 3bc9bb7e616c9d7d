"""Says each notice once in each of its places, and remembers which places have heard it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, timedelta, tzinfo

from ..approvals.change import AuditEntry, Event, Notice, NoticeKind
from ..approvals.crash import crash_point
from ..approvals.errors import RequestNotFound
from ..approvals.people import Directory, PersonId, Place
from ..approvals.request import Request
from ..approvals.store import DeadLetter, MessageRef, Store, Target, TargetKind, Told
from ..cards.words import notice_text
from .backoff import pause
from .channel import Channel, Dead, Gone, NotYet, RetryLater, Unclear
from .places import Places, conversation_of

log = logging.getLogger(__name__)

#: While a card is not posted yet its thread does not exist; a notice waits for it this long, this often.
NO_CARD_YET, PATIENCE = timedelta(seconds=3), 40
#: The shortest wait for one's turn.
SHORTLY = timedelta(milliseconds=200)
#: What `Told.status` says of a notice in one of its places: heard; answer lost once, twice; not to be said there.
SAID, DOUBTFUL, UNCLEAR, DEAD = "said", "doubtful", "unclear", "dead: "
LOST = "the answer was lost twice; it may have been said"


class Notices:
    """Delivers notice targets."""

    def __init__(
        self, *, store: Store, places: Places, directory: Directory, tz: tzinfo = UTC,
        jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._store = store
        self._jitter = jitter
        self._anywhere = places
        self._directory = directory
        self._tz = tz

    async def deliver(self, target: Target) -> None:
        """Say one notice wherever it has not been heard yet. Raises: StoreDown."""
        notice = await self._store.notice(target.id)
        if notice is None:
            await self._store.set_told(target, Told())
            return
        request = await self._request(notice)
        told = await self._store.told(target)
        places = await self._places(notice, request)
        if not places and notice.place == "" and request is not None and told.attempts < PATIENCE:
            await self._store.set_told(target, replace(told, attempts=told.attempts + 1), again=NO_CARD_YET)
            return
        waits = [wait for place in places if (wait := await self._say(target, notice, request, place))]
        tried = replace(told, attempts=told.attempts + 1)
        if waits:
            await self._store.set_told(target, tried, again=min(waits))
        elif silence := await self._silence(target, places):
            if not places:
                await self._unheard(notice, "nowhere", silence)
            await self._unsaid(target, notice, places, silence, tried)
        else:
            await self._store.set_told(target, replace(told, attempts=0))

    async def _say(
        self, target: Target, notice: Notice, request: Request | None, place: Place
    ) -> timedelta | None:
        """Say it in one place; how long to wait before the next try, None when it is settled there."""
        here = Target(kind=TargetKind.NOTICE, id=target.id, where=place)
        told = await self._store.told(here)
        if told.status not in ("", DOUBTFUL):
            return None
        words = notice_text(notice, request, name=self._name, tz=self._tz)

        async def said(channel: Channel, there: Place) -> MessageRef:
            try:
                return await channel.say(there, words)
            except Gone:  # its thread is gone: say it in the channel
                return await channel.say(conversation_of(there), words)

        try:
            ref = await self._anywhere.at(place, said)
        except NotYet as later:
            return max(later.after, SHORTLY)
        except RetryLater as later:
            return await self._again(here, told, later.after)
        except Unclear:
            # said twice would be a nuisance, not said at all would be silence: once more
            if told.status == "":
                return await self._again(here, replace(told, status=DOUBTFUL))
            await self._settled(here, None, UNCLEAR)
            return None
        except (Dead, Gone) as dead:
            await self._unheard(notice, place, str(dead))
            await self._settled(here, None, f"{DEAD}{dead}")
            return None
        crash_point("notice-said")
        await self._heard(here, notice, ref)
        await self._settled(here, ref, SAID)
        return None

    async def _heard(self, here: Target, notice: Notice, ref: MessageRef) -> None:
        entry = AuditEntry(
            event=Event.SAID,
            words=f"Said {notice.kind.value!r} in {here.where}",
            facts={"message": ref.message},
        )
        await self._store.note(entry, thread=notice.thread, request=notice.request, token=f"said-{here}")

    async def _settled(self, here: Target, ref: MessageRef | None, status: str) -> None:
        await self._store.set_told(here, Told(ref=ref, status=status))

    async def _again(self, here: Target, told: Told, at_least: timedelta = timedelta(0)) -> timedelta:
        """The wait after one more try in one place."""
        await self._store.set_told(here, replace(told, attempts=told.attempts + 1))
        return pause(told.attempts, at_least, jitter=self._jitter())

    async def _silence(self, target: Target, places: Sequence[Place]) -> str:
        """Why nobody can have heard it for certain; empty when somebody has."""
        found = []
        for place in places:
            status = (await self._store.told(replace(target, where=place))).status
            if status == SAID:
                return ""
            found.append(f"{place}: {status.removeprefix(DEAD) if status != UNCLEAR else LOST}")
        return "; ".join(found) or "there is no place to say it"

    async def _unsaid(
        self, target: Target, notice: Notice, places: tuple[Place, ...], why: str, told: Told
    ) -> None:
        if notice.kind is NoticeKind.UNREACHABLE:  # what it is about is on the list itself
            await self._store.set_told(target, told)
            return
        letter = DeadLetter(
            target=target, places=places, why=why[:300], since=await self._store.now(), tries=told.attempts,
            thread=notice.thread, request=notice.request,
        )  # fmt: skip
        await self._store.bury(letter, told)

    async def _places(self, notice: Notice, request: Request | None) -> tuple[Place, ...]:
        """Where it belongs: its place, or the thread of every card of the request."""
        if notice.place:
            return (notice.place,)
        if request is None:
            return ()
        cards = await self._store.all_told(request.id)
        found = []
        for text, told in cards.items():
            if Target.parse(text).kind is TargetKind.CARD and told.ref is not None:
                thread = told.ref.thread or told.ref.message
                found.append(Place(f"{told.ref.platform}:{told.ref.channel}/{thread}"))
        return tuple(dict.fromkeys(found))

    async def _request(self, notice: Notice) -> Request | None:
        if notice.request is None:
            return None
        try:
            return await self._store.get(notice.request)
        except RequestNotFound:
            return None

    async def _unheard(self, notice: Notice, place: str, why: str) -> None:
        log.error("notice.undeliverable request=%s place=%s", notice.request, place)
        entry = AuditEntry(
            event=Event.UNDELIVERABLE, words=f"Could not say {notice.kind.value!r} in {place}: {why}"[:300]
        )
        token = f"unheard-{notice.key}-{place}"
        await self._store.note(entry, thread=notice.thread, request=notice.request, token=token)

    def _name(self, person: PersonId) -> str:
        known = self._directory.known(person)
        return known.name if known else str(person)
