"""What must be told after a change (pure): which cards, pages and notices become dirty, and how urgently."""

from __future__ import annotations

import hashlib

from .change import Change, Notice, NoticeId
from .naming import PARTITIONS, partition_of
from .request import Request, State
from .store import Lane, Target, TargetKind
from .watched import can_be_undone, has_card


def notice_id(notice: Notice, partitions: int = PARTITIONS) -> NoticeId:
    """The id a notice is stored under; it begins with the partition of its run."""
    name = hashlib.sha256(f"{notice.thread}\0{notice.key}".encode()).hexdigest()[:20]
    return NoticeId(f"{partition_of(notice.thread, partitions):02x}-{name}")


def of_request(before: Request | None, after: Request) -> list[tuple[Lane, Target]]:
    """The cards and the page of a request that has changed. A mere log card waits behind what people decide."""
    if not has_card(after) and not (before and has_card(before)):
        return []
    settled = before is None or before.state is not after.state or before.revision != after.revision
    settled = settled and not can_be_undone(after)
    old_places = before.card_places if before else ()
    marks = [
        (
            Lane.TELL if settled or (before and place not in old_places) else Lane.REDRAW,
            Target(kind=TargetKind.CARD, id=after.id, where=place),
        )
        for place in after.card_places
    ]
    paged = after.paged_at or (before is not None and before.paged_at)
    if paged and after.ask.pager:
        marks.append((Lane.PAGE, Target(kind=TargetKind.PAGE, id=after.id, where=after.ask.pager)))
    return marks


def of_change(
    before: Request | None, change: Change, partitions: int = PARTITIONS
) -> list[tuple[Lane, Target]]:
    """Everything a change makes dirty, its notices and newly opened requests included."""
    marks = of_request(before, change.request)
    for notice in change.notices:
        marks.append((Lane.TELL, Target(kind=TargetKind.NOTICE, id=notice_id(notice, partitions))))
    for ask in change.opens:
        marks.extend(of_request(None, Request(ask=ask)))
    return marks


def page_is_wanted(request: Request) -> bool:
    """Whether on-call should be paged now; a decision, the expiry and the end each take the page back."""
    return request.paged_at is not None and request.state is not State.CLOSED
