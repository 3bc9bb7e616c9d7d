"""The audit trail of the store in Redis as those see it who link, check, export and clear it: partition by partition."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from . import redis_rows
from .change import NO_RUN, AuditEntry
from .linking import Line, Link, Mark, compact
from .naming import PARTITIONS
from .redis_calls import RedisCalls, down
from .sealing import CannotOpen

#: Records that are read at once.
PAGE = 200
#: Records that are linked at once: some milliseconds in which nothing else runs in the process.
AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """Where a partition's trail begins, because everything up to there was cleared away.

    Attributes:
        at: UTC, by the store's time; None where nothing was ever cleared.
        mac: Over all of it, by a key for links; None where nothing was ever cleared.
    """

    mark: Mark
    at: datetime | None = None
    mac: Link | None = None

    @property
    def body(self) -> list[object]:
        """What the mac is made of."""
        at = redis_rows.ms(self.at) if self.at else 0
        return [self.mark.partition, self.mark.number, self.mark.link, self.mark.key, at]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """From where to where a partition's trail goes.

    Attributes:
        head: The last linked record.
        written: The number that was given out last.
    """

    cleared: Cleared
    head: Mark
    written: int


class RedisLinks(RedisCalls):
    """Reads records as what they are linked as, and keeps their links."""

    @down
    async def link_turn(
        self, partition: int, holder: str, lease: timedelta
    ) -> tuple[Mark, list[Line]] | None:
        """The last linked record and what follows it; None while another process links this partition.

        Numbers that no record has are among the lines, without an entry: they were given out and will never come.
        """
        found = await self._call("LINK_TURN", self._stem(partition), holder, redis_rows.ms_of(lease), AT_ONCE)
        if not found:
            return None
        number, link, key, rows = found
        head = Mark(partition=partition, number=int(number), link=_text(link), key=_text(key))
        lines = list[Line]()
        for name, fields in rows:
            line = self._line(partition, name, _pairs(fields), {})
            after = lines[-1].number if lines else head.number
            gap = range(after + 1, line.number)[: AT_ONCE - len(lines)]  # a forged number leaves a huge one
            lines += [Line(partition=partition, number=lost) for lost in gap]
            if line.number > after and len(lines) < AT_ONCE:
                lines.append(line)
        return head, lines[:AT_ONCE]

    @down
    async def add_links(self, head: Mark, lines: Sequence[Line], links: Sequence[Link]) -> bool:
        """Link lines to `head`; False (and nothing done) when that is not the last linked record any more."""
        rows = [(line.number, link.text, link.key) for line, link in zip(lines, links, strict=True)]
        added = await self._call(
            "ADD_LINKS", self._stem(head.partition), head.number, head.link,
            len(rows), *(part for row in rows for part in row),
        )  # fmt: skip
        return bool(added)

    @down
    async def extent(self, partition: int) -> Extent:
        """From where to where the trail goes; `written` first, so that no later record seems cut off."""
        written = int(await self._redis.get(f"{self._stem(partition)}number") or 0)
        head = await self._head(partition)
        return Extent(cleared=await self.cleared(partition), head=head, written=written)

    @down
    async def heads(self) -> Sequence[Mark]:
        """The last linked record of each partition that has one, which no failover takes back. Raises: NotCopied."""
        found = [await self._head(partition, lasting=True) for partition in range(PARTITIONS)]
        return [mark for mark in found if mark.number]

    async def _head(self, partition: int, *, lasting: bool = False) -> Mark:
        call = self._call_copied if lasting and self._copies.asked else self._call
        number, link, key = await call("LINKED_TO", self._stem(partition))
        return Mark(partition=partition, number=int(number), link=_text(link), key=_text(key))

    @down
    async def cleared(self, partition: int) -> Cleared:
        """Up to where the trail was cleared away."""
        found: Mapping[bytes, bytes] = await self._redis.hgetall(f"{self._stem(partition)}cleared")
        if not found:
            return Cleared(mark=Mark(partition=partition))
        mark = Mark(
            partition=partition, number=int(found[b"number"]), link=_text(found[b"link"]), key=_text(found[b"key"])
        )  # fmt: skip
        name, _, mac = _text(found[b"mac"]).partition(":")
        return Cleared(mark=mark, at=redis_rows.time(int(found[b"at"])), mac=Link(mac, name))

    async def lines(self, partition: int) -> AsyncIterator[Line]:
        """The trail as it stands, with its links, in order; a lost record's link comes without an entry."""
        after = "-"
        while True:
            page, after = await self._page(partition, after)
            for line in page:
                yield line
            if not after:
                return

    @down
    async def _page(self, partition: int, after: str) -> tuple[list[Line], str]:
        """Some lines, and where the next ones begin; empty after the last ones."""
        stem = self._stem(partition)
        rows = await self._redis.xrange(f"{stem}audit", after, "+", count=PAGE)
        full = len(rows) == PAGE
        begin = f"{int(after[1:].partition('-')[0]) + 1}-0" if after != "-" else "-"
        to = rows[-1][0] if full else "+"
        found = await self._redis.xrange(f"{stem}links", begin, to)
        links = {_number(name): Link(_text(one[b"link"]), _text(one[b"key"])) for name, one in found}
        lines = [self._line(partition, name, fields, links) for name, fields in rows]
        lost = set(links) - {line.number for line in lines}
        lines += [Line(partition=partition, number=number, link=links[number]) for number in lost]
        if lost:
            lines.sort(key=lambda line: line.number)
        return lines, f"({_text(rows[-1][0])}" if full else ""

    def _line(
        self, partition: int, name: bytes, fields: Mapping[bytes, bytes], links: Mapping[int, Link]
    ) -> Line:
        number = _number(name)
        thread, request = _text(fields.get(b"thread")), _text(fields.get(b"request"))
        entry, trouble = None, ""
        try:
            raw = self._seal.open(f"audit {thread}", fields.get(b"entry", b""))
            entry = json.loads(raw)
        except CannotOpen as error:
            trouble = str(error)
        except ValueError:
            trouble = "it is no JSON"
        else:
            if not isinstance(entry, dict) or compact(entry).encode(errors="replace") != raw:
                entry, trouble = None, "it is not written as sayso writes"
        at = _text(fields.get(b"at"))
        if not at.isdigit():
            entry, trouble = None, "it has no time"
        return Line(
            partition=partition, number=number, at_ms=int(at) if at.isdigit() else 0, thread=thread,
            request=request, entry=entry, link=links.get(number), trouble=trouble,
        )  # fmt: skip

    @down
    async def clear(self, before: Cleared, after: Cleared, entry: AuditEntry) -> bool:
        """Clear everything up to `after` away, and record that; False when somebody else did since `before`."""
        assert after.at is not None
        assert after.mac is not None
        mark = after.mark
        done = await self._call(
            "CLEAR", self._stem(mark.partition), self._channel, before.mark.number, mark.number, mark.link, mark.key,
            redis_rows.ms(after.at), f"{after.mac.key}:{after.mac.text}", NO_RUN,
            *redis_rows.entries((entry,), NO_RUN, self._seal),
        )  # fmt: skip
        return bool(done)

    @down
    async def anchor_turn(self, holder: str, every: timedelta) -> bool:
        """Whether this process is the one that anchors now; true for one process in each `every`."""
        return bool(await self._call("ANCHOR_TURN", self._stem(0), holder, redis_rows.ms_of(every)))


def _pairs(flat: Sequence[Any]) -> Mapping[bytes, bytes]:
    """A stream entry's fields as a script answers them."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _number(name: bytes) -> int:
    return int(name.partition(b"-")[0])


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace")
