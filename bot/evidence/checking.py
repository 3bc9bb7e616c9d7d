"""Checks the whole audit trail in the store, while everything runs: each partition from its beginning to its end."""

from __future__ import annotations

from collections.abc import Sequence

from ...approvals.inspecting import Anchored, Fault, Inspection, Wrong
from ...approvals.linking import LinkKeys, UnknownLinkKey
from ...approvals.naming import PARTITIONS
from ...approvals.redis_links import Cleared, Extent
from ...approvals.redis_store import RedisStore

#: What the mac over a partition's cleared beginning is about.
CLEARED = "cleared"


async def inspect_store(
    store: RedisStore, keys: LinkKeys, anchors: Sequence[Anchored] = ()
) -> list[Inspection]:
    """What each partition's trail is like. Raises: StoreDown."""
    return [await _inspect(store, keys, partition, anchors) for partition in range(PARTITIONS)]


async def _inspect(
    store: RedisStore, keys: LinkKeys, partition: int, anchors: Sequence[Anchored]
) -> Inspection:
    while True:
        extent = await store.extent(partition)
        inspection = inspection_of(extent, keys, anchors)
        async for line in store.lines(partition):
            inspection.take(line)
        inspection.end(extent.written)
        if await store.cleared(partition) == extent.cleared:  # else its beginning was cleared away meanwhile
            return inspection


def inspection_of(extent: Extent, keys: LinkKeys, anchors: Sequence[Anchored] = ()) -> Inspection:
    """An inspection that has seen nothing yet but where the trail begins."""
    inspection = Inspection(keys, extent.cleared.mark, head=extent.head.number, anchors=anchors)
    if not _ours(extent.cleared, keys):
        mark = extent.cleared.mark
        fault = Fault(
            partition=mark.partition, number=1, last=mark.number, wrong=Wrong.MISSING,
            words="the note that they were cleared away is none of ours",
        )  # fmt: skip
        inspection.faults.append(fault)
    return inspection


def _ours(cleared: Cleared, keys: LinkKeys) -> bool:
    """Whether it was one of us who cleared the beginning away."""
    if cleared.mac is None:
        return cleared.mark.number == 0
    try:
        return keys.made(cleared.mac, CLEARED, cleared.body)
    except UnknownLinkKey:
        return False
