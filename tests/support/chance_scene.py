"""Random requests over a Valkey of their own: three bots and two workers that are killed, and the time that passes meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import chance_world
from chance_bot import Bot, a_bot
from line_processes import Process
from sayso.approvals.connection import open_redis
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import EffectState, Request, State
from sayso.approvals.signing import Signer
from sayso.bot.asked import WayOn
from sayso.bot.valkey import EmbeddedValkey
from sayso.sandbox.faults import FOREVER, Dropped, Fault, LostReply, RateLimited, Status
from sayso.sandbox.pager import Pager
from sayso.sandbox.watching import Changes, Violations

BOTS, WORKERS = ("b1", "b2", "b3"), ("w1", "w2")
#: So many runs are under way at most.
UNDER_WAY = 60
OUTAGE = timedelta(minutes=10)
#: Longer than any of it takes on a machine that is four times slower, seconds: altogether, and for each run.
PATIENCE, EACH = 300.0, 4.0
_FAULTS: tuple[Fault, ...] = (Status(500), RateLimited(), LostReply(), Dropped())


@dataclass(kw_only=True)
class Chance:
    """What was done to everybody, and who stands where."""

    seed: str
    runs: int
    folder: Path
    store: RedisStore
    client: Any
    pagers: dict[str, Pager]
    bot: Bot
    dice: random.Random
    down_until: dict[str, datetime] = field(default_factory=dict)
    outages: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    passed: timedelta = timedelta(0)
    seconds: float = 0.0
    pending: list[str] = field(default_factory=list)

    # ---- time

    async def passes(self, time: timedelta) -> None:
        """For the records, and for pages that wait to be sent, which are kept in this machine's time."""
        await self.store.push_clock(time)
        self.passed += time
        pipe = self.client.pipeline(transaction=False)
        for key in await self._page_keys():
            for target in await self.client.zrange(key, 0, -1):
                pipe.zadd(key, {target: -time / timedelta(milliseconds=1)}, xx=True, incr=True)
        await pipe.execute()

    async def weather(self) -> None:
        """Now and then a pager does not work for ten minutes, in one way or another."""
        now = await self.store.now()
        for name, pager in self.pagers.items():
            if (ends := self.down_until.get(name)) is None:
                if self.dice.random() < 0.15:
                    fault = self.dice.choice(_FAULTS)
                    pager.faults.add(fault, times=FOREVER)
                    self.down_until[name] = now + OUTAGE
                    self.outages[type(fault).__name__] += 1
            elif now >= ends:
                pager.faults.clear()
                del self.down_until[name]

    async def agents_come_back(self) -> None:
        """Mostly nothing happens before what was decided is with its agent; at times it does, and people are told."""
        for _ in range(10 if self.dice.random() < 0.8 else 0):
            if all(one.state is State.OPEN or _is_unknown(one) for one in await self.store.live()):
                return
            await asyncio.sleep(0.1)

    # ---- the scene

    async def rage(self) -> None:
        """Start every run, and let time pass until people go home."""
        started = 0
        while started < self.runs or len(await self.store.unfinished()) > UNDER_WAY // 2:
            room = UNDER_WAY - len(await self.store.unfinished())
            for _ in range(min(room, 12, self.runs - started)):
                await self.store.start(chance_world.run_of(started), token=f"mention-{started}")
                started += 1
            await self.weather()
            await self.agents_come_back()
            await self.passes(timedelta(seconds=self.dice.randrange(20, 900)))
            await asyncio.sleep(0.2)

    async def end(self) -> None:
        """Past the end of each, one sweep of one process; afterwards agents are told, and pages are closed."""
        for pager in self.pagers.values():
            pager.faults.clear()
        while (live := await self.store.live()) or await self.store.unfinished():
            for request in filter(_is_unknown, live):
                await self.bot.settles(request, WayOn.GIVE_UP)
            if ends := [one.ask.deadline.expires_at for one in live if one.state is State.OPEN]:
                await self.passes(max(max(ends) - await self.store.now(), timedelta(0)))
                await self.bot.sweeper.sweep()
                self.pending += await self._overdue()
            await asyncio.sleep(0.1)
        while await self._pages_left():
            await self.passes(timedelta(minutes=1))
            await self.bot.pages()

    async def _overdue(self) -> list[str]:
        now = await self.store.now()
        live = [one for one in await self.store.live() if one.state is State.OPEN]
        return [one.id for one in live if one.ask.deadline.expires_at <= now]

    async def _page_keys(self) -> list[bytes]:
        patterns = ("sayso:{*}:lane:page", "sayso:{*}:leased")
        return [key for one in patterns async for key in self.client.scan_iter(one, count=1000)]

    async def _pages_left(self) -> int:
        return sum([await self.client.zcard(key) for key in await self._page_keys()])


def _is_unknown(request: Request) -> bool:
    return request.effect is not None and request.effect.state is EffectState.UNKNOWN


@asynccontextmanager
async def thrown(seed: str, runs: int, folder: Path) -> AsyncIterator[Chance]:
    """Let it come to its end; everything still stands while it is looked at."""
    key = random.Random(seed).randbytes(32)
    (folder / "private").write_bytes(key)
    (folder / "public").write_bytes(Signer(key).public_key)
    async with AsyncExitStack() as stack:
        url = stack.enter_context(EmbeddedValkey(folder / "valkey")).url
        pagers = {name: await _pager(stack) for name in ("primary", "backup")}
        pairs = [(pager.url, pager.routing_key) for pager in pagers.values()]
        bot = await stack.enter_async_context(a_bot(url, folder, seed, "last", pairs))
        client = open_redis(url)
        stack.push_async_callback(client.aclose)
        chance = Chance(
            seed=seed, runs=runs, folder=folder, store=bot.store, client=client, pagers=pagers, bot=bot,
            dice=random.Random(f"{seed} time"),
        )  # fmt: skip
        more = {"bot": [url for pair in pairs for url in pair], "worker": []}
        slots = {
            kind: [
                stack.enter_context(
                    Process(f"chance_{kind}.py", url, str(folder), one, seed, str(runs), *more[kind])
                )
                for one in names
            ]
            for kind, names in (("bot", BOTS), ("worker", WORKERS))
        }
        for slot in (*slots["bot"], *slots["worker"]):
            await asyncio.to_thread(slot.ready)
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE + EACH * runs):
            await chance.rage()
            await _over(chance, slots["bot"])
            await chance.end()
            await _over(chance, slots["worker"])
        chance.seconds = time.monotonic() - began
        yield chance


async def _pager(stack: AsyncExitStack) -> Pager:
    """One that takes any number of events; it breaks when it is told to."""
    violations = Violations()
    stack.callback(violations.assert_clean)
    pager = Pager(violations=violations, changes=Changes(), events_per_minute=1_000_000)
    await pager.start()
    stack.push_async_callback(pager.stop)
    return pager


async def _over(chance: Chance, slots: list[Process]) -> None:
    for slot in slots:
        slot.send("over")
    for slot in slots:
        while (told := await asyncio.to_thread(slot.receive)) == "through":
            pass
        chance.deaths.update(told["deaths"])
        chance.deaths["anywhere"] += told["others"].get("killed", 0)
