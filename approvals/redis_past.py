"""What the store in Redis tells of the past and of the bot: the audit trail of all runs, and the published policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from . import redis_rows
from .change import AuditRecord
from .naming import PARTITIONS
from .redis_calls import RedisCalls, down
from .store import PublishedPolicy

#: Lines of a partition's trail that are read at once.
LINES = 500
_ABOUT = "policy"


class RedisPast(RedisCalls):
    """Reads what happened; one partition after the other, the newest lines first."""

    @down
    async def happened(self, since: datetime) -> Sequence[AuditRecord]:
        found = list[AuditRecord]()
        for partition in range(PARTITIONS):
            found += await self._happened_in(f"{self._stem(partition)}audit", redis_rows.ms(since))
        return sorted(found, key=lambda record: (record.at, record.number))

    async def _happened_in(self, stream: str, since: int) -> list[AuditRecord]:
        """A partition's lines, by their own times: a line's name in the stream is its number."""
        found, before = list[AuditRecord](), "+"
        while rows := await self._redis.xrevrange(stream, before, "-", count=LINES):
            young = [(name, fields) for name, fields in rows if int(fields[b"at"]) >= since]
            found += [redis_rows.record(_number(name), fields, self._seal) for name, fields in young]
            if len(young) < len(rows) or len(rows) < LINES:
                break
            before = f"({rows[-1][0].decode()}"
        return found

    @down
    async def publish_policy(self, version: str, text: str) -> None:
        ms, _ = await self._call("NOW", self._stem(0))
        published = PublishedPolicy(version=version, text=text, at=redis_rows.time(ms))
        await self._redis.set(f"{self._stem(0)}policy", self._closed(_ABOUT, published))

    @down
    async def published_policy(self) -> PublishedPolicy | None:
        raw = await self._redis.get(f"{self._stem(0)}policy")
        return self._opened(_ABOUT, PublishedPolicy, raw) if raw else None


def _number(name: bytes) -> int:
    return int(name.partition(b"-")[0])
