"""Send one event to PagerDuty's Events API v2: once per call, in at most ten seconds, never lost for its size.

When to try again is `next_attempt`'s business, and whether to try at all is the caller's: after a resolve no trigger
may follow, since PagerDuty would open a new incident for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import httpx

from .pager import (
    ATTEMPT_LIMIT,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    UNREADABLE_IN_DETAILS,
    Alarm,
    Closing,
    Link,
    Result,
    Severity,
    attempt,
    clean,
    cut,
)
from .pager import base_url as safe_url

MAX_SUMMARY: Final = 1024  # characters
MAX_DEDUP_KEY: Final = 255  # characters
MAX_TEXT: Final = 1024  # characters, ours, for every other text beside the details
MAX_LINKS: Final = 20  # ours
MAX_EVENT: Final = 512_000  # bytes of JSON; the API says 512 KB and we take the smaller reading


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
            if not clean(getattr(self, name)):
                raise ValueError(f"{name} must not be empty")
        if self.at.utcoffset() is None:
            raise ValueError("at needs a time zone")


class PagerDuty:
    """One sender for any number of integrations; makes one attempt per call and keeps no state."""

    def __init__(self, base_url: str, http: httpx.AsyncClient) -> None:
        """Take `base_url` ("https://events.pagerduty.com") and a client that the caller closes.

        Raises:
            ValueError: The address is neither https nor on this machine: the routing key would travel in the clear.
        """
        url = safe_url(base_url)
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
        return await attempt(self._http, self._enqueue, event, who="PagerDuty", secret=routing_key.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyPager:
    """One integration of the settings, as a `Pager`."""

    sender: PagerDuty
    key: RoutingKey

    @property
    def platform(self) -> str:
        return "pagerduty"

    async def trigger(self, alarm: Alarm) -> Result:
        page = Page(
            routing_key=self.key, dedup_key=alarm.key, summary=alarm.summary, severity=alarm.severity,
            source=alarm.source, at=alarm.at, details=alarm.details, links=alarm.links, class_="approval",
            component=alarm.component, group=alarm.group,
        )  # fmt: skip
        return await self.sender.trigger(page)

    async def resolve(self, closing: Closing) -> Result:
        return await self.sender.resolve(self.key, closing.key)


def next_attempt(
    number: int, now: datetime, not_after: datetime, jitter: float, *, after: timedelta = timedelta(0)
) -> datetime | None:
    """When to try again after attempt number `number` (from 1) has failed; None when it is time for the next pager.

    An attempt that starts at the returned time has ended by `not_after`. The pause doubles, plus up to a quarter by
    `jitter` (0 to 1), and is never shorter than `after`; where it would go too far there is one last attempt.
    """
    if number < 1 or not 0 <= jitter <= 1:
        raise ValueError("number counts from 1 and jitter lies between 0 and 1")
    latest = not_after - ATTEMPT_LIMIT
    pause = min(FIRST_PAUSE * (1 << min(number - 1, 16)), LONGEST_PAUSE)
    planned = now + max(pause, after) * (1 + jitter / 4)
    if planned <= latest:
        return planned
    return latest if latest - now >= max(FIRST_PAUSE, after) else None


def encode_trigger(page: Page) -> bytes:
    """The event as it is sent: texts are cut to their limits; details that do not fit and endless links are left out."""
    event = _event("trigger", page.routing_key, page.dedup_key)
    event["client"] = "sayso"
    if page.client_url and len(page.client_url) <= MAX_TEXT:
        event["client_url"] = clean(page.client_url)
    payload: dict[str, object] = {
        "summary": cut(page.summary, MAX_SUMMARY),
        "source": cut(page.source, MAX_TEXT),
        "severity": page.severity.value,
        "timestamp": page.at.isoformat(timespec="milliseconds"),
    }
    for name, text in (("component", page.component), ("group", page.group), ("class", page.class_)):
        if text:
            payload[name] = cut(text, MAX_TEXT)
    event["payload"] = payload
    if links := [link for link in page.links if 0 < len(clean(link.href)) <= MAX_TEXT][:MAX_LINKS]:
        event["links"] = [{"href": clean(link.href), "text": cut(link.text, MAX_TEXT)} for link in links]
    return _with_details(event, payload, page.details)


def _with_details(event: dict[str, object], payload: dict[str, object], details: Mapping[str, str]) -> bytes:
    size = sum(len(name) + len(text) for name, text in details.items())
    if details and size <= MAX_EVENT:  # a character is a byte or more: nothing bigger is worth encoding
        payload["custom_details"] = {
            clean(name): clean(text, UNREADABLE_IN_DETAILS) for name, text in details.items()
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
    key = clean(dedup_key)
    if not key:
        raise ValueError("dedup_key must not be empty")
    if len(key) > MAX_DEDUP_KEY:
        key = "sha256:" + hashlib.sha256(key.encode()).hexdigest()
    return {"routing_key": routing_key.secret, "event_action": action, "dedup_key": key}


def _encode(event: Mapping[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
