"""Says again and again that nothing is overdue, to somebody outside who notices when it stops."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from ..approvals.errors import RequestNotFound
from ..approvals.store import RequestStore

log = logging.getLogger(__name__)

#: Something that should have happened so long ago has been forgotten, or everything is stuck.
LATE = timedelta(seconds=30)
#: Looked at of each partition.
SOME = 20


class Watchdog:
    """Looks whether the clocks are kept; only then is the heartbeat sent."""

    def __init__(self, store: RequestStore, beat: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._beat = beat

    async def look(self) -> bool:
        """Whether all is well. Raises: StoreDown, and what sending the heartbeat raises: there is none then."""
        now = await self._store.now()
        late = list[tuple[timedelta, str]]()
        for id in await self._store.due(SOME):
            try:
                request = await self._store.get(id)
            except RequestNotFound:  # gone since
                continue
            if request.due_at is not None and now - request.due_at > LATE:
                late.append((now - request.due_at, id))
        if late:
            span, oldest = max(late)
            log.error(
                "watchdog.overdue count=%d longest_s=%d request=%s", len(late), span.total_seconds(), oldest
            )
            return False
        await self._beat()
        return True
