"""The body of a callback: what is taken, what is not, and that nobody fills our memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from sayso.bot.body import LARGEST_BODY, Unreadable, body_of
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


class Letterbox:
    """Takes bodies of JSON, and remembers them."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 200
        try:
            self.taken.append(await body_of(Request(scope, receive), kind="application/json"))
        except Unreadable as no:
            status = no.status
        await Response(status_code=status)(scope, receive, send)


@pytest.fixture
def box() -> Letterbox:
    return Letterbox()


async def sent(
    box: Letterbox, body: bytes | AsyncIterator[bytes], method: str = "POST", **headers: str
) -> int:
    """Status of a request with these headers; JSON unless they say otherwise."""
    told = {
        "content-type": "application/json",
        **{name.replace("_", "-"): told for name, told in headers.items()},
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=box), base_url="http://box") as http:
        return (await http.request(method, "/", content=body, headers=told)).status_code


async def test_a_body_comes_as_it_was_sent(box: Letterbox) -> None:
    """Byte for byte: it is signed. The largest that is taken is a megabyte."""
    for body in (b"", b"\xff\x00 { ", b"x" * LARGEST_BODY):
        assert await sent(box, body) == 200
    assert box.taken == [b"", b"\xff\x00 { ", b"x" * LARGEST_BODY]


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", " application/json ;x"]
)
async def test_a_kind_may_have_parameters(box: Letterbox, kind: str) -> None:
    """As every platform sends them."""
    assert await sent(box, b"{}", content_type=kind) == 200


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 405), ("PUT", {}, 405), ("HEAD", {}, 405), ("GET", {"content_type": "text/plain"}, 405),
        ("POST", {"content_type": "text/plain"}, 415), ("POST", {"content_type": ""}, 415),
        ("POST", {"content_type": "text/plain", "content_length": "-1"}, 415),
        ("POST", {"content_length": str(LARGEST_BODY + 1)}, 413), ("POST", {"content_length": "-1"}, 413),
        ("POST", {"content_length": "1e3"}, 413), ("POST", {"content_length": "9" * 400}, 413),
        ("POST", {"content_length": "0000000010"}, 413),
    ],
)  # fmt: skip
async def test_what_is_refused_is_refused_by_its_headers(
    box: Letterbox, method: str, headers: dict[str, str], status: int
) -> None:
    """Before a byte of the body is read: the method first, then the kind, then the length it states."""
    assert await sent(box, b"{}", method, **headers) == status
    assert box.taken == []


@pytest.mark.parametrize("stated", ["0", "10"])
async def test_a_length_that_lies_is_found_out(box: Letterbox, stated: str) -> None:
    """What counts is what comes; a stream that never ends is cut off at a megabyte."""
    came = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal came
        while True:
            came += 10_000
            yield b"x" * 10_000

    assert await sent(box, endless(), content_length=stated) == 413
    assert came <= LARGEST_BODY + 20_000


async def test_whoever_hangs_up_is_not_waited_for() -> None:
    """Half a body is none."""
    heard: list[Message] = [
        {"type": "http.request", "body": b'{"half":', "more_body": True}, {"type": "http.disconnect"},
    ]  # fmt: skip

    async def receive() -> Message:
        return heard.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
    with pytest.raises(Unreadable, match="hung up") as hung_up:
        await asyncio.wait_for(body_of(Request(scope, receive)), 5)
    assert hung_up.value.status == 400
