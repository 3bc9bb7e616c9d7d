"""Says each notice once in each of its places, and remembers which places have heard it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta, tzinfo

from ..approvals.change import AuditEntry, Event, Notice
from ..approvals.crash import crash_point
from ..approvals.errors import RequestNotFound
from ..approvals.people import Directory, PersonId, Place
from ..approvals.request import Request
from ..approvals.store import MessageRef, Store, Target, TargetKind, Told
from ..cards.words import notice_text
from .channel import Channel, Dead, Gone, RetryLater, Unclear
from .places import reach

log = logging.getLogger(__name__)

#: While a card is not posted yet its thread does not exist; a notice waits for it this long, this often.
NO_CARD_YET, PATIENCE = timedelta(seconds=3), 40


class Notices:
    """Delivers notice targets."""

    def __init__(
        self, *, store: Store, channels: Mapping[str, Channel], directory: Directory, tz: tzinfo = UTC
    ) -> None:
        self._store = store
        self._channels = channels
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
        if not places:
            await self._unheard(notice, "nowhere", "there is no place to say it")
        waits = [wait for place in places if (wait := await self._say(target, notice, request, place))]
        again = min(waits, default=None)
        attempts = told.attempts + 1 if waits else 0
        await self._store.set_told(target, replace(told, attempts=attempts), again=again)

    async def where(self, place: Place) -> tuple[Channel, Place]:
        """The channel of a place. Raises: Dead, RetryLater, Unclear."""
        return await reach(place, channels=self._channels, directory=self._directory)

    async def _say(
        self, target: Target, notice: Notice, request: Request | None, place: Place
    ) -> timedelta | None:
        """Say it in one place; how long to wait before the next try, None when it is settled there."""
        here = Target(kind=TargetKind.NOTICE, id=target.id, where=place)
        told = await self._store.told(here)
        if told.ref is not None or told.status:
            return None
        words = notice_text(notice, request, name=self._name, tz=self._tz)
        try:
            channel, there = await self.where(place)
            try:
                ref = await channel.say(there, words)
            except Gone:  # its thread is gone: say it in the channel
                ref = await channel.say(Place(there.partition("/")[0]), words)
        except RetryLater as later:
            return max(later.after, timedelta(milliseconds=200))
        except Unclear:
            # said twice would be a nuisance, not said at all would be silence: once more
            if told.attempts >= 1:
                await self._settled(here, None, "unclear")
                return None
            await self._store.set_told(here, replace(told, attempts=1))
            return timedelta(seconds=2)
        except (Dead, Gone) as dead:
            await self._unheard(notice, place, str(dead))
            await self._settled(here, None, "dead")
            return None
        crash_point("notice-said")
        await self._settled(here, ref, "said")
        return None

    async def _settled(self, here: Target, ref: MessageRef | None, status: str) -> None:
        await self._store.set_told(here, Told(ref=ref, status=status))

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
