"""What only the store in Redis can get wrong: keys that stay, slots, clocks, lost replies, restarts, the pool."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from drops import Drops
from redis.crc import key_slot
from sayso.approvals import effects, machine
from sayso.approvals.change import AuditEntry, Change, Event, Notice, NoticeKind, WorkKind
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.approvals.memory import MemoryStore
from sayso.approvals.naming import partition_of
from sayso.approvals.redis_scripts import GROUP
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, Run, State
from sayso.approvals.store import Lane, MessageRef, TargetKind, Told
from sayso.approvals.verdict import RequestId, Rule, ThreadId
from sayso.bot.valkey import EmbeddedValkey
from scenes import BO, CY, FINANCE, a_run, a_vote, an_ask

EVERYBODY = frozenset({BO, CY})
LEASE = timedelta(milliseconds=500)
LANES = (Lane.PAGE, Lane.TELL, Lane.REDRAW)
#: What stays for good: the audit trail with its links and its counter, the clock, the empty work stream, the store's own facts.
STAYS = re.compile(r"sayso:(meta|\{[0-9a-f]{2}\}:(audit|links|cleared|number|clock|offset|work))")


@asynccontextmanager
async def connected(url: str, *, demo: bool = False) -> AsyncIterator[RedisStore]:
    store = await RedisStore.connect(url, demo=demo)
    try:
        yield store
    finally:
        await store.close()


async def opened(store: RedisStore, thread: str = "t1") -> Request:
    """An open request whose clock began now."""
    return await store.open(machine.opened(an_ask(thread=thread, opened_at=await store.now())))


def approve(request: Request, now: datetime) -> Change:
    return machine.vote(request, a_vote(request, at=now), EVERYBODY, 1, now)


async def tell_everything(store: RedisStore) -> set[TargetKind]:
    """Draw every card, say every notice and settle every page there is; what kinds there were."""
    kinds: set[TargetKind] = set()
    await store.woken(LANES, timedelta(0))
    while targets := await store.claim(LANES, lease=timedelta(minutes=1), limit=100):
        for target in targets:
            kinds.add(target.kind)
            newest = (
                0 if target.kind is TargetKind.NOTICE else (await store.get(RequestId(target.id))).version
            )
            ref = MessageRef(platform="slack", channel="C1", message=target.id)
            await store.set_told(target, Told(ref=ref, version=newest))
        await store.woken(LANES, timedelta(0))
    return kinds


async def act(store: RedisStore, id: RequestId) -> None:
    """Approved, taken by a worker, run, done."""
    await store.change(id, approve, token=f"click-{id}")
    item = await store.take("w1", idle=LEASE, wait=timedelta(0))
    assert item is not None
    await store.entered(item, "w1")
    await store.change(id, lambda r, now: machine.resuming(r, "w1", now))
    await store.change(id, lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=LEASE, now=now))
    await store.change(id, lambda r, now: effects.done(r, "w1", "", "Done.", now))
    await store.finish(item, "w1")


async def end(store: RedisStore, run: Run) -> None:
    report = Notice(key="report", kind=NoticeKind.REPORT, place=run.origin, thread=run.thread, text="Done.")
    await store.finish_run(run.thread, AuditEntry(event=Event.RUN_FINISHED, words="ended"), (report,))


async def begun(store: RedisStore, thread: str) -> Request:
    """A run that has come to its pause."""
    await store.start(a_run(thread), token=f"mention-{thread}")
    item = await store.take("w1", idle=LEASE, wait=timedelta(0))
    assert item is not None
    await store.entered(item, "w1")
    request = await opened(store, thread)
    await store.finish(item, "w1")
    return request


def keys_that_stay(client: redis.Redis) -> set[str]:
    """Every key without an end of its own."""
    return {key.decode() for key in client.scan_iter(count=1000) if client.ttl(key) == -1}


async def test_after_a_run_only_the_audit_trail_and_counters_stay(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """Approved, expired after a page, and withdrawn: everything else of them goes away by itself."""
    async with connected(redis_url, demo=True) as store:
        done, expired, withdrawn = [await begun(store, f"t{n}") for n in range(3)]
        assert TargetKind.CARD in await tell_everything(store)
        await act(store, done.id)
        await store.push_clock(timedelta(hours=24, minutes=1))
        await store.change(expired.id, machine.fire)
        assert TargetKind.PAGE in await tell_everything(store)
        await store.push_clock(timedelta(hours=1))
        await store.change(expired.id, machine.fire)
        item = await store.take("w1", idle=LEASE, wait=timedelta(0))
        assert item is not None
        await store.change(expired.id, lambda r, now: machine.withdrawn(r, "w1", "it expired", now))
        await store.finish(item, "w1")
        await store.change(withdrawn.id, lambda r, now: machine.withdrawn(r, "alex", "never mind", now))
        for request in (done, expired, withdrawn):
            await end(store, request.ask.run)
        assert {TargetKind.CARD, TargetKind.NOTICE, TargetKind.PAGE} == await tell_everything(store)
        assert not {key for key in keys_that_stay(redis_client) if not STAYS.fullmatch(key)}


async def test_a_card_first_drawn_after_the_end_goes_away_too(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """Slack was away the whole time: what is told of a closed request has an end from the first word."""
    async with connected(redis_url) as store:
        request = await begun(store, "t1")
        await store.change(request.id, lambda r, now: machine.withdrawn(r, "alex", "never mind", now))
        await end(store, request.ask.run)
        await tell_everything(store)
        assert not {key for key in keys_that_stay(redis_client) if not STAYS.fullmatch(key)}


async def test_every_key_of_a_request_lives_in_one_slot(redis_url: str, redis_client: redis.Redis) -> None:
    """A cluster can run every script: all keys of a partition share its hash tag."""
    async with connected(redis_url) as store:
        request = await begun(store, "t1")
        await tell_everything(store)
        await act(store, request.id)
        tag = f"{{{partition_of(request.ask.run.thread):02x}}}"
        named = [
            key for key in redis_client.scan_iter(count=1000) if request.id in key.decode() or b":t1" in key
        ]
        assert len(named) >= 5
        assert {key_slot(key) for key in named} == {key_slot(tag.encode())}
        others = [k for k in redis_client.scan_iter() if not re.match(rb"sayso:(\{[0-9a-f]{2}\}:|meta$)", k)]
        assert others == []


async def test_time_that_goes_back_is_not_used_and_is_reported(
    redis_url: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's clock was a minute ahead once: the largest time seen goes on, and the difference is said."""
    async with connected(redis_url) as store:
        request = await opened(store)
        assert store.clock_went_back_ms == 0
        stem = f"sayso:{{{partition_of(request.ask.run.thread):02x}}}:"
        ahead = int(redis_client.get(f"{stem}clock") or 0) + 60_000
        redis_client.set(f"{stem}clock", ahead)
        decided = await store.change(request.id, approve)
        assert decided.request.decision is not None
        assert decided.request.decision.at.timestamp() * 1000 == ahead
        assert 55_000 < store.clock_went_back_ms <= 60_000
        assert "store.clock_went_back" in caplog.text
        times = [record.at.timestamp() * 1000 for record in await store.trail(ThreadId("t1"))]
        assert times == sorted(times)
        assert times[-1] == ahead


async def test_a_deadline_that_has_passed_stays_passed_when_the_clock_goes_back(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """An approval cannot slip in because a server's clock was set back."""
    async with connected(redis_url) as store:
        request = await opened(store)
        stem = f"sayso:{{{partition_of(request.ask.run.thread):02x}}}:"
        redis_client.set(f"{stem}clock", round(request.ask.deadline.expires_at.timestamp() * 1000))
        assert list(await store.due()) == [request.id]
        after = (await store.change(request.id, approve)).request
        assert (after.state, after.decision) == (State.EXPIRED, None)


async def open_it(store: RedisStore) -> object:
    return (await opened(store, "t2")).version


async def decide_it(store: RedisStore) -> object:
    applied = await store.change((await opened(store)).id, approve, token="click-2")
    return (applied.replayed, applied.request.version, applied.request.state)


async def decide_without_token(store: RedisStore) -> object:
    applied = await store.change((await opened(store)).id, approve)
    return (applied.replayed, applied.request.version, applied.request.state)


async def start_it(store: RedisStore) -> object:
    return await store.start(a_run("t3"))


async def enter_it(store: RedisStore) -> object:
    await store.start(a_run("t4"))
    item = await store.take("w1", idle=timedelta(minutes=1), wait=timedelta(0))
    assert item is not None
    return await store.entered(item, "w1")


async def note_it(store: RedisStore) -> object:
    entry = AuditEntry(event=Event.REFUSED_ANSWER, words="not an approver", by="mallory")
    await store.note(entry, thread=ThreadId("t5"))
    return len(await store.trail(ThreadId("t5")))


async def end_it(store: RedisStore) -> object:
    await store.start(a_run("t6"))
    await end(store, a_run("t6"))
    ended = [r for r in await store.trail(ThreadId("t6")) if r.entry.event is Event.RUN_FINISHED]
    return (len(ended), ThreadId("t6") in [run.thread for run in await store.unfinished()])


@pytest.mark.parametrize(
    ("script", "call", "answer"),
    [
        ("COMMIT", open_it, 1),
        ("COMMIT", decide_it, (False, 2, State.DECIDED)),
        ("COMMIT", decide_without_token, (False, 2, State.DECIDED)),
        ("START", start_it, True),
        ("ENTERED", enter_it, 1),
        ("NOTE", note_it, 1),
        ("FINISH_RUN", end_it, (1, False)),
    ],
)
async def test_a_lost_reply_changes_nothing_twice_and_is_not_taken_for_a_lost_race(
    redis_url: str, script: str, call: Callable[[RedisStore], Awaitable[object]], answer: object
) -> None:
    """The server has done it, the connection breaks before we hear of it: the caller still gets the first answer."""
    drops = Drops(redis_url)
    async with drops.listening() as through, connected(through) as store:
        await opened(store)
        for known in store._scripts.values():
            await store._redis.script_load(known.script)
        drops.next_reply_to(store._scripts[script].sha)
        assert await call(store) == answer
        assert drops.lost == 1
        numbers = [record.number for record in await store.trail(ThreadId("t1"))]
        assert numbers == list(range(1, len(numbers) + 1))
        events = [record.entry.event for record in await store.trail(ThreadId("t1"))]
        assert len(events) == len(set(events))


async def test_flushed_scripts_are_brought_again(redis_url: str, redis_client: redis.Redis) -> None:
    """A server that forgot our scripts (restart, failover, SCRIPT FLUSH) gets them with the next call."""
    async with connected(redis_url) as store:
        request = await opened(store)
        redis_client.script_flush()
        assert (await store.change(request.id, approve)).request.state is State.DECIDED
        redis_client.script_flush()
        item = await store.take("w1", idle=LEASE, wait=timedelta(0))
        assert item is not None
        assert item.work.kind is WorkKind.RESUME


async def test_many_more_callers_than_connections_all_get_through(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """150 decisions at once wait for a connection instead of failing, and the server never sees more than 64 + 8."""
    async with connected(redis_url) as store:
        requests = [await opened(store, f"t{n}") for n in range(150)]
        answers = await asyncio.gather(*(store.change(request.id, approve) for request in requests))
        assert {answer.request.state for answer in answers} == {State.DECIDED}
        assert int(redis_client.info("clients")["connected_clients"]) <= 64 + 8 + 2  # and who asks


async def test_a_killed_server_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """P8: SIGKILL in the middle of 80 decisions: it is started again, and each is decided once, with nobody told otherwise."""
    with EmbeddedValkey(tmp_path) as server, open_sync_redis(server.url) as client:
        async with connected(server.url) as store:
            requests = [await opened(store, f"t{n}") for n in range(80)]
            first = int(client.info("server")["process_id"])
            answered = 0

            async def decide(request: Request) -> bool:
                nonlocal answered
                applied = await store.change(request.id, approve, token=f"click-{request.id}")
                answered += 1
                if answered == 20:
                    os.kill(first, signal.SIGKILL)
                return applied.replayed

            assert set(await asyncio.gather(*map(decide, requests))) == {False}
            assert int(client.info("server")["process_id"]) != first
            for request in requests:
                events = [record.entry.event for record in await store.trail(request.ask.run.thread)]
                assert events == [Event.OPENED, Event.VOTED, Event.DECIDED]
            assert len(await resumes(server.url)) == 80


async def resumes(url: str) -> list[Any]:
    """The work items on the streams."""
    client = open_redis(url)
    streams = [key async for key in client.scan_iter("sayso:*:work")]
    entries: list[Any] = [await client.xrange(stream) for stream in streams]
    found = [entry for each in entries for entry, _ in each]
    await client.aclose()
    return found


async def test_a_dead_workers_item_is_found_behind_many_living_ones(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """Thirty long runs in the same partition are alive; the one behind them is not, and is handed on."""
    async with connected(redis_url) as store:
        threads = [f"t{n}" for n in range(600) if partition_of(ThreadId(f"t{n}")) == 3][:31]
        items = []
        for thread in threads:
            await store.start(a_run(thread))
            item = await store.take("w1", idle=timedelta(minutes=1), wait=timedelta(0))
            assert item is not None
            items.append(item)
        dead = items[-1]  # idleness is the server's own measure, in wall time
        redis_client.xclaim("sayso:{03}:work", GROUP, "w1", 0, [dead.id], idle=60_000, justid=True)
        await store.woken(LANES, timedelta(0))
        store._waker.again("work", range(16))
        handed_on = await store.take("w2", idle=timedelta(seconds=30), wait=timedelta(0))
        assert handed_on is not None
        assert handed_on.id == dead.id


async def test_a_card_not_yet_posted_does_not_fall_behind_mere_redraws(redis_url: str) -> None:
    """P16: A first vote of two arrives before the second channel has its card: that card still goes out first."""
    route = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))
    async with connected(redis_url) as in_redis:
        for store in (in_redis, MemoryStore()):
            ask = an_ask(route=route, opened_at=await store.now())
            request = await store.open(machine.opened(ask))
            await store.change(request.id, approve)
            await store.woken((Lane.TELL,), timedelta(0))
            targets = await store.claim((Lane.TELL,), lease=LEASE)
            assert sorted(target.where for target in targets) == sorted(request.card_places)
