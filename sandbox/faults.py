"""What can be made to go wrong on purpose, and the queue of such plans each stand-in consults first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

#: For `times`: until `clear()`.
FOREVER = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with the platform's own error word (Slack: `{"ok": false, "error": ...}`, Teams: its code); no effect."""

    error: str


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with this HTTP status; no effect."""

    code: int


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Answer 429; no effect. A call that comes before the wait is over is a violation (Slack).

    Attributes:
        retry_after: Whole seconds in the `Retry-After` header; None sends no header (PagerDuty).
    """

    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class LostReply:
    """Apply the effect, then drop the connection: the caller cannot know."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Drop the connection without any effect."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer rightly, but only after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ignored:
    """Answer as if it had worked, without any effect: what was sent is lost and nobody says so."""


Fault = Fail | Status | RateLimited | LostReply | Dropped | Delay | Ignored


@dataclass(slots=True)
class _Plan:
    fault: Fault
    on: str
    left: int


class Faults:
    """Plans are used up in the order in which they were made, one per matching call."""

    def __init__(self) -> None:
        self._plans: list[_Plan] = []

    def add(self, fault: Fault, *, on: str = "*", times: int = 1) -> None:
        """The next `times` calls of `on` (a Slack method, a path; `*` is any) meet `fault`."""
        self._plans.append(_Plan(fault, on, times))

    def clear(self) -> None:
        """Everything works again."""
        self._plans.clear()

    def take(self, call: str) -> Fault | None:
        """Use up one plan for `call`."""
        for plan in self._plans:
            if plan.on in ("*", call):
                plan.left -= 1
                if plan.left <= 0:
                    self._plans.remove(plan)
                return plan.fault
        return None


async def under_fault(
    fault: Fault | None, request: web.Request, handle: Callable[[], Awaitable[web.Response]]
) -> web.Response:
    """Answer `request` by `handle`, or as `fault` says."""
    match fault:
        case None:
            return await handle()
        case Delay(seconds):
            await asyncio.sleep(seconds)
            return await handle()
        case LostReply():
            await handle()
            return _hung_up(request)
        case Dropped():
            return _hung_up(request)
        case RateLimited(retry_after):
            headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        case Status(code):
            return web.Response(status=code, text="planned fault")
        case Ignored():
            return web.json_response({"ok": True})
        case Fail(error):
            return web.json_response({"ok": False, "error": error})


def _hung_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
