"""An event loop on a thread of its own, for what must go on while the program's own loop is blocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class OwnThread:
    """Runs coroutines between `start` and `stop`.

    Args:
        name: Of the thread, for stack dumps.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def start(self) -> None:
        """Start the thread."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name=self._name, daemon=True)
        self._running = loop, thread
        thread.start()

    def stop(self) -> None:
        """End the thread; whatever is still running on it is gone."""
        if self._running is None:
            return
        loop, thread = self._running
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        self._running = None

    async def run(self, action: Coroutine[Any, Any, T]) -> T:
        """Do it there and wait for it here, on whichever loop this is."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(action, self._loop()))

    def wait(self, action: Coroutine[Any, Any, T], *, timeout: float) -> T:
        """Do it there and block until it is done.

        Args:
            timeout: Seconds; then TimeoutError.
        """
        under_way = asyncio.run_coroutine_threadsafe(action, self._loop())
        try:
            return under_way.result(timeout)
        finally:
            under_way.cancel()

    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._running is not None, "start() comes first"
        return self._running[0]
