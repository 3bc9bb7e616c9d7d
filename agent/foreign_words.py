"""How a request of a foreign pause ends, in words for people; none of them claims what the agent's own tool did."""

from __future__ import annotations

from ..approvals.request import OutcomeKind, Request, State
from ..approvals.verdict import Approve, Modify, Reject, Respond, Undo

_AT_GATE = " Nothing was done."
#: Of an agent at its own server.
ELSEWHERE = (
    "The agent was answered by somebody else at its server, or moved on there; nothing was sent from here."
)


def as_told(request: Request, others: int = 0) -> str:
    """The agent took a yes, or a text; LangGraph holds back what follows until `others` are answered as well."""
    held = "" if not others else f" What follows waits for {others} other answer{'s' if others > 1 else ''}."
    verdict = request.decision.verdict if request.decision else None
    if isinstance(verdict, Respond):
        return f"It was answered; the agent went on with it.{held}"
    how = " as changed" if request.revision > 1 else ""
    said = f"It was approved{how}, and the agent went on with that once."
    return f"{said}{held} What its own tool did is not recorded here."


def as_past(request: Request) -> tuple[OutcomeKind, str]:
    """One whose pause has cleared and that nobody has closed."""
    match request.decision.verdict if request.decision else None:
        case _ if request.effect is not None:
            return OutcomeKind.ANSWERED, as_told(request)
        case Reject(reason=reason):
            return OutcomeKind.REFUSED, f"The answer was no: {reason}"
        case Respond():
            return OutcomeKind.ANSWERED, as_told(request)
        case None if request.state is not State.OPEN:
            return OutcomeKind.EXPIRED, "Nobody decided in time; nothing was done, and the agent was told."
        case _:
            return OutcomeKind.INVALIDATED, "The agent has moved on without this answer."


def as_ended(request: Request, why: str, *, here: bool) -> tuple[OutcomeKind, str]:
    """One whose run is ended at its gate; `here` unless another pause of the run ended it."""
    verdict = request.decision.verdict if request.decision else None
    if request.effect is not None:
        return OutcomeKind.UNKNOWN, why
    if not here:
        return OutcomeKind.WITHDRAWN, "The agent's run was ended at another question; nothing was done."
    match verdict:
        case Reject(reason=reason):
            return OutcomeKind.REFUSED, f"The answer was no: {reason} — {why} Nothing was done."
        case Approve() | Modify() | Respond() | Undo():
            return OutcomeKind.FAILED, f"{why}{_AT_GATE}"
        case None:
            return OutcomeKind.EXPIRED, f"Nobody decided in time. {why}{_AT_GATE}"


def closed_words(request: Request) -> str:
    """Why it must not happen, for the agent: it was ended before the agent could be told."""
    words = request.outcome.words if request.outcome else ""
    return words or "It was taken back; nothing was done."
