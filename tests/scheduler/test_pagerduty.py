"""What happens between us and PagerDuty, over real HTTP on this machine, and when we try again."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso.sandbox.pager import problems_of_event
from sayso.scheduler import pager as port
from sayso.scheduler.pager import (
    ATTEMPT_LIMIT,
    Accepted,
    Link,
    Refused,
    Result,
    RetryLater,
    Severity,
    Unknown,
)
from sayso.scheduler.pagerduty import MAX_EVENT, Page, PagerDuty, RoutingKey, encode_trigger, next_attempt
from tokens import CANARIES

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
KEY = RoutingKey("c" * 8 + "a" * 8 + "n" * 8 + "y" * 8)
ACCEPTED = b'{"status":"success","message":"Event processed","dedup_key":"k"}'

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def a_page(**changes: Any) -> Page:
    """A page with boring values; say only what matters."""
    page = Page(
        routing_key=KEY,
        dedup_key="sayso:prod:r1",
        summary="Approval needed in 12 min: refund 129.90 USD to Dana Smith",
        severity=Severity.ERROR,
        source="sayso/prod",
        at=NOON,
    )
    return replace(page, **changes)


def answers(status: int, body: bytes = b"", **headers: str) -> Answer:
    """A complete answer of the server."""

    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return write


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    """The event arrived; its answer never does."""


async def drips(writer: asyncio.StreamWriter) -> None:
    """An answer that takes five seconds but sends a byte all the time, so that no single read is late."""
    writer.write(b"HTTP/1.1 202 Accepted\r\nX: ")
    for _ in range(500):
        writer.write(b".")
        await asyncio.sleep(0.01)


@dataclass
class Server:
    """A raw HTTP server that keeps what it was sent and answers as told."""

    answer: Answer
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        body = await reader.readexactly(length)
        self.lines.append(head.splitlines()[0])
        self.sizes.append(length)
        self.events.append(json.loads(body))
        try:
            await self.answer(writer)
        finally:
            writer.close()


@asynccontextmanager
async def a_server(answer: Answer) -> AsyncIterator[tuple[Server, PagerDuty]]:
    """A server on a free port and a sender that talks to it."""
    server = Server(answer)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, httpx.AsyncClient(trust_env=False) as http:
        yield server, PagerDuty(server.url + "/", http)


async def sent(page: Page, answer: Answer) -> tuple[Result, Server]:
    """Send one page to a server of its own."""
    async with a_server(answer) as (server, pager):
        return await pager.trigger(page), server


def test_a_page_holds_no_token() -> None:
    """P11: Whatever the words of a page were made of."""
    said = f"Close the rule that {CANARIES['GitHub']} opened"
    event = encode_trigger(
        a_page(
            summary=said,
            source=said,
            details={"why": said},
            links=(Link(href="https://x.example/", text=said),),
        )
    )
    assert CANARIES["GitHub"].encode() not in event
    assert event.count(b"(withheld: a GitHub token)") == 4


async def test_a_page_arrives_in_pagerduty_s_own_form() -> None:
    """Every field stands where PagerDuty's documentation puts it."""
    page = a_page(
        component="billing-bot",
        group="payments",
        class_="approval.escalated",
        details={"risk": "irreversible", "why": "line one\nline two"},
        links=[Link(href="https://acme.slack.com/archives/C1/p1", text="Open the card")],
        client_url="https://sayso.example/r1",
    )
    result, server = await sent(page, answers(202, ACCEPTED))
    assert result == Accepted()
    assert server.lines == ["POST /v2/enqueue HTTP/1.1"]
    assert server.events == [
        {
            "routing_key": KEY.secret,
            "event_action": "trigger",
            "dedup_key": "sayso:prod:r1",
            "client": "sayso",
            "client_url": "https://sayso.example/r1",
            "payload": {
                "summary": page.summary,
                "source": "sayso/prod",
                "severity": "error",
                "timestamp": "2030-01-01T12:00:00.000+00:00",
                "component": "billing-bot",
                "group": "payments",
                "class": "approval.escalated",
                "custom_details": {"risk": "irreversible", "why": "line one\nline two"},
            },
            "links": [{"href": "https://acme.slack.com/archives/C1/p1", "text": "Open the card"}],
        }
    ]


async def test_acknowledge_and_resolve_name_the_same_incident() -> None:
    """Also when its key was too long to send and only the hash went out."""
    long = "sayso:" + "x" * 400
    async with a_server(answers(202, ACCEPTED)) as (server, pager):
        await pager.trigger(a_page(dedup_key=long))
        assert await pager.acknowledge(KEY, long) == Accepted()
        assert await pager.resolve(KEY, long) == Accepted()
    assert [event["event_action"] for event in server.events] == ["trigger", "acknowledge", "resolve"]
    assert len({event["dedup_key"] for event in server.events}) == 1
    assert len(server.events[0]["dedup_key"]) <= 255
    assert {event["routing_key"] for event in server.events} == {KEY.secret}


async def test_two_long_keys_stay_two_incidents() -> None:
    """They are hashed, not cut: what tells them apart may stand at the end."""
    _, one = await sent(a_page(dedup_key="x" * 300 + "1"), answers(202))
    _, two = await sent(a_page(dedup_key="x" * 300 + "2"), answers(202))
    assert one.events[0]["dedup_key"] != two.events[0]["dedup_key"]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (answers(202), Accepted()),
        (answers(200), Accepted()),
        (answers(429), RetryLater(timedelta(seconds=30))),
        (answers(429, Retry_After="7"), RetryLater(timedelta(seconds=7))),
        (answers(429, Retry_After="soon"), RetryLater(timedelta(seconds=30))),
        (answers(429, Retry_After="99999999999999999999"), RetryLater(timedelta(seconds=30))),
        (answers(408), RetryLater()),
        (answers(500), RetryLater()),
        (answers(503), RetryLater()),
        (
            answers(400, b'{"status":"invalid event"}'),
            Refused('PagerDuty answered 400: {"status":"invalid event"}'),
        ),
        (answers(401), Refused("PagerDuty answered 401")),
        (answers(307, Location="https://elsewhere.example/"), Refused("PagerDuty answered 307")),
        (hangs_up, Unknown()),
    ],
)
async def test_each_answer_says_what_to_do_next(answer: Answer, result: Result) -> None:
    """P17: One attempt per call; a refusal is final, a redirect is not followed, a lost answer is no failure."""
    got, server = await sent(a_page(), answer)
    assert got == result
    assert len(server.events) == 1


async def test_nobody_listening_means_certainly_not_accepted() -> None:
    """A refused connection may be tried again; it is not an unknown outcome."""
    async with a_server(answers(202)) as (server, _):
        url = server.url
    async with httpx.AsyncClient(trust_env=False) as http:
        assert await PagerDuty(url, http).trigger(a_page()) == RetryLater()


async def test_a_dripping_server_is_given_up_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """P17: The limit holds for the whole attempt, and the loop goes on turning meanwhile."""
    assert timedelta(seconds=10) == ATTEMPT_LIMIT
    monkeypatch.setattr(port, "ATTEMPT_LIMIT", timedelta(seconds=1))
    async with a_server(drips) as (server, pager):
        attempt = asyncio.create_task(pager.trigger(a_page(details={"d": "x" * 400_000})))
        began, waited, worked = time.monotonic(), 0.0, 0.0
        while not attempt.done():
            before = time.monotonic(), time.thread_time()
            await asyncio.sleep(0.001)
            waited = max(waited, time.monotonic() - before[0])
            worked = max(worked, time.thread_time() - before[1])
        assert await attempt == Unknown()
        assert len(server.events) == 1
    assert time.monotonic() - began < 3
    # Work of ours is counted in processor time: a busy machine is not our stall. Waiting is counted by the wall.
    assert worked < 0.05
    assert waited < 0.8


async def test_a_page_of_600_kilobytes_still_pages() -> None:
    """P17: The details give way to a note that says so; everything else is there."""
    page = a_page(details={f"argument {i}": "ü" * 6_000 for i in range(50)}, summary="s" * 5_000)
    result, server = await sent(page, answers(202))
    assert result == Accepted()
    payload = server.events[0]["payload"]
    assert server.sizes[0] <= MAX_EVENT
    assert "Details left out" in payload["custom_details"]["note"]
    assert len(payload["summary"]) == 1024
    assert payload["summary"].endswith("...")


def test_a_flood_of_details_is_not_even_looked_at() -> None:
    """Forty megabytes would stop the event loop while they are cleaned and encoded."""
    page = a_page(details={"log": "ü" * 20_000_000})
    began = time.thread_time()
    event = encode_trigger(page)
    assert time.thread_time() - began < 0.05
    assert b"Details left out: 20,000,003 characters" in event


async def test_no_single_part_can_make_an_event_too_big() -> None:
    """Links, sources and groups of any length, in an alphabet of four bytes a character."""
    big = "🔥" * 300_000
    page = a_page(
        summary=big, source=big, component=big, group=big, class_=big, client_url="https://x/" + big,
        details={"a": big, "b": "c"}, links=[Link(href="https://x/", text=big)] * 500 + [Link(href=big, text="t")],
    )  # fmt: skip
    result, server = await sent(page, answers(202))
    assert result == Accepted()
    assert server.sizes[0] <= MAX_EVENT
    assert "client_url" not in server.events[0]


async def test_broken_characters_do_not_lose_a_page() -> None:
    """A lone surrogate or a NUL from an agent's text would be a 400; in the summary a line break is a space."""
    page = a_page(summary="refund\n\ud800 5\x00\u202e", details={"k\ud800": "\udfff\x00\tv"})
    _, server = await sent(page, answers(202))
    assert server.events[0]["payload"]["summary"] == "refund ? 5"
    assert server.events[0]["payload"]["custom_details"] == {"k?": "? \tv"}


ANY_TEXT = st.text(st.characters(codec=None), max_size=40) | st.integers(0, 3000).map("ü".__mul__)


@given(
    summary=ANY_TEXT, source=ANY_TEXT, dedup_key=ANY_TEXT, component=ANY_TEXT, client_url=ANY_TEXT,
    details=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3),
    links=st.lists(st.builds(Link, href=ANY_TEXT, text=ANY_TEXT), max_size=3),
)  # fmt: skip
def test_whatever_an_agent_writes_pagerduty_takes_the_page(**texts: Any) -> None:
    """An event that gets a 400 wakes nobody: either the page cannot be built, or the strict stand-in takes it."""
    try:
        page = a_page(**texts)
    except ValueError:
        return
    assert problems_of_event(json.loads(encode_trigger(page))) == []


@pytest.mark.parametrize("secret", ["", "c" * 31, "c" * 33, "c" * 31 + " ", "c" * 31 + "\n", "ü" * 32])
def test_a_mistyped_routing_key_is_refused_unshown(secret: str) -> None:
    """Found when the program starts, not when the first page is refused."""
    with pytest.raises(ValueError, match="32 characters") as refused:
        RoutingKey(secret)
    assert "ccc" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"severity": "urgent"},
        {"severity": "error"},
        {"summary": " \n"},
        {"source": ""},
        {"dedup_key": "\u200b"},
        {"at": datetime(2030, 1, 1)},  # noqa: DTZ001 - the trap itself
    ],
)
def test_a_page_that_pagerduty_would_refuse_is_not_built(changes: dict[str, Any]) -> None:
    """The mistake shows where it is made, not at 3 a.m."""
    with pytest.raises((ValueError, TypeError)):
        a_page(**changes)


async def test_the_routing_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Not by a page, a sender, a result, an error or a log, even when the server echoes it."""
    caplog.set_level(logging.DEBUG)
    echo = answers(400, json.dumps({"errors": [f"bad routing_key {KEY.secret}"] * 9}).encode())
    async with a_server(echo) as (_, pager):
        shown = [repr(await pager.trigger(a_page())), repr(await pager.resolve(KEY, "k")), repr(pager)]
    shown += [repr(a_page()), str(a_page()), f"{KEY}", repr(KEY), caplog.text]
    with pytest.raises(ValueError, match="dedup_key") as refused:
        await pager.resolve(KEY, "")
    assert "bad routing_key ..." in shown[0]
    assert KEY.secret not in "".join([*shown, str(refused.value)])


@pytest.mark.parametrize(
    "url",
    ["http://events.pagerduty.com", "ftp://127.0.0.1", "events.pagerduty.com", "https://pager:port", ""],
)
async def test_the_routing_key_never_travels_in_the_clear(url: str) -> None:
    """Only https, except on this machine."""
    async with httpx.AsyncClient() as http:
        with pytest.raises(ValueError, match="address"):
            PagerDuty(url, http)


def test_pauses_double_and_the_last_attempt_ends_by_the_next_step() -> None:
    """P17: Five minutes to the next pager: 5, 10, 20, 40 and 80 seconds apart, then one at the very end."""
    now, step, pauses = NOON, NOON + timedelta(minutes=5), []
    for attempt in range(1, 100):
        due = next_attempt(attempt, now, step, jitter=0.0)
        if due is None:
            break
        pauses.append((due - now).total_seconds())
        now = due
    assert pauses == [5, 10, 20, 40, 80, 135]
    assert now + ATTEMPT_LIMIT == step


def test_a_server_that_asks_for_more_time_than_there_is_means_the_next_pager() -> None:
    """A wish of the server is never cut short."""
    step = NOON + timedelta(minutes=1)
    assert next_attempt(1, NOON, step, 0.0, after=timedelta(seconds=50)) == NOON + timedelta(seconds=50)
    assert next_attempt(1, NOON, step, 0.0, after=timedelta(seconds=51)) is None


@given(
    attempt=st.integers(1, 10_000),
    left=st.timedeltas(timedelta(days=-1), timedelta(days=9)),
    jitter=st.floats(0, 1),
    after=st.timedeltas(timedelta(0), timedelta(hours=1)),
)
def test_trying_again_always_comes_to_an_end(
    attempt: int, left: timedelta, jitter: float, after: timedelta
) -> None:
    """Each pause is real, never shorter than asked for, and no attempt outlives its step."""
    due = next_attempt(attempt, NOON, NOON + left, jitter, after=after)
    if due is not None:
        assert due - NOON >= max(timedelta(seconds=5), after)
        assert due + ATTEMPT_LIMIT <= NOON + left
