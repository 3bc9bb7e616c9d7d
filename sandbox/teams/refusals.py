"""How Microsoft's services refuse: error bodies, planned misfortunes, and callers who do not wait."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..faults import Fail, Fault, RateLimited, Status, under_fault
from ..loopback import Json
from ..watching import Violations
from .tenant import STATUS_OF, TeamsError

#: Seconds in which a call may already have been under way when the limit was told.
_ON_ITS_WAY = 0.1


def refusal(error: TeamsError, *, retry_after: int | None = None) -> web.Response:
    """The answer of the Connector for an error.

    Args:
        retry_after: Whole seconds, sent with a 429 only.
    """
    status = STATUS_OF.get(error.code, 500)
    body: Json = {"code": error.code, "message": error.message}
    if error.code == "MessageWritesBlocked":
        inner = {"statusCode": status, "body": {"code": error.code, "message": error.message}}
        body = {"code": "Forbidden", "message": "Forbidden", "innerHttpError": inner}
    limited = status == 429 and retry_after is not None
    headers = {"Retry-After": str(retry_after)} if limited else {}
    return web.json_response({"error": body}, status=status, headers=headers)


async def misfortune(
    fault: Fault | None, request: web.Request, handle: Callable[[], Awaitable[web.Response]]
) -> web.Response:
    """As `under_fault`, with Microsoft's error bodies: `Fail` takes a code of `STATUS_OF`."""
    match fault:
        case RateLimited(retry_after):
            return refusal(TeamsError("TooManyRequests", "API calls quota exceeded"), retry_after=retry_after)
        case Fail(code):
            return refusal(TeamsError(code, "planned fault"))
        case Status(status):
            codes = [code for code, one in STATUS_OF.items() if one == status]
            body = {"error": {"code": codes[0] if codes else "ServiceError", "message": "planned fault"}}
            return web.json_response(body, status=status)
        case _:
            return await under_fault(fault, request, handle)


class Limited:
    """Remembers who was told to wait."""

    def __init__(self, violations: Violations) -> None:
        self._violations = violations
        self._until: dict[tuple[str, str], tuple[float, float]] = {}

    def forget(self) -> None:
        """Every wait is over."""
        self._until.clear()

    def note_impatience(self, call: str, conversation: str) -> None:
        """A call before its Retry-After is over is a violation, unless it was already on its way."""
        limited_at, over_at = self._until.get((call, conversation), (0.0, 0.0))
        now = time.monotonic()
        if limited_at + _ON_ITS_WAY < now < over_at - _ON_ITS_WAY:
            early = f"called {over_at - now:.2f} s before Retry-After was over"
            self._violations.note(f"teams {call}", early)

    def note_answer(self, call: str, conversation: str, answer: web.Response) -> None:
        """A 429 with Retry-After begins a wait."""
        if answer.status == 429 and "Retry-After" in answer.headers:
            now = time.monotonic()
            self._until[call, conversation] = (now, now + float(answer.headers["Retry-After"]))
