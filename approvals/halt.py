"""Sayso paused by a person: while a halt holds, no agent is started or brought back and no tool starts; clocks run on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from .change import AuditEntry, Change, Event
from .machine import RESUME_WITHIN, votes_expire_at
from .request import Request, State
from .verdict import ThreadId

#: Under this name the audit trail tells of pauses: they are about no single run.
HALTS = ThreadId("sayso-paused")
#: Longest reason, characters.
WHY = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Somebody paused sayso.

    Attributes:
        graph: Which agent is paused; empty for all of them.
        by: Person id, or "an operator" for whoever has the store.
        why: In that person's words, at most 300 characters.
        since: UTC, by the store's time.
        until: UTC; from this instant on it holds no more. None until somebody ends it.
    """

    graph: str
    by: str
    why: str
    since: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it holds at this instant."""
        return self.until is None or now < self.until


def held_back(request: Request, now: datetime) -> Change | None:
    """What is decided waits for the end of a pause: its own clock begins anew, and nobody is called for that.

    None where the clock has something else to do: people are asked, the tool has started, or the votes have run out.
    """
    waits = request.state in (State.DECIDED, State.EXPIRED, State.RESUMING) and request.effect is None
    if not waits or now >= votes_expire_at(request):
        return None
    entry = AuditEntry(event=Event.STEP, words="Waits: sayso is paused")
    return Change(request=replace(request, resume_by=now + RESUME_WITHIN), audit=(entry,))
