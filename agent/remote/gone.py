"""What becomes of the requests of a thread that was deleted at its server: nobody waits for them any more, and that is said."""

from __future__ import annotations

from datetime import datetime

from ...approvals import machine
from ...approvals.change import AuditEntry, Change, Event
from ...approvals.errors import AlreadySettled
from ...approvals.request import OutcomeKind, Request, Run
from ...approvals.store import Store
from ..ending import end_run

_GONE = "The agent's thread was deleted at its server"
_TAKEN = f"{_GONE} while it went on with the answer; what it did is not known here."


async def end_gone(store: Store, run: Run, worker: str) -> None:
    """End every request of the run, and the run."""

    def step(record: Request, now: datetime) -> Change:
        if record.effect is not None:
            return machine.closed(record, OutcomeKind.UNKNOWN, _TAKEN, now, by=worker)
        return machine.closed(
            record, OutcomeKind.INVALIDATED, f"{_GONE}; nothing was sent to it.", now, by=worker
        )

    for request in await store.live():
        if request.ask.run.thread == run.thread:
            try:
                await store.change(request.id, step)
            except AlreadySettled:
                continue  # it ended by itself meanwhile
    entry = AuditEntry(event=Event.RUN_FAILED, by=worker, words=f"Given up: {_GONE}")
    await end_run(store, run, entry, words=f"{_GONE}.")
