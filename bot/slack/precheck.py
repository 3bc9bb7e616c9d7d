"""The door in front of Bolt: size, content type, age and signature of the raw body, before anything is parsed.

What comes down a socket is vouched for by the connection; `unwrapped` only looks whether it is well formed.

Bolt parses before it verifies and answers 500 to a malformed time stamp (measured); nothing hostile gets that far.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from ..body import Unreadable, body_of, kind_of

log = logging.getLogger(__name__)

#: How far a request's time stamp may be off, in seconds, both ways (Slack's own rule).
LARGEST_SKEW = 300

#: Under which key Bolt's context carries a delivery's token; "token" there is Bolt's own word for the bot's secret.
DELIVERY = "sayso_delivery"

_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


class Refused(Exception):
    """A request that did not come from Slack, or says nothing we understand.

    Attributes:
        status: HTTP status; the words tell an outsider nothing.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An authentic request of Slack.

    Attributes:
        body: As it was signed.
        token: Makes the transition behind it happen once: the event's id, which survives Slack's retries, or the
            signature, which is the same only for the same bytes again (see `unwrapped` for sockets).
    """

    body: str
    headers: Mapping[str, str]
    token: str


#: Hands an authentic delivery on; Bolt's dispatch.
Inside = Callable[[Delivery], Awaitable[Response]]


class SlackDoor:
    """An ASGI application: checks each request and hands the authentic ones on."""

    def __init__(self, inside: Inside, *, signing_secret: str, now: Callable[[], float] = time.time) -> None:
        """Take `now` in seconds since 1970. Raises: ValueError without a secret: anybody could sign with that."""
        if not signing_secret:
            raise ValueError("no signing secret")
        self._inside = inside
        self._secret = signing_secret.encode()
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            body = await body_of(request)
            delivery = checked(body, request.headers, secret=self._secret, now=self._now())
        except (Refused, Unreadable) as refused:
            log.info("slack.refused status=%s", refused.status)
            return PlainTextResponse("refused", status_code=refused.status)
        try:
            return await self._inside(delivery)
        except Exception:  # the outermost edge: Slack reads a failure, and no traceback
            log.exception("slack.failed token=%s", delivery.token[:24])
            return PlainTextResponse("failed", status_code=503)


def checked(body: bytes, headers: Mapping[str, str], *, secret: bytes, now: float) -> Delivery:
    """The delivery, if it is authentic, fresh and well formed (pure).

    Args:
        headers: Names in lower case.
        now: Seconds since 1970.

    Raises: Refused.
    """
    timestamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Refused(401)
    if abs(now - int(timestamp)) > LARGEST_SKEW:
        raise Refused(401)
    expected = "v0=" + hmac.new(secret, b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape")):
        raise Refused(401)
    told = _parsed(body, kind_of(headers.get("content-type", "")))
    return Delivery(body=body.decode(), headers=dict(headers), token=_token(told, signature))


def unwrapped(envelope: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The payload of an envelope and its token (pure).

    An interaction is known by its trigger, which Slack makes for one press: the envelope's id would be another one
    if the same press were delivered again, and whoever reads the token must not be able to use the trigger.

    Raises: Refused.
    """
    payload, kind = envelope.get("payload"), envelope.get("type")
    if not isinstance(payload, dict) or not isinstance(envelope.get("envelope_id"), str):
        raise Refused(400)
    if kind == "events_api":
        return payload, _token(payload, _digest(payload))
    return _a_payload(payload), _token({}, _digest(payload.get("trigger_id") or payload))


def _token(told: Mapping[str, Any], otherwise: str) -> str:
    """What makes the transition behind a delivery happen once: its event's id where it has one."""
    event = told.get("event_id")
    return f"slack:{event}" if isinstance(event, str) and event else f"slack:{otherwise}"


def _digest(told: object) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _parsed(body: bytes, content_type: str) -> Mapping[str, Any]:
    """What Bolt will read, as far as it must be well formed. Raises: Refused."""
    try:
        text = body.decode()
        if content_type == _JSON:
            return _an_object(text)
        if content_type == _FORM:
            fields = parse_qs(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=100)
            return _a_payload(_an_object(fields["payload"][0])) if "payload" in fields else {}
    except (ValueError, RecursionError):
        raise Refused(400) from None
    raise Refused(415)


def _an_object(text: str) -> dict[str, Any]:
    told = json.loads(text)
    if not isinstance(told, dict):
        raise Refused(400)
    return told


def _a_payload(told: dict[str, Any]) -> dict[str, Any]:
    """An interactive payload with the parts that Bolt takes for granted."""
    kind, view, actions = told.get("type"), told.get("view"), told.get("actions")
    fits = isinstance(kind, str) and isinstance(told.get("user"), dict)
    if kind in ("view_submission", "view_closed"):
        fits = fits and isinstance(view, dict) and isinstance(view.get("type"), str)
    if kind == "block_actions":
        fits = fits and isinstance(actions, list) and bool(actions) and isinstance(actions[0], dict)
    if not fits:
        raise Refused(400)
    return told
