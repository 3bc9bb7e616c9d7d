"""Fires what is due: reminders, wider circles, pages, expiries and stuck resumes. Any number may sweep at once."""

from __future__ import annotations

import logging

from ..approvals import machine
from ..approvals.crash import crash_point
from ..approvals.errors import DirectoryDown, SaysoError, StoreDown
from ..approvals.people import Directory
from ..approvals.request import Request
from ..approvals.store import RequestStore
from ..approvals.verdict import RequestId

log = logging.getLogger(__name__)


class Sweeper:
    """Brings every overdue clock up to date; what was overdue during an outage fires once."""

    def __init__(self, store: RequestStore, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def sweep(self) -> int:
        """Fire everything due now; how many requests moved. One that cannot be fired does not hold up the rest.

        Raises: StoreDown.
        """
        moved = 0
        for id in await self._store.due():
            try:
                moved += await self._fire(id)
            except StoreDown:
                raise
            except SaysoError:
                log.exception("sweep.failed request=%s", id)
        return moved

    async def _fire(self, id: RequestId) -> bool:
        request = await self._store.get(id)
        circles = await self._circles(request)
        crash_point("step-before-fired")
        after = await self._store.change(id, lambda current, now: machine.fire(current, now, circles))
        crash_point("step-after-fired")
        return after.request.version > request.version

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
