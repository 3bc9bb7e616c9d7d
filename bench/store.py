"""How quick the store is on its embedded Valkey: open, decide, claim, take, and a sweep after an outage."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sayso.approvals import canonical
from sayso.approvals import machine as rules
from sayso.approvals.action import Action
from sayso.approvals.change import Change
from sayso.approvals.deadline import CHAINS, TtlClass
from sayso.approvals.errors import NotAllowed
from sayso.approvals.naming import PauseKey
from sayso.approvals.people import Identity, Person, PersonId, Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Ask, Proposal, Request, Revision, Run
from sayso.approvals.risk import Dimension, Finding, Level, Oversight, RiskAssessment
from sayso.approvals.route import Route, compose
from sayso.approvals.store import Lane
from sayso.approvals.verdict import Approve, Rule, ThreadId, Vote
from sayso.bench.figures import line, machine, rate
from sayso.bot.valkey import EmbeddedValkey
from sayso.scheduler.sweep import Sweeper

BO = PersonId("bo")
ROUTE = Route(
    name="finance", places=(Place("slack:C1"),), rule=Rule(approvers=("finance",)), second_line="seniors"
)
TOGETHER = 64


class Circles:
    """A directory in which every circle has one member."""

    async def person(self, identity: Identity) -> Person:
        raise NotAllowed

    async def members(self, approvers: str) -> frozenset[PersonId]:
        return frozenset({BO})

    def known(self, id: PersonId) -> Person | None:
        return None


def ask(number: int, at: datetime) -> Ask:
    """A refund of a cent."""
    run = Run(thread=ThreadId(f"bench-{number}"), graph="ops", asked_by=PersonId("alex"), goal="refund")
    action = Action(
        tool="issue_refund", arguments={"order": 1042, "amount": "0.01", "currency": "USD"},
        category="financial_transaction", goal="Settle a complaint", summary="Refund 0.01 USD for order 1042",
        reasoning="The parcel arrived broken.",
    )  # fmt: skip
    finding = Finding(Dimension.IRREVERSIBILITY, Level.HIGH, "A refund cannot be called back.")
    risk = RiskAssessment(
        findings=(finding,), oversight=Oversight.GATE, reasons=("Money",), flags=("Money",), policy="p1"
    )
    proposal = Proposal(action=action, assessment=risk, thread=run.thread, asked_by=run.asked_by)
    return compose(
        key=PauseKey(thread=run.thread, interrupt="i1"), run=run, route=ROUTE, ttl_class=TtlClass.ROUTINE,
        first=Revision(number=1, frozen=canonical.encode(proposal).decode()), chain=CHAINS[TtlClass.ROUTINE], opened_at=at,
    )  # fmt: skip


def approve(request: Request, now: datetime) -> Change:
    """One approval; signing it is not measured here."""
    vote = Vote(
        request=request.id, thread=request.ask.run.thread, revision=1, digest=request.current.digest, person=BO,
        verdict=Approve(), at=now, expires=now + timedelta(days=1), rule=request.ask.rule,
    )  # fmt: skip
    return rules.vote(request, vote, frozenset({BO}), 1, now)


async def one_by_one(calls: Sequence[Callable[[], Awaitable[object]]]) -> list[float]:
    """Seconds of each call, one after the other."""
    seconds = []
    for call in calls:
        began = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - began)
    return seconds


async def together(calls: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """Seconds of all calls, `TOGETHER` at a time."""
    turns, began = asyncio.Semaphore(TOGETHER), time.perf_counter()

    async def turn(call: Callable[[], Awaitable[object]]) -> None:
        async with turns:
            await call()

    await asyncio.gather(*map(turn, calls))
    return time.perf_counter() - began


async def measure(store: RedisStore, due: int) -> None:
    """Print every figure."""
    now = datetime.now(UTC)
    first = [ask(number, now) for number in range(200)]
    rest = [ask(number, now) for number in range(200, due)]
    print(line("open a request", await one_by_one([partial(store.open, rules.opened(a)) for a in first])))
    seconds = await together([partial(store.open, rules.opened(a)) for a in rest])
    print(rate(f"open, {TOGETHER} at a time", len(rest), seconds))
    ids = [a.id for a in first]
    print(line("decide (one vote)", await one_by_one([partial(store.change, i, approve) for i in ids])))
    many = [a.id for a in rest[:2000]]
    seconds = await together([partial(store.change, i, approve) for i in many])
    print(rate(f"decide, {TOGETHER} at a time", len(many), seconds))
    taken = [partial(store.take, "w1", idle=timedelta(minutes=1), wait=timedelta(0)) for _ in ids]
    print(line("take work", await one_by_one(taken)))
    claims = [partial(store.claim, tuple(Lane), lease=timedelta(minutes=1)) for _ in ids]
    print(line("claim ten things to tell", await one_by_one(claims)))
    await sweep(store, due)


async def sweep(store: RedisStore, due: int) -> None:
    """An outage of four days: reminders of what is open and alarms about what nobody resumed are all overdue."""
    await store.push_clock(timedelta(days=4))
    sweeper, began = Sweeper(store, Circles()), time.perf_counter()
    while await store.due():
        await sweeper.sweep()
    print(rate(f"sweep {due} due requests, one sweeper", due, time.perf_counter() - began))


async def main(due: int) -> None:
    """Measure on a fresh store."""
    print(f"The store on its embedded Valkey (every write is on disk before it is answered). {machine()}")
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        store = await RedisStore.connect(server.url, demo=True)
        try:
            await measure(store, due)
        finally:
            await store.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
