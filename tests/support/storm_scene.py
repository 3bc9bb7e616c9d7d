"""The storm itself: its own Valkey, workers and people in other processes, a thief, and a clock that runs ahead."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from line_processes import Process
from sayso.approvals.connection import open_redis
from sayso.approvals.errors import StoreDown
from sayso.approvals.redis_scripts import GROUP
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import State
from sayso.approvals.signing import Signer
from sayso.bot.valkey import EmbeddedValkey
from storm_people import ENOUGH, is_forgotten

#: Places for workers, and for processes that people talk to.
WORKERS, BOTS = ("w1", "w2", "w3"), ("b1", "b2")
#: Longer than any of it takes on a machine that is four times slower, seconds.
PATIENCE = 540.0
#: Of all runs, so many are there when Valkey is killed.
KILLS = (0.35, 0.7)


@dataclass(kw_only=True)
class Storm:
    """What was done to everybody."""

    seed: str
    runs: int
    folder: Path
    deaths: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    stolen: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    seconds: float = 0.0
    stuck: str = ""


async def storm(
    seed: str, runs: int, folder: Path, look: Callable[[Storm, RedisStore], Awaitable[None]]
) -> None:
    """Let it rage until nothing is left to do, then let `look` see what it left."""
    raging = Storm(seed=seed, runs=runs, folder=folder)
    signer_key = random.randbytes(32)
    (folder / "private").write_bytes(signer_key)
    (folder / "public").write_bytes(Signer(signer_key).public_key)
    async with AsyncExitStack() as stack:
        server = stack.enter_context(EmbeddedValkey(folder / "valkey"))
        store = await stack.enter_async_context(_store(server.url))
        slots = [
            stack.enter_context(Process(script, server.url, str(folder), name, seed, *more))
            for names, script, more in ((WORKERS, "storm_worker.py", ()), (BOTS, "storm_people.py", (str(runs),)))
            for name in names
        ]  # fmt: skip
        for slot in slots:
            await asyncio.to_thread(slot.ready)
        began = time.monotonic()
        await _rage(raging, store, open_redis(server.url), slots)
        raging.seconds = time.monotonic() - began
        await look(raging, store)


@asynccontextmanager
async def _store(url: str) -> AsyncIterator[RedisStore]:
    store = await RedisStore.connect(url, demo=True)
    try:
        yield store
    finally:
        await store.close()


async def _rage(raging: Storm, store: RedisStore, client: Any, slots: list[Process]) -> None:
    over = asyncio.Event()
    around = [
        asyncio.create_task(each)
        for each in (
            _steal(raging, client, over), _kill_valkey(raging, store, client), _push_clock(store, over),
        )
    ]  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            for slot in slots:
                assert await asyncio.to_thread(slot.receive) == "through"
            (raging.folder / ENOUGH).touch()
            await around[1]
            over.set()
            await asyncio.gather(*around)
            await _calm(raging, store, client)
    except TimeoutError:
        raging.stuck = "it did not come to an end"
    finally:
        over.set()
        await asyncio.wait(around)
        await client.aclose()
    for slot in slots:
        slot.send("over")
    for slot in slots:
        told = await asyncio.to_thread(slot.receive)
        raging.deaths.update(told["deaths"])
        raging.others.update(told["others"])


async def _calm(raging: Storm, store: RedisStore, client: Any) -> None:
    """Nobody dies any more: wait until nothing is left, letting the forgotten requests expire."""
    while True:
        try:
            live, unfinished = await store.live(), await store.unfinished()
            left = [await client.xlen(key) async for key in client.scan_iter("sayso:*:work")]
            all_started = (await _started(store)) >= raging.runs
        except (StoreDown, redis.RedisError):
            continue
        if all_started and not live and not unfinished and not sum(left):
            return
        moving = [
            one for one in live if not (is_forgotten(one.id) if one.state is State.OPEN else one.waits_for)
        ]
        if live and not moving:
            first = min(one.ask.deadline.expires_at for one in live)
            await store.push_clock(max(first - await store.now(), timedelta(0)) + timedelta(hours=1))
        await asyncio.sleep(0.3)


async def _started(store: RedisStore) -> int:
    return len([1 async for _ in store._redis.scan_iter("sayso:*:run:storm-*", count=1000)])


async def _kill_valkey(raging: Storm, store: RedisStore, client: Any) -> None:
    """SIGKILL in the midst; its supervisor starts it again."""
    for part in KILLS:
        while await _or(_started(store), 0) < part * raging.runs:  # noqa: ASYNC110 others start them
            await asyncio.sleep(0.2)
        pid = int((await client.info("server"))["process_id"])
        os.kill(pid, signal.SIGKILL)
        while await _or(_pid(client), pid) == pid:  # noqa: ASYNC110 its supervisor does it
            await asyncio.sleep(0.05)
        raging.restarts += 1


async def _pid(client: Any) -> int:
    return int((await client.info("server"))["process_id"])


async def _or(asked: Awaitable[int], otherwise: int) -> int:
    try:
        return await asked
    except (StoreDown, redis.RedisError):
        return otherwise


async def _push_clock(store: RedisStore, over: asyncio.Event) -> None:
    """An hour passes every few seconds: reminders, wider circles, and agents that are not back in time."""
    while not over.is_set():
        await asyncio.sleep(3)
        try:
            await store.push_clock(timedelta(hours=1))
        except StoreDown:
            continue


async def _steal(raging: Storm, client: Any, over: asyncio.Event) -> None:
    """Locks of threads, leases of running tools, and work that somebody has in hand."""
    dice = random.Random(f"{raging.seed} thief")
    while not over.is_set():
        await asyncio.sleep(0.4)
        what = dice.choice(("lock", "lease", "work"))
        try:
            took = await (_take_work(client, dice) if what == "work" else _take_key(client, what, dice))
        except redis.RedisError:
            continue
        raging.stolen[what] += took


async def _take_key(client: Any, what: str, dice: random.Random) -> bool:
    pattern = {"lock": "sayso:thread:*:lock", "lease": "sayso:*:lease:*"}[what]
    keys = [key async for key in client.scan_iter(pattern, count=2000)]
    return bool(keys) and bool(await client.delete(dice.choice(keys)))


async def _take_work(client: Any, dice: random.Random) -> bool:
    streams = [key async for key in client.scan_iter("sayso:*:work", count=2000)]
    dice.shuffle(streams)
    for stream in streams:
        held = await client.xpending_range(stream, GROUP, "-", "+", 5)
        if held:
            one = dice.choice(held)
            return bool(await client.xclaim(stream, GROUP, "thief", 0, [one["message_id"]]))
    return False
