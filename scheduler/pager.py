"""The port to whatever wakes people: what is sent, what may come back, and one attempt over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import httpx

from ..approvals.looks import withheld

#: A whole attempt, from name look-up to the last byte of the answer.
ATTEMPT_LIMIT: Final = timedelta(seconds=10)

#: The first pause between two attempts; each further one is twice as long, up to the longest.
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)

#: What "429" means when the answer does not say how long; PagerDuty's own advice for events.
PAUSE_WHEN_TOLD_TO_SLOW_DOWN: Final = timedelta(seconds=30)

#: Connecting ends well before the whole attempt does, so that "it never left" can be told from "answer lost".
_PHASES: Final = httpx.Timeout(ATTEMPT_LIMIT.total_seconds(), connect=5.0, pool=5.0)

#: Control, zero-width and direction characters: JSON readers or people's eyes stumble over them.
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
UNREADABLE_IN_DETAILS: Final = re.compile(_UNREADABLE.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))


class Severity(StrEnum):
    """How bad it is, in PagerDuty's words."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Something to open from the page: an address and the words to click on."""

    href: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What the person on call is woken up with, whoever wakes them.

    Attributes:
        key: What it is about; the same one again adds to it and wakes nobody twice.
        summary: One sentence that makes sense at 3 a.m.
        source: What asks.
        at: Since when people are needed, with a time zone; the same for each attempt of one page.
        component, group: The tool and the route.
        details: Words to read.
    """

    key: str
    summary: str
    severity: Severity
    source: str
    at: datetime
    component: str = ""
    group: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What takes a page back.

    Attributes:
        key, began: `key` and `at` of the alarm.
        count: Which closing of this page it is, from 0; a later one is no repetition of an earlier one.
        at: Now, with a time zone.
    """

    key: str
    began: datetime
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The pager has it; people are paged soon after."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The pager will never take this; `reason` is for operators and holds no secret."""

    reason: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Not accepted, as far as the answer says; try again, but not before `after` (zero: as you like)."""

    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost: it may have been accepted. The same may be sent again."""


Result = Accepted | Refused | RetryLater | Unknown


class Pager(Protocol):
    """One pager of the settings. Each verb makes one attempt and never raises for what the other side does."""

    @property
    def platform(self) -> str:
        """What it is, like "pagerduty"; a page remembers who has it."""
        ...

    async def trigger(self, alarm: Alarm) -> Result:
        """Wake somebody, or add to what woke them already."""
        ...

    async def resolve(self, closing: Closing) -> Result:
        """Nobody is needed any more; harmless where nothing is open."""
        ...


async def attempt(
    http: httpx.AsyncClient, url: httpx.URL, body: bytes, *, who: str, secret: str, headers: Mapping[str, str] | None = None
) -> Result:  # fmt: skip
    """Send once, without following redirects; `secret` is left out of what an answer echoes."""
    try:
        async with asyncio.timeout(ATTEMPT_LIMIT.total_seconds()):
            answer = await http.post(
                url, content=body, headers={"Content-Type": "application/json", **(headers or {})},
                follow_redirects=False, timeout=_PHASES,
            )  # fmt: skip
    except httpx.UnsupportedProtocol as error:  # its address is one that nothing may be sent to
        return Refused(str(error))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError):
        return RetryLater()  # it never left
    except (httpx.RequestError, TimeoutError):
        return Unknown()
    return _read_answer(answer, who, secret)


def base_url(url: str, *, private: bool = False) -> httpx.URL:
    """An address that a secret may travel to. Raises: ValueError, when it would travel in the clear."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"the pager's address is no address: {error}") from error
    in_clear = found.scheme == "http" and (private or found.host in {"127.0.0.1", "::1", "localhost"})
    if not found.host or (found.scheme != "https" and not in_clear):
        raise ValueError("the pager's address must begin with https:// (http:// only on this machine)")
    return found


def clean(text: str, unreadable: re.Pattern[str] = _UNREADABLE) -> str:
    """Without tokens and what a strict JSON reader refuses, lone surrogates among it: a page is not lost for them."""
    return unreadable.sub(" ", withheld(text.encode("utf-8", "replace").decode())).strip()


def cut(text: str, limit: int) -> str:
    """Cleaned, and at most `limit` characters."""
    said = clean(text)
    return said if len(said) <= limit else said[: limit - 3] + "..."


def _read_answer(answer: httpx.Response, who: str, secret: str) -> Result:
    status = answer.status_code
    if answer.is_success:
        return Accepted()
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RetryLater(_retry_after(answer.headers.get("Retry-After", "")))
    if status == httpx.codes.REQUEST_TIMEOUT or answer.is_server_error:
        return RetryLater()
    # An answer may echo what was sent, the secret with it.
    said = cut(answer.text.replace(secret, "...") if secret else answer.text, 300)
    return Refused(f"{who} answered {status}: {said}" if said else f"{who} answered {status}")


def _retry_after(seconds: str) -> timedelta:
    if seconds.isascii() and seconds.isdecimal() and len(seconds) <= 4:  # longer than hours is no instruction
        return timedelta(seconds=int(seconds))
    return PAUSE_WHEN_TOLD_TO_SLOW_DOWN
