"""Links what was recorded: any number of processes may run one, one of them links a partition at a time, none forks it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from .crash import crash_point
from .linking import LinkKeys, Mark
from .naming import PARTITIONS
from .redis_links import RedisLinks

log = logging.getLogger(__name__)

#: A partition whose process died is another one's after this long.
LEASE = timedelta(seconds=10)

#: Turns in which one partition is linked before the next one's turn.
TURNS = 40


class Linker:
    """Extends each partition's links to its newest record."""

    def __init__(self, store: RedisLinks, keys: LinkKeys, *, holder: str) -> None:
        """Take a name that no other process has."""
        self._store = store
        self._keys = keys
        self._holder = holder
        self._seen: dict[int, Mark] = {}
        self._strangers: set[str] = set()

    async def link(self) -> int:
        """Link everything that is not linked yet; how many records. Raises: StoreDown."""
        return sum([await self._link(partition) for partition in range(PARTITIONS)])

    async def _link(self, partition: int) -> int:
        done = 0
        for _ in range(TURNS):
            turn = await self._store.link_turn(partition, self._holder, LEASE)
            if turn is None:
                break
            head, lines = turn
            self._compare(head)
            if not lines:
                break
            crash_point("link-before-added")
            links = self._keys.linked(head, lines)
            if not await self._store.add_links(head, lines, links):
                continue  # another process was faster, or the answer to this very call was lost
            crash_point("link-after-added")
            self._seen[partition] = Mark(
                partition=partition, number=lines[-1].number, link=links[-1].text, key=links[-1].key
            )
            done += len(lines)
            self._say_lost(
                partition, [line.number for line in lines if line.entry is None and not line.trouble]
            )
        return done

    def _say_lost(self, partition: int, numbers: Sequence[int]) -> None:
        if numbers:
            log.error(
                "audit.records_lost partition=%02x count=%s first=%s", partition, len(numbers), numbers[0]
            )

    def _compare(self, head: Mark) -> None:
        """Say loudly what should not be: the links are behind what they were, or somebody else's."""
        known = self._seen.get(head.partition)
        if known and (head.number < known.number or (head.number == known.number and head != known)):
            log.critical(
                "audit.went_back partition=%02x from=%s to=%s: `sayso audit verify` says what is gone",
                head.partition, known.number, head.number,
            )  # fmt: skip
        self._seen[head.partition] = head
        if head.key and head.key not in self._keys.names and head.key not in self._strangers:
            self._strangers.add(head.key)
            log.error("audit.other_key key=%s: give every process the same SAYSO_AUDIT_KEYS", head.key)
