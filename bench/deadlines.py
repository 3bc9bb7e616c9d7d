"""What a million pending deadlines cost: an idle look, memory, and 10,000 that end at once."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import time
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
    sweeper, seconds = Sweeper(store, Circles()), []
    for _ in range(LOOKS):
        began = time.perf_counter()
        assert await sweeper.sweep() == 0
        seconds.append(time.perf_counter() - began)
        await asyncio.sleep(0.001)  # as between two ticks: what waits meanwhile is not the sweep's
    p99 = sorted(seconds)[int(LOOKS * 0.99)] * 1000
    print(line("idle sweep", seconds))
    print(f"  {'idle sweep, 99 of 100 within':<58} {p99:12.2f} ms   (promised: {IDLE_MS})")
    return p99


async def ended_at_once(store: RedisStore, due: int) -> float:
    """Seconds until that many requests whose time is over have their terminal state."""
    now = datetime.now(UTC)
    asks = [ask(number, now) for number in range(due)]
    await together([partial(store.open, rules.opened(one)) for one in asks])
    await store.push_clock(timedelta(days=8))
    began, worked = time.perf_counter(), time.process_time()
    assert await Sweeper(store, Circles()).sweep() == due
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    print(f"  {'of which this process computed':<58} {worked:12.1f} s")
    print(rate(f"{due} that end at once, one sweeper", due, seconds))
    return seconds


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
            seconds = await ended_at_once(store, due)
        finally:
            await redis.aclose()
            await store.close()
    return int(p99 > IDLE_MS or each > BYTES or seconds > SECONDS)


if __name__ == "__main__":
    some = [int(one) for one in sys.argv[1:]]
    raise SystemExit(asyncio.run(main(*(some or [1_000_000, 10_000]))))
