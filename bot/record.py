"""Finds the actions that a stretch of the audit trail opened, with or without asking, as they stand on record."""

from __future__ import annotations

from collections.abc import Sequence

from ..approvals.change import AuditRecord, Event
from ..approvals.errors import RequestNotFound
from ..approvals.request import Request
from ..approvals.store import RequestStore
from ..approvals.verdict import RequestId


async def requests_of(
    store: RequestStore, trail: Sequence[AuditRecord]
) -> tuple[dict[RequestId, Request], int]:
    """The actions by id, in the order in which they were opened, and how many were cleared away since."""
    opened = (Event.OPENED, Event.RAN_FREELY, Event.RAN_WATCHED)
    ids = dict.fromkeys(one.request for one in trail if one.request and one.entry.event in opened)
    found = dict[RequestId, Request]()
    for id in ids:
        try:
            found[id] = await store.get(id)
        except RequestNotFound:
            continue
    return found, len(ids) - len(found)
