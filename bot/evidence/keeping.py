"""Clears audit records away when their time is over: only linked ones that are as they were written, and on record."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from ...approvals import redis_rows
from ...approvals.change import AuditEntry, Event
from ...approvals.linking import LinkKeys, Mark
from ...approvals.naming import PARTITIONS
from ...approvals.redis_links import Cleared
from ...approvals.redis_store import RedisStore
from .checking import CLEARED, inspection_of

log = logging.getLogger(__name__)

#: How often it is looked whether something's time is over.
LOOK_EVERY = timedelta(hours=1)
#: Records of a partition that are cleared away at once.
AT_ONCE = 10_000


class Keeping:
    """Clears away what is older than `keep`; the links go on from the last record that was cleared."""

    def __init__(self, store: RedisStore, keys: LinkKeys, keep: timedelta) -> None:
        self._store = store
        self._keys = keys
        self._keep = keep

    async def look(self) -> int:
        """Clear away what is old; how many records that were. Raises: StoreDown."""
        now = await self._store.now()
        return sum([await self._clear(partition, now) for partition in range(PARTITIONS)])

    async def _clear(self, partition: int, now: datetime) -> int:
        extent = await self._store.extent(partition)
        before, last = extent.cleared, extent.cleared.mark
        inspection, oldest = inspection_of(extent, self._keys), redis_rows.ms(now - self._keep)
        async for line in self._store.lines(partition):
            too_many = line.number - before.mark.number > AT_ONCE
            if line.link is None or line.at_ms >= oldest or line.number >= extent.head.number or too_many:
                break
            inspection.take(line)
            last = Mark(partition=partition, number=line.number, link=line.link.text, key=line.link.key)
        if inspection.faults:
            log.error("audit.not_cleared %s: what is wrong has to be looked at first", inspection.faults[0])
            return 0
        if last == before.mark:
            return 0
        cleared = Cleared(mark=last, at=now)
        mac = self._keys.mac(CLEARED, cleared.body)
        done = await self._store.clear(
            before, Cleared(mark=last, at=now, mac=mac), _entry(before, last, self._keep)
        )
        return last.number - before.mark.number if done else 0


def _entry(before: Cleared, last: Mark, keep: timedelta) -> AuditEntry:
    first = before.mark.number + 1
    return AuditEntry(
        event=Event.AUDIT_CLEARED, words=f"Records {first} to {last.number} of partition {last.partition:02x} "
        f"were older than {keep.days} days",
        facts={"from": str(first), "to": str(last.number), "link": last.link, "key": last.key},
    )  # fmt: skip
