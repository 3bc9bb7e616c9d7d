"""Brings cards, notices and pages up to date: pages first, then what is new or decided, then mere redraws.

Each lane has its own tasks, so a page or a new card never waits behind redraws. The record is read, drawn and sent,
and what was shown is stored; if the record has moved on meanwhile, the store marks the target dirty again. A crash
between sending and storing costs at most one extra card, never a missing one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

from ..approvals import canonical
from ..approvals.change import AuditEntry, Event
from ..approvals.crash import crash_point
from ..approvals.errors import DirectoryDown, RequestNotFound, StoreDown
from ..approvals.packed import pack
from ..approvals.people import Directory, PersonId, Place
from ..approvals.request import Request
from ..approvals.store import Lane, MessageRef, Store, Target, TargetKind, Told
from ..approvals.verdict import RequestId
from ..cards import plaintext
from ..cards.card import Card, card_of
from .backoff import pause
from .channel import Channel, Dead, Gone, NotYet, RetryLater, Unclear
from .dead_places import DeadPlaces
from .notices import Notices
from .places import Places, conversation_of

log = logging.getLogger(__name__)

#: How long a claimed target belongs to its claimer; longer than any one call to a platform.
LEASE = timedelta(seconds=20)
#: Tasks per lane: a slow channel holds up one of them.
WORKERS: Mapping[Lane, int] = {Lane.PAGE: 2, Lane.TELL: 4, Lane.REDRAW: 2}
#: What a target that failed for a reason we did not foresee waits.
AFTER_TROUBLE = timedelta(seconds=30)
#: What `Told.status` says of a card whose posting may or may not have worked.
UNCLEAR = "unclear"
#: After so many tries a card whose posting stays unclear is gone round: each try may leave one more card there.
MOST_TRIES = 4
LOST = f"the answer was lost {MOST_TRIES} times; the card may stand there"

#: What makes dead places live again; told which conversations those are.
Revive = Callable[[Callable[[Place], bool]], Awaitable[int]]
PageKeeper = Callable[[Target], Awaitable[None]]


async def utc_now() -> datetime:
    """Wall time; platforms stamp messages with theirs."""
    return datetime.now(UTC)


class Deliverer:
    """Runs the lanes."""

    def __init__(
        self, *, store: Store, channels: Mapping[str, Channel], directory: Directory, pages: PageKeeper,
        tz: tzinfo = UTC, wall: Callable[[], Awaitable[datetime]] = utc_now, jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        """Take channels by platform, and `pages`, which brings one page target up to date.

        Args:
            wall: The platforms' time; a demo pushes theirs together with its store's.
        """
        self._store = store
        self._directory = directory
        self._pages = pages
        self._tz = tz
        self._wall = wall
        self._jitter = jitter
        self._places = Places(channels, directory)
        self._notices = Notices(store=store, places=self._places, directory=directory, tz=tz, jitter=jitter)
        self._dead_places = DeadPlaces(store=store, directory=directory)
        self._under_way: dict[Target, asyncio.Event] = {}

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane, workers in WORKERS.items():
                for _ in range(workers):
                    group.create_task(self._keep_delivering(lane))

    async def deliver_due(self, lanes: Sequence[Lane] = tuple(Lane)) -> int:
        """Bring everything that is due now up to date, one after the other; how many targets that were."""
        done = 0
        while targets := await self._store.claim(lanes, lease=LEASE):
            for target in targets:
                await self._deliver(target)
            done += len(targets)
        return done

    async def adopt(self, id: RequestId, ref: MessageRef) -> bool:
        """A card of ours was seen in a place: remember it where we know of none. False for a stray second card.

        A client that lies about where it pressed can not have another request's card overwritten: that is left alone.

        Raises: RequestNotFound, StoreDown.
        """
        request = await self._store.get(id)
        thread = Place(f"{ref.platform}:{ref.channel}/{ref.thread or ref.message}")
        for known in dict.fromkeys((id, *await self._store.standing_in(thread))):
            if await self._stands_as(known, ref):
                if known != id:
                    log.warning("card.of_another request=%s message=%s", id, ref.message)
                return True
        here = {f"{ref.platform}:{ref.channel}", f"{ref.platform}:{ref.channel}/{ref.thread}"}
        for place in request.card_places:
            target = Target(kind=TargetKind.CARD, id=id, where=place)
            if place in here and (await self._store.told(target)).ref is None:
                await self._store.set_told(target, Told(ref=ref, at=await self._wall()), again=timedelta(0))
                log.info("card.adopted request=%s place=%s", id, place)
                return True
        return False

    async def _stands_as(self, id: RequestId, ref: MessageRef) -> bool:
        """Whether this message is a card of that request, as far as we know."""
        all_told = await self._store.all_told(id)
        refs = [told.ref for told in all_told.values() if told.ref is not None]
        return (ref.channel, ref.message) in [(one.channel, one.message) for one in refs]

    async def redraw_stray(self, id: RequestId, ref: MessageRef) -> None:
        """Redraw a card that was pressed, as the record stands afterwards: a second one, or one that somebody waits before.

        Clients say themselves what they pressed: another request's card is left alone, and so is every conversation
        where no card of this one belongs.

        Raises: ChannelError, RequestNotFound, StoreDown.
        """
        request = await self._store.get(id)
        if not await self._may_be_its_card(request, ref):
            log.warning("card.not_its_place request=%s message=%s", id, ref.message)
            return
        drawn = 0
        while drawn != request.version:  # it moved on: its lane may have drawn what came of it before us
            await self._places.channel(ref.platform).update_card(ref, self._drawn(request))
            drawn, request = request.version, await self._store.get(id)

    async def _may_be_its_card(self, request: Request, ref: MessageRef) -> bool:
        thread = Place(f"{ref.platform}:{ref.channel}/{ref.thread or ref.message}")
        for known in await self._store.standing_in(thread):
            if known != request.id and await self._stands_as(known, ref):
                return False
        for place in request.card_places:
            if conversation_of(thread) in await self._places.conversations(place):
                return True
        return False

    async def revive(self, back: Callable[[Place], bool]) -> int:
        """Some conversations take messages again: what was dead there is tried again; how much that is.

        Args:
            back: Whether this channel or chat is one of them.

        Raises: StoreDown.
        """
        letters = await self._store.dead_letters()
        dead = {one for letter in letters for one in letter.places}
        alive = {one for one in dead if any(map(back, await self._places.conversations(one)))}
        again = [letter.target for letter in letters if alive.intersection(letter.places)]
        return sum([await self._store.replay(target) for target in again])

    # ---- lanes

    async def _keep_delivering(self, lane: Lane) -> None:
        while True:
            try:
                targets = await self._store.claim((lane,), lease=LEASE, limit=1)
                for target in targets:
                    await self._deliver(target)
                if not targets:
                    await self._store.woken((lane,), timedelta(seconds=1))
            except StoreDown:
                log.exception("deliver.store_down lane=%s", lane)
                await asyncio.sleep(1)
            except Exception:  # the outermost edge of a lane: one bad target must not end all telling
                log.exception("deliver.lane_failed lane=%s", lane)
                await asyncio.sleep(1)

    async def _deliver(self, target: Target) -> None:
        """Bring one target up to date; what goes wrong with it is its own affair. Raises: StoreDown."""
        while (other := self._under_way.get(target)) is not None:
            await other.wait()  # claimed anew while its last delivery was being written down
        done = self._under_way[target] = asyncio.Event()
        try:
            await self._by_kind(target)
        except StoreDown:
            raise
        except RequestNotFound:
            await self._store.set_told(target, Told())
        except Exception:  # the outermost edge of one delivery: the others must go out
            log.exception("deliver.failed target=%s", target)
            await self._store.set_told(target, await self._store.told(target), again=AFTER_TROUBLE)
        finally:
            del self._under_way[target]
            done.set()

    async def _by_kind(self, target: Target) -> None:
        match target.kind:
            case TargetKind.PAGE:
                await self._pages(target)
            case TargetKind.NOTICE:
                await self._notices.deliver(target)
            case TargetKind.CARD:
                await self._card(target)

    # ---- cards

    async def _card(self, target: Target) -> None:
        request = await self._store.get(RequestId(target.id))
        told = await self._store.told(target)
        if told.ref is not None and told.version >= request.version:
            await self._store.set_told(target, told)
            return
        card = self._drawn(request)
        try:
            ref = await self._drawn_there(Place(target.where), told, card)
        except NotYet as later:
            await self._store.set_told(target, told, again=later.after)
        except (RetryLater, DirectoryDown) as later:
            await self._again(target, told, later.after if isinstance(later, RetryLater) else AFTER_TROUBLE)
        except Unclear:
            if told.ref is None and told.status == UNCLEAR and told.attempts + 1 >= MOST_TRIES:
                await self._nowhere(request, target, told, LOST)
            else:
                await self._again(target, replace(told, status="" if told.ref else UNCLEAR))
        except (Dead, Gone) as dead:
            await self._nowhere(request, target, told, str(dead))
        else:
            crash_point("card-redrawn" if told.ref else "card-posted")
            shown = await self._shown(request, told, ref)
            await self._store.set_told(target, shown)
            if (shown.ref, shown.revision) != (told.ref, told.revision):
                await self._audit_shown(request, target, ref, card)
            await self._dead_places.forget(request, Place(target.where))

    async def _nowhere(self, request: Request, target: Target, told: Told, why: str) -> None:
        """It does not work there: go round it."""
        try:
            await self._dead_places.note(request, target, told, why)
        except DirectoryDown:
            await self._again(target, told, AFTER_TROUBLE)

    async def _again(self, target: Target, told: Told, at_least: timedelta = timedelta(0)) -> None:
        """It did not work: later, and the more often it did not, the later."""
        wait = pause(told.attempts, at_least, jitter=self._jitter())
        await self._store.set_told(target, replace(told, attempts=told.attempts + 1), again=wait)

    async def _drawn_there(self, place: Place, told: Told, card: Card) -> MessageRef:
        """Where the card stands afterwards. Raises: ChannelError."""
        if told.ref is not None:
            return await self._redrawn(self._places.channel(told.ref.platform), place, told.ref, card)

        async def posted(channel: Channel, there: Place) -> MessageRef:
            known = await self._found(channel, there, card) if told.status == UNCLEAR else None
            return await (
                self._redrawn(channel, place, known, card) if known else channel.post_card(there, card)
            )

        return await self._places.at(place, posted)

    async def _redrawn(self, channel: Channel, place: Place, ref: MessageRef, card: Card) -> MessageRef:
        try:
            await channel.update_card(ref, card)
        except Gone:
            return await self._replaced(channel, place, ref, card)
        return ref

    async def _found(self, channel: Channel, place: Place, card: Card) -> MessageRef | None:
        """The card whose posting was unclear. Raises: RetryLater, Unclear."""
        try:
            return await channel.find_card(place, card.request)
        except (Dead, Gone):
            log.warning("card.not_looked_up request=%s place=%s", card.request, place)
            return None  # we may not read there: rather one card too many than none

    async def _replaced(self, channel: Channel, place: Place, lost: MessageRef, card: Card) -> MessageRef:
        """A new card for one that was deleted: in its thread, or in its place where the thread is gone too."""
        try:
            thread = Place(f"{lost.platform}:{lost.channel}/{lost.thread or lost.message}")
            return await channel.post_card(thread, card)
        except Gone:
            return await self._places.at(place, lambda other, there: other.post_card(there, card))

    async def _audit_shown(self, request: Request, target: Target, ref: MessageRef, card: Card) -> None:
        """What was put before people, where: the proof that a vote was about what was shown."""
        text = plaintext.text(card)
        entry = AuditEntry(
            event=Event.SHOWN, words=f"Shown in {target.where}", shown=pack(text),
            facts={"digest": request.current.digest, "revision": str(request.revision), "message": ref.message,
                   "card_digest": canonical.digest(text)},
        )  # fmt: skip
        token = f"shown-{target}-{request.revision}-{ref.message}"
        await self._store.note(entry, thread=request.ask.run.thread, request=request.id, token=token)

    async def _shown(self, request: Request, before: Told, ref: MessageRef) -> Told:
        """What stands there now; `at` says since when this revision stands in this message."""
        same = before.ref == ref and before.revision == request.revision and before.at is not None
        at = before.at if same else await self._wall()
        return Told(ref=ref, version=request.version, revision=request.revision, at=at)

    def _drawn(self, request: Request) -> Card:
        return card_of(request, name=self._name, tz=self._tz)

    def _name(self, person: PersonId) -> str:
        known = self._directory.known(person)
        return known.name if known else str(person)
