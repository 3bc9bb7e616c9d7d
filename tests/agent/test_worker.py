"""The worker: nothing is swallowed, nothing is tried for ever, and a busy loop loses no lease."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from gated import AgentState, Ledger, World, an_agent, planning, refund_tool, reporting
from sayso.agent.effect import effect
from sayso.agent.faults import told_of
from sayso.agent.keeper import Keeper
from sayso.agent.memory_lock import MemoryLock
from sayso.agent.runner import TRIES
from sayso.approvals import effects, machine
from sayso.approvals.change import Applied
from sayso.approvals.errors import StoreDown
from sayso.approvals.memory import MemoryStore
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.verdict import RequestId, ThreadId

SHORT = timedelta(milliseconds=300)


def breaking(node: Callable[[AgentState], Any], times: int) -> Callable[[AgentState], Any]:
    """A node that breaks so many times before it works."""
    broken = {"left": times}

    def breaks(state: AgentState) -> Any:
        if broken["left"]:
            broken["left"] -= 1
            raise RuntimeError("words of a stack trace")
        return node(state)

    return breaks


def breaking_report(times: int) -> World:
    ledger = Ledger()
    tool = refund_tool(ledger)
    agent = an_agent(tool, ledger, report=breaking(reporting, times))
    return World(tool, ledger=ledger, graph=agent)


async def test_a_node_that_breaks_is_tried_again() -> None:
    """Four failures, then it goes on where it stood: the action ran once."""
    world = breaking_report(TRIES - 1)
    await world.ask()
    await world.answer(await world.open_request())
    await world.work()
    assert len(world.ledger.done) == 1
    assert await world.reports() == ["executed: Refunded 129.90 USD."]


async def test_a_run_that_only_breaks_is_given_up_aloud(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asked is told; the trail has type and place of each try, the log the words of the agent's code too."""
    ledger = Ledger()
    tool = refund_tool(ledger)
    agent = an_agent(tool, ledger, plan=breaking(planning(tool, ledger), 99))
    world = World(tool, ledger=ledger, graph=agent)
    with caplog.at_level(logging.INFO):
        await world.ask()
    assert await world.reports() == [
        "The agent broke off and was given up (RuntimeError). Nothing more will be done for this."
    ]
    assert await world.events() == ["run started", *["broke off"] * TRIES, "run failed"]
    assert await world.store.unfinished() == []
    logged = [vars(record)["words"] for record in caplog.records if record.message == "work.failed"]
    assert logged == ["words of a stack trace"] * TRIES
    told = [record.entry.words for record in await world.store.trail(ThreadId("t1"))]
    assert "words of a stack trace" not in str(told)
    assert re.fullmatch(
        r"The agent broke off \(RuntimeError at test_worker\.py:\d+ breaks\), attempt 1 of 5; trying again in \d s",
        told[1],
    )
    assert told[TRIES].endswith("attempt 5 of 5; this was the last")


@pytest.mark.parametrize(
    "words",
    [
        "ghp_" + "a1" * 18, "refused: 8f4b2c9d8f4b2c9d8f4b2c9d", "password=hunter2", "'api_key': 'k'",
        "redis://:hunter2@127.0.0.1", "GET http://127.0.0.1/orders?k=hunter2",
    ],
)  # fmt: skip
def test_words_that_may_hold_a_secret_are_withheld(words: str) -> None:
    """Even where the secret stands behind the first line; type and place are logged all the same."""
    for text in (words, f"It broke.\n{words}"):
        assert told_of(RuntimeError(text)) == {
            "words": "(withheld: it may hold a secret)", "error": "RuntimeError", "at": "",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("amount"), "'amount'"), (TypeError("plan() takes 1 argument"), "plan() takes 1 argument"),
        (ValueError("one\ntwo"), "one"), (ValueError("\x1b[2J" + "a b" * 100), " [2J" + ("a b" * 100)[:196]),
    ],
)  # fmt: skip
def test_what_an_author_has_to_know_is_logged(error: Exception, words: str) -> None:
    """One line that cannot paint a terminal."""
    assert told_of(error)["words"] == words


async def test_a_run_that_nobody_known_asked_for_asks_nobody() -> None:
    """Without a person behind it there is no second pair of eyes; only a route that says so takes it."""
    world = World()
    await world.ask(asked_by=None)
    assert await world.store.live() == []
    assert (await world.reports())[0].startswith("The agent broke off and was given up (CannotAsk)")


async def test_giving_up_closes_what_is_open() -> None:
    """A report that breaks for ever does not undo what was done, and leaves no card waiting."""
    world = breaking_report(99)
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED
    assert "run failed" in await world.events()
    assert await world.store.live() == []


async def test_tries_are_counted_over_all_workers() -> None:
    """A process that dies in graph code counts too: the next ones do not start at zero."""
    ledger = Ledger()
    world = World(ledger=ledger)
    await world.start()
    item = await world.store.take("dead", idle=timedelta(0), wait=timedelta(0))
    for _ in range(TRIES):
        assert await world.store.entered(item, "dead")
    world.store.advance(timedelta(minutes=1))
    await world.work()
    assert ledger.planned == 0
    assert "run failed" in await world.events()


async def test_redis_being_away_is_no_failure_of_the_work() -> None:
    """The item stays, and nobody is told that the agent broke."""

    class Away(MemoryStore):
        down = True

        async def entered(self, item: Any, worker: str) -> int | None:
            if self.down:
                raise StoreDown
            return await super().entered(item, worker)

    store = Away()
    world = World(store=store)
    await world.start()
    with pytest.raises(StoreDown):
        await world.worker.work_once()
    store.down = False
    store.advance(timedelta(minutes=1))
    await world.work()
    assert (await world.open_request()).state is State.OPEN


async def test_a_graph_this_worker_does_not_know_is_left_to_others() -> None:
    """Its item is handed on, not finished."""
    world = World()
    await world.start()
    stranger = world.another_worker("stranger", knows="another agent")
    await stranger.work_once()
    world.store.advance(timedelta(minutes=1))
    await world.work()
    assert (await world.open_request()).state is State.OPEN


# ---- started by somebody who died


async def started_by_another(world: World) -> Request:
    """A worker burnt the approval and was never heard of again."""
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.store.change(request.id, lambda r, now: machine.resuming(r, "dead", now))
    begun: Applied = await world.store.change(
        request.id,
        lambda r, now: effects.begin(r, attempt=1, worker="dead", lease=timedelta(seconds=10), now=now),
    )
    return begun.request


async def test_a_tool_that_still_runs_elsewhere_is_left_alone() -> None:
    """Its lease is held: the work waits, nothing is unknown yet."""
    world = World()
    request = await started_by_another(world)
    await world.worker.work_once()
    assert world.ledger.done == []
    effect = (await world.request(request)).effect
    assert effect is not None
    assert effect.state is EffectState.STARTED


async def test_once_its_lease_has_ended_people_are_asked_what_happened() -> None:
    """Never run again silently."""
    world = World()
    request = await started_by_another(world)
    world.store.advance(timedelta(minutes=1))
    await world.work()
    assert world.ledger.done == []
    effect = (await world.request(request)).effect
    assert effect is not None
    assert effect.state is EffectState.UNKNOWN


async def test_an_idempotent_tool_is_taken_over_with_the_same_key() -> None:
    """Its author said that running it again does nothing more."""
    ledger = Ledger()
    world = World(refund_tool(ledger, idempotent=True), ledger=ledger)
    request = await started_by_another(world)
    world.store.advance(timedelta(minutes=1))
    await world.work()
    assert [key for _, _, key in ledger.done] == [request.id]
    ended = await world.request(request)
    assert ended.effect is not None
    assert (ended.effect.attempt, ended.effect.worker) == (1, "w1")
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED


async def test_a_tool_in_a_thread_may_report_after_its_limit() -> None:
    """Unknown at first; its late word settles it."""
    ledger, go = Ledger(), threading.Event()

    @effect(name="issue_refund", limit=timedelta(milliseconds=30))
    def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        go.wait(5)
        return "Refunded late."

    world = World(issue_refund, ledger=ledger)
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    effect_ = (await world.request(request)).effect
    assert effect_ is not None
    assert effect_.state is EffectState.UNKNOWN
    go.set()
    await asyncio.gather(*world.worker.runner.late)
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.words == "Refunded late."


# ---- the keeper


class Leases:
    """Counts renewals of tools' leases."""

    def __init__(self) -> None:
        self.renewed = threading.Semaphore(0)

    def renew(self, id: RequestId, worker: str, lease: timedelta) -> bool:
        self.renewed.release()
        return True


async def test_a_busy_event_loop_loses_no_lease() -> None:
    """The loop is blocked for many leases, and the thread is still ours."""
    locks, leases = MemoryLock(), Leases()
    keeper = Keeper(leases, locks, worker="w", lease=SHORT)
    lost: list[str] = []
    keeper.start()
    try:
        await locks.acquire("t1", "w/1", 300)
        with keeper.thread(ThreadId("t1"), "w/1", lambda: lost.append("t1")), keeper.effect(RequestId("r1")):
            for _ in range(8):
                assert leases.renewed.acquire(timeout=5)  # blocks the event loop on purpose
            assert await locks.acquire("t1", "other", 300) is None
    finally:
        keeper.stop()
    assert lost == []


def test_a_lock_that_somebody_else_took_is_reported_once() -> None:
    """The worker must stop, because its writes would be refused."""
    clock = {"now": 0.0}
    locks = MemoryLock(lambda: clock["now"])
    keeper = Keeper(Leases(), locks, worker="w", lease=SHORT)
    asyncio.run(locks.acquire("t1", "w/1", 300))
    lost: list[str] = []
    with keeper.thread(ThreadId("t1"), "w/1", lambda: lost.append("t1")):
        keeper.renew_all()
        assert lost == []
        clock["now"] += 1
        asyncio.run(locks.acquire("t1", "other", 300))
        keeper.renew_all()
        keeper.renew_all()
    assert lost == ["t1"]


def test_what_is_given_back_while_it_is_renewed_is_not_lost() -> None:
    """The worker's task does other work by then, and must not be stopped for it."""
    lost: list[str] = []

    class Locks(MemoryLock):
        def renew_sync(self, thread: str, owner: str, lease_ms: int) -> bool:
            block.close()
            return False

    keeper = Keeper(Leases(), Locks(), worker="w", lease=SHORT)
    block = ExitStack()
    block.enter_context(keeper.thread(ThreadId("t1"), "w/1", lambda: lost.append("t1")))
    keeper.renew_all()
    assert lost == []


def test_redis_being_away_for_a_moment_loses_nothing() -> None:
    """Only when a whole lease went by without a renewal is it lost."""

    class Away(Leases):
        def renew(self, id: RequestId, worker: str, lease: timedelta) -> bool:
            raise StoreDown

    lost: list[str] = []

    class Locks(MemoryLock):
        def renew_sync(self, thread: str, owner: str, lease_ms: int) -> bool:
            raise StoreDown

    keeper = Keeper(Away(), Locks(), worker="w", lease=timedelta(milliseconds=50))
    with keeper.thread(ThreadId("t1"), "w/1", lambda: lost.append("t1")):
        keeper.renew_all()
        assert lost == []
        time.sleep(0.06)
        keeper.renew_all()
    assert lost == ["t1"]


async def test_a_worker_that_loses_its_thread_stops() -> None:
    """Its work is left to whoever took it, and the run is not given up."""
    ledger, entered = Ledger(), asyncio.Event()

    async def hangs(state: AgentState) -> dict[str, Any]:
        entered.set()
        await asyncio.Event().wait()
        return {}

    clock = {"now": 0.0}
    locks = MemoryLock(lambda: clock["now"])
    tool = refund_tool(ledger)
    world = World(tool, ledger=ledger, graph=an_agent(tool, ledger, plan=hangs), locks=locks)
    run = await world.start()
    working = asyncio.create_task(world.worker.work_once())
    await entered.wait()
    clock["now"] += 3600
    assert await locks.acquire(run.thread, "other", 60_000)
    await asyncio.to_thread(world.worker._keeper.renew_all)
    assert await working
    assert await world.events() == ["run started"]
    assert await world.store.unfinished() == [run]
