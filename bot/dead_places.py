"""A place that takes no messages is never silent: it is audited, said elsewhere, and approvers get the card directly."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from ..approvals.change import AuditEntry, Change, Event, Notice, NoticeKind
from ..approvals.errors import DirectoryDown
from ..approvals.machine import ALL_CARDS
from ..approvals.people import Directory, PersonId, Place
from ..approvals.request import Request, State
from ..approvals.store import Store, Target
from .places import PERSON

log = logging.getLogger(__name__)


class DeadPlaces:
    """Says once per request and place what could not be delivered."""

    def __init__(self, *, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def note(self, request: Request, target: Target, why: str) -> int:
        """Put it on record and go round it; the request's version afterwards. Raises: StoreDown, RequestNotFound."""
        log.error("card.undeliverable request=%s place=%s", request.id, target.where)
        entry = AuditEntry(
            event=Event.UNDELIVERABLE, words=f"The card cannot stand in {target.where}: {why}"[:300]
        )
        direct = await self._direct_instead(request, Place(target.where))

        def step(current: Request, _: datetime) -> Change:
            if current.state is State.CLOSED:  # what remains is a card nobody can redraw
                return Change(request=current, audit=(entry,))
            places = tuple(dict.fromkeys((*current.places, *direct)))
            notice = Notice(
                key=f"{current.id}-unreachable-{target.where}", kind=NoticeKind.UNREACHABLE, place=ALL_CARDS,
                thread=current.ask.run.thread, request=current.id, text=f"{target.where}: {why}",
            )  # fmt: skip
            return Change(request=replace(current, places=places), audit=(entry,), notices=(notice,))

        applied = await self._store.change(request.id, step, token=f"undeliverable-{target.where}")
        return applied.request.version

    async def _direct_instead(self, request: Request, dead: Place) -> tuple[Place, ...]:
        """The approvers' direct conversations, where no card is left that all of them could see."""
        others = [place for place in request.card_places if place not in (dead, request.ask.run.origin)]
        if others or dead.startswith(PERSON):
            return ()
        people = set[PersonId]()
        for circle in request.approver_sets:
            try:
                people |= await self._directory.members(circle)
            except DirectoryDown:
                log.warning("card.directory_down request=%s circle=%s", request.id, circle)
        return tuple(Place(f"{PERSON}{person}") for person in sorted(people - request.requesters))
