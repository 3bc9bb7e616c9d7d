"""Answers of a slow neighbour, remembered for a few seconds; one question in flight per key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

T = TypeVar("T")

#: So many answers are remembered before the old ones are forgotten.
MOST = 1_000

#: How old what we know about people may be: so long may somebody still decide who was just removed.
FRESH_FOR = timedelta(seconds=15)


class Fresh(Generic[T]):
    """Remembers answers by key; an answer's age counts from when it was asked. Errors are not remembered."""

    def __init__(
        self, fetch: Callable[[str], Awaitable[T]], *, max_age: timedelta = FRESH_FOR,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._fetch = fetch
        self._max_age = max_age.total_seconds()
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, T]] = {}
        self._asking: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str) -> T:
        """The answer, asked for now unless it is fresh. Raises what `fetch` raises."""
        known = self._known.get(key)
        if known is not None and self._monotonic() - known[0] < self._max_age:
            return known[1]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: str) -> T:
        asked_at = self._monotonic()
        answer = await self._fetch(key)
        if len(self._known) >= MOST:
            oldest = asked_at - self._max_age
            self._known = {one: known for one, known in self._known.items() if known[0] > oldest}
        self._known[key] = (asked_at, answer)
        return answer
