"""Deliveries from Slack to the app, signed or by socket: the deadline, the retries of events, and replays on purpose."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from ..loopback import Json
from ..watching import Changes, Violations
from .socket import Links, NoLink, envelope
from .workspace import SlackTimes

#: Shown to whoever clicked when the app did not answer rightly in time.
APP_DID_NOT_ANSWER = "This app did not respond. Please try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """One delivery exactly as it went over the wire, for replaying it.

    Attributes:
        what: "block_actions", "view_submission", "event app_mention" and so on.
        headers: Empty where `body` is an envelope that went down a socket; the connection vouches for those.
    """

    what: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the app answered.

    Attributes:
        status: HTTP status, 200 for an acknowledged envelope; 0 when there was none.
        ms: Milliseconds until the answer, or until Slack gave up.
        reason: Slack's retry reason ("http_timeout", "http_error", "connection_failed"), or empty.
    """

    status: int
    ms: float
    body: str = ""
    reason: str = ""
    no_retry: bool = False

    @property
    def ok(self) -> bool:
        """Answered 2xx in time."""
        return 200 <= self.status < 300


class Courier:
    """Delivers to `app_url`, which is set once the app listens; or down `links`, once those are enabled."""

    def __init__(self, times: SlackTimes, violations: Violations, changes: Changes, links: Links) -> None:
        self.app_url = ""
        self.links = links
        self.signing_secret = secrets.token_hex(16)
        self.delivered: list[tuple[SignedRequest, Answer]] = []
        self._times = times
        self._violations = violations
        self._changes = changes
        self._session: ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Get ready to deliver."""
        # A connection that is used again may be closed by the app at that very moment: the press would be lost.
        self._session = ClientSession(connector=TCPConnector(force_close=True))

    async def stop(self) -> None:
        """Give up what is still under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def settled(self) -> None:
        """Wait until every event has been delivered or given up."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    def sign(self, body: bytes, *, at: float | None = None) -> dict[str, str]:
        """The two signature headers for a body, as Slack makes them.

        Args:
            at: Seconds since 1970; now when missing. Other times make stale or future signatures.
        """
        timestamp = str(int(time.time() if at is None else at))
        digest = hmac.new(
            self.signing_secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256
        )
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest.hexdigest()}"}

    async def interaction(self, payload: Json) -> tuple[SignedRequest, Answer]:
        """Deliver a click or submission once. No 2xx within the deadline is a violation."""
        request = self._interaction(payload)
        answer = await self.send(request)
        if not answer.ok:
            self._violations.note(f"slack {request.what}", f"app answered {_words(answer)}")
        return request, answer

    def event(self, payload: Json) -> None:
        """Deliver an event in the background, again up to three times. All in vain is a violation."""
        kind = str(payload["event"]["type"])
        task = asyncio.get_running_loop().create_task(self._insist(f"event {kind}", payload))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def verify_url(self) -> bool:
        """Send `url_verification`; True when the app answers with the challenge."""
        challenge = secrets.token_hex(12)
        body = json.dumps({"type": "url_verification", "challenge": challenge, "token": "unused"}).encode()
        answer = await self.send(self._signed("url_verification", body, "application/json"))
        return answer.ok and challenge in answer.body

    async def replay(self, request: SignedRequest) -> Answer:
        """Send a captured request again, byte for byte, with its old signature."""
        return await self.send(request)

    async def redeliver(self, request: SignedRequest, *, retry: int = 1) -> Answer:
        """Send it again freshly signed; events carry Slack's retry headers."""
        if not request.headers:
            told = json.loads(request.body)
            return await self.send(_enveloped(request.what, told["type"], told["payload"], retry, "timeout"))
        kept = {"Content-Type": request.headers["Content-Type"]}
        if request.what.startswith("event "):
            kept |= _retry_headers(retry, "http_timeout")
        headers = {**kept, **self.sign(request.body)}
        return await self.send(SignedRequest(what=request.what, body=request.body, headers=headers))

    async def send(self, request: SignedRequest) -> Answer:
        """Deliver it and wait until Slack's patience ends."""
        answer = await (self._posted(request) if request.headers else self._pushed(request))
        self.delivered.append((request, answer))
        self._changes.happened()
        return answer

    async def _posted(self, request: SignedRequest) -> Answer:
        assert self._session is not None, "start() comes first"
        if not self.app_url:
            raise RuntimeError("set app_url before anybody clicks")
        began = time.monotonic()
        try:
            async with self._session.post(
                self.app_url, data=request.body, headers=request.headers, allow_redirects=False,
                timeout=ClientTimeout(total=self._times.ack),
            ) as response:  # fmt: skip
                body = await response.text(errors="replace")
                answer = Answer(
                    status=response.status, ms=_ms_since(began), body=body,
                    reason="" if 200 <= response.status < 300 else "http_error",
                    no_retry=response.headers.get("X-Slack-No-Retry") == "1",
                )  # fmt: skip
        except TimeoutError:
            answer = Answer(status=0, ms=_ms_since(began), reason="http_timeout")
        except ClientError:
            answer = Answer(status=0, ms=_ms_since(began), reason="connection_failed")
        return answer

    async def _pushed(self, request: SignedRequest) -> Answer:
        began = time.monotonic()
        try:
            body = await self.links.deliver(json.loads(request.body))
        except TimeoutError:
            return Answer(status=0, ms=_ms_since(began), reason="timeout")
        except NoLink:
            return Answer(status=0, ms=_ms_since(began), reason="connection_failed")
        return Answer(status=200, ms=_ms_since(began), body=body)

    def _interaction(self, payload: Json) -> SignedRequest:
        what = str(payload["type"])
        if self.links.enabled:
            return _enveloped(what, "interactive", payload)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        return self._signed(what, body, "application/x-www-form-urlencoded")

    def _event(self, what: str, payload: Json, number: int = 0, reason: str = "") -> SignedRequest:
        if self.links.enabled:
            return _enveloped(what, "events_api", payload, number, reason)
        headers = _retry_headers(number, reason) if number else {}
        return self._signed(what, json.dumps(payload).encode(), "application/json", **headers)

    def _signed(self, what: str, body: bytes, content_type: str, **more: str) -> SignedRequest:
        headers = {"Content-Type": content_type, **more, **self.sign(body)}
        return SignedRequest(what=what, body=body, headers=headers)

    async def _insist(self, what: str, payload: Json) -> None:
        answer = await self.send(self._event(what, payload))
        for number, pause in enumerate(self._times.retries, start=1):
            if answer.ok or answer.no_retry:
                break
            await asyncio.sleep(pause)
            answer = await self.send(self._event(what, payload, number, answer.reason))
        if not answer.ok:
            self._violations.note(f"slack {what}", f"never delivered; the last time {_words(answer)}")


def _enveloped(what: str, kind: str, payload: Json, retry: int = 0, reason: str = "") -> SignedRequest:
    body = json.dumps(envelope(kind, payload, retry=retry, reason=reason)).encode()
    return SignedRequest(what=what, body=body, headers={})


def _retry_headers(number: int, reason: str) -> dict[str, str]:
    return {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}


def _words(answer: Answer) -> str:
    return f"{answer.status or answer.reason} after {answer.ms:.0f} ms"


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000
