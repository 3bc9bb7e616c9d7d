"""Fires what is due: reminders, wider circles, pages, expiries and stuck resumes. Any number may sweep at once."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from ..approvals import machine
from ..approvals.change import Change
from ..approvals.crash import crash_point
from ..approvals.errors import DirectoryDown, Halted, SaysoError, StoreDown
from ..approvals.halt import held_back
from ..approvals.people import Directory
from ..approvals.request import Request, State
from ..approvals.store import Store
from ..approvals.verdict import RequestId

log = logging.getLogger(__name__)

#: Requests fired at the same time, so that an outage is made up for quickly and the store stays responsive.
AT_ONCE = 16


class Sweeper:
    """Brings every overdue clock up to date; what was overdue during an outage fires once."""

    def __init__(self, store: Store, directory: Directory) -> None:
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
        found = await self._store.get(id)
        circles, halted = await self._circles(found), await self._halted(found)
        fired: list[Change | None] = []

        def step(request: Request, now: datetime) -> Change | None:
            fired.append((halted and held_back(request, now)) or machine.fire(request, now, circles))
            return fired[-1]

        crash_point("step-before-fired")
        await self._store.change(id, step)
        crash_point("step-after-fired")
        return fired[-1] is not None

    async def _halted(self, request: Request) -> bool:
        """Whether what was decided waits for the end of a pause."""
        if request.state is State.OPEN:
            return False
        try:
            await self._store.unhalted(request.ask.run)
        except Halted:
            return True
        return False

    async def _circles(self, request: Request) -> machine.Circles:
        """Members of the circles still to be added, and of the last one; those that can be looked up."""
        steps = request.ask.deadline.steps[max(request.fired - 1, 0) :]
        found = {}
        for circle in dict.fromkeys(step.adds for step in steps if step.adds):
            try:
                found[circle] = await self._directory.members(circle)
            except DirectoryDown:
                log.warning("sweep.directory_down request=%s circle=%s", request.id, circle)
        return found
