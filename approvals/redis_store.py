"""The store in Redis (plain Redis >= 6.2 or Valkey): the record and the work queue as typed calls of `redis_scripts`."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import redis.asyncio

from . import marks, redis_rows, redis_scripts
from .change import UNTOLD, Applied, AuditEntry, AuditRecord, Change, Notice, Work, WorkKind
from .connection import at_primary
from .copies import needs_copy
from .errors import BadSetting, RequestNotFound, SaysoError
from .evidence import run_started
from .naming import PARTITIONS
from .redis_calls import down
from .redis_halts import RedisHalts
from .redis_handovers import RedisHandovers
from .redis_links import RedisLinks
from .redis_outbox import RedisOutbox
from .redis_past import RedisPast
from .redis_trusts import RedisTrusts
from .request import Request, Run
from .sealing import STATE_KEYS, UNSEALED, Seal
from .store import PureStep, TargetKind, WorkItem
from .verdict import RequestId, ThreadId

log = logging.getLogger(__name__)

#: How long a click's or event's token is remembered, milliseconds (24 hours).
TOKEN_MS = 24 * 3600 * 1000
#: How long a call of ours is remembered, so that sending it again after a lost reply does nothing.
CALL_MS = 10 * 60 * 1000
#: So much the server's clock may go back (a failover, a corrected clock) without an alarm.
CLOCK_SLACK_MS = 1_000


class WrongStore(BadSetting):
    """This store was made for something else."""


class Contended(SaysoError):
    """Too many writers changed this request at once; nothing was done. Please try again."""


class RedisStore(RedisOutbox, RedisPast, RedisHalts, RedisHandovers, RedisTrusts, RedisLinks):
    """A `Store` on one Redis; open it with `connect`. Every verb raises StoreDown when Redis is away."""

    @classmethod
    async def connect(
        cls, url: str, *, prefix: str = "sayso", demo: bool = False, seal: Seal = UNSEALED
    ) -> RedisStore:
        """Open the store, making it if it is new.

        Raises:
            WrongStore: A demo store is opened for production, or the other way round; or it is sealed with a key
                that `seal` lacks.
        """
        store = cls(url, prefix=prefix, demo=demo, seal=seal)
        meta = f"{prefix}:meta"
        client = store._redis
        await client.hsetnx(meta, "demo", int(demo))
        await client.hsetnx(meta, "partitions", PARTITIONS)
        found: dict[bytes, bytes] = await client.hgetall(meta)
        if found[b"demo"] != str(int(demo)).encode():
            await store.close()
            kind = "a demo store, whose clock can be pushed" if not demo else "a production store"
            raise WrongStore(f"REDIS_URL: this is {kind}; use another database or prefix.")
        if int(found[b"partitions"]) != PARTITIONS:
            await store.close()
            raise WrongStore(
                f"REDIS_URL: this store has {int(found[b'partitions'])} partitions, not {PARTITIONS}."
            )
        if (sealed := found.get(b"sealed", b"").decode()) and sealed not in seal.names:
            await store.close()
            raise WrongStore(f"{STATE_KEYS} lacks the key {sealed}, with which this store is sealed.")
        if seal.names:
            await client.hset(meta, "sealed", seal.names[0])
        await store._copies.look()
        for partition in range(PARTITIONS):
            await store._make_group(store._stem(partition) + "work")
        return store

    async def _make_group(self, stream: str) -> None:
        try:
            await self._redis.xgroup_create(stream, redis_scripts.GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    # ---- the record

    @down
    async def now(self) -> datetime:
        ms, _ = await self._call("NOW", self._stem(0))
        return redis_rows.time(ms)

    @down
    async def push_clock(self, by: timedelta) -> None:
        """Let time pass in a demo store. Raises: WrongStore in any other."""
        if not self._demo:
            raise WrongStore("Only the clock of a demo store can be pushed.")
        for partition in range(PARTITIONS):
            await self._call("PUSH_CLOCK", self._stem(partition), redis_rows.ms_of(by))

    @down
    async def open(self, change: Change) -> Request:
        call = uuid.uuid4().hex
        await self._commit(None, change, call=call, token=call, token_ms=CALL_MS)
        return await self.get(change.request.id)

    @down
    async def get(self, id: RequestId) -> Request:
        return (await self._load(id))[0]

    async def _load(self, id: RequestId) -> tuple[Request, datetime]:
        """Raises: RequestNotFound, NotCopied."""
        stem = self._stem_of(id)
        request, mutable, now = self._loaded(id, await self._call_together("LOAD", stem, id))
        if self._copies.lacks(request, mutable):
            request, mutable, now = self._loaded(id, await self._call_copied("LOAD", stem, id))
            self._copies.has(request, mutable)
        return request, now

    def _loaded(self, id: RequestId, answer: Sequence[Any]) -> tuple[Request, bytes, datetime]:
        """Raises: RequestNotFound."""
        body, mutable, version, ms = answer
        if version is None:
            raise RequestNotFound
        return redis_rows.request(id, body, mutable, int(version), self._seal), mutable, redis_rows.time(ms)

    @down
    async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
        for _ in range(100):
            before, now = await self._load(id)
            call = uuid.uuid4().hex
            if token and await self._redis.exists(f"{self._stem_of(id)}tok:{id}:{token}"):
                return Applied(before, replayed=True)
            change = step(before, now)
            if change is None:
                return Applied(before)
            if change.lease is not None and self._copies.asked:
                # A start that nobody confirms could only be put to people: first see that a replica is there.
                await self._call_copied("LOAD", self._stem_of(id), id)
            name, kept = (f"{id}:{token}", TOKEN_MS) if token else (call, CALL_MS)
            match await self._commit(before, change, call=call, token=name, token_ms=kept):
                case "done":
                    return Applied(replace(change.request, version=before.version + 1))
                case "replayed":
                    return Applied(await self.get(id), replayed=True)
                case "missing":
                    raise RequestNotFound
                case _:  # moved or late: look again
                    continue
        raise Contended

    async def _commit(
        self, before: Request | None, change: Change, *, call: str, token: str, token_ms: int
    ) -> str:
        version = before.version + 1 if before else 1
        after = replace(change.request, version=version)
        run = after.ask.run
        records = [after, *(Request(ask=ask) for ask in change.opens)]
        dirty = [
            (lane, target)
            for lane, target in marks.of_change(before, replace(change, request=after), PARTITIONS)
            if target.kind is not TargetKind.NOTICE
        ]
        lease: list[object] = [""]
        if change.lease is not None and after.effect is not None:
            lease = [redis_rows.ms_of(change.lease), after.effect.worker]
        rows = [redis_rows.row(r, self._seal, whole=before is None or r is not after) for r in records]
        copied = self._copies.asked and needs_copy(after)
        verdict, _, back, *halt = await (self._call_copied if copied else self._call_together)(
            "COMMIT", self._stem_of(after.id), self._channel,
            after.id, call, token, token_ms, before.version if before else 0,
            redis_rows.ms(change.before) if change.before else "", "acts" if change.acts else "", run.graph,
            len(rows), *(part for row in rows for part in row),
            run.thread, self._closed(f"run {run.thread}", run), *lease,
            *redis_rows.entries(change.audit, run.thread, self._seal), *self._notices(change.notices),
            len(change.work), *(self._closed("work", work) for work in change.work),
            len(dirty), *(part for lane, target in dirty for part in (str(lane), str(target))),
        )  # fmt: skip
        if halt:
            raise self._halted(halt[0])
        if copied and verdict == b"done":
            self._copies.has(after, cast("bytes", rows[0][2]))
        if int(back) > max(self.clock_went_back_ms, CLOCK_SLACK_MS):
            log.error("store.clock_went_back ms=%s: deadlines stand still until it is made up", int(back))
        self.clock_went_back_ms = max(self.clock_went_back_ms, int(back))
        return cast("bytes", verdict).decode()

    def _notices(self, notices: Sequence[Notice]) -> list[object]:
        named = ((marks.notice_id(notice, PARTITIONS), notice) for notice in notices)
        rows = ((id, self._closed(f"notice {id}", notice)) for id, notice in named)
        return [len(notices), *(part for row in rows for part in row)]

    @down
    async def note(
        self, entry: AuditEntry, *, thread: ThreadId, request: RequestId | None = None, token: str = ""
    ) -> None:
        call = uuid.uuid4().hex
        name, kept = (f"note:{thread}:{token}", TOKEN_MS) if token else (call, CALL_MS)
        await self._call(
            "NOTE", self._stem_of_thread(thread), self._channel, call, name, kept, thread, request or "",
            "untold" if entry.event in UNTOLD else "",
            *redis_rows.entries((entry,), thread, self._seal),
        )  # fmt: skip

    @down
    async def live(self) -> Sequence[Request]:
        found: list[Request] = []
        for partition in range(PARTITIONS):
            stem = self._stem(partition)
            ids = await self._redis.zrange(f"{stem}live", 0, -1)
            rows = await self._each(
                stem,
                [("HMGET", f"{stem}req:{id.decode()}", "body", "mutable", "version") for id in ids],
            )
            found += [
                redis_rows.request(RequestId(id.decode()), body, mutable, int(version), self._seal)
                for id, (body, mutable, version) in zip(ids, rows, strict=True) if version
            ]  # fmt: skip
        return sorted((r for r in found if r.live), key=lambda request: request.ask.opened_at)

    @down
    async def due(self, limit: int = 100) -> Sequence[RequestId]:
        if len(self._together) == 1:  # once a second in every process: at once, without a turn of the loop
            ids = await self._scripts["DUE"](keys=self._together[0], args=[limit])
            return [RequestId(id.decode()) for id in ids]
        looks = (self._calls.ask(self._sources["DUE"], stems, [limit]) for stems in self._together)
        return [RequestId(id.decode()) for ids in await asyncio.gather(*looks) for id in ids]

    @down
    async def trail(self, thread: ThreadId) -> Sequence[AuditRecord]:
        stem = self._stem_of_thread(thread)
        numbers = await self._redis.lrange(f"{stem}trail:{thread}", 0, -1)
        names = [f"{int(number)}-0" for number in numbers]
        rows = await self._each(stem, [("XRANGE", f"{stem}audit", name, name) for name in names])
        return [
            redis_rows.record(int(number), row[0][1], self._seal)
            for number, row in zip(numbers, rows, strict=True)
            if row
        ]

    @down
    async def run(self, thread: ThreadId) -> Run | None:
        body = await self._redis.hget(f"{self._stem_of_thread(thread)}run:{thread}", "body")
        return self._opened(f"run {thread}", Run, body) if body else None

    @down
    async def unfinished(self) -> Sequence[Run]:
        found: list[Run] = []
        for partition in range(PARTITIONS):
            threads = await self._redis.smembers(f"{self._stem(partition)}unfinished")
            runs = [await self.run(ThreadId(thread.decode())) for thread in sorted(threads)]
            found += [run for run in runs if run]
        return found

    # ---- work

    @down
    async def start(self, run: Run, *, token: str = "", audit: Sequence[AuditEntry] = ()) -> bool:
        return await self._start(run, "", token, audit)

    @down
    async def start_again(self, run: Run) -> bool:
        return await self._start(run, "again", "", ())

    async def _start(self, run: Run, again: str, token: str, audit: Sequence[AuditEntry]) -> bool:
        call = uuid.uuid4().hex
        name, kept = (f"start:{token}", TOKEN_MS) if token else (call, CALL_MS)
        asked = run_started(run)
        started = await self._call(
            "START", self._stem_of_thread(run.thread), self._channel, call, name, kept, again,
            run.thread, self._closed(f"run {run.thread}", run),
            *redis_rows.entries((asked, *audit), run.thread, self._seal),
            1, self._closed("work", Work(kind=WorkKind.START, run=run)),
        )  # fmt: skip
        return bool(started)

    @down
    async def take(self, worker: str, *, idle: timedelta, wait: timedelta) -> WorkItem | None:
        look = self._waker.look("work")
        for done, partition in enumerate(look):
            row = await self._call("TAKE", self._stem(partition), worker, redis_rows.ms_of(idle))
            if row:
                self._waker.again("work", look[done:])
                id, body, tries = row
                work = self._opened("work", Work, body)
                return WorkItem(id=id.decode(), partition=partition, work=work, tries=int(tries))
        await self._waker.wait("work", wait)
        return None

    @down
    async def entered(self, item: WorkItem, worker: str) -> int | None:
        tries = await self._call("ENTERED", self._stem(item.partition), item.id, worker, uuid.uuid4().hex)
        return None if int(tries) < 0 else int(tries)

    @down
    async def keep(self, item: WorkItem, worker: str) -> bool:
        return int(await self._call("KEEP", self._stem(item.partition), item.id, worker)) == 1

    @down
    async def finish(self, item: WorkItem, worker: str) -> None:
        await self._call("FINISH", self._stem(item.partition), item.id, worker)

    @down
    async def finish_run(self, thread: ThreadId, entry: AuditEntry, notices: Sequence[Notice] = ()) -> None:
        await self._call(
            "FINISH_RUN", self._stem_of_thread(thread), self._channel, thread,
            *redis_rows.entries((entry,), thread, self._seal),
            *self._notices(notices),
        )  # fmt: skip

    @down
    async def say(self, notice: Notice) -> None:
        await self._call("SAY", self._stem_of_thread(notice.thread), self._channel, *self._notices((notice,)))

    # ---- leases

    @down
    async def lease_held(self, id: RequestId) -> bool:
        return bool(await self._redis.exists(f"{self._stem_of(id)}lease:{id}"))

    def renew(self, id: RequestId, worker: str, lease: timedelta) -> bool:
        return bool(self._renew(keys=[self._stem_of(id)], args=[id, worker, redis_rows.ms_of(lease)]))

    async def _each(self, stem: str, commands: Sequence[tuple[str, ...]]) -> Any:
        """The answers to commands about one partition, asked together."""

        async def ask(node: redis.asyncio.Redis) -> Any:
            async with node.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return await pipe.execute()

        return await at_primary(self._redis, stem, ask)

    async def close(self) -> None:
        await self._waker.close()
        await self._redis.aclose()
        self._sync.close()
