"""Fires what is due: reminders, wider circles, pages, expiries and stuck resumes. Any number may sweep at once."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime

from ..approvals import machine
from ..approvals.change import Change
from ..approvals.crash import crash_point
from ..approvals.errors import DirectoryDown, Halted, StoreDown
from ..approvals.halt import held_back
from ..approvals.people import Directory
from ..approvals.request import Request, State
from ..approvals.store import Store
from ..approvals.verdict import RequestId

log = logging.getLogger(__name__)

#: Requests fired at the same time, so that an outage is made up for quickly and the store stays responsive.
AT_ONCE = 64
#: Named of one partition at a time; more than a sweep fires at once, so that several sweeps find different ones.
AT_MOST = 100


class Sweeper:
    """Brings every overdue clock up to date; what was overdue during an outage fires once."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def sweep(self) -> int:
        """Fire everything due now; how many requests moved. One that cannot be fired does not hold up the rest.

        Which of them come first is left to chance: of many that are due, sweeps in other processes take others.

        Raises: StoreDown.
        """
        moved, passed = 0, set[RequestId]()
        while due := [id for id in await self._store.due(AT_MOST + len(passed)) if id not in passed]:
            some = random.sample(due, min(AT_ONCE, len(due)))
            fired = await asyncio.gather(*map(self._moved, some))
            moved += sum(fired)
            passed.update(id for id, moves in zip(some, fired, strict=True) if not moves)
            if len(some) == len(due):
                break
        return moved

    async def _moved(self, id: RequestId) -> bool:
        try:
            return await self._fire(id)
        except StoreDown:
            raise
        except Exception:  # the edge of one request: whatever its record is like, the others must go on
            log.exception("sweep.failed request=%s", id)
            return False

    async def _fire(self, id: RequestId) -> bool:
        """Whether this sweep, and not another one, moved it."""
        fired: list[Change | None] = []
        known: tuple[machine.Circles, bool] | None = None

        def step(request: Request, now: datetime) -> Change | None:
            if known is None and (_asks_people(request, now) or _may_be_halted(request, now)):
                raise _LookUp(request)
            circles, halted = known or (machine.NO_CIRCLES, False)
            fired.append((halted and _held_back(request, now)) or machine.fire(request, now, circles))
            return fired[-1]

        crash_point("step-before-fired")
        try:
            await self._store.change(id, step)
        except _LookUp as asked:
            known = await self._circles(asked.request), await self._halted(asked.request)
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


class _LookUp(Exception):
    """What is due tells people, or may wait for the end of a pause; who and whether is looked up first."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


def _asks_people(request: Request, now: datetime) -> bool:
    """Whether a step may tell people by name; what has ended tells where the cards stand."""
    return request.state is State.OPEN and _is_due(request, now) and now < request.ask.deadline.expires_at


def _may_be_halted(request: Request, now: datetime) -> bool:
    """Whether a pause would put off what is due."""
    return _held_back(request, now) is not None


def _held_back(request: Request, now: datetime) -> Change | None:
    return held_back(request, now) if _is_due(request, now) else None


def _is_due(request: Request, now: datetime) -> bool:
    return request.due_at is not None and request.due_at <= now
