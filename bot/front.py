"""The HTTP front door: answers `/livez` from the first moment, `/readyz` and the platforms once the program stands.

It is plain ASGI and imports nothing heavy, so that an orchestrator sees a live process while the rest loads.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
#: What is not ready yet, in words; empty when all is.
Readiness = Callable[[], Awaitable[str]]

SLACK_PATH = "/slack/events"
TEAMS_PATH = "/api/messages"
METRICS_PATH = "/metrics"
#: Everything below belongs to services that start runs.
API_BELOW = "/v1/"
#: Everything below is for people's browsers: signing in to a provider.
CONNECT_BELOW = "/connect/"


class Front:
    """The ASGI application of a bot process."""

    def __init__(self, address: str = "") -> None:
        """Take the `address` it answers at, as people are told it; empty for none."""
        self.address = address
        self._doors: Mapping[str, AsgiApp] = {}
        self._api: AsgiApp | None = None
        self._connect: AsgiApp | None = None
        self._ready: Readiness | None = None

    def open(
        self, doors: Mapping[str, AsgiApp], *, ready: Readiness, api: AsgiApp | None = None,
        connect: AsgiApp | None = None, metrics: AsgiApp | None = None,
    ) -> None:  # fmt: skip
        """From now on requests reach the program: each platform's at its path, those of services if there is an `api`,
        those of people who sign in to a provider if there is a `connect`, and whoever watches if there are `metrics`.
        """
        self._connect = connect
        self._doors = {**doors, METRICS_PATH: metrics} if metrics else doors
        self._api = api
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()  # its connect
            await send({"type": "websocket.close"})  # answered with 403
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path in self._doors:
            await self._doors[path](scope, receive, send)
        elif self._api is not None and path.startswith(API_BELOW):
            await self._api(scope, receive, send)
        elif self._connect is not None and path.startswith(CONNECT_BELOW):
            await self._connect(scope, receive, send)
        elif self._ready is None and (
            path in (SLACK_PATH, TEAMS_PATH) or path.startswith((API_BELOW, CONNECT_BELOW))
        ):
            await _answer(send, 503, {"status": "starting"}, {"retry-after": "1"})
        elif path not in ("/livez", "/readyz"):
            await _answer(send, 404, {"error": "There is nothing here."})
        elif method not in ("GET", "HEAD"):
            await _answer(send, 405, {"error": "Only GET is answered here."}, {"allow": "GET, HEAD"})
        elif path == "/livez":
            await _answer(send, 200, {"status": "alive"})
        else:
            await self._readiness(send)

    async def _readiness(self, send: Send) -> None:
        if self._ready is None:
            await _answer(send, 503, {"status": "starting"}, {"retry-after": "1"})
        elif problem := await self._ready():
            await _answer(send, 503, {"status": "not ready", "problem": problem}, {"retry-after": "1"})
        else:
            await _answer(send, 200, {"status": "ready"})


async def _answer(send: Send, status: int, body: Mapping[str, str], headers: Mapping[str, str] = {}) -> None:
    raw = json.dumps(body).encode()
    named = {"content-type": "application/json", "content-length": str(len(raw)), **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
    )
    await send({"type": "http.response.body", "body": raw})
