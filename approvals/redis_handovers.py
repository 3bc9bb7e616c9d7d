"""Authority handed over, in Redis: one entry per giver, in one partition; none of it is believed without its signature."""

from __future__ import annotations

from collections.abc import Sequence

from . import redis_rows
from .change import AuditEntry
from .handover import HANDOVERS, HandOver
from .people import PersonId
from .redis_calls import RedisCalls, down

_ABOUT = "handover"


class RedisHandovers(RedisCalls):
    """The `Handovers` of the store."""

    @down
    async def hand_over(self, given: HandOver, entry: AuditEntry) -> None:
        await self._give(given.by, self._closed(_ABOUT, given), entry)

    @down
    async def take_back(self, by: PersonId, entry: AuditEntry) -> None:
        await self._give(by, b"", entry)

    async def _give(self, by: PersonId, body: bytes, entry: AuditEntry) -> None:
        call = self._call_copied if self._copies.asked else self._call
        rows = redis_rows.entries((entry,), HANDOVERS, self._seal)
        await call("HAND_OVER", self._stem_of_thread(HANDOVERS), self._channel, by, body, HANDOVERS, *rows)

    @down
    async def handovers(self) -> Sequence[HandOver]:
        rows = await self._redis.hvals(f"{self._stem_of_thread(HANDOVERS)}handovers")
        return [self._opened(_ABOUT, HandOver, row) for row in rows]
