"""Somebody says "I am on it" (pure): the next wider circle or page waits a bounded time for them, the deadline never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from .change import AuditEntry, Change, Event, NoticeKind
from .deadline import Looking, StepKind
from .errors import AlreadySettled
from .machine import expired, next_line
from .people import PersonId
from .request import Request, State
from .saying import say

#: So long after its time a step waits at most; where little time is left it is less.
LONGEST_HOLD = timedelta(minutes=15)


def can_hold(request: Request) -> bool:
    """Whether somebody can still say it: people have been reminded, others come next, and nobody has said it yet."""
    if request.state is not State.OPEN or not request.fired:
        return False
    index = next_line(request)
    return index is not None and (request.looking is None or request.looking.step != index)


def on_it(request: Request, person: PersonId, now: datetime) -> Change | None:
    """Put on record that they look at it; None where that changes nothing. Each step is held once, whoever holds it.

    Raises: AlreadySettled.
    """
    if request.state is not State.OPEN:
        raise AlreadySettled(request.state, request.decision.by if request.decision else ())
    if now >= request.ask.deadline.expires_at:
        return expired(request, now)
    index = next_line(request)
    if not can_hold(request) or index is None:
        return None
    until = _until(request, index)
    looking = Looking(person=person, since=now, until=until, step=index)
    entry = AuditEntry(
        event=Event.LOOKING,
        by=person,
        words=f"Is on it; the next step waits until {until.isoformat(timespec='seconds')}",
    )
    notice = say(request, NoticeKind.LOOKING, f"on-it-{index}", by=person)
    return Change(
        request=replace(request, looking=looking),
        audit=(entry,),
        notices=(notice,),
        before=request.ask.deadline.expires_at,
    )


def _until(request: Request, index: int) -> datetime:
    """Until when the step waits: not into the next one's time, and half of what is left after it stays for others."""
    steps = request.ask.deadline.steps
    due = steps[index].at
    wider = (step.at for step in steps[index + 1 :] if step.kind in (StepKind.WIDEN, StepKind.PAGE))
    ends = min(next(wider, request.ask.deadline.expires_at), request.ask.deadline.expires_at)
    return due + min(LONGEST_HOLD, (ends - due) / 2)
