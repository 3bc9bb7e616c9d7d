"""The demo's record as the page follows it: every request with its trail, the clock, and which processes stand."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import redis.asyncio

from ...agent.checkpoints import RedisSaver
from ...agent.gate import STATE_TYPES
from ...agent.serializer import StateSerializer
from ...approvals import redis_rows
from ...approvals.change import UNTOLD, AuditRecord, Event
from ...approvals.connection import AWAY, open_blocking_redis
from ...approvals.errors import StoreDown
from ...approvals.naming import PARTITIONS
from ...approvals.redis_store import RedisStore
from ...approvals.request import Request
from ...approvals.sealing import UNSEALED
from ...approvals.verdict import RequestId, ThreadId
from .office import Office

#: What XREAD answers: stream, and its new entries.
Lines = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]

log = logging.getLogger(__name__)

#: How long one reading waits for the next line of the audit trail; clock and processes are looked at as often.
WAIT_MS = 500
#: Lines taken at once from each partition.
LINES = 1_000
#: So far the two clocks may drift apart without having been pushed.
CLOCK_SLACK = timedelta(seconds=0.5)
#: LangGraph's channel for what a graph paused for.
INTERRUPT = "__interrupt__"
#: Seconds between two tries while the store is away.
AGAIN_SECONDS = 0.5


class Record:
    """What the store has said so far; lives on the workplace's loop, between `start` and `stop`.

    Attributes:
        requests: By id, in the order in which they were first heard of.
        ahead: How far the demo's clock runs ahead of this machine's.
        away: The store did not answer when it was last asked; everything here is as old as that.
        paused_in: Request -> id of the process whose worker paused its agent, where that is certain.
        checkpoints: Request -> id of the checkpoint that held its pause.
    """

    def __init__(self, office: Office, store: RedisStore, changed: Callable[[], None]) -> None:
        self.requests: dict[RequestId, Request] = {}
        self.ahead = timedelta()
        self.away = False
        self.paused_in: dict[RequestId, int] = {}
        self.checkpoints: dict[RequestId, str] = {}
        self._office = office
        self._store = store
        self._changed = changed
        self._trails: dict[ThreadId, list[AuditRecord]] = {}
        self._worker_of: dict[ThreadId, int] = {}
        self._read_to: dict[str, str | bytes] = {f"sayso:{{{n:02x}}}:audit": "0" for n in range(PARTITIONS)}
        self._processes = self._standing()
        self._reader: redis.asyncio.Redis = open_blocking_redis(office.redis_url)
        self._saver = RedisSaver.at(office.redis_url, serde=StateSerializer(STATE_TYPES))
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what is there, and follow."""
        await self._look(wait_ms=1)
        self._following = asyncio.create_task(self._follow(), name="page record")

    async def stop(self) -> None:
        """Let go of the store."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        await self._reader.aclose()
        await self._saver.aclose()

    def newest_first(self) -> list[Request]:
        """All requests."""
        return sorted(self.requests.values(), key=lambda one: one.ask.opened_at, reverse=True)

    def chosen(self, selected: str) -> Request | None:
        """The one a tab follows; the newest for one that has chosen none. None while there is none."""
        return self.requests.get(RequestId(selected)) or next(iter(self.newest_first()), None)

    def trail(self, request: Request) -> Sequence[AuditRecord]:
        """Its run's trail, without the lines about other requests of that run."""
        lines = self._trails.get(request.ask.run.thread, [])
        return [one for one in lines if one.request in (None, request.id)]

    def events(self, request: Request) -> list[Event]:
        """What its trail records, in order."""
        return [one.entry.event for one in self.trail(request)]

    def check(self) -> None:
        """Raises what ended the following, if anything did: what stands here grows old."""
        if self._following is not None and self._following.done():
            self._following.result()

    async def _follow(self) -> None:
        while True:
            try:
                await self._look(wait_ms=WAIT_MS)
            except (StoreDown, *AWAY) as error:
                log.warning("page.store_away error=%s", type(error).__name__)
                self.away = True
                self._changed()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _look(self, *, wait_ms: int) -> None:
        """Take in what is new, whole or (where the store goes away meanwhile) not at all."""
        found: Lines = await self._reader.xread(self._read_to, count=LINES, block=wait_ms)  # type: ignore[arg-type, assignment] # theirs are wider
        fresh = [
            redis_rows.record(int(name.partition(b"-")[0]), fields, UNSEALED)
            for _, lines in found
            for name, fields in lines
        ]
        about = {one.request: await self._store.get(one.request) for one in fresh if one.request}
        opened = [about[one.request] for one in fresh if one.request and one.entry.event is Event.OPENED]
        checkpoints = {one.id: await self._checkpoint(one) for one in opened}
        ahead = await self._store.now() - datetime.now(UTC)
        self._read_to |= {stream.decode(): lines[-1][0] for stream, lines in found}
        self.requests |= about
        self.checkpoints |= {id: checkpoint for id, checkpoint in checkpoints.items() if checkpoint}
        for line in fresh:
            self._take(line)
        processes, moved = self._standing(), abs(ahead - self.ahead) > CLOCK_SLACK
        if fresh or moved or self.away or processes != self._processes:
            self._processes, self.ahead, self.away = processes, ahead if moved else self.ahead, False
            self._changed()

    def _take(self, line: AuditRecord) -> None:
        thread, entry = line.thread, line.entry
        if entry.event in UNTOLD:
            return
        self._trails.setdefault(thread, []).append(line)
        if entry.event is Event.RUN_STARTED:
            self._worker_of[thread] = self._office.worker.pid
        elif entry.event is Event.RESUMING:
            self._worker_of[thread] = process_of(entry.by)
        elif entry.event is Event.OPENED and line.request:
            pid = self._worker_of.get(thread, 0)
            if pid and pid == self._office.worker.pid:  # no other has run meanwhile
                self.paused_in[line.request] = pid

    async def _checkpoint(self, request: Request) -> str:
        """The agent's state as it was kept when it paused for this; empty once the agent has gone on."""
        kept = await self._saver.aget_tuple({"configurable": {"thread_id": request.ask.run.thread}})
        pending = kept.pending_writes or [] if kept else []
        pauses = [one.id for _, channel, value in pending if channel == INTERRUPT for one in value]
        return kept.checkpoint["id"] if kept and request.ask.key.interrupt in pauses else ""

    def _standing(self) -> tuple[object, ...]:
        bot, worker = self._office.bot, self._office.worker
        return bot.pid, bot.up, worker.pid, worker.up


def process_of(worker: str) -> int:
    """The process id in a worker's name; 0 when it has none."""
    found = re.fullmatch(r".+-(\d+)-[0-9a-f]+", worker)
    return int(found[1]) if found else 0
