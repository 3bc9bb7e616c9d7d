"""Runs the next policy beside the live one: where they differ about an action, the audit trail says so; nothing else changes."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from ..agent.policy import Policy
from ..agent.shadow import Difference, difference
from ..approvals.change import AuditEntry, Event
from ..approvals.store import RequestStore
from .record import requests_of

log = logging.getLogger(__name__)

#: How often the actions that came since are looked at.
LOOK_EVERY = timedelta(seconds=30)
#: So far back the first look goes: what was opened while no bot ran.
FIRST_LOOK = timedelta(hours=1)
#: Each look begins so much before the last one: partitions keep time by themselves.
OVERLAP = timedelta(minutes=1)


class Shadow:
    """The next policy, held against each action once; several bots may do so at the same time."""

    def __init__(self, store: RequestStore, *, live: Policy, other: Policy) -> None:
        self._store = store
        self._live = live
        self._other = other
        self._seen_to: datetime | None = None

    async def look(self) -> None:
        """Note each difference among the actions that were opened since the last look. Raises: StoreDown."""
        now = await self._store.now()
        since = self._seen_to - OVERLAP if self._seen_to else now - FIRST_LOOK
        requests, _ = await requests_of(self._store, await self._store.happened(since))
        for request in requests.values():
            if found := difference(request, self._live, self._other):
                await self._note(found)
        self._seen_to = now

    async def _note(self, found: Difference) -> None:
        words = f"Under policy {self._other.version}: {found.after} instead of {found.before}"
        if found.before is found.after:
            words = f"Under policy {self._other.version}: asked on {found.routes[1] or 'no route'} instead of {found.routes[0]}"
        entry = AuditEntry(
            event=Event.SHADOWED, words=words[:300],
            facts={"policy": self._live.version, "next": self._other.version, "before": found.before, "after": found.after},
        )  # fmt: skip
        request = found.request
        token = f"shadow-{request.id}-{self._live.version}-{self._other.version}"
        await self._store.note(entry, thread=request.ask.run.thread, request=request.id, token=token)
        log.info(
            "policy.shadowed",
            extra={"request": request.id, "before": str(found.before), "after": str(found.after)},
        )
