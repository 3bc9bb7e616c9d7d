"""What a million pending deadlines cost: an idle look, memory, and 10,000 that end at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from redis.asyncio import Redis
from sayso.approvals import machine as rules
from sayso.approvals.naming import PARTITIONS
from sayso.approvals.redis_store import RedisStore
from sayso.bench.figures import line, machine, rate
from sayso.bench.store import Circles, ask, together
from sayso.bot.valkey import EmbeddedValkey
from sayso.scheduler.sweep import Sweeper

LOOKS = 2_000
#: Processes that sweep at once, as two workers do: it is promised for two cores.
SWEEPERS = 2
#: What is promised: an idle sweep at the 99th percentile, bytes of a deadline, seconds for those that end at once.
IDLE_MS, BYTES, SECONDS = 1.0, 200, 10.0


async def fill(redis: Redis, count: int) -> None:
    """Deadlines of requests that nobody loads: far ahead, in the sets the store keeps them in."""
    far = int((datetime.now(UTC) + timedelta(days=30)).timestamp() * 1000)
    for begin in range(0, count, 10_000):
        async with redis.pipeline(transaction=False) as pipe:
            for partition in range(PARTITIONS):
                numbers = range(begin + partition, min(begin + 10_000, count), PARTITIONS)
                names = [hashlib.sha256(str(number).encode()).hexdigest()[:20] for number in numbers]
                scores = {f"{partition:02x}-{name}": far + n for n, name in zip(numbers, names, strict=True)}
                pipe.zadd(f"sayso:{{{partition:02x}}}:due", scores)
            await pipe.execute()


async def idle(store: RedisStore) -> float:
    """Milliseconds of an idle sweep at the 99th percentile."""
    sweeper, seconds, worked = Sweeper(store, Circles()), [], 0.0
    for _ in range(LOOKS):
        began, before = time.perf_counter(), time.process_time()
        assert await sweeper.sweep() == 0
        seconds.append(time.perf_counter() - began)
        worked += time.process_time() - before
        await asyncio.sleep(0.001)  # as between two ticks: what waits meanwhile is not the sweep's
    p99 = sorted(seconds)[int(LOOKS * 0.99)] * 1000
    print(line("idle sweep", seconds))
    print(f"  {'of which this process computed':<58} {worked / LOOKS * 1000:12.2f} ms")
    print(f"  {'idle sweep, 99 of 100 within':<58} {p99:12.2f} ms   (promised: {IDLE_MS})")
    return p99


async def ended_at_once(store: RedisStore, redis: Redis, url: str, due: int) -> float:
    """Seconds until that many requests whose time is over have their terminal state, as two workers sweep."""
    now = datetime.now(UTC)
    asks = [ask(number, now) for number in range(due)]
    await together([partial(store.open, rules.opened(one)) for one in asks])
    await store.push_clock(timedelta(days=8))
    call = partial(
        asyncio.create_subprocess_exec, sys.executable, __file__, "--sweep", url, stdin=PIPE, stdout=PIPE
    )
    sweepers = [await call() for _ in range(SWEEPERS)]
    for one in sweepers:
        assert await stream(one.stdout).readline() == b"ready\n"
    before, began = await computed(redis), time.perf_counter()
    said = [
        json.loads(out) for out, _ in await asyncio.gather(*(one.communicate(b"go\n") for one in sweepers))
    ]
    seconds = float(max(one["ended"] for one in said)) - began
    served, worked = await computed(redis) - before, sum(one["computed"] for one in said)
    assert sum(one["moved"] for one in said) == due
    assert await store.due() == []
    least = (worked + served) / (os.cpu_count() or 1)
    print(f"  {'each sweeper moved':<58} {', '.join(str(one['moved']) for one in said):>12}")
    print(
        f"  {'they computed':<58} {worked:12.1f} s, Valkey {served:.1f} s: {least:.1f} s on this machine alone"
    )
    print(rate(f"{due} that end at once (promised: {SECONDS:.0f} s)", due, seconds))
    return seconds


def stream(one: asyncio.StreamReader | None) -> asyncio.StreamReader:
    """What a process says; it was asked for."""
    assert one is not None
    return one


async def computed(redis: Redis) -> float:
    """Seconds that Valkey has computed."""
    facts = await redis.info("cpu")
    return float(facts["used_cpu_user"] + facts["used_cpu_sys"])


async def sweeping(url: str) -> None:
    """One of the processes that sweep: once, when it is told to."""
    store = await RedisStore.connect(url, demo=True)
    sweeper = Sweeper(store, Circles())
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    moved = await sweeper.sweep()
    ended, worked = time.perf_counter(), time.process_time() - before
    print(json.dumps({"moved": moved, "ended": ended, "computed": worked}))
    await store.close()


async def main(pending: int, due: int) -> int:
    """Measure on a fresh store; 1 when something is above what is promised."""
    print(f"Deadlines on the embedded Valkey. {machine()}")
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        store = await RedisStore.connect(server.url, demo=True)
        redis = Redis.from_url(server.url)
        try:
            await store.due()
            await fill(redis, pending)
            sizes = [await redis.memory_usage(f"sayso:{{{n:02x}}}:due", samples=0) for n in range(PARTITIONS)]
            each = sum(filter(None, sizes)) / pending
            print(f"  {f'{pending} pending deadlines, each':<58} {each:8.0f} bytes   (promised: {BYTES})")
            p99 = await idle(store)
            seconds = await ended_at_once(store, redis, server.url, due)
        finally:
            await redis.aclose()
            await store.close()
    return int(p99 > IDLE_MS or each > BYTES or seconds > SECONDS)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--sweep", url]:
            asyncio.run(sweeping(url))
        case some:
            raise SystemExit(asyncio.run(main(*([int(one) for one in some] or [1_000_000, 10_000]))))
