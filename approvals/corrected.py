"""What people are told whose correction led to no new question (pure): the run ended, and the card must not wait for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from .change import AuditEntry, Change, Event, Notice, NoticeKind
from .request import Ending, OutcomeKind, Request, RunEnd
from .saying import ALL_CARDS

_SAID = {
    RunEnd.FINISHED: "The agent planned again and ended without asking again",
    RunEnd.FAILED: "The agent broke off before it asked again",
}


def ended_unasked(request: Request, how: RunEnd, words: str, now: datetime, by: str) -> Change | None:
    """Put on a request that was sent back how its run ended, and tell whoever sent it back; None where that is known.

    Args:
        words: The agent's last ones, or why it was given up; empty when there are none.
        by: The worker that saw it end.
    """
    outcome = request.outcome
    if outcome is None or outcome.kind is not OutcomeKind.REVISED or outcome.then is not None:
        return None
    ending = Ending(how=how, words=words[:500], at=now)
    notice = Notice(
        key=f"{request.id}-ended", kind=NoticeKind.ENDED, place=ALL_CARDS, thread=request.ask.run.thread,
        request=request.id, text=words[:500], by=request.decision.by[-1] if request.decision else None,
    )  # fmt: skip
    return Change(
        request=replace(request, outcome=replace(outcome, then=ending)),
        audit=(AuditEntry(event=Event.ENDED_UNASKED, by=by, words=_SAID[how]),),
        notices=(notice,),
    )
