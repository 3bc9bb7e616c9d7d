"""`thread_lock.ThreadLock` for a single process without Redis: same answers, kept in memory."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from .thread_lock import Fence


class MemoryLock:
    """Who may run a thread now. `clock` gives seconds; tests push it forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}
        self._fences: Counter[str] = Counter()

    async def acquire(self, thread: str, owner: str, lease_ms: int) -> Fence | None:
        """Take the thread for `lease_ms` milliseconds; None while somebody else has it."""
        with self._guard:
            holder = self._holder(thread)
            if holder not in ("", owner):
                return None
            self._fences[thread] += not holder
            self._held[thread] = (owner, self._clock() + lease_ms / 1000)
            return Fence(self._fences[thread])

    def renew_sync(self, thread: str, owner: str, lease_ms: int) -> bool:
        """Begin the lease anew; False when it was lost."""
        with self._guard:
            if self._holder(thread) != owner:
                return False
            self._held[thread] = (owner, self._clock() + lease_ms / 1000)
            return True

    async def release(self, thread: str, owner: str) -> bool:
        """Give it back; False when it was lost before."""
        with self._guard:
            if self._holder(thread) != owner:
                return False
            del self._held[thread]
            return True

    def _holder(self, thread: str) -> str:
        owner, ends = self._held.get(thread, ("", 0.0))
        return owner if self._clock() < ends else ""
