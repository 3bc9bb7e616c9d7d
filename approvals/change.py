"""What one transition amounts to: the new record, and everything the store writes together with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from .people import PersonId, Place
from .request import Ask, Request, Run
from .verdict import RequestId, ThreadId

NoticeId = NewType("NoticeId", str)

#: What the audit trail calls the run of a line that belongs to none: a policy was published, the trail was cleared.
NO_RUN = ThreadId("sayso")
#: The key of the notice that holds a run's last words.
REPORT = "report"


class Event(StrEnum):
    """What the audit trail records; the value is what an auditor reads."""

    RUN_STARTED = "run started"
    RUN_FINISHED = "run finished"
    RUN_FAILED = "run failed"
    BROKE_OFF = "broke off"
    NOT_TAKEN = "not taken"
    OPENED = "opened"
    RAN_FREELY = "ran without asking"
    RAN_WATCHED = "ran watched"
    RAN_TRUSTED = "ran on trust"
    UNDOABLE = "can be undone"
    SHOWN = "shown"
    VOTED = "voted"
    EDITED = "edited"
    DECIDED = "decided"
    REFUSED_ANSWER = "answer refused"
    HANDED_ON = "handed to the next line"
    STEP = "step"
    PAGED = "on-call paged"
    LOOKING = "somebody is on it"
    PAGE_CLOSED = "page closed"
    EXPIRED = "expired"
    RESUMING = "resuming"
    STUCK = "not resumed in time"
    EFFECT_STARTED = "effect started"
    EFFECT_DONE = "effect done"
    EFFECT_FAILED = "effect failed"
    EFFECT_UNKNOWN = "effect unknown"
    CLOSED = "closed"
    ENDED_UNASKED = "ended without asking again"
    VOTE_REJECTED = "forged or stale vote"
    DETAILS_SEEN = "details seen"
    UNDELIVERABLE = "could not be delivered"
    SHADOWED = "next policy differs"
    CREDENTIAL_ADDED = "credential added"
    CREDENTIAL_REVOKED = "credential revoked"
    CREDENTIAL_USED = "credential used"
    CREDENTIAL_REFUSED = "credential refused"
    GLASS_BROKEN = "glass broken"
    HANDED_OVER = "authority handed over"
    TRUSTED = "trusted for a while"
    DISTRUSTED = "trusted no more"
    HALTED = "paused"
    UNHALTED = "pause ended"
    POLICY_CHANGED = "policy changed"
    AUDIT_CLEARED = "audit trail cleared"
    AUDIT_EXPORTED = "audit trail exported"
    SAID = "said"
    PAGE_TAKEN = "page taken"


#: What the audit holds, but a run's own trail does not tell: it would drown the rest.
UNTOLD = frozenset({Event.SAID, Event.PAGE_TAKEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the trail; the store adds number and time.

    Attributes:
        by: Person id, worker or "sayso".
        words: One plain sentence.
        facts: Ids, digests and signed votes that prove it; never a token, never free text of the agent.
        shown: The card's words as they stood there, packed (`packed.unpack`); empty where none was shown.
    """

    event: Event
    words: str
    by: str = "sayso"
    facts: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An `AuditEntry` as stored: numbered per partition, with the store's time (UTC)."""

    number: int
    at: datetime
    thread: ThreadId
    request: RequestId | None
    entry: AuditEntry


class NoticeKind(StrEnum):
    """Short messages beside the card; `cards` has the words for each."""

    ASKED = "asked"  #: for the service that started the run; people see the card
    REMINDER = "reminder"
    WIDENED = "widened"
    NOBODY_THERE = "nobody there"  #: a circle is empty; the next step follows at once
    PAGED = "paged"
    HANDED_ON = "handed on"
    LOOKING = "on it"
    DECIDED = "decided"
    GLASS_BROKEN = "glass broken"  #: one person decided alone; also told in a second channel
    EDITED = "edited"
    EXPIRED = "expired"
    STUCK = "stuck"
    OUTCOME = "outcome"
    ENDED = "ended"  #: for whoever sent it back: the run is over, and nobody is asked again; `text` as in `REPORT`
    UNKNOWN = "unknown"
    REPORT = "report"  #: the agent's own last words; `text` holds them
    UNREACHABLE = "unreachable"
    DAILY = "daily"  #: what ran the day before without anybody being asked; `text` holds the lines
    SIGN_IN = "sign in"  #: what was approved waits for somebody to sign in to a provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to say once, in one place.

    Attributes:
        key: Makes it unique within its run; saying it again with the same key says nothing.
        place: A channel, a thread, a person, or "" for the threads of all cards of the request.
        request: What it is about; None for a notice about a run.
        text: Words of the agent or of a person (untrusted); empty when the kind says it all.
        mention: Approver sets whose members are named in it.
        people: Persons who are named in it, where only some of a set are meant.
        by: Whose act it tells (who edited, or handed the question on), or whose came to nothing; None for the clock
            and the agent.
    """

    key: str
    kind: NoticeKind
    place: Place
    thread: ThreadId
    request: RequestId | None = None
    text: str = ""
    mention: tuple[str, ...] = ()
    by: PersonId | None = None
    people: tuple[PersonId, ...] = ()


class WorkKind(StrEnum):
    START = "start"
    RESUME = "resume"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something for a worker: start a run, resume one for a request, or take back what a request did."""

    kind: WorkKind
    run: Run
    request: RequestId | None = None


def work_for(request: Request) -> Work:
    """What a worker has to do about an answered request."""
    kind = WorkKind.UNDO if request.ask.undoes else WorkKind.RESUME
    return Work(kind=kind, run=request.ask.run, request=request.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A transition, ready to be committed as one atomic step.

    Attributes:
        request: The record afterwards; the store sets its version.
        before: UTC; the commit is refused at or after this instant (the step then runs again).
        audit, notices, work: Written with it. Every card of the request is marked for redrawing.
        opens: Requests opened in the same step (the next round of an invalidated one).
        lease: Given to the worker of a tool that starts with this change; None for all other changes.
        acts: It brings an agent or a tool on, so it is refused while sayso is paused.
    """

    request: Request
    audit: tuple[AuditEntry, ...] = ()
    notices: tuple[Notice, ...] = ()
    work: tuple[Work, ...] = ()
    before: datetime | None = None
    opens: tuple[Ask, ...] = ()
    lease: timedelta | None = None
    acts: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """The record after `change`; `replayed` when this token had been applied before and nothing was done now."""

    request: Request
    replayed: bool = False


def tell_service(ask: Ask) -> tuple[Notice, ...]:
    """That a run waits for people, for the service that started it and wants to hear of it."""
    if not ask.run.callback:
        return ()
    key, place = f"{ask.id}-asked", ask.run.told_in
    return (Notice(key=key, kind=NoticeKind.ASKED, place=place, thread=ask.run.thread, request=ask.id),)
