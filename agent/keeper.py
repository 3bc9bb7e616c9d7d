"""Shows that a worker lives: a thread of its own renews locks and leases, so that a busy event loop loses neither."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import redis

from ..approvals.errors import SaysoError
from ..approvals.verdict import RequestId, ThreadId
from .runtime import LEASE
from .thread_lock import Fence

_log = logging.getLogger(__name__)


class Locks(Protocol):
    """Who may run a thread now: `thread_lock.ThreadLock`, or `memory_lock.MemoryLock` in one process."""

    async def acquire(self, thread: str, owner: str, lease_ms: int) -> Fence | None:
        """Take the thread for `lease_ms` milliseconds; None while somebody else has it."""
        ...

    def renew_sync(self, thread: str, owner: str, lease_ms: int) -> bool:
        """Begin the lease anew; False when it was lost. Called from a thread of its own."""
        ...

    async def release(self, thread: str, owner: str) -> bool:
        """Give it back; False when it was lost before."""
        ...


class Leases(Protocol):
    """The store's part: leases of started tools."""

    def renew(self, id: RequestId, worker: str, lease: timedelta) -> bool:
        """False when it was lost."""
        ...


@dataclass(slots=True)
class _Held:
    """One thing that is kept alive; `seen` is when it was last renewed (seconds, monotonic)."""

    renew: Callable[[], bool]
    lost: Callable[[], None]
    name: str
    seen: float


class Keeper:
    """Renews everything it was given three times per lease, until it is given back or lost."""

    def __init__(self, leases: Leases, locks: Locks, *, worker: str, lease: timedelta = LEASE) -> None:
        self._leases = leases
        self._locks = locks
        self._worker = worker
        self._lease = lease
        self._held: dict[int, _Held] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sayso-keeper", daemon=True)

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """Renew nothing any more; returns when the thread has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def thread(self, thread: ThreadId, owner: str, lost: Callable[[], None]) -> Iterator[None]:
        """Keep an agent's thread locked; `lost` is called once, from the keeper's thread, when it is not any more."""
        milliseconds = int(self._lease.total_seconds() * 1000)
        renew = lambda: self._locks.renew_sync(thread, owner, milliseconds)  # noqa: E731 bound to this block
        with self._keeping(_Held(renew, lost, f"thread {thread}", time.monotonic())):
            yield

    @contextmanager
    def effect(self, request: RequestId) -> Iterator[None]:
        """Keep the lease of a started tool. Losing it stops nothing: the tool's own end settles what happened."""
        renew = lambda: self._leases.renew(request, self._worker, self._lease)  # noqa: E731 bound to this block
        with self._keeping(_Held(renew, lambda: None, f"effect {request}", time.monotonic())):
            yield

    def renew_all(self) -> None:
        """Renew everything once."""
        with self._guard:
            held = list(self._held.items())
        for mark, one in held:
            if not self._renewed(one):
                with self._guard:
                    given_back = (
                        self._held.pop(mark, None) is None
                    )  # meanwhile, so there was nothing to renew
                if not given_back:
                    _log.warning("lease.lost", extra={"lease": one.name})
                    one.lost()

    @contextmanager
    def _keeping(self, one: _Held) -> Iterator[None]:
        with self._guard:
            self._held[id(one)] = one
        try:
            yield
        finally:
            with self._guard:
                self._held.pop(id(one), None)

    def _renewed(self, one: _Held) -> bool:
        try:
            if not one.renew():
                return False
        except (SaysoError, redis.RedisError, OSError) as error:
            _log.warning("lease.not_renewed", extra={"lease": one.name, "error": type(error).__name__})
            return time.monotonic() - one.seen < self._lease.total_seconds()
        one.seen = time.monotonic()
        return True

    def _loop(self) -> None:
        while not self._stop.wait(self._lease.total_seconds() / 3):
            self.renew_all()
