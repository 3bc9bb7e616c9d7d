"""Pauses of sayso in Redis: written to every partition, so that the script which starts a tool sees them itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from . import redis_rows
from .change import AuditEntry
from .errors import Halted
from .halt import HALTS, Halt
from .naming import PARTITIONS, partition_of
from .redis_calls import RedisCalls, down
from .request import Run
from .sealing import CannotOpen

_ABOUT = "halt"


class RedisHalts(RedisCalls):
    """The `Halts` of the store."""

    @down
    async def halt(self, halt: Halt, entry: AuditEntry) -> None:
        ends = redis_rows.ms(halt.until) if halt.until else ""
        body = b"%b %b" % (str(ends).encode(), self._closed(_ABOUT, halt))
        await self._in_each("HALT", halt.graph, body, entry=entry)

    @down
    async def unhalt(self, graph: str, entry: AuditEntry) -> None:
        await self._in_each("UNHALT", graph, "", entry=entry)

    @down
    async def unhalt_ended(self, graph: str, entry: AuditEntry) -> None:
        await self._in_each("UNHALT", graph, "ended", entry=entry)

    async def _in_each(self, script: str, *args: object, entry: AuditEntry) -> None:
        """In every partition; the one that has it on record comes last, so the trail claims no half of it."""
        recording = partition_of(HALTS)
        call = self._call_copied if self._copies.asked else self._call
        for partition in sorted(range(PARTITIONS), key=lambda one: (one == recording, one)):
            entries = (entry,) if partition == recording else ()
            rows = redis_rows.entries(entries, HALTS, self._seal)
            await call(script, self._stem(partition), self._channel, *args, HALTS, *rows)

    @down
    async def halts(self) -> Sequence[Halt]:
        found = dict[str, Halt]()
        for partition in range(PARTITIONS):
            rows = await self._redis.hvals(f"{self._stem(partition)}halt")
            for halt in (self._opened(_ABOUT, Halt, row.partition(b" ")[2]) for row in rows):
                found[halt.graph] = max(halt, found.get(halt.graph, halt), key=_ends)
        return [found[graph] for graph in sorted(found)]

    @down
    async def unhalted(self, run: Run) -> None:
        row = await self._call("HALTED", self._stem_of_thread(run.thread), run.graph)
        if row is not None:
            raise self._halted(row)

    def _halted(self, row: bytes) -> Halted:
        """What to say of it; also one that cannot be read holds."""
        try:
            return Halted(self._opened(_ABOUT, Halt, row.partition(b" ")[2]))
        except (CannotOpen, ValueError):
            return Halted()


def _ends(halt: Halt) -> tuple[bool, datetime]:
    return halt.until is None, halt.until or halt.since
