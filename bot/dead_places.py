"""A place that takes no card is never silent: it is put on record, gone round, and listed until it is delivered."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from ..approvals.change import Change
from ..approvals.errors import DirectoryDown
from ..approvals.machine import Circles
from ..approvals.people import Directory, Place
from ..approvals.request import Request
from ..approvals.store import DeadLetter, Store, Target, Told
from ..approvals.unreachable import nobody_sees_it, people_needed, reached, unreachable

log = logging.getLogger(__name__)

#: Tries during which a directory that is down is waited for; then on-call is paged without it.
PATIENCE = 4


class DeadPlaces:
    """Keeps the record and the dead letters right about places that take no cards."""

    def __init__(self, *, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def note(self, request: Request, target: Target, told: Told, why: str) -> None:
        """Put it on record, go round it, and let the target rest as a dead letter.

        Raises: DirectoryDown (try again, the target does not rest yet), RequestNotFound, StoreDown.
        """
        log.error("card.undeliverable request=%s place=%s", request.id, target.where)
        place = Place(target.where)
        current = await self._gone_round(request, place, why, None)
        if nobody_sees_it(current):
            circles = await self._circles(current, wait=told.attempts < PATIENCE)
            current = await self._gone_round(current, place, why, circles)
        letter = DeadLetter(
            target=target, places=(place,), why=why[:300], since=await self._store.now(), tries=told.attempts + 1,
            thread=request.ask.run.thread, request=request.id,
        )  # fmt: skip
        tried = replace(told, attempts=told.attempts + 1)
        await self._store.bury(letter, tried, version=current.version)

    async def forget(self, request: Request, place: Place) -> None:
        """A card stands there after all. Raises: RequestNotFound, StoreDown."""
        if place in request.unreachable:
            await self._store.change(request.id, lambda current, _: reached(current, place))

    async def _gone_round(self, request: Request, place: Place, why: str, circles: Circles | None) -> Request:
        def step(current: Request, now: datetime) -> Change | None:
            return unreachable(current, place, why, circles, now)

        return (await self._store.change(request.id, step)).request

    async def _circles(self, request: Request, *, wait: bool) -> Circles:
        """Members of the sets that get it directly, as far as they can be looked up. Raises: DirectoryDown."""
        found = {}
        for circle in people_needed(request):
            try:
                found[circle] = await self._directory.members(circle)
            except DirectoryDown:
                log.warning("card.directory_down request=%s circle=%s", request.id, circle)
                if wait:
                    raise
        return found
