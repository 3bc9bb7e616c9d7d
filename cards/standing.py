"""Where a request stands, in words for people: claims only what the record proves."""

from __future__ import annotations

from collections.abc import Mapping

from ..approvals.action import Json
from ..approvals.errors import SaysoError
from ..approvals.lacking import waits_for_sign_in, waits_for_token
from ..approvals.quorum import enough
from ..approvals.request import (
    Decision,
    Edits,
    Effect,
    EffectState,
    Outcome,
    OutcomeKind,
    Request,
    RunEnd,
    State,
)
from ..approvals.verdict import Approve, Modify, Reject, Respond, Undo, Verdict, is_edit
from . import values
from .escape import cut, line
from .logged import done
from .rows import SENTENCE, Writer
from .spans import Row, Spans, Text

#: How an outcome begins on a closed card.
OUTCOME: dict[OutcomeKind, str] = {
    OutcomeKind.EXECUTED: "Done",
    OutcomeKind.REFUSED: "Rejected, nothing was done",
    OutcomeKind.REVISED: "Sent back, nothing was done; the agent plans again",
    OutcomeKind.ANSWERED: "Answered",
    OutcomeKind.EXPIRED: "Cancelled, nothing was done; the agent was told",
    OutcomeKind.WITHDRAWN: "Withdrawn, nothing was done",
    OutcomeKind.INVALIDATED: "No longer valid, nothing was done",
    OutcomeKind.FAILED: "Failed, nothing was done",
    OutcomeKind.UNKNOWN: "Not known whether it was done",
    OutcomeKind.UNDONE: "Undone",
}
#: How the outcome of an undo begins, where it is another one.
_UNDO: dict[OutcomeKind, str] = {
    OutcomeKind.EXPIRED: "Can no longer be undone",
    OutcomeKind.FAILED: "Not undone",
    OutcomeKind.UNKNOWN: "Not known whether it was undone",
}


#: What stands there of a revised request once its run has ended without asking again.
_THEN: dict[RunEnd, str] = {
    RunEnd.FINISHED: "Sent back, nothing was done; the agent planned again and ended without asking again",
    RunEnd.FAILED: "Sent back, nothing was done; the agent broke off before it asked again",
}


class NotStanding(SaysoError):
    """A closed request has no outcome; the record is broken."""


def is_unknown(request: Request) -> bool:
    """Whether people have to say what became of the tool; no longer once they have ordered another run."""
    effect = request.effect
    if request.state is not State.RESUMING or effect is None or effect.state is not EffectState.UNKNOWN:
        return False
    return not enough(request.ask.rule, (vote for vote in request.votes if vote.attempt > effect.attempt))


def broke_off(effect: Effect) -> str:
    """How a tool ended of which nobody knows what it did; an error's words are its author's."""
    return cut(line(effect.how), SENTENCE).rstrip(".") or "never reported"


def is_stuck(request: Request) -> bool:
    """Whether no worker has brought the agent back in time."""
    return request.stuck_at is not None and request.state is not State.CLOSED and request.effect is None


def verdict_words(verdict: Verdict, edits: Edits = Edits.APPLY) -> str:
    """The verdict as a past tense: "Approved", "Rejected"; `edits` says what a typed edit leads to."""
    match verdict:
        case Approve():
            return "Approved"
        case Reject():
            return "Rejected"
        case Modify() if is_edit(verdict):
            return "Changed and approved" if edits is Edits.APPLY else "Changed and sent back"
        case Modify(changes):
            return f"Sent back with {'changed values and ' if changes else ''}an instruction"
        case Respond():
            return "Answered"
        case Undo():
            return "Undo ordered"


def given_words(verdict: Verdict) -> str:
    """What the person wrote with it; empty when nothing."""
    match verdict:
        case Reject(reason):
            text = reason
        case Modify(instruction=instruction, why=why):
            text = instruction or why
        case Respond(text):
            pass
        case Approve(why=why):
            text = why
        case Undo():
            text = ""
    return cut(line(text), SENTENCE)


def sent_along(verdict: Verdict, edits: Edits) -> Mapping[str, Json]:
    """Values that went to the agent with an answer, and into no revision; empty where there are none."""
    if not isinstance(verdict, Modify) or (is_edit(verdict) and edits is Edits.APPLY):
        return {}
    return verdict.changes


def decided(decision: Decision, edits: Edits, writer: Writer) -> Spans:
    """Who decided what, when, and with which words."""
    said = given_words(decision.verdict)
    words: Spans = (Text(f": “{said}”"),) if said else ()
    if along := sent_along(decision.verdict, edits):
        pairs = [f"{values.name_of(name).text} = {values.brief(value).text}" for name, value in along.items()]
        words = (Text(f" ({cut('; '.join(pairs), SENTENCE)})"), *words)
    if decision.glass:
        words = (*words, Text(f", alone, breaking the glass: “{cut(line(decision.glass), SENTENCE)}”"))
    head = f"{verdict_words(decision.verdict, edits)} by "
    return (Text(head), *writer.people(decision.by), Text(" "), writer.when(decision.at), *words)


def how(request: Request, writer: Writer) -> Spans:
    """The second line of a card that needs no answer any more: who, when, how."""
    if request.decision and request.outcome and request.outcome.kind is OutcomeKind.UNDONE:
        return (
            Text("Undone by "),
            *writer.people(request.decision.by),
            Text(" "),
            writer.when(request.outcome.at),
        )
    if request.decision:
        return decided(request.decision, request.ask.edits, writer)
    if request.ask.undoes:
        return done(request, writer)
    if not request.asked:
        return (Text("Ran without asking, "), writer.when(request.ask.opened_at))
    expires_at = request.ask.deadline.expires_at
    ended = request.outcome
    if request.state is State.EXPIRED or (ended and ended.kind is OutcomeKind.EXPIRED) or ended is None:
        return (Text("Nobody decided by "), writer.when(expires_at))
    return (Text("Nobody decided; asked "), writer.when(request.ask.opened_at))


def standing(request: Request, writer: Writer) -> Row:
    """The last line of a card that needs no answer any more: what is happening, or what came of it."""
    if request.state is State.CLOSED:
        if request.outcome is None:
            raise NotStanding
        return Row("Outcome", _outcome(request, request.outcome, writer))
    return Row("Now", (Text(_now(request)),))


def outcome_words(request: Request, kind: OutcomeKind) -> str:
    """How an outcome begins; whether the agent was told of an expiry, only our own gates can say in advance."""
    if request.ask.undoes and kind in _UNDO:
        return _UNDO[kind]
    if kind is OutcomeKind.FAILED and request.says_failed:
        return "Failed, as its tool says"
    return "Cancelled" if request.ask.dialect and kind is OutcomeKind.EXPIRED else OUTCOME[kind]


def _outcome(request: Request, outcome: Outcome, writer: Writer) -> Spans:
    if outcome.then is not None:
        words, ours = cut(line(outcome.then.words), SENTENCE), outcome.then.how is RunEnd.FAILED
        after = f"): {words if ours else f'“{words}”'}" if words else ")"
        return (Text(f"{_THEN[outcome.then.how]} ("), writer.when(outcome.then.at), Text(after))
    words = cut(line(outcome.words), SENTENCE)
    after = f"): {words}" if words else ")"
    return (Text(f"{outcome_words(request, outcome.kind)} ("), writer.when(outcome.at), Text(after))


def _held_up(request: Request) -> str:
    """Why it does not go on as it should; empty while it does."""
    if waits_for_token(request) and request.dead_credential:
        goes_on = "waits for a sign-in and then goes on" if waits_for_sign_in(request) else "is tried again"
        words = cut(line(request.dead_credential.words), SENTENCE)
        return f"Nothing has been done yet; it {goes_on} by itself. {words}"
    if is_stuck(request):
        late = "No worker has undone it" if request.ask.undoes else "The agent has not come back"
        return f"{late} in time; operators are told, and it is tried again. Nothing was done."
    return ""


def _now(request: Request) -> str:
    if late := _held_up(request):
        return late
    others = f"{request.waits_for} other {'answer' if request.waits_for == 1 else 'answers'}"
    match request.state, request.effect:
        case State.DECIDED | State.EXPIRED, _ if request.waits_for:
            return f"The agent goes on once it has {others} as well; nothing has been done yet."
        case State.DECIDED, _ if request.ask.undoes:
            return "A worker is asked to undo it."
        case State.DECIDED, _:
            return "The agent is being brought back."
        case State.EXPIRED, _:
            return "Nothing is done; the agent is being told."
        case State.RESUMING, None if request.ask.undoes:
            return "A worker is about to undo it; nothing has been done yet."
        case State.RESUMING, None if request.decision:
            return "A worker is bringing the agent back; nothing has been done yet."
        case State.RESUMING, None if request.asked:
            return "Nothing is done; a worker is telling the agent."
        case State.RESUMING, effect if effect and effect.state is EffectState.UNKNOWN:
            return f"Not known whether it happened: attempt {effect.attempt} began and {broke_off(effect)}. What now?"
        case _ if request.ask.undoes:
            return "It is being undone."
        case _ if request.ask.dialect:
            return "The agent is going on with it."
        case _:
            return "It is being carried out."
