"""What goes on record of an answer that was not counted."""

from __future__ import annotations

from ..approvals.change import AuditEntry, Event
from ..approvals.errors import AlreadySettled, BadChange, SaysoError
from ..approvals.people import Identity
from ..approvals.request import Request


def refusal(request: Request, error: SaysoError, by: str, who: Identity) -> AuditEntry:
    """Who was refused, by which account, and why; what people typed stays out of it."""
    return AuditEntry(
        event=Event.REFUSED_ANSWER, by=by, words=_reason(error)[:300],
        facts={"via": str(who), "revision": str(request.revision), "digest": request.current.digest,
               "why": type(error).__name__},
    )  # fmt: skip


def _reason(error: SaysoError) -> str:
    if isinstance(error, BadChange):
        return (
            f"The edit of {', '.join(sorted(filter(None, error.problems))) or 'the arguments'} does not fit"
        )
    if isinstance(error, AlreadySettled):
        return f"Too late: it was {error.state} already"
    return str(error)
