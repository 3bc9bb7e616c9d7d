"""Fires what is due: reminders, wider circles, pages, expiries and stuck resumes. Any number may sweep at once."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from ..approvals import machine
from ..approvals.change import Change
from ..approvals.crash import crash_point
from ..approvals.errors import DirectoryDown, SaysoError, StoreDown
from ..approvals.people import Directory
from ..approvals.request import Request, State
from ..approvals.store import RequestStore
from ..approvals.verdict import RequestId

log = logging.getLogger(__name__)

#: Requests fired at the same time, so that an outage is made up for quickly and the store stays responsive.
AT_ONCE = 16


class Sweeper:
    """Brings every overdue clock up to date; what was overdue during an outage fires once."""

    def __init__(self, store: RequestStore, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def sweep(self) -> int:
        """Fire everything due now; how many requests moved. One that cannot be fired does not hold up the rest.

        Raises: StoreDown.
        """
        at_once = asyncio.Semaphore(AT_ONCE)
        moved = await asyncio.gather(*(self._moved(id, at_once) for id in await self._store.due()))
        return sum(moved)

    async def _moved(self, id: RequestId, at_once: asyncio.Semaphore) -> bool:
        async with at_once:
            try:
                return await self._fire(id)
            except StoreDown:
                raise
            except SaysoError:
                log.exception("sweep.failed request=%s", id)
                return False

    async def _fire(self, id: RequestId) -> bool:
        """Whether this sweep, and not another one, moved it."""
        circles = await self._circles(await self._store.get(id))
        fired: list[Change | None] = []

        def step(request: Request, now: datetime) -> Change | None:
            fired.append(machine.fire(request, now, circles))
            return fired[-1]

        crash_point("step-before-fired")
        await self._store.change(id, step)
        crash_point("step-after-fired")
        return fired[-1] is not None

    async def _circles(self, request: Request) -> machine.Circles:
        """Members of the circles still to be added, of the last one, and of those that have voted in part."""
        steps = request.ask.deadline.steps[max(request.fired - 1, 0) :]
        asked = request.approver_sets if request.votes and request.state is State.OPEN else ()
        found = {}
        for circle in dict.fromkeys((*(step.adds for step in steps if step.adds), *asked)):
            try:
                found[circle] = await self._directory.members(circle)
            except DirectoryDown:
                log.warning("sweep.directory_down request=%s circle=%s", request.id, circle)
        return found
