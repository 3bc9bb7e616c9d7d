"""One open tab: the whole state at once, and again after every change, as server-sent events."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..loopback import Json
from ..watching import Changes

log = logging.getLogger(__name__)

#: Seconds between two states at least; what changes meanwhile is in the next one.
PACE = 1 / 15
#: Seconds of silence after which a comment shows that the line still stands.
HEARTBEAT = 10.0

_versions = itertools.count(1)


class Tabs:
    """Every open tab of one page; `open` counts them."""

    def __init__(self, changes: Changes) -> None:
        self.open = 0
        self._changes = changes

    async def serve(self, request: web.Request, look: Callable[[], Awaitable[Json]]) -> web.StreamResponse:
        """Send what `look` sees until the tab goes away or the page closes.

        A slow reader holds up nobody: the next state is made only when the one before has left.
        """
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        self.open += 1
        try:
            with self._changes.watched() as changed:
                await self._send(response, changed, look)
        except ConnectionError:
            return response  # the tab went away: there is nobody left to tell
        except Exception:
            # An answer has begun, so no other can be given: the tab has to notice, and asks again.
            log.exception("page.stream_broke")
            if request.transport is not None:
                request.transport.close()
        finally:
            self.open -= 1
        return response

    async def _send(
        self, response: web.StreamResponse, changed: asyncio.Event, look: Callable[[], Awaitable[Json]]
    ) -> None:
        await response.write(b"retry: 1000\n\n")
        last = ""
        while True:
            changed.clear()
            state = wire(await look())
            if state != last:
                last = state
                await response.write(f'data: {{"version":{next(_versions)},{state[1:]}\n\n'.encode())
                await asyncio.sleep(PACE)
            while not await _set_within(changed, HEARTBEAT):
                await response.write(b": still here\n\n")


def wire(state: Json) -> str:
    """As JSON that every browser reads: ASCII, and null for numbers that JSON does not know."""
    try:
        return json.dumps(state, separators=(",", ":"), allow_nan=False)
    except ValueError:  # somebody's card holds NaN or Infinity
        return json.dumps(json.loads(json.dumps(state), parse_constant=lambda _: None), separators=(",", ":"))


async def _set_within(changed: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
