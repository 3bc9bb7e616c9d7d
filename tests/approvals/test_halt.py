"""The kill switch in the store: whatever acts is refused while a pause holds, everything else goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from sayso.approvals import effects, machine
from sayso.approvals.change import AuditEntry, Change, Event
from sayso.approvals.errors import Halted
from sayso.approvals.halt import HALTS, Halt, held_back
from sayso.approvals.memory import MemoryStore
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.sealing import UNSEALED, Seal
from sayso.approvals.store import PureStep, Store
from scenes import BO, CY, a_run, a_vote, an_ask

SOON, HOUR = timedelta(seconds=5), timedelta(hours=1)
PAUSED = AuditEntry(event=Event.HALTED, by="kim", words="Paused")
ENDED = AuditEntry(event=Event.UNHALTED, by="kim", words="Ended")


@pytest.fixture(
    params=["memory", "valkey", "sealed", pytest.param("cluster", marks=pytest.mark.second_server)]
)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind whose clock can be pushed."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = request.getfixturevalue("cluster_url" if request.param == "cluster" else "redis_url")
    seal = Seal([b"k" * 32]) if request.param == "sealed" else UNSEALED
    store = await RedisStore.connect(url, demo=True, seal=seal)
    yield store
    await store.close()


async def push(store: Store, by: timedelta) -> None:
    if isinstance(store, MemoryStore):
        store.advance(by)
    elif isinstance(store, RedisStore):
        await store.push_clock(by)


async def a_halt(store: Store, graph: str = "", span: timedelta | None = None) -> Halt:
    now = await store.now()
    halt = Halt(
        graph=graph, by="kim", why="the refunds look wrong", since=now, until=now + span if span else None
    )
    await store.halt(halt, PAUSED)
    return halt


async def decided(store: Store, thread: str = "t1") -> Request:
    request = await store.open(machine.opened(an_ask(thread=thread, opened_at=await store.now())))
    return (await store.change(request.id, approving)).request


def approving(request: Request, now: object) -> Change:
    return machine.vote(request, a_vote(request, at=now), frozenset({BO, CY}), 1, now)  # type: ignore[arg-type]


def claiming(request: Request, now: object) -> Change:
    return machine.resuming(request, "w1", now)  # type: ignore[arg-type]


def burning(request: Request, now: object) -> Change:
    return effects.begin(request, attempt=1, worker="w1", lease=SOON, now=now)  # type: ignore[arg-type]


async def refused(store: Store, request: Request, step: PureStep) -> bool:
    before = await store.get(request.id)
    try:
        await store.change(request.id, step)
    except Halted as halted:
        said = halted.halt
    else:
        return False
    assert said is not None
    assert said.why == "the refunds look wrong"
    assert await store.get(request.id) == before
    return True


async def test_nobody_resumes_and_nothing_starts_while_everything_is_paused(store: Store) -> None:
    """People still answer; the same steps go through once the pause is ended."""
    halt = await a_halt(store)
    request = await decided(store)
    assert request.state is State.DECIDED
    assert await refused(store, request, claiming)
    assert await store.take("w1", idle=SOON, wait=timedelta(0)) is None
    with pytest.raises(Halted):
        await store.unhalted(request.ask.run)
    assert await store.halts() == [halt]
    await store.unhalt("", ENDED)
    assert not await refused(store, request, claiming)
    assert await store.halts() == []


async def test_a_pause_between_resuming_and_the_burn_holds_the_burn(store: Store) -> None:
    """A tool that was burnt before it finishes, and its end is written down."""
    held, running = await decided(store), await decided(store, "t2")
    for one in (held, running):
        await store.change(one.id, claiming)
    await store.change(running.id, burning)
    await a_halt(store)
    assert await refused(store, held, burning)
    done = await store.change(running.id, lambda r, now: effects.done(r, "w1", '"ok"', "Done.", now))
    assert done.request.state is State.CLOSED
    taken_over = await decided(store, "t3")
    assert await refused(store, taken_over, claiming)


async def test_one_agent_is_paused_and_the_others_go_on(store: Store) -> None:
    """A pause names its graph."""
    request = await decided(store)
    await a_halt(store, "mails")
    assert not await refused(store, request, claiming)
    await a_halt(store, "ops")
    assert await refused(store, request, burning)
    await store.unhalted(replace(a_run(), graph="books"))
    assert [one.graph for one in await store.halts()] == ["mails", "ops"]


async def test_it_ends_by_itself_at_its_time_and_once_on_record(store: Store) -> None:
    """P21: At the very instant, by the store's clock; putting it away is for the record only."""
    request = await decided(store)
    await a_halt(store, span=HOUR)
    await push(store, HOUR - timedelta(minutes=1))
    assert await refused(store, request, claiming)
    await store.unhalt_ended("", ENDED)
    assert len(await store.halts()) == 1
    await push(store, timedelta(minutes=1))
    assert not await refused(store, request, claiming)
    for _ in range(2):
        await store.unhalt_ended("", ENDED)
    assert [record.entry.event for record in await store.trail(HALTS)] == [Event.HALTED, Event.UNHALTED]


async def test_a_new_pause_is_not_put_away_with_the_old_one(store: Store) -> None:
    """Whoever saw the old one end comes late."""
    await a_halt(store, span=HOUR)
    await push(store, HOUR)
    again = await a_halt(store)
    await store.unhalt_ended("", ENDED)
    assert await store.halts() == [again]


async def test_what_is_decided_waits_with_a_clock_of_its_own(store: Store) -> None:
    """Nobody is called because sayso is paused; what people are asked, and what has started, keeps its clock."""
    request = await decided(store)
    assert request.resume_by is not None
    later = held_back(request, request.resume_by)
    assert later is not None
    assert later.request.due_at == request.resume_by + machine.RESUME_WITHIN
    assert not later.notices
    assert held_back(request, machine.votes_expire_at(request)) is None
    asked = await store.open(machine.opened(an_ask(thread="t2", opened_at=await store.now())))
    assert held_back(asked, asked.ask.deadline.expires_at) is None
    for step in (claiming, burning):
        request = (await store.change(request.id, step)).request
    assert held_back(request, request.resume_by or await store.now()) is None


async def test_it_survives_a_restart_and_is_in_every_partition(redis_url: str) -> None:
    """P21: Another process reads it at once, for runs of all partitions."""
    for opens in (True, False):
        store = await RedisStore.connect(redis_url, demo=True)
        if opens:
            await a_halt(store)
        for number in range(40):
            with pytest.raises(Halted):
                await store.unhalted(a_run(f"t{number}"))
        await store.close()


@pytest.mark.parametrize("kept", [b"", b"garbage", b"99x {}", b" \x01sealed\x01nobody has this key"])
async def test_a_pause_that_cannot_be_read_holds(
    redis_url: str, redis_client: redis.Redis, kept: bytes
) -> None:
    """P21: Doubt stops everything, and is no failure of the work that waits."""
    store = await RedisStore.connect(redis_url, demo=True)
    request = await decided(store)
    for key in redis_client.scan_iter("sayso:*:clock"):
        redis_client.hset(key.decode().removesuffix("clock") + "halt", "", kept)
    with pytest.raises(Halted):
        await store.change(request.id, claiming)
    with pytest.raises(Halted):
        await store.unhalted(request.ask.run)
    assert await store.take("w1", idle=SOON, wait=timedelta(0)) is None
    await store.close()
