"""Socket Mode: the app opens WebSockets, Slack sends envelopes down them and waits for each acknowledgement."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from ..faults import Faults, under_fault
from ..loopback import Json
from ..watching import Changes, Violations
from .places import APP_ID

#: How many connections of one app Slack keeps at once.
MOST_LINKS = 10

OPEN = "apps.connections.open"

_TALK = "slack socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketTimes:
    """Slack's patience with connections, in seconds; tests make it short.

    Attributes:
        ping: Slack pings this often, and hangs up without a pong within half of it.
        refresh: So long after it was told to leave a connection is closed.
        ticket: The address of a connection is good for so long, once.
    """

    ping: float = 10.0
    refresh: float = 10.0
    ticket: float = 30.0


class NoLink(ConnectionError):
    """No connection stands, or the one that was used broke before the acknowledgement."""


@dataclass(eq=False, slots=True, kw_only=True)
class Link:
    """One connection, live or past.

    Attributes:
        opened, closed: Monotonic seconds; `closed` is None while it stands.
        code: The close code that ended it; None for none.
        frozen: Half-open: it stands, but nothing that the app sends is heard or answered.
        leaving: The app was told that it ends soon.
        carried: Envelopes it brought.
    """

    socket: web.WebSocketResponse = field(repr=False)
    transport: asyncio.Transport | None = field(repr=False)
    opened: float
    closed: float | None = None
    code: int | None = None
    frozen: bool = False
    leaving: bool = False
    carried: int = 0
    waiting: dict[str, asyncio.Future[str]] = field(default_factory=dict, repr=False)

    @property
    def live(self) -> bool:
        """It stands, as far as Slack knows."""
        return self.closed is None


class Links:
    """The app's connections. Faults on "apps.connections.open" meet whoever asks for one.

    Attributes:
        enabled: Socket Mode is switched on in the app's settings: everything goes this way and nothing over HTTP.
        app_token: The app-level token ("xapp-…").
        asked: How often a connection was asked for.
        history: Every connection so far, oldest first.
    """

    def __init__(self, *, ack: float, faults: Faults, violations: Violations, changes: Changes) -> None:
        """Take `ack`, the seconds within which an envelope has to be acknowledged."""
        self.enabled = False
        self.app_token = f"xapp-1-{APP_ID}-{secrets.token_hex(16)}"
        self.times = SocketTimes()
        self.asked = 0
        self.history: list[Link] = []
        self._ack = ack
        self._faults = faults
        self._violations = violations
        self._changes = changes
        self._tickets: dict[str, float] = {}
        self._sent: dict[str, bool] = {}
        self._closings: set[asyncio.Task[None]] = set()

    @property
    def live(self) -> list[Link]:
        """Those that stand, oldest first."""
        return [link for link in self.history if link.live]

    def join(self, app: web.Application) -> None:
        """Answer on this server too."""
        app.router.add_post(f"/api/{OPEN}", self._open)
        app.router.add_get("/link", self._link)

    async def stop(self) -> None:
        """Hang up on everybody."""
        for task in self._closings:
            task.cancel()
        await asyncio.gather(*self._closings, return_exceptions=True)
        for link in self.live:
            await link.socket.close(code=WSCloseCode.GOING_AWAY)

    # ---- delivering

    async def deliver(self, envelope: Json) -> str:
        """Bring an envelope down one connection; the payload of its acknowledgement as JSON, or nothing.

        Raises: NoLink, TimeoutError.
        """
        standing = self.live
        if not standing:
            raise NoLink
        staying = [link for link in standing if not link.leaving] or standing
        link, id = min(staying, key=lambda one: one.carried), str(envelope["envelope_id"])
        link.carried += 1
        acknowledged: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        link.waiting[id] = acknowledged
        self._sent[id] = bool(envelope["accepts_response_payload"])
        try:
            async with asyncio.timeout(self._ack):
                await link.socket.send_json(envelope)
                return await acknowledged
        except TimeoutError:
            raise
        except ConnectionError as error:
            raise NoLink from error
        finally:
            link.waiting.pop(id, None)

    # ---- what can go wrong

    async def refresh(self, *, reason: str = "refresh_requested") -> None:
        """Tell every connection to leave, and close it a little later ("warning" and "link_disabled" too)."""
        for link in self.live:
            await self._tell_to_leave(link, reason)

    async def close(self, *, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Close every connection without a warning."""
        for link in self.live:
            await link.socket.close(code=code)

    def drop(self) -> None:
        """Cut every connection off, without a goodbye."""
        for link in self.live:
            if link.transport is not None:
                link.transport.abort()

    def freeze(self) -> None:
        """Every connection is half-open from now on: it looks well, and nothing comes of it."""
        for link in self.live:
            link.frozen = True

    # ---- one connection

    async def _open(self, request: web.Request) -> web.Response:
        self.asked += 1

        async def handle() -> web.Response:
            return web.json_response(self._opened(request))

        try:
            return await under_fault(self._faults.take(OPEN), request, handle)
        finally:
            self._changes.happened()

    def _opened(self, request: web.Request) -> Json:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token != self.app_token:
            kind = {"": "not_authed", "xoxb": "not_allowed_token_type", "xoxp": "not_allowed_token_type"}
            error = kind.get(token.partition("-")[0], "invalid_auth")
            self._violations.note(f"slack {OPEN}", error)
            return {"ok": False, "error": error}
        ticket = secrets.token_urlsafe(16)
        self._tickets[ticket] = time.monotonic()
        return {"ok": True, "url": f"ws://{request.host}/link?ticket={ticket}&app_id={APP_ID}"}

    async def _link(self, request: web.Request) -> web.StreamResponse:
        made = self._tickets.pop(request.query.get("ticket", ""), None)
        if made is None or time.monotonic() - made > self.times.ticket:
            self._violations.note(_TALK, "an address of a connection was used twice, too late, or made up")
            return web.Response(status=403)
        socket = web.WebSocketResponse(autoping=False, heartbeat=self.times.ping)
        await socket.prepare(request)
        if reason := self._unwelcome():
            await socket.send_json(_disconnect(reason))
            await socket.close(code=WSCloseCode.POLICY_VIOLATION)
            return socket
        link = Link(socket=socket, transport=request.transport, opened=time.monotonic())
        self.history.append(link)
        await socket.send_json(self._hello())
        self._changes.happened()
        try:
            await self._listen(link)
        finally:
            link.closed, link.code = time.monotonic(), socket.close_code
            for acknowledged in link.waiting.values():
                if not acknowledged.done():
                    acknowledged.set_exception(NoLink())
            self._changes.happened()
        return socket

    def _unwelcome(self) -> str:
        if not self.enabled:
            return "link_disabled"
        return "too_many_websockets" if len(self.live) >= MOST_LINKS else ""

    def _hello(self) -> Json:
        about = {"host": "applink-1", "build_number": 1, "approximate_connection_time": 18060}
        return {
            "type": "hello", "num_connections": len(self.live), "connection_info": {"app_id": APP_ID},
            "debug_info": about,
        }  # fmt: skip

    async def _listen(self, link: Link) -> None:
        async for frame in link.socket:
            if link.frozen:
                continue
            if frame.type is WSMsgType.PING:
                await link.socket.pong(frame.data)
            elif frame.type is WSMsgType.TEXT:
                self._acknowledged(link, frame.data)
            elif frame.type is WSMsgType.BINARY:
                self._violations.note(_TALK, "a binary frame")

    def _acknowledged(self, link: Link, text: str) -> None:
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict) or not {"envelope_id"} <= set(said) <= {"envelope_id", "payload"}:
            self._violations.note(_TALK, "what the app sent is no acknowledgement")
            return
        id, payload = str(said["envelope_id"]), said.get("payload")
        if id not in self._sent:
            self._violations.note(_TALK, "an acknowledgement of an envelope that was never sent")
        elif payload is not None and not self._sent[id]:
            self._violations.note(_TALK, "a payload in answer to an envelope that takes none")
        elif id not in link.waiting:
            if any(id in other.waiting for other in self.history):
                self._violations.note(_TALK, "an acknowledgement through another connection")
        elif not link.waiting[id].done():
            link.waiting[id].set_result("" if payload is None else json.dumps(payload))

    async def _tell_to_leave(self, link: Link, reason: str) -> None:
        link.leaving = True
        await link.socket.send_json(_disconnect(reason))

        async def close_later() -> None:
            await asyncio.sleep(self.times.refresh)
            await link.socket.close()

        task = asyncio.get_running_loop().create_task(close_later())
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)


def envelope(kind: str, payload: Json, *, retry: int = 0, reason: str = "") -> Json:
    """What carries an interaction or an event; only a submission may be answered with more than its id.

    Args:
        kind: "interactive" or "events_api".
        retry: How often it was delivered before; with `reason`, for events.
    """
    made: Json = {
        "envelope_id": secrets.token_hex(16), "payload": payload, "type": kind,
        "accepts_response_payload": payload["type"] == "view_submission",
    }  # fmt: skip
    return made if kind != "events_api" else {**made, "retry_attempt": retry, "retry_reason": reason}


def _disconnect(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}
