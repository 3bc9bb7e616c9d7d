"""The door for Teams' deliveries: size and content type of the raw body, before a transport sees it."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..body import Unreadable, body_of
from .port import Dispatch, Posted, Reply, Transport

log = logging.getLogger(__name__)


class TeamsDoor:
    """An ASGI application: reads each delivery, lets the transport judge it, and sends the answer."""

    def __init__(self, transport: Transport, dispatch: Dispatch) -> None:
        self._transport = transport
        self._dispatch = dispatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        reply = await self._answer(Request(scope, receive))
        kind = "application/json" if reply.body else None
        await Response(reply.body, status_code=reply.status, media_type=kind)(scope, receive, send)

    async def _answer(self, request: Request) -> Reply:
        try:
            body = await body_of(request, kind="application/json")
        except Unreadable as no:
            log.info("teams.refused status=%s why=%s", no.status, no)
            return Reply(status=no.status)
        posted = Posted(authorization=request.headers.get("authorization", ""), body=body)
        return await self._transport.handle(posted, self._dispatch)
