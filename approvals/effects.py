"""The tool's part of a request's life (pure): burning the approval, done, failed, unknown, and settling by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from .change import AuditEntry, Change, Event, Notice, NoticeKind, work_for
from .errors import AlreadySettled, NotAllowed, SaysoError
from .machine import RESUME_WITHIN, closed
from .people import PersonId, Place
from .quorum import enough, stricter
from .request import Effect, EffectState, OutcomeKind, Request, State
from .verdict import Vote

#: How long somebody else's agent may go on after its answer before people are told that it does not come back.
GOES_ON_WITHIN = timedelta(hours=6)


#: In place of the result of a tool that never gave one, for the agent to read; JSON text.
_HAPPENED = '"A person confirmed that this was done; what the tool itself returned is not known."'


class Burnt(SaysoError):
    """This approval has been used: the tool was already started."""


def begin(request: Request, *, attempt: int, worker: str, lease: timedelta, now: datetime) -> Change:
    """Burn the approval: from here on the tool may have run.

    Raises:
        Burnt: It was started before (this attempt or a later one).
        AlreadySettled: The request is not with a worker.
    """
    if request.state is not State.RESUMING:
        raise AlreadySettled(request.state)
    if request.effect is not None and (
        request.effect.attempt >= attempt or request.effect.state is not EffectState.UNKNOWN
    ):
        raise Burnt
    effect = Effect(attempt=attempt, worker=worker, started_at=now)
    resume_by = now + GOES_ON_WITHIN if request.ask.dialect else request.resume_by
    request = replace(request, dead_credential=None)  # it has a token now
    entry = AuditEntry(
        event=Event.EFFECT_STARTED, by=worker, words=_started(request)[:300],
        facts={"attempt": str(attempt), "digest": request.current.digest},
    )  # fmt: skip
    after = replace(request, effect=effect, resume_by=resume_by)
    return Change(request=after, audit=(entry,), lease=lease, acts=True)


def _started(request: Request) -> str:
    tool = request.proposal.action.tool
    return f"Lets the agent go on with {tool}" if request.ask.dialect else f"Started {tool}"


def taken_over(request: Request, *, worker: str, lease: timedelta) -> Change:
    """Another worker goes on under the same approval, once its worker's lease has ended.

    The tool is idempotent, or it is certain that somebody else's agent never got the answer.

    Raises: Burnt when it is not started any more.
    """
    effect = request.effect
    if request.state is not State.RESUMING or effect is None or effect.state is not EffectState.STARTED:
        raise Burnt
    tool = request.proposal.action.tool
    words = f"Sends the answer for {tool} again: it had not arrived" if request.ask.dialect else ""
    entry = AuditEntry(
        event=Event.EFFECT_STARTED, by=worker, words=(words or f"Runs {tool} again with the same key")[:300],
        facts={"attempt": str(effect.attempt), "digest": request.current.digest},
    )  # fmt: skip
    after = replace(request, effect=replace(effect, worker=worker))
    return Change(request=after, audit=(entry,), lease=lease, acts=True)


def done(
    request: Request, worker: str, result: str, words: str, now: datetime, *, artifact: str = ""
) -> Change:
    """The tool returned: the request is closed in the same step; a late word settles UNKNOWN. Raises: Burnt."""
    effect = replace(_running(request, worker), state=EffectState.DONE, result=result, artifact=artifact)
    change = closed(replace(request, effect=effect), _happened(request), words, now, by=worker)
    entry = AuditEntry(
        event=Event.EFFECT_DONE, by=worker, words="The tool ran", facts={"attempt": str(effect.attempt)}
    )
    return replace(change, audit=(entry, *change.audit))


def taken_back(request: Request, worker: str, now: datetime) -> Change:
    """Its worker has certainly not let the agent go on: the approval is as unused as before. Raises: Burnt."""
    effect = request.effect
    if effect is None or effect.state is not EffectState.STARTED or effect.worker != worker:
        raise Burnt
    first = effect.attempt == 1
    before = None if first else replace(effect, attempt=effect.attempt - 1, state=EffectState.UNKNOWN)
    entry = AuditEntry(
        event=Event.EFFECT_FAILED, by=worker, words="Nothing was sent to the agent; the approval stands",
        facts={"attempt": str(effect.attempt)},
    )  # fmt: skip
    return Change(request=replace(request, effect=before, resume_by=now + RESUME_WITHIN), audit=(entry,))


def told(request: Request, worker: str, words: str, now: datetime) -> Change:
    """The agent took its answer and went on; what its own tool then did is not for us to claim. Raises: Burnt."""
    _running(request, worker)
    return closed(request, OutcomeKind.ANSWERED, words, now, by=worker)


def failed(request: Request, worker: str, words: str, now: datetime, *, result: str = "") -> Change:
    """The tool said that nothing was done, or with `result` (JSON text) how it failed. Raises: Burnt."""
    effect = replace(_running(request, worker), state=EffectState.FAILED, result=result)
    change = closed(replace(request, effect=effect), OutcomeKind.FAILED, words, now, by=worker)
    said = "The tool says that it failed" if result else "The tool did nothing"
    entry = AuditEntry(event=Event.EFFECT_FAILED, by=worker, words=said)
    return replace(change, audit=(entry, *change.audit))


def unknown(request: Request, now: datetime, words: str = "", how: str = "") -> Change:
    """The tool broke off, as `how` says, or its lease ended without a word: never run again silently, put to people.

    Raises: Burnt.
    """
    effect = request.effect
    if request.state is not State.RESUMING or effect is None or effect.state is not EffectState.STARTED:
        raise Burnt
    after = replace(
        request, effect=replace(effect, state=EffectState.UNKNOWN, how=how), votes=(), resume_by=now + RESUME_WITHIN,
        paged_at=request.paged_at or now,
    )  # fmt: skip
    said = words or f"{effect.worker} started the tool and never reported; it may or may not have happened"
    notice = Notice(
        key=f"{request.id}-unknown-{effect.attempt}", kind=NoticeKind.UNKNOWN, place=Place(""),
        thread=request.ask.run.thread, request=request.id, mention=request.approver_sets,
    )  # fmt: skip
    entry = AuditEntry(event=Event.EFFECT_UNKNOWN, words=said[:300], facts={"attempt": str(effect.attempt)})
    return Change(request=after, audit=(entry,), notices=(notice,))


def settled_as_done(request: Request, person: PersonId, now: datetime, *, name: str = "") -> Change:
    """A person, whom others read as `name`, says: it happened. Raises: AlreadySettled."""
    effect = replace(_unknown(request), state=EffectState.DONE, result=_HAPPENED)
    words = f"{name or person} confirmed that it happened."
    return _settled(request, effect, _happened(request), words, person=person, now=now)


def given_up(request: Request, person: PersonId, now: datetime, *, name: str = "") -> Change:
    """A person, whom others read as `name`, gives up finding out. Raises: AlreadySettled."""
    effect = _unknown(request)
    words = f"{name or person} gave up finding out{f'; it {effect.how}' if effect.how else ''}."
    return _settled(request, effect, OutcomeKind.UNKNOWN, words, person=person, now=now)


def run_again(
    request: Request, vote: Vote, may_decide: frozenset[PersonId], needed: int, now: datetime
) -> Change:
    """A person orders another run, with the same idempotency key; the quorum is the same as for the first.

    Raises: AlreadySettled, NotAllowed.
    """
    effect = _unknown(request)
    if vote.person not in may_decide:
        raise NotAllowed
    earlier = tuple(
        v for v in request.votes if v.person in may_decide and v.person != vote.person and now < v.expires
    )
    votes = (*earlier, vote)
    entry = AuditEntry(
        event=Event.VOTED, by=vote.person, words="Voted to run it again",
        facts={"attempt": str(effect.attempt + 1), "via": vote.via, "key": vote.key},
    )  # fmt: skip
    if len(votes) < needed or not enough(stricter(request.ask.rule, vote.rule), votes):
        return Change(request=replace(request, votes=votes), audit=(entry,))
    after = replace(request, votes=votes, resume_by=now + RESUME_WITHIN)
    return Change(request=after, audit=(entry,), work=(work_for(request),))


def ordered_again(request: Request) -> bool:
    """Whether enough people, not knowing whether it happened, want it to go on once more."""
    attempt = request.effect.attempt if request.effect else 0
    return enough(request.ask.rule, (vote for vote in request.votes if vote.attempt > attempt))


def not_known(request: Request) -> bool:
    """Whether it waits for people to say what happened, or to order it once more."""
    effect = request.effect
    unknown = request.live and effect is not None and effect.state is EffectState.UNKNOWN
    return unknown and not ordered_again(request)


def _settled(
    request: Request, effect: Effect, kind: OutcomeKind, words: str, *, person: PersonId, now: datetime
) -> Change:
    change = closed(replace(request, effect=effect), kind, words, now, by=person)
    return replace(change, work=(work_for(request),))


def _happened(request: Request) -> OutcomeKind:
    return OutcomeKind.UNDONE if request.ask.undoes else OutcomeKind.EXECUTED


def _running(request: Request, worker: str) -> Effect:
    effect = request.effect
    if (
        request.state is not State.RESUMING
        or effect is None
        or effect.state not in (EffectState.STARTED, EffectState.UNKNOWN)
        or effect.worker != worker
    ):
        raise Burnt
    return effect


def _unknown(request: Request) -> Effect:
    effect = request.effect
    if request.state is not State.RESUMING or effect is None or effect.state is not EffectState.UNKNOWN:
        raise AlreadySettled(request.state)
    return effect
