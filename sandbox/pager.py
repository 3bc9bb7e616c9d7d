"""A pager that obeys PagerDuty's Events API v2 and its rules for incidents."""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from .faults import Faults, under_fault
from .loopback import Json, LoopbackServer
from .watching import Changes, Violations

T = TypeVar("T")

EVENT_BYTES = 512 * 1024
SEVERITIES = ("critical", "error", "warning", "info")
_KEYS = {
    "routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"
}  # fmt: skip


class IncidentStatus(StrEnum):
    """Where an incident stands."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(slots=True, kw_only=True, eq=False)
class Incident:
    """One incident on somebody's phone.

    Attributes:
        notifications: How often the person on call was woken by it.
        history: Event actions in order of arrival, "trigger" first; a human's are "human acknowledge".
        event: The event that opened it, without its routing key.
    """

    dedup_key: str
    routing_key: str = field(repr=False)
    summary: str
    severity: str
    event: Json
    status: IncidentStatus = IncidentStatus.TRIGGERED
    notifications: int = 1
    history: list[str] = field(default_factory=lambda: ["trigger"])

    @property
    def open(self) -> bool:
        """Not resolved yet."""
        return self.status is not IncidentStatus.RESOLVED


class Pager:
    """`POST /v2/enqueue` on loopback.

    Use `url`, `routing_key`; look at `incidents`, `open_incidents()`, `notifications`, `dropped`, `events`;
    break it with `faults.add(Status(500), times=3)` (or RateLimited, Delay, LostReply, Dropped);
    answer as the person on call with `acknowledge(key)` and `resolve(key)`.
    Everything that PagerDuty answers with 400 or drops unseen for an unknown routing key is a violation.
    """

    def __init__(
        self, *, violations: Violations, changes: Changes, port: int = 0, events_per_minute: int = 120
    ) -> None:
        self.violations = violations
        self.faults = Faults()
        self.routing_key = secrets.token_hex(16)
        self.incidents: list[Incident] = []
        self.events: list[Json] = []
        self.dropped: list[Json] = []
        self._changes = changes
        self._services = {self.routing_key}
        self._allowed = events_per_minute
        self._recent: dict[str, deque[float]] = {}
        app = web.Application(client_max_size=4 * EVENT_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._server = LoopbackServer(app, port=port)

    @property
    def url(self) -> str:
        """Base URL; events go to `{url}/v2/enqueue`."""
        return self._server.url

    @property
    def notifications(self) -> int:
        """How often anybody was woken."""
        return sum(incident.notifications for incident in self.incidents)

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Hang up."""
        await self._server.stop()

    def new_routing_key(self) -> str:
        """The key of one more service."""
        key = secrets.token_hex(16)
        self._services.add(key)
        return key

    def open_incidents(self) -> list[Incident]:
        """Those not resolved."""
        return [incident for incident in self.incidents if incident.open]

    def incident(self, dedup_key: str) -> Incident | None:
        """The newest incident with this key."""
        return next((found for found in reversed(self.incidents) if found.dedup_key == dedup_key), None)

    def acknowledge(self, dedup_key: str) -> Incident:
        """The person on call says they are looking. Raises: LookupError."""
        return self._by_hand(dedup_key, IncidentStatus.ACKNOWLEDGED, "human acknowledge")

    def resolve(self, dedup_key: str) -> Incident:
        """The person on call closes it by hand. Raises: LookupError."""
        return self._by_hand(dedup_key, IncidentStatus.RESOLVED, "human resolve")

    async def until(self, seen: Callable[[], T], *, timeout: float = 10, what: str = "the page") -> T:
        """The first truthy `seen()`. Raises: NotInTime."""
        return await self._changes.until(seen, timeout=timeout, what=what)

    def _by_hand(self, dedup_key: str, status: IncidentStatus, words: str) -> Incident:
        incident = self.incident(dedup_key)
        if incident is None or not incident.open:
            raise LookupError(f"no open incident {dedup_key!r}")
        incident.status = status
        incident.history.append(words)
        self._changes.happened()
        return incident

    async def _answer(self, request: web.Request) -> web.Response:
        if (request.method, request.path) != ("POST", "/v2/enqueue"):
            self.violations.note("pager", f"unexpected call {request.method} {request.path}")
            return web.json_response({"status": "not found"}, status=404)
        fault = self.faults.take(request.path)
        body = await request.read()

        async def handle() -> web.Response:
            return self._enqueue(body)

        answer = await under_fault(fault, request, handle)
        self._changes.happened()
        return answer

    def _enqueue(self, body: bytes) -> web.Response:
        if len(body) > EVENT_BYTES:
            return self._refused(["event is larger than 512 KB"], status=413)
        try:
            event = json.loads(body)
        except ValueError:
            return self._refused(["body is not JSON"])
        problems = problems_of_event(event)
        if problems:
            return self._refused(problems)
        if self._too_many(event["routing_key"]):
            return web.json_response({"status": "throttle exceeded"}, status=429)
        key = event.setdefault("dedup_key", secrets.token_hex(16))
        self._apply(event)
        return web.json_response(
            {"status": "success", "message": "Event processed", "dedup_key": key}, status=202
        )

    def _refused(self, problems: list[str], status: int = 400) -> web.Response:
        self.violations.note("pager", "; ".join(problems))
        answer = {"status": "invalid event", "message": "Event object is invalid", "errors": problems}
        return web.json_response(answer, status=status)

    def _too_many(self, routing_key: str) -> bool:
        now = time.monotonic()
        recent = self._recent.setdefault(routing_key, deque())
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= self._allowed:
            return True
        recent.append(now)
        return False

    def _apply(self, event: Json) -> None:
        routing_key = event["routing_key"]
        shown = {name: value for name, value in event.items() if name != "routing_key"}
        self.events.append(shown)
        if routing_key not in self._services:
            self.violations.note("pager", "event for a routing key of no service; nobody sees it")
            self.dropped.append(shown)
            return
        incident = next(
            (one for one in self.open_incidents()
             if (one.dedup_key, one.routing_key) == (event["dedup_key"], routing_key)), None
        )  # fmt: skip
        action = event["event_action"]
        if incident is not None:
            incident.history.append(action)
            if action != "trigger":
                incident.status = IncidentStatus(f"{action.removesuffix('e')}ed")
        elif action == "trigger":
            self.incidents.append(
                Incident(
                    dedup_key=event["dedup_key"], routing_key=routing_key, event=shown,
                    summary=event["payload"]["summary"], severity=event["payload"]["severity"],
                )
            )  # fmt: skip
        else:
            self.dropped.append(shown)


def problems_of_event(event: object) -> list[str]:
    """What PagerDuty answers 400 for; empty when the event is well formed."""
    if not isinstance(event, dict):
        return ["event is not an object"]
    problems = [f"unknown field {name!r}" for name in sorted(set(event) - _KEYS)]
    if not _is_text(event.get("routing_key"), 32, least=32):
        problems.append("'routing_key' must be 32 characters")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        problems.append("'event_action' must be trigger, acknowledge or resolve")
    if "dedup_key" in event and not _is_text(event["dedup_key"], 255):
        problems.append("'dedup_key' must have 1 to 255 characters")
    if event.get("event_action") == "trigger":
        problems += _problems_of_payload(event.get("payload"))
    elif "dedup_key" not in event:
        problems.append("'dedup_key' is missing")
    for image in event.get("images", []):
        if not str(image.get("src", "")).startswith("https://"):
            problems.append("'images' must be served by https")
    problems += ["'links' need an href" for link in event.get("links", []) if not link.get("href")]
    return problems


def _problems_of_payload(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing"]
    problems = []
    if not _is_text(payload.get("summary"), 1024):
        problems.append("'payload.summary' must have 1 to 1024 characters")
    if not _is_text(payload.get("source"), 4096):
        problems.append("'payload.source' is missing")
    if payload.get("severity") not in SEVERITIES:
        problems.append("'payload.severity' must be critical, error, warning or info")
    return problems


def _is_text(value: object, most: int, *, least: int = 1) -> bool:
    return isinstance(value, str) and least <= len(value) <= most
