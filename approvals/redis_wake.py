"""Waiting for news: one subscription per process says which partitions have work or something to tell.

A message may get lost (Redis publishes at most once), so whoever waits looks everywhere after its timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from redis.exceptions import RedisError

from .connection import open_blocking_redis


class Waker:
    """Says each reader ("work", or a lane) where to look next."""

    def __init__(self, url: str, channel: str, partitions: int) -> None:
        self._redis = open_blocking_redis(url)
        self._channel = channel
        self._everywhere = range(partitions)
        self._pending: defaultdict[str, set[int]] = defaultdict(lambda: set(self._everywhere))
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._task: asyncio.Task[None] | None = None
        self._turn = 0

    def look(self, reader: str) -> list[int]:
        """The partitions this reader has to look at now, each time beginning at another one."""
        self._turn += 1
        turn, count = self._turn, len(self._everywhere)
        found = sorted(self._pending[reader], key=lambda partition: (partition + turn) % count)
        self._pending[reader] = set()
        return found

    def again(self, reader: str, partitions: Iterable[int]) -> None:
        """These were not looked at to the end."""
        self._pending[reader].update(partitions)

    async def wait(self, reader: str, timeout: timedelta) -> None:
        """Return when there is somewhere to look; after `timeout` that is everywhere."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="sayso-wake")
        if self._pending[reader]:
            return
        event = self._events[reader]
        event.clear()
        try:
            # Not wait_for, which on Python 3.11 forgets a cancellation that comes with the news.
            async with asyncio.timeout(timeout.total_seconds()):
                await event.wait()
        except TimeoutError:
            self._pending[reader].update(self._everywhere)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(self._channel)
                    self._news(self._everywhere)  # whatever happened before we listened
                    async for message in channel.listen():
                        if message["type"] == "message":
                            self._news([int(message["data"], 16)])
            except RedisError:
                await asyncio.sleep(0.2)  # the server is away; whoever waits polls meanwhile

    def _news(self, partitions: Iterable[int]) -> None:
        for reader in list(self._pending):
            self._pending[reader].update(partitions)
            self._events[reader].set()

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._redis.aclose()
