"""What goes on record of an answer that was not counted."""

from __future__ import annotations

from ..approvals.change import AuditEntry, Event
from ..approvals.errors import AlreadySettled, BadChange, SaysoError
from ..approvals.people import Identity
from ..approvals.request import Request, State


def refusal(request: Request, error: SaysoError, by: str, who: Identity) -> AuditEntry:
    """Who was refused, by which account, and why; what people typed stays out of it."""
    return AuditEntry(
        event=Event.REFUSED_ANSWER, by=by, words=_reason(request, error)[:300],
        facts={"via": str(who), "revision": str(request.revision), "digest": request.current.digest,
               "why": type(error).__name__},
    )  # fmt: skip


def _settled(request: Request, error: AlreadySettled) -> str:
    """How it was settled: that an agent is on its way back since is no answer to whoever comes too late."""
    if error.state != State.RESUMING:
        return error.state
    return State.DECIDED if error.by or request.decision else State.EXPIRED


def _reason(request: Request, error: SaysoError) -> str:
    if isinstance(error, BadChange):
        return (
            f"The edit of {', '.join(sorted(filter(None, error.problems))) or 'the arguments'} does not fit"
        )
    if isinstance(error, AlreadySettled):
        return f"Too late: it was {_settled(request, error)} already"
    return str(error)
