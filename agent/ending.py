"""Ends a run: first whoever had sent something back reads what came of it, then whoever asked, then it is over.

Each step may be cut off by a crash: the run is unfinished until the last one, so whoever takes it up again says the
rest, and says nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..approvals.change import AuditEntry, AuditRecord, Event, Notice
from ..approvals.corrected import ended_unasked
from ..approvals.crash import crash_point
from ..approvals.errors import RequestNotFound
from ..approvals.request import OutcomeKind, Request, Run, RunEnd
from ..approvals.store import Store


async def end_run(
    store: Store, run: Run, entry: AuditEntry, *, words: str, notices: Sequence[Notice] = ()
) -> None:
    """Say how the run ended, and that it has. Safe to repeat.

    Args:
        entry: `RUN_FINISHED` or `RUN_FAILED`, by the worker that saw it.
        words: The agent's last ones, or why it failed.
        notices: What whoever asked is told.
    """
    how = RunEnd.FINISHED if entry.event is Event.RUN_FINISHED else RunEnd.FAILED
    for request in await _unanswered_corrections(store, await store.trail(run.thread)):
        await store.change(request.id, lambda record, now: ended_unasked(record, how, words, now, entry.by))
    crash_point("report-corrected-told")
    await store.finish_run(run.thread, entry, notices)


async def _unanswered_corrections(store: Store, trail: Sequence[AuditRecord]) -> list[Request]:
    """What people sent back in this run and were not asked about again."""
    found = []
    for number, record in enumerate(trail):
        revised = record.entry.facts.get("outcome") == OutcomeKind.REVISED
        if record.entry.event is Event.CLOSED and revised and (request := await _known(store, record)):
            later = [one for one in trail[number:] if one.entry.event is Event.OPENED]
            if not await _asked_again(store, request, later):
                found.append(request)
    return found


async def _asked_again(store: Store, request: Request, opened: Sequence[AuditRecord]) -> bool:
    """Whether one of these revises it, or asks for the same tool: a model may call it again past the link."""
    for record in opened:
        later = await _known(store, record)
        if later is None:
            continue
        if later.ask.revises == request.id or later.proposal.action.tool == request.proposal.action.tool:
            return True
    return False


async def _known(store: Store, record: AuditRecord) -> Request | None:
    """The request that a line is about; None where it was cleared away."""
    try:
        return await store.get(record.request) if record.request else None
    except RequestNotFound:
        return None
