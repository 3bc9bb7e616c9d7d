"""What must be told after a change (pure): which cards, pages and notices become dirty, and how urgently."""

from __future__ import annotations

import hashlib

from .change import Change, Notice, NoticeId
from .deadline import StepKind
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
    if after.paged_at or (before is not None and before.paged_at):
        marks += [
            (Lane.PAGE, Target(kind=TargetKind.PAGE, id=after.id, where=name))
            for turn in range(1, turn_of(after) + 1)
            for name in page_names(after, turn)
        ]
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


def turn_of(request: Request) -> int:
    """Which page of the deadline it is at, from 1; each pages anew, also somebody who is looking already."""
    fired = request.ask.deadline.steps[: request.fired]
    return max(sum(step.kind is StepKind.PAGE for step in fired), 1)


def page_names(request: Request, turn: int) -> tuple[str, ...]:
    """What the pages of one turn are called, in the order in which pagers are tried: "primary", later "primary#2"."""
    pagers = (request.ask.pager, *request.ask.backup_pagers) if request.ask.pager else ()
    return tuple(name if turn == 1 else f"{name}#{turn}" for name in pagers)


def pager_of(page: str) -> str:
    """The pager that takes a page of this name."""
    return page.partition("#")[0]


def page_is_wanted(request: Request, page: str) -> bool:
    """Whether on-call should be paged by this page now; a decision, the expiry and the end each take all pages back.

    Of one turn the first pager that is not lost is wanted, and where all are lost, any that can be had.
    """
    if request.paged_at is None or request.state is State.CLOSED:
        return False
    names = page_names(request, turn_of(request))
    left = [name for name in names if name not in request.lost_pagers]
    return page in names if not left else page == left[0]


def next_page(request: Request, page: str) -> str:
    """What is tried when this page is lost; empty where nothing is left."""
    names = page_names(request, turn_of(request))
    left = [name for name in names if name not in (*request.lost_pagers, page)]
    return left[0] if left and page in names else ""
