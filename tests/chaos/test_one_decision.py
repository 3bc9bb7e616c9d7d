"""One decision per request, whoever answers and from how many processes: promise 1."""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from line_processes import Process
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.deadline import Deadline, Step, StepKind
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.verdict import RequestId, ThreadId
from scenes import an_ask

#: Attempts on one request at once, by process.
RACERS = (7, 7, 6)
#: How often the long race is run; more for whoever wants to be sure.
RUNS = int(os.environ.get("SAYSO_RACES", "3"))
#: Requests that are raced for at the same time.
WAVE = 10


@dataclass
class Tally:
    """What the racers said, and what was wrong with it."""

    winners: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    refused: int = 0
    replayed: int = 0
    violations: list[str] = field(default_factory=list)
    how: dict[str, str] = field(default_factory=dict)

    def add(self, attempt: dict[str, str]) -> None:
        self.attempts += 1
        if attempt["end"] == "won":
            self.winners[attempt["id"]] += 1
            self.how[attempt["id"]] = attempt["how"]
            self.replayed += attempt.get("again") == "True"
            if attempt.get("again") == "False":
                self.violations.append(f"{attempt['id']}: a click delivered twice counted twice")
            return
        self.refused += 1
        decided = attempt["state"] == State.DECIDED
        if attempt["state"] not in (State.DECIDED, State.EXPIRED):
            self.violations.append(f"{attempt['id']}: refused as {attempt['state']}")
        if decided and not attempt["by"] and attempt["kind"] != "expire":
            self.violations.append(f"{attempt['id']}: refused without saying who was faster")


async def opened(store: RedisStore, number: int) -> Request:
    """Every other request ends within the race, at an instant of its own."""
    now = await store.now()
    ask = an_ask(thread=f"race-{number}", opened_at=now)
    if number % 2:
        ends = now + timedelta(milliseconds=10 ** random.uniform(0.5, 3))
        step = Step(at=ends, kind=StepKind.EXPIRE)
        ask = replace(ask, deadline=Deadline(ends_at=ends, expires_at=ends, steps=(step,)))
    return await store.open(machine.opened(ask))


async def race(store: RedisStore, url: str, requests: int) -> Tally:
    """Let three processes answer `requests` requests in waves; every process has the whole wave at once."""
    tally = Tally()
    with ExitStack() as stack:
        racers = [
            stack.enter_context(Process("racer.py", url, f"p{n}", str(attempts)))
            for n, attempts in enumerate(RACERS)
        ]
        for racer in racers:
            racer.ready()
        for first in range(0, requests, WAVE):
            wave = [(await opened(store, number)).id for number in range(first, first + WAVE)]
            for racer in racers:
                racer.send(wave)
            for racer in racers:
                for attempt in racer.receive():
                    tally.add(attempt)
    return tally


async def check(store: RedisStore, client: redis.Redis, tally: Tally) -> None:
    """Compare what the racers said with what the store holds."""
    resumes: Counter[RequestId] = Counter()
    while item := await store.take("counter", idle=timedelta(hours=1), wait=timedelta(milliseconds=1)):
        resumes[item.work.request or RequestId("")] += 1
    for number in range(len(tally.how)):
        trail = await store.trail(ThreadId(f"race-{number}"))
        id = trail[0].request or RequestId("")
        request = await store.get(id)
        decision = request.decision.verdict.type if request.decision else "expired"
        ends = [r.entry.event for r in trail if r.entry.event in (Event.DECIDED, Event.EXPIRED)]
        facts = (tally.winners[id], resumes[id], len(ends), request.version, decision == tally.how[id])
        if facts != (1, 1, 1, 2, True):
            tally.violations.append(f"{id}: winners, resumes, ends, version, as told = {facts}")
        if request.decision and request.decision.at >= request.ask.deadline.expires_at:
            tally.violations.append(f"{id}: decided after its deadline")
    for key in client.scan_iter("sayso:*:audit"):
        entries: Any = client.xrange(key)
        numbers = [int(name.split(b"-")[0]) for name, _ in entries]
        if numbers != list(range(1, len(numbers) + 1)):
            tally.violations.append(f"{key.decode()}: the audit trail has gaps")


async def raced(url: str, client: redis.Redis, requests: int) -> str:
    store = await RedisStore.connect(url)
    began = time.perf_counter()
    try:
        tally = await race(store, url, requests)
        took = time.perf_counter() - began
        await check(store, client, tally)
    finally:
        await store.close()
    figures = (
        f"{requests} requests, {tally.attempts} answers from {len(RACERS)} processes: "
        f"{sum(tally.winners.values())} winners {dict(Counter(tally.how.values()))}, "
        f"{tally.refused} refused, {tally.replayed} redelivered, {len(tally.violations)} violations"
    )
    sys.stdout.write(f"{figures}; {took:.1f} s\n")
    assert tally.violations == []
    assert (len(tally.winners), tally.attempts) == (requests, requests * sum(RACERS))
    assert tally.refused == requests * (sum(RACERS) - 1)
    assert {"approve", "reject", "modify", "expired"} >= set(tally.how.values()) > {"expired"}
    return figures


async def test_of_twenty_answers_from_three_processes_one_decides(
    redis_url: str, redis_client: redis.Redis, record_property: Callable[[str, object], None]
) -> None:
    """P1: Approve, reject, edit, instruct and expire at once: one winner, one resume, nineteen told who was faster."""
    record_property("figures", await raced(redis_url, redis_client, 30))


@pytest.mark.chaos
@pytest.mark.parametrize("run", range(RUNS))
async def test_of_two_hundred_requests_each_is_decided_once(
    redis_url: str, redis_client: redis.Redis, run: int, record_property: Callable[[str, object], None]
) -> None:
    """P1: The same with 200 requests, a few times over."""
    record_property("figures", await raced(redis_url, redis_client, 200))
