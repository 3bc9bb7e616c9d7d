"""`GET /metrics`: how long people and clocks have waited, for Prometheus; counts, routes and seconds, and nobody's name.

What a scrape reads was gathered before, so that no caller can make the store work.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from ..approvals.change import AuditRecord, Event
from ..approvals.request import Request, State
from ..approvals.store import Store
from ..approvals.verdict import ThreadId
from ..cards.standing import is_stuck, is_unknown
from ..scheduler.ticking import Job, ticking
from ..scheduler.watchdog import LATE
from .front import AsgiApp, Receive, Scope, Send

#: How often the store is looked at; where a look takes long, the next one waits so many times as long.
EVERY, REST = timedelta(seconds=15), 20
#: Older than this, in seconds, what was gathered is not shown: a scrape that fails is an alarm, old numbers are none.
STALE = 120.0
#: Each look at the record begins so much before the last one: partitions keep time by themselves.
OVERLAP = timedelta(minutes=1)
#: By how much the store's clock must run ahead of ours, or behind, between two looks, to have jumped, seconds.
JUMP = 5.0
#: Upper ends of the times to a decision, seconds: from a minute to a week.
BUCKETS = (60, 300, 900, 1_800, 3_600, 14_400, 28_800, 86_400, 259_200, 604_800)


class Metrics:
    """Gathers what is shown. Counters begin with the process and count what all processes did: do not add bots up."""

    def __init__(self, store: Store, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._next = 0.0
        self._last: tuple[float, datetime] | None = None
        self._counted: dict[tuple[ThreadId, int], datetime] = {}
        self.registry = one = CollectorRegistry()
        self._open = Gauge("sayso_open_requests", "Requests that wait for people.", ["route"], registry=one)
        self._oldest = Gauge(
            "sayso_oldest_open_seconds", "Age of the oldest of them.", ["route"], registry=one
        )
        self._held = Gauge("sayso_held_up_requests", "Decided ones that do not go on.", ["why"], registry=one)
        self._lag = Gauge("sayso_due_lag_seconds", "How late the latest clock is.", registry=one)
        self._late = Gauge(
            "sayso_overdue_clocks", f"Clocks late by more than {LATE.seconds} s.", registry=one
        )
        self._letters = Gauge(
            "sayso_dead_letters", "What nobody will see unless it is replayed.", registry=one
        )
        self._offset = Gauge("sayso_clock_offset_seconds", "The store's clock ahead of ours.", registry=one)
        self._jumps = Counter(
            "sayso_clock_jumps", f"The store's clock moved {JUMP:.0f} s more or less than ours.", registry=one
        )
        self._took = Histogram(
            "sayso_decision_seconds",
            "From asking to the decision.",
            ["verdict"],
            buckets=BUCKETS,
            registry=one,
        )
        self._steps = Counter("sayso_steps", "What clocks did while nobody answered.", ["step"], registry=one)
        self._lost = Counter("sayso_undeliverable", "Cards, notices and pages that a place or pager did not take.", registry=one)  # fmt: skip

    @property
    def fresh(self) -> bool:
        """Whether what was gathered may be shown."""
        return self._last is not None and self._monotonic() - self._last[0] < STALE

    async def look(self) -> None:
        """Gather, unless the last look took so long that the store deserves a rest. Raises: StoreDown."""
        began = self._monotonic()
        if began < self._next:
            return
        now = await self._store.now()
        since = self._last[1] - OVERLAP if self._last else now
        waiting, letters = await self._store.live(), await self._store.dead_letters()
        self._count(await self._store.happened(since), since)
        self._standing(waiting, now)
        self._letters.set(len(letters))
        self._clock(began, now)
        self._last = began, now
        self._next = began + min(REST * (self._monotonic() - began), STALE / 2)

    def _standing(self, waiting: Sequence[Request], now: datetime) -> None:
        self._open.clear()
        self._oldest.clear()
        asked = [one for one in waiting if one.state is State.OPEN and not one.ask.undoes]
        for one in reversed(asked):  # the oldest comes first, so it has the last word
            self._open.labels(one.ask.route).inc()
            self._oldest.labels(one.ask.route).set((now - one.ask.opened_at).total_seconds())
        for why, holds in (("stuck", is_stuck), ("unknown", is_unknown)):
            self._held.labels(why).set(sum(map(holds, waiting)))
        late = [now - one.due_at for one in waiting if one.due_at is not None and one.due_at <= now]
        self._lag.set(max(late, default=timedelta()).total_seconds())
        self._late.set(sum(one > LATE for one in late))

    def _count(self, records: Sequence[AuditRecord], since: datetime) -> None:
        self._counted = {key: at for key, at in self._counted.items() if at >= since - OVERLAP}
        for one in records:
            key = (one.thread, one.number)
            if key in self._counted:
                continue
            self._counted[key] = one.at
            facts = one.entry.facts
            match one.entry.event:
                case Event.DECIDED:
                    self._took.labels(facts.get("verdict", "")).observe(float(facts.get("seconds", "0")))
                case Event.STEP if "step" in facts:
                    self._steps.labels(facts["step"]).inc()
                case Event.PAGED:
                    self._steps.labels("page").inc()
                case Event.EXPIRED:
                    self._steps.labels("expire").inc()
                case Event.UNDELIVERABLE:
                    self._lost.inc()

    def _clock(self, at: float, now: datetime) -> None:
        self._offset.set(now.timestamp() - time.time())
        if self._last and abs((now - self._last[1]).total_seconds() - (at - self._last[0])) > JUMP:
            self._jumps.inc()


class MetricsDoor:
    """Answers whoever knows the token, in the format they ask for."""

    def __init__(self, metrics: Metrics, token: str) -> None:
        self._metrics = metrics
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = {name.lower(): value for name, value in scope["headers"]}
        if not hmac.compare_digest(said.get(b"authorization", b""), self._wanted):
            await _answer(send, 401, b"", (b"www-authenticate", b"Bearer"))
        elif scope["method"] != "GET":
            await _answer(send, 405, b"", (b"allow", b"GET"))
        elif not self._metrics.fresh:
            await _answer(send, 503, b"", (b"retry-after", b"15"))
        else:
            encode, kind = choose_encoder(said.get(b"accept", b"").decode("latin-1"))
            await _answer(send, 200, encode(self._metrics.registry), (b"content-type", kind.encode()))


@asynccontextmanager
async def open_metrics(store: Store, token: str) -> AsyncIterator[AsgiApp]:
    """The door, with somebody behind it who gathers until the block is left."""
    metrics = Metrics(store)
    async with ticking(Job(name="metrics", every=EVERY, run=metrics.look)):
        yield MetricsDoor(metrics, token)


async def _answer(send: Send, status: int, body: bytes, header: tuple[bytes, bytes]) -> None:
    headers = [header, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
