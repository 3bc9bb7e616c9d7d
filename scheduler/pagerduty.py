"""Send one event to PagerDuty's Events API v2: once per call, in at most ten seconds, never lost for its size.

When to try again is `next_attempt`'s business, and whether to try at all is the caller's: after a resolve no trigger
may follow, since PagerDuty would open a new incident for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import httpx

from ..approvals.looks import withheld

#: A whole attempt, from name look-up to the last byte of the answer.
ATTEMPT_LIMIT: Final = timedelta(seconds=10)

#: The first pause between two attempts; each further one is twice as long, up to the longest.
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)

#: What "429" means when the answer does not say how long; PagerDuty's own advice for events.
PAUSE_WHEN_TOLD_TO_SLOW_DOWN: Final = timedelta(seconds=30)

MAX_SUMMARY: Final = 1024  # characters
MAX_DEDUP_KEY: Final = 255  # characters
MAX_TEXT: Final = 1024  # characters, ours, for every other text beside the details
MAX_LINKS: Final = 20  # ours
MAX_EVENT: Final = 512_000  # bytes of JSON; the API says 512 KB and we take the smaller reading


#: Connecting ends well before the whole attempt does, so that "the event never left" can be told from "answer lost".
_PHASES: Final = httpx.Timeout(ATTEMPT_LIMIT.total_seconds(), connect=5.0, pool=5.0)

#: Control, zero-width and direction characters: JSON readers or people's eyes stumble over them.
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_UNREADABLE_IN_DETAILS: Final = re.compile(_UNREADABLE.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))


class Severity(StrEnum):
    """How bad it is; the only words that PagerDuty takes."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class RoutingKey:
    """The secret of one PagerDuty integration; shown by neither `repr` nor `str`."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[!-~]{32}", self.secret):
            raise ValueError("a PagerDuty routing key has 32 characters, none of them a space")

    def __str__(self) -> str:
        return "RoutingKey(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Something to open from the incident: an address and the words to click on."""

    href: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the person on call is woken up with.

    Attributes:
        routing_key: Which integration; acknowledge and resolve must be sent with the same one.
        dedup_key: The incident; a trigger repeated with it is no second incident. Above 255 characters its hash is sent.
        summary: One sentence that makes sense at 3 a.m.; not empty; cut at 1024 characters.
        source: What asks ("sayso/prod"); not empty.
        component, group, class_: For PagerDuty's event rules; empty when there is none.
        details: Words to read; left out, with a note, when the event would be too big.
        client_url: https address of the request; empty when there is none.
        at: When it became necessary; with a time zone.
    """

    routing_key: RoutingKey
    dedup_key: str
    summary: str
    severity: Severity
    source: str
    at: datetime
    component: str = ""
    group: str = ""
    class_: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[Link] = ()
    client_url: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.severity, Severity):
            raise TypeError(f"severity must be one of {', '.join(Severity)}, as a Severity")
        for name in ("dedup_key", "summary", "source"):
            if not _clean(getattr(self, name)):
                raise ValueError(f"{name} must not be empty")
        if self.at.utcoffset() is None:
            raise ValueError("at needs a time zone")


@dataclass(frozen=True, slots=True)
class Accepted:
    """PagerDuty has the event; people are paged soon after."""


@dataclass(frozen=True, slots=True)
class Refused:
    """PagerDuty will never take this event; `reason` is for operators and holds no routing key."""

    reason: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Not accepted, as far as the answer says; try again, but not before `after` (zero: as you like)."""

    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost: the event may have been accepted. The same event may be sent again."""


Result = Accepted | Refused | RetryLater | Unknown


class PagerDuty:
    """One sender for any number of integrations; makes one attempt per call and keeps no state."""

    def __init__(self, base_url: str, http: httpx.AsyncClient) -> None:
        """Take `base_url` ("https://events.pagerduty.com") and a client that the caller closes.

        Raises:
            ValueError: The address is neither https nor on this machine: the routing key would travel in the clear.
        """
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise ValueError(f"the pager's address is no address: {error}") from error
        if not url.host or (url.scheme != "https" and not _on_this_machine(url)):
            raise ValueError("the pager's address must begin with https:// (http:// only on this machine)")
        self._enqueue = url.copy_with(path=url.path.rstrip("/") + "/v2/enqueue")
        self._http = http

    async def trigger(self, page: Page) -> Result:
        """Open the incident, or add to it while it is open."""
        return await self._send(page.routing_key, encode_trigger(page))

    async def acknowledge(self, routing_key: RoutingKey, dedup_key: str) -> Result:
        """Say that somebody is looking; does nothing where no incident is open."""
        return await self._send(routing_key, _encode_follow_up("acknowledge", routing_key, dedup_key))

    async def resolve(self, routing_key: RoutingKey, dedup_key: str) -> Result:
        """Close the incident; does nothing where none is open."""
        return await self._send(routing_key, _encode_follow_up("resolve", routing_key, dedup_key))

    async def _send(self, routing_key: RoutingKey, event: bytes) -> Result:
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT.total_seconds()):
                answer = await self._http.post(
                    self._enqueue,
                    content=event,
                    headers={"Content-Type": "application/json"},
                    follow_redirects=False,
                    timeout=_PHASES,
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError):
            return RetryLater()  # the event never left
        except (httpx.RequestError, TimeoutError):
            return Unknown()
        return _read_answer(answer, routing_key)


def next_attempt(
    attempt: int, now: datetime, not_after: datetime, jitter: float, *, after: timedelta = timedelta(0)
) -> datetime | None:
    """When to try again after attempt number `attempt` (from 1) has failed; None when it is time for the next pager.

    An attempt that starts at the returned time has ended by `not_after`. The pause doubles, plus up to a quarter by
    `jitter` (0 to 1), and is never shorter than `after`; where it would go too far there is one last attempt.
    """
    if attempt < 1 or not 0 <= jitter <= 1:
        raise ValueError("attempt counts from 1 and jitter lies between 0 and 1")
    latest = not_after - ATTEMPT_LIMIT
    pause = min(FIRST_PAUSE * (1 << min(attempt - 1, 16)), LONGEST_PAUSE)
    planned = now + max(pause, after) * (1 + jitter / 4)
    if planned <= latest:
        return planned
    return latest if latest - now >= max(FIRST_PAUSE, after) else None


def encode_trigger(page: Page) -> bytes:
    """The event as it is sent: texts are cut to their limits; details that do not fit and endless links are left out."""
    event = _event("trigger", page.routing_key, page.dedup_key)
    event["client"] = "sayso"
    if page.client_url and len(page.client_url) <= MAX_TEXT:
        event["client_url"] = _clean(page.client_url)
    payload: dict[str, object] = {
        "summary": _cut(page.summary, MAX_SUMMARY),
        "source": _cut(page.source, MAX_TEXT),
        "severity": page.severity.value,
        "timestamp": page.at.isoformat(timespec="milliseconds"),
    }
    for name, text in (("component", page.component), ("group", page.group), ("class", page.class_)):
        if text:
            payload[name] = _cut(text, MAX_TEXT)
    event["payload"] = payload
    if links := [link for link in page.links if 0 < len(_clean(link.href)) <= MAX_TEXT][:MAX_LINKS]:
        event["links"] = [{"href": _clean(link.href), "text": _cut(link.text, MAX_TEXT)} for link in links]
    return _with_details(event, payload, page.details)


def _with_details(event: dict[str, object], payload: dict[str, object], details: Mapping[str, str]) -> bytes:
    size = sum(len(name) + len(text) for name, text in details.items())
    if details and size <= MAX_EVENT:  # a character is a byte or more: nothing bigger is worth encoding
        payload["custom_details"] = {
            _clean(name): _clean(text, _UNREADABLE_IN_DETAILS) for name, text in details.items()
        }
        encoded = _encode(event)
        if len(encoded) <= MAX_EVENT:
            return encoded
    if details:
        note = f"Details left out: {size:,} characters are more than PagerDuty takes."
        payload["custom_details"] = {"note": note}
    return _encode(event)


def _encode_follow_up(action: str, routing_key: RoutingKey, dedup_key: str) -> bytes:
    return _encode(_event(action, routing_key, dedup_key))


def _event(action: str, routing_key: RoutingKey, dedup_key: str) -> dict[str, object]:
    key = _clean(dedup_key)
    if not key:
        raise ValueError("dedup_key must not be empty")
    if len(key) > MAX_DEDUP_KEY:
        key = "sha256:" + hashlib.sha256(key.encode()).hexdigest()
    return {"routing_key": routing_key.secret, "event_action": action, "dedup_key": key}


def _encode(event: Mapping[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _read_answer(answer: httpx.Response, routing_key: RoutingKey) -> Result:
    status = answer.status_code
    if answer.is_success:
        return Accepted()
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RetryLater(_retry_after(answer.headers.get("Retry-After", "")))
    if status == httpx.codes.REQUEST_TIMEOUT or answer.is_server_error:
        return RetryLater()
    # An answer may echo the event, and the first thing in it is the key.
    said = _cut(answer.text.replace(routing_key.secret, "..."), 300)
    return Refused(f"PagerDuty answered {status}: {said}" if said else f"PagerDuty answered {status}")


def _retry_after(seconds: str) -> timedelta:
    if seconds.isascii() and seconds.isdecimal() and len(seconds) <= 4:  # longer than hours is no instruction
        return timedelta(seconds=int(seconds))
    return PAUSE_WHEN_TOLD_TO_SLOW_DOWN


def _on_this_machine(url: httpx.URL) -> bool:
    return url.scheme == "http" and url.host in {"127.0.0.1", "::1", "localhost"}


def _clean(text: str, unreadable: re.Pattern[str] = _UNREADABLE) -> str:
    """Without tokens and what a strict JSON reader refuses, lone surrogates among it: a page is not lost for them."""
    return unreadable.sub(" ", withheld(text.encode("utf-8", "replace").decode())).strip()


def _cut(text: str, limit: int) -> str:
    clean = _clean(text)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
