"""Trust in Redis: one entry for each trusted action, in one partition; none is believed without its signature."""

from __future__ import annotations

from collections.abc import Sequence

from . import redis_rows
from .change import AuditEntry
from .redis_calls import RedisCalls, down
from .trust import TRUSTS, Trust, TrustId

_ABOUT = "trust"
#: How long a message that gave trust is remembered, milliseconds: no platform delivers one again after a day.
TOKEN_MS = 24 * 3600 * 1000


class RedisTrusts(RedisCalls):
    """The `Trusts` of the store."""

    @down
    async def trust(self, given: Trust, ended: Sequence[TrustId], entry: AuditEntry, *, token: str) -> bool:
        return await self._trust(given.id, self._closed(_ABOUT, given), entry, f"trust:{token}", ended)

    @down
    async def distrust(self, id: TrustId, entry: AuditEntry) -> bool:
        return await self._trust(id, b"", entry)

    async def _trust(
        self, id: TrustId, body: bytes, entry: AuditEntry, token: str = "", ended: Sequence[TrustId] = ()
    ) -> bool:
        call = self._call_copied if self._copies.asked else self._call
        rows = redis_rows.entries((entry,), TRUSTS, self._seal)
        stem = self._stem_of_thread(TRUSTS)
        done = await call(
            "TRUST", stem, self._channel, token, TOKEN_MS, id, body, len(ended), *ended, TRUSTS, *rows
        )
        return bool(done)

    @down
    async def confirm(self, before: Trust, after: Trust) -> bool:
        return await self._instead(before, self._closed(_ABOUT, after), ())

    @down
    async def end(self, before: Trust, entry: AuditEntry) -> bool:
        return await self._instead(before, b"", (entry,))

    async def _instead(self, before: Trust, body: bytes, audit: Sequence[AuditEntry]) -> bool:
        """In place of exactly these bytes: sealed, the same trust reads otherwise each time."""
        stem = self._stem_of_thread(TRUSTS)
        raw = await self._redis.hget(f"{stem}trusts", before.id)
        if not raw or self._opened(_ABOUT, Trust, raw) != before:
            return False
        rows = redis_rows.entries(audit, TRUSTS, self._seal)
        call = self._call_copied if self._copies.asked else self._call
        return bool(await call("RETRUST", stem, self._channel, before.id, raw, body, TRUSTS, *rows))

    @down
    async def trusted(self, id: TrustId) -> Trust | None:
        row = await self._redis.hget(f"{self._stem_of_thread(TRUSTS)}trusts", id)
        return self._opened(_ABOUT, Trust, row) if row else None

    @down
    async def trusts(self) -> Sequence[Trust]:
        rows = await self._redis.hvals(f"{self._stem_of_thread(TRUSTS)}trusts")
        return [self._opened(_ABOUT, Trust, row) for row in rows]
