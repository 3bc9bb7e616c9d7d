"""What is happening to one request, as one line of a few facts, each with where it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ...approvals.change import AuditRecord, Event
from ...approvals.request import EffectState, Outcome, OutcomeKind, Request, RunEnd, State
from ...cards.escape import cut, line
from ...cards.standing import is_stuck, is_unknown
from .record import Record, process_of

Name = Callable[[str], str]

#: Longest words of the agent in the line, UTF-16 units.
SAID = 160
#: How each ending reads at the end of the line.
_ENDINGS: Mapping[OutcomeKind, str] = {
    OutcomeKind.EXECUTED: "done, once", OutcomeKind.REFUSED: "rejected, nothing done",
    OutcomeKind.REVISED: "sent back, the agent plans again", OutcomeKind.ANSWERED: "answered",
    OutcomeKind.EXPIRED: "cancelled, nothing done", OutcomeKind.WITHDRAWN: "withdrawn, nothing done",
    OutcomeKind.INVALIDATED: "void, nothing done", OutcomeKind.FAILED: "failed, nothing done",
    OutcomeKind.UNKNOWN: "given up: it may have been done", OutcomeKind.UNDONE: "undone",
}  # fmt: skip


class Tone(StrEnum):
    """How the end of the line looks."""

    WAITS = "waits"  #: it goes on
    DONE = "done"
    STOPPED = "stopped"  #: nothing was done, as people or the clock wanted it
    FAILED = "failed"  #: somebody has to look


_TONES: Mapping[OutcomeKind, Tone] = {
    OutcomeKind.EXECUTED: Tone.DONE, OutcomeKind.REVISED: Tone.DONE, OutcomeKind.ANSWERED: Tone.DONE,
    OutcomeKind.REFUSED: Tone.STOPPED, OutcomeKind.EXPIRED: Tone.STOPPED, OutcomeKind.WITHDRAWN: Tone.STOPPED,
    OutcomeKind.INVALIDATED: Tone.STOPPED, OutcomeKind.UNDONE: Tone.STOPPED,
    OutcomeKind.FAILED: Tone.FAILED, OutcomeKind.UNKNOWN: Tone.FAILED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """A few words, and where they were read ("audit trail: decided")."""

    words: str
    source: str


def facts(request: Request, record: Record, name: Name) -> list[Fact]:
    """In the order in which it happened.

    Args:
        name: A person's name by their id.
    """
    trail = record.trail(request)
    return [
        *_pause(request, record, trail), *_waiting(request, trail, name), *_decision(request, trail, name),
        *_going_on(request, record, trail),
    ]  # fmt: skip


def tone(request: Request) -> Tone:
    """That of the last fact."""
    if request.outcome is not None and request.outcome.then is not None:
        return Tone.FAILED if request.outcome.then.how is RunEnd.FAILED else Tone.STOPPED
    if request.outcome is not None:
        return Tone.DONE if _stays_done(request, request.outcome) else _TONES[request.outcome.kind]
    return Tone.FAILED if is_unknown(request) or is_stuck(request) else Tone.WAITS


def _pause(request: Request, record: Record, trail: Sequence[AuditRecord]) -> Iterator[Fact]:
    events = [line.entry.event for line in trail]
    if request.ask.undoes:
        yield Fact("can be undone", _read(Event.UNDOABLE))
        return
    if not request.asked:
        yield Fact("nobody is asked", _read(Event.RAN_WATCHED if request.ask.watched else Event.RAN_FREELY))
        return
    pid = record.paused_in.get(request.id)
    where = f", by the worker that ran then (process {pid})" if pid else ""
    yield Fact(f"paused in process {pid}" if pid else "paused", _read(Event.OPENED) + where)
    if request.id in record.checkpoints:
        yield Fact(
            "state checkpointed", f"checkpoint {record.checkpoints[request.id]}, which holds the pause"
        )
    elif Event.RESUMING in events:
        yield Fact("state checkpointed", f"{_read(Event.RESUMING)}, from the checkpoint")


def _waiting(request: Request, trail: Sequence[AuditRecord], name: Name) -> Iterator[Fact]:
    if any(line.entry.event is Event.PAGED for line in trail):
        yield Fact("on-call was paged", _read(Event.PAGED))
    if request.state is not State.OPEN:
        return
    if request.ask.undoes:
        yield Fact(f"{together(request.approver_sets, 'or')} may undo it", "the record: open")
        return
    if request.votes:
        said = together([_told(vote.person, vote.via, name) for vote in request.votes])
        yield Fact(f"{len(request.votes)} of {request.ask.rule.needed} agreed: {said}", _read(Event.VOTED))
    yield Fact(f"waits for {together(request.approver_sets, 'or')}", "the record: open")


def _decision(request: Request, trail: Sequence[AuditRecord], name: Name) -> Iterator[Fact]:
    if request.decision is not None:
        via = {line.entry.by: line.entry.facts["via"] for line in trail if line.entry.event is Event.VOTED}
        said = together([_told(person, via.get(person, ""), name) for person in request.decision.by])
        yield Fact(f"decided by {said}", f"{_read(Event.DECIDED)}; {_read(Event.VOTED)}, via which account")
    elif not request.ask.undoes and any(line.entry.event is Event.EXPIRED for line in trail):
        yield Fact("nobody decided in time", _read(Event.EXPIRED))


def _going_on(request: Request, record: Record, trail: Sequence[AuditRecord]) -> Iterator[Fact]:
    resumed = [process_of(line.entry.by) for line in trail if line.entry.event is Event.RESUMING]
    if resumed:
        yield Fact(f"resumed in process {resumed[-1]}", _read(Event.RESUMING))
    elif request.state in (State.DECIDED, State.EXPIRED):
        yield Fact(
            "waits for a worker to go on" if not request.stuck_at else "no worker has gone on", "the record"
        )
    if request.outcome is not None:
        yield _ending(request, request.outcome, record)
    elif request.effect is not None and request.effect.state is EffectState.UNKNOWN:
        yield Fact("nobody knows whether it was done", _read(Event.EFFECT_UNKNOWN))
    elif request.effect is not None and request.effect.state is EffectState.STARTED:
        yield Fact("the tool runs", _read(Event.EFFECT_STARTED))


def _ending(request: Request, outcome: Outcome, record: Record) -> Fact:
    """What became of it; of what people sent back, where that led."""
    if outcome.then is not None:
        said = cut(line(outcome.then.words), SAID).replace(" · ", " - ")  # what parts the facts of the line
        asked_no_more = f"ended without asking again{f': “{said}”' if said else ''}"
        words = "the agent broke off" if outcome.then.how is RunEnd.FAILED else asked_no_more
        return Fact(words, _read(Event.ENDED_UNASKED))
    if any(one.ask.revises == request.id for one in record.requests.values()):
        return Fact("asked anew", f"{_read(Event.OPENED)}, by a request that replaces this one")
    if _stays_done(request, outcome):
        return Fact("no longer: it stays done", _read(Event.EXPIRED))
    ending = "failed, as its tool says" if request.says_failed else _ENDINGS[outcome.kind]
    return Fact(ending, _read(Event.CLOSED))


def _told(person: str, via: str, name: Name) -> str:
    """Who answered where ("Bo in Teams"); `via` is the account they used ("teams:..."), or empty."""
    platform = via.partition(":")[0]
    return f"{name(person).split()[0]} in {platform.capitalize()}" if platform else name(person).split()[0]


def together(words: Sequence[str], last: str = "and") -> str:
    """Several as one: "a, b and c"."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _read(event: Event) -> str:
    return f"audit trail: {event}"


def _stays_done(request: Request, outcome: Outcome) -> bool:
    """Whether nobody has undone, within its time, what had run."""
    return request.ask.undoes is not None and outcome.kind is OutcomeKind.EXPIRED
