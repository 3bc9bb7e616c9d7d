"""The door for Teams' deliveries: size and content type of the raw body, before a transport sees it."""

from __future__ import annotations

import logging

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .auth import Refused
from .port import Dispatch, Posted, Reply, Transport

log = logging.getLogger(__name__)

#: Largest body in bytes; Teams' own payloads stay far below.
LARGEST_BODY = 1_000_000


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
            posted = Posted(authorization=request.headers.get("authorization", ""), body=await _read(request))
        except Refused as no:
            log.info("teams.refused status=%s why=%s", no.status, no)
            return Reply(status=no.status)
        return await self._transport.handle(posted, self._dispatch)


async def _read(request: Request) -> bytes:
    if request.method != "POST":
        raise Refused(405, "no post")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "no JSON")
    stated = request.headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdigit()) or len(stated) > 9 or int(stated) > LARGEST_BODY:
        raise Refused(413, "too large")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise Refused(413, "too large")
    except ClientDisconnect:
        raise Refused(400, "hung up") from None
    return bytes(body)
