"""The API's door, an ASGI application: who calls, which call it is, and the answer; one table holds every call."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...approvals.errors import StoreDown
from .keys import Keys, Service
from .problems import Problem

log = logging.getLogger(__name__)

DESCRIPTION = "/v1/openapi.json"

#: (who calls, the call, the parts of its path) -> status and what is answered.
Handler = Callable[[Service, Request, Mapping[str, str]], Awaitable[tuple[int, BaseModel]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One thing that can be asked for.

    Attributes:
        path: With its variable parts in braces, as OpenAPI writes it.
        says: What it takes as its body; None when it takes none.
        asks: What it takes behind the question mark; None when it looks at nothing there.
        answers: Status -> what that means.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[BaseModel]
    answers: Mapping[int, str]
    says: type[BaseModel] | None = None
    asks: type[BaseModel] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def parts(self, path: str) -> Mapping[str, str] | None:
        """The variable parts of a path; None when it is another call's."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None


class Door:
    """Answers every path below `/v1/`."""

    def __init__(self, keys: Keys, calls: Sequence[Call], description: bytes) -> None:
        self._keys = keys
        self._calls = calls
        self._description = description

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; what goes wrong is a problem in one sentence."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Problem as problem:
            response = problem.response
        except StoreDown:
            words = "The store cannot be reached; the call may have been done. Please repeat it."
            response = Problem(503, words, {"retry-after": "1"}).response
        except Exception as error:  # noqa: BLE001 the outermost edge
            log.error("api.failed", extra=_where(error))  # noqa: TRY400 a trace may quote what was said
            response = Problem(500, "Something went wrong here; the call may have been done.").response
        response.headers["cache-control"] = "no-store"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path, method = str(request.scope["path"]), request.method
        if path == DESCRIPTION and method in ("GET", "HEAD"):
            return Response(self._description, media_type="application/json")
        service = self._keys.whose(request.headers.get("authorization", ""))
        if service is None:
            raise Problem(
                401, "Send a key of yours as Authorization: Bearer.", {"www-authenticate": "Bearer"}
            )
        found = [(call, parts) for call in self._calls if (parts := call.parts(path)) is not None]
        if not found:
            raise Problem(404, "There is nothing here.")
        for call, parts in found:
            if call.method == method:
                status, body = await call.handler(service, request, parts)
                return Response(body.model_dump_json(), status_code=status, media_type="application/json")
        allowed = ", ".join(sorted({call.method for call, _ in found}))
        raise Problem(405, f"Only {allowed} is answered here.", {"allow": allowed})


def _where(error: BaseException) -> dict[str, str]:
    """Type and place; its words may quote what somebody sent, and `agent.faults` would load the agents' libraries."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-5:])
    at = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return {"error": type(error).__name__, "at": at}
