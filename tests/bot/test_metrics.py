"""What Prometheus reads: how long people and clocks have waited, what was done meanwhile, and nobody's name."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sayso.approvals import machine
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Place
from sayso.approvals.request import Request
from sayso.approvals.signing import Signer
from sayso.approvals.store import DeadLetter, Target, TargetKind, Told
from sayso.approvals.verdict import ThreadId
from sayso.bot.front import Front
from sayso.bot.metrics import STALE, Metrics, MetricsDoor
from scenes import BO, NOON, a_request, a_vote

TOKEN = "t0p"
SIGNER = Signer(bytes(range(32)))


class Watched:
    """A store, what gathers from it, and the door; `clock` is the process's own."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(NOON), [100.0]
        self.metrics = Metrics(self.store, monotonic=lambda: self.clock[0])
        self.front = Front()
        self.front.open({}, ready=_ready, metrics=MetricsDoor(self.metrics, TOKEN))

    async def asks(self, **values: object) -> Request:
        opened = {"opened_at": await self.store.now(), **values}
        return await self.store.open(machine.opened(a_request(**opened).ask))

    async def passes(self, span: timedelta) -> None:
        """Time, on both clocks; then it is looked once."""
        self.store.advance(span)
        self.clock[0] += span.total_seconds()
        await self.metrics.look()

    async def scraped(self, token: str = TOKEN, method: str = "GET", accept: str = "*/*") -> httpx.Response:
        headers = {b"authorization": f"Bearer {token}".encode(), b"accept": accept.encode()}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.front), base_url="http://127.0.0.1"
        ) as client:
            return await client.request(method, "/metrics", headers=headers)

    async def shown(self) -> dict[str, float]:
        """Each sample, as Prometheus names it."""
        text = (await self.scraped()).text
        return {
            one.name + ("{" + ",".join(one.labels.values()) + "}" if one.labels else ""): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }


async def _ready() -> str:
    return ""


async def test_the_oldest_request_and_how_late_the_clocks_are() -> None:
    """By route; what is decided waits for nobody any more."""
    one = Watched()
    await one.metrics.look()
    first = await one.asks(thread="first")
    await one.passes(timedelta(minutes=10))
    await one.asks(thread="second")
    await one.passes(timedelta(minutes=5))
    shown = await one.shown()
    assert (shown["sayso_open_requests{finance}"], shown["sayso_oldest_open_seconds{finance}"]) == (2, 900)
    assert (shown["sayso_due_lag_seconds"], shown["sayso_overdue_clocks"]) == (0, 0)
    due = first.due_at
    assert due is not None
    await one.passes(due + timedelta(seconds=40) - await one.store.now())
    shown = await one.shown()
    assert (shown["sayso_due_lag_seconds"], shown["sayso_overdue_clocks"]) == (40, 1)
    await one.store.change(
        first.id,
        lambda now_is, now: machine.vote(now_is, a_vote(now_is, BO, signer=SIGNER), frozenset([BO]), 1, now),
    )
    await one.passes(timedelta(minutes=1))
    assert (await one.shown())["sayso_open_requests{finance}"] == 1


async def test_decisions_steps_and_what_was_not_delivered_are_counted_once() -> None:
    """Looked at again and again, each line of the record counts once."""
    one = Watched()
    await one.metrics.look()
    request = await one.asks()
    while (due := (await one.store.get(request.id)).due_at) and due < request.ask.deadline.expires_at:
        await one.passes(due - await one.store.now())
        await one.store.change(request.id, machine.fire)
    await one.store.change(
        request.id,
        lambda now_is, now: machine.vote(now_is, a_vote(now_is, BO, signer=SIGNER), frozenset([BO]), 1, now),
    )
    for _ in range(3):
        await one.passes(timedelta(seconds=20))
    shown = await one.shown()
    assert (shown["sayso_steps_total{remind}"], shown["sayso_steps_total{page}"]) == (1, 1)
    assert shown["sayso_steps_total{widen}"] == 2
    assert shown["sayso_decision_seconds_count{approve}"] == 1
    seconds = shown["sayso_decision_seconds_sum{approve}"]
    assert timedelta(seconds=seconds) == (await one.store.get(request.id)).decision.at - request.ask.opened_at  # type: ignore[union-attr]


async def test_dead_letters_and_a_clock_that_jumps() -> None:
    """What nobody will see, and a store whose time moved without ours."""
    one = Watched()
    request = await one.asks()
    await one.metrics.look()
    target = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FIN")
    letter = DeadLetter(
        target=target, places=(Place("slack:C0FIN"),), why="archived", since=NOON, tries=3, thread=ThreadId("t1"),
        request=request.id,
    )  # fmt: skip
    await one.store.bury(letter, Told())
    await one.passes(timedelta(minutes=1))
    assert (await one.shown())["sayso_dead_letters"] == 1
    assert (await one.shown())["sayso_clock_jumps_total"] == 0
    one.store.advance(timedelta(minutes=3))
    await one.passes(timedelta(minutes=1))
    assert (await one.shown())["sayso_clock_jumps_total"] == 1


async def test_it_names_nobody() -> None:
    """No person, no words of a request, no id: whoever draws graphs learns numbers."""
    one = Watched()
    await one.asks()
    await one.passes(timedelta(seconds=20))
    text = (await one.scraped()).text
    assert not [word for word in ("alex", 'bo"', "Dana", "1042", "refund", "C0FIN") if word in text]


async def test_only_whoever_knows_the_token_reads_it() -> None:
    """And nobody reads old numbers: then the scrape fails."""
    one = Watched()
    assert (await one.scraped()).status_code == 503
    await one.metrics.look()
    assert (await one.scraped()).status_code == 200
    assert [(await one.scraped(token)).status_code for token in ("", "t0", "t0pp", "ü")] == [401] * 4
    assert (await one.scraped(method="POST")).status_code == 405
    opened = await one.scraped(accept="application/openmetrics-text; version=1.0.0")
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    one.clock[0] += STALE
    assert (await one.scraped()).status_code == 503


async def test_without_the_table_there_is_no_such_page() -> None:
    """Like any other path that is nobody's."""
    front = Front()
    front.open({}, ready=_ready)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=front), base_url="http://127.0.0.1"
    ) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_a_store_that_takes_long_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of looking is followed by twenty of rest."""
    one = Watched()

    class Slow(MemoryStore):
        looked = 0

        async def now(self) -> datetime:
            self.looked += 1
            one.clock[0] += 1
            return await super().now()

    slow = Slow(NOON)
    metrics = Metrics(slow, monotonic=lambda: one.clock[0])
    for _ in range(3):
        await metrics.look()
    assert slow.looked == 1
    one.clock[0] += 20
    await metrics.look()
    assert slow.looked == 2
