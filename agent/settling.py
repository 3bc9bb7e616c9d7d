"""What people decided about a foreign pause, proved by their signed votes: nothing in the record is believed without."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from ..approvals import signing
from ..approvals.errors import BadVote
from ..approvals.request import Request
from ..approvals.verdict import Approve, Modify, Reject, Respond, Undo
from .dialects.asked import Approved, Refused, Responded, Settled
from .runtime import Runtime

NOBODY_DECIDED = "Nobody decided in time, so it must not be done."


def settled_by(request: Request, runtime: Runtime, frozen: str, now: datetime) -> Settled:
    """What the agent may be told about one action.

    Args:
        frozen: The proposal's bytes, made anew from what the pause shows.
        now: The store's time.

    Raises: BadVote when votes do not allow what the record says.
    """
    thread = runtime.run.thread
    verdict = request.decision.verdict if request.decision else None
    match verdict:
        case None:
            return Refused(NOBODY_DECIDED, expired=True)
        case Reject(reason=reason):
            return Refused(reason)
        case Respond():
            return Responded(
                signing.response(request, runtime.verifier, thread=thread, frozen=frozen, now=now)
            )
        case Undo():
            raise BadVote("What this agent did cannot be undone from here.")
        case Modify(instruction=text) if text:
            raise BadVote("An instruction cannot be given to this agent.")
        case Approve() | Modify():
            granted = signing.warrant(request, runtime.verifier, thread=thread, frozen=frozen, now=now)
            revision = granted.revision
            return Approved(revision.proposal.action.arguments, edited=revision.number > 1)
        case _:
            assert_never(verdict)
