"""Noticing: what the program under test did wrong, and waiting until something has happened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing a real vendor would not have put up with.

    Attributes:
        where: The stand-in and the call ("slack chat.postMessage").
        what: One sentence.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class NotClean(AssertionError):
    """The program under test broke a vendor's rule."""


class NotInTime(AssertionError):
    """What was waited for did not happen."""


class Violations:
    """Everything that went wrong so far; behaves like a list for reading."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    def __iter__(self) -> Iterator[Violation]:
        return iter(tuple(self._found))

    def __len__(self) -> int:
        return len(self._found)

    def note(self, where: str, what: str) -> None:
        """Remember one."""
        self._found.append(Violation(where, what))

    def take(self) -> list[Violation]:
        """Return what was found and forget it: for a scene that breaks a rule on purpose."""
        found, self._found = self._found, []
        return found

    def assert_clean(self) -> None:
        """Raises: NotClean, listing everything that was found."""
        if self._found:
            raise NotClean("\n".join(str(violation) for violation in self._found))


class Changes:
    """Wakes whoever waits whenever anything in the workplace has changed; from any thread, on any loop."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def happened(self) -> None:
        """Something changed: every waiter looks again."""
        with self._lock:
            for event, loop in self._waiting.items():
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """Set after every change while the block runs; for the loop this is called on."""
        changed = asyncio.Event()
        with self._lock:
            self._waiting[changed] = asyncio.get_running_loop()
        try:
            yield changed
        finally:
            with self._lock:
                del self._waiting[changed]

    async def until(self, seen: Callable[[], T], *, timeout: float = 10, what: str = "it") -> T:
        """The first truthy value of `seen()`; looked at now and after every change.

        Args:
            timeout: Seconds.
            what: Named in the error, e.g. "the refund card".

        Raises:
            NotInTime: Nothing truthy within `timeout`.
        """
        with self.watched() as changed:
            try:
                async with asyncio.timeout(timeout):
                    while not (value := seen()):
                        await changed.wait()
                        changed.clear()
                return value
            except TimeoutError:
                raise NotInTime(f"{what} did not come within {timeout:g} s") from None
