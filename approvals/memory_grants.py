"""What people gave for a while, kept in memory: authority handed over, and trust."""

from __future__ import annotations

from collections.abc import Sequence

from .change import AuditEntry
from .handover import HANDOVERS, HandOver
from .people import PersonId
from .trust import TRUSTS, Trust, TrustId
from .verdict import RequestId, ThreadId


class MemoryGrants:
    """The `Handovers` and `Trusts` of the store in memory."""

    def __init__(self) -> None:
        self._handovers: dict[PersonId, HandOver] = {}
        self._trusts: dict[TrustId, Trust] = {}
        self._trusted_by: set[str] = set()

    def _append(self, entry: AuditEntry, thread: ThreadId, request: RequestId | None) -> None:
        raise NotImplementedError

    async def hand_over(self, given: HandOver, entry: AuditEntry) -> None:
        self._handovers[given.by] = given
        self._append(entry, HANDOVERS, None)

    async def take_back(self, by: PersonId, entry: AuditEntry) -> None:
        if self._handovers.pop(by, None):
            self._append(entry, HANDOVERS, None)

    async def handovers(self) -> Sequence[HandOver]:
        return list(self._handovers.values())

    async def trust(self, given: Trust, ended: Sequence[TrustId], entry: AuditEntry, *, token: str) -> bool:
        if token in self._trusted_by:
            return False
        self._trusted_by.add(token)
        for id in ended:
            self._trusts.pop(id, None)
        self._trusts[given.id] = given
        self._append(entry, TRUSTS, None)
        return True

    async def distrust(self, id: TrustId, entry: AuditEntry) -> bool:
        found = self._trusts.pop(id, None) is not None
        if found:
            self._append(entry, TRUSTS, None)
        return found

    async def confirm(self, before: Trust, after: Trust) -> bool:
        if self._trusts.get(before.id) != before:
            return False
        self._trusts[before.id] = after
        return True

    async def end(self, before: Trust, entry: AuditEntry) -> bool:
        return self._trusts.get(before.id) == before and await self.distrust(before.id, entry)

    async def trusted(self, id: TrustId) -> Trust | None:
        return self._trusts.get(id)

    async def trusts(self) -> Sequence[Trust]:
        return list(self._trusts.values())
