"""Only authentic callbacks get through the door, and hostile HTTP never gets a 500."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlencode

import httpx
import pytest
from sayso.bot.body import LARGEST_BODY
from sayso.bot.slack.precheck import Delivery, SlackDoor
from starlette.responses import PlainTextResponse, Response

NOW = 1_900_000_000
SECRET = "a secret of this test"
CLICK = {"type": "block_actions", "user": {"id": "U1"}, "actions": [{"action_id": "sayso.approve"}]}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def signed(body: bytes, *, at: object = NOW, secret: str = SECRET, kind: str = FORM) -> dict[str, str]:
    """Headers as Slack makes them."""
    digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={digest}", "Content-Type": kind}


def payload(told: object) -> bytes:
    return urlencode({"payload": json.dumps(told)}).encode()


class Knock:
    """Sends to a door and remembers what got inside."""

    def __init__(self) -> None:
        self.inside: list[Delivery] = []
        door = SlackDoor(self._hear, signing_secret=SECRET, now=lambda: float(NOW))
        transport = httpx.ASGITransport(app=door)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://door")

    async def _hear(self, delivery: Delivery) -> Response:
        self.inside.append(delivery)
        return PlainTextResponse("ok")

    async def __call__(self, body: bytes, headers: dict[str, str], method: str = "POST") -> int:
        answer = await self._http.request(method, "/slack/events", content=body, headers=headers)
        return answer.status_code


@pytest.fixture
def knock() -> Knock:
    return Knock()


async def test_a_signed_click_gets_in(knock: Knock) -> None:
    """The signature is its token: the same bytes again carry the same one."""
    body = payload(CLICK)
    assert await knock(body, signed(body)) == 200
    assert knock.inside[0].token == f"slack:{signed(body)['X-Slack-Signature']}"
    assert knock.inside[0].body.encode() == body


async def test_an_event_is_known_by_its_id(knock: Knock) -> None:
    """Slack signs a retry anew, but the event keeps its id."""
    body = json.dumps({"type": "event_callback", "event_id": "Ev1"}).encode()
    await knock(body, signed(body, kind=JSON))
    await knock(body, signed(body, kind=JSON, at=NOW + 60))
    assert [delivery.token for delivery in knock.inside] == ["slack:Ev1", "slack:Ev1"]


@pytest.mark.parametrize(
    ("at", "status"),
    [(NOW - 300, 200), (NOW + 300, 200), (NOW - 301, 401), (NOW + 301, 401), ("abc", 401), ("", 401), ("-5", 401),
     ("1e9", 401), ("٣", 401), ("9" * 400, 401), (f"+{NOW}", 401)],
)  # fmt: skip
async def test_only_a_fresh_time_stamp_of_digits(knock: Knock, at: object, status: int) -> None:
    """P6: 300 seconds either way; anything that is no plain number is refused, not a server error."""
    body = payload(CLICK)
    headers = signed(body, at=str(at))
    headers["X-Slack-Request-Timestamp"] = str(at)
    raw = [(k.encode(), v.encode()) for k, v in headers.items()]
    answer = await knock._http.post("/slack/events", content=body, headers=raw)
    assert answer.status_code == status


Mutation = Callable[[dict[str, str]], None]


@pytest.mark.parametrize(
    "mutate",
    [
        lambda h: h.update({"X-Slack-Signature": "v0=" + "0" * 64}),
        lambda h: h.update({"X-Slack-Signature": h["X-Slack-Signature"].replace("v0=", "v1=")}),
        lambda h: h.update({"X-Slack-Signature": h["X-Slack-Signature"].upper()}),
        lambda h: h.update({"X-Slack-Signature": ""}),
        lambda h: h.pop("X-Slack-Signature"),
        lambda h: h.pop("X-Slack-Request-Timestamp"),
        lambda h: h.update({"X-Slack-Request-Timestamp": str(NOW + 1)}),
        lambda h: h.update(signed(payload(CLICK), secret="another")),
        lambda h: h.update(signed(payload({**CLICK, "user": {"id": "U2"}}))),
    ],
)
async def test_whatever_is_changed_is_refused(knock: Knock, mutate: Mutation) -> None:
    """P6: The mutation table: no changed header gets in."""
    body = payload(CLICK)
    headers = signed(body)
    mutate(headers)
    assert await knock(body, headers) == 401
    assert knock.inside == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"payload=%7Bnot json", FORM, 400), (b"payload=[]", FORM, 400), (b"payload=null", FORM, 400),
        (b"payload=", FORM, 400), (b"nonsense", FORM, 400), (b"\xff\xfe", FORM, 400),
        (payload({"type": "view_submission", "user": {}, "view": {}}), FORM, 400),
        (payload({"type": "view_submission", "user": {}}), FORM, 400),
        (payload({"type": "block_actions", "user": {}, "actions": []}), FORM, 400),
        (payload({"user": {}}), FORM, 400), (b"[" * 100_000, JSON, 400), (b"{", JSON, 400), (b"[1]", JSON, 400),
        (b"", JSON, 400), (payload(CLICK), "text/plain", 415), (payload(CLICK), "", 415),
        (b"&".join([b"a=b"] * 500), FORM, 400), (b"x" * (LARGEST_BODY + 1), FORM, 413),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused_even_when_signed(
    knock: Knock, body: bytes, kind: str, status: int
) -> None:
    """A good signature over nonsense gets a 4xx, never a 500."""
    assert await knock(body, signed(body, kind=kind)) == status
    assert knock.inside == []


async def test_a_body_without_a_stated_length_is_still_limited(knock: Knock) -> None:
    """A stream that never says how long it is is cut off at a megabyte."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 10_000

    answer = await knock._http.post("/slack/events", content=endless(), headers=signed(b""))
    assert answer.status_code == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
async def test_only_post(knock: Knock, method: str) -> None:
    """Nothing else is a callback."""
    assert await knock(b"", {}, method) == 405


async def test_a_failure_inside_is_no_traceback_outside() -> None:
    """What goes wrong behind the door is a plain 503, which Slack tries again."""

    async def breaks(_: Delivery) -> Response:
        raise RuntimeError("secret words")

    door = SlackDoor(breaks, signing_secret=SECRET, now=lambda: float(NOW))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url="http://door") as http:
        body = payload(CLICK)
        answer = await http.post("/", content=body, headers=signed(body))
    assert (answer.status_code, answer.text) == (503, "failed")
