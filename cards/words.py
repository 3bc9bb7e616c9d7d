"""The short messages beside the card: notices, answers to a click, refusals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from ..approvals.change import Notice, NoticeKind
from ..approvals.errors import (
    AlreadySettled,
    AnswerRefused,
    BadChange,
    DirectoryDown,
    NotAllowed,
    NotCopied,
    NoWhy,
    RequestNotFound,
    SaysoError,
    StoreDown,
)
from ..approvals.halt import Halt
from ..approvals.people import PersonId
from ..approvals.request import Request, RunEnd, State
from ..approvals.trust import Trust
from ..approvals.verdict import Verdict
from ..approvals.watched import decides_about
from . import rows, values
from .escape import clean, cut, line
from .rows import Writer
from .spans import Circle, Form, Row, Span, Spans, Text, plain
from .standing import broke_off, decided, outcome_words, verdict_words

#: Longest text of an agent or a person in a notice, in UTF-16 units.
REPORT = 2_400
#: Of a daily notice: one for each agent.
_MOST_LINES = 10
_WAITING = {
    NoticeKind.REMINDER: "Still waiting for an answer. ",
    NoticeKind.WIDENED: "Nobody has decided yet; from now on you may, too. ",
    NoticeKind.PAGED: "On-call is paged. ",
}
_SIGN_IN = "It cannot run yet, and nothing has been done; once somebody has signed in it goes on by itself."
#: On the way to the provider's own page.
LINK_WORDS = "Sign in here within 10 minutes; the link is yours and works once: "
_EXPIRED = "Nobody decided in time: it is cancelled, and nothing is done."
_NOT_AGAIN = " sent this back. The agent planned again and ended without asking again:"
_BROKE_OFF = " sent this back. The agent broke off before it asked again; nothing more will be done for this:"
_NOT_BACK = "The agent has not come back in time. Nothing was done; it is tried again, and operators know."
_NOT_UNDONE = "No worker has undone it in time. Nothing was done; it is tried again, and operators know."
_STARTED_AND_SILENT = "It was started and has not reported in time; operators know."
_DID = {
    NoticeKind.HANDED_ON: " handed the question to the next line:",
    NoticeKind.GLASS_BROKEN: " broke the glass and approved alone. Please review it:",
}
_WHAT_NOW = "nobody knows whether it happened. Please look, then say on the card: it happened, run it again, or give up."
_OTHERWISE = {
    NoticeKind.UNREACHABLE: "A card could not be posted where it belongs:",
    NoticeKind.SIGN_IN: "It waited for a sign-in, and somebody has signed in.",
}


def notice_text(
    notice: Notice, request: Request | None, *, name: Callable[[PersonId], str], tz: tzinfo = UTC
) -> tuple[Row, ...]:
    """What a notice says; other people's words stand apart as a quote. `request` is None for a run's notice."""
    writer = Writer(name, tz)
    quoted = (Row("", (Text(_quotable(notice.text)),), Form.QUOTE),) if notice.text.strip() else ()
    if notice.kind is NoticeKind.REPORT:
        return quoted or (Row("", (Text("The agent has finished and said nothing."),)),)
    if notice.kind is NoticeKind.DAILY:
        lines = notice.text.split("\n")[:_MOST_LINES]
        return tuple(Row("", (Text(cut(line(one), rows.PROSE)),)) for one in lines)
    if request is None:
        return (Row("", (Text(f"{notice.kind.value.capitalize()}."),)), *quoted)
    called = (
        *_called(notice.mention),
        *(span for one in notice.people for span in (writer.who(one), Text(" "))),
    )
    head = Row("", (*called, *_said(notice, request, writer)))
    about = Row("", (Text(cut(line(request.proposal.action.summary), rows.SUMMARY), strong=True),))
    match notice.kind:
        case NoticeKind.HANDED_ON | NoticeKind.UNREACHABLE | NoticeKind.ENDED | NoticeKind.GLASS_BROKEN:
            return (head, *quoted, about)
        case NoticeKind.NOBODY_THERE | NoticeKind.DECIDED:
            return (head,)
        case _:
            return (head, about)


def refusal(
    error: SaysoError, *, name: Callable[[PersonId], str], request: Request | None = None, tz: tzinfo = UTC
) -> str:
    """Why an answer was not counted, for the person who gave it.

    Args:
        request: As it stands now, where it is known: then the loser of a race reads who decided what.
    """
    match error:
        case AlreadySettled():
            return _too_late(error, request, Writer(name, tz))
        case NoWhy():
            return str(error)
        case BadChange():
            return f"That change does not fit: {cut(line(str(error)), rows.SENTENCE)}"
        case NotAllowed() | DirectoryDown():
            return str(error)
        case RequestNotFound():
            return "I do not know this request any more: it was cleared away, and nothing was counted."
        case NotCopied():
            return (
                "Your answer is written down, but no second copy of it is confirmed, so it does not count yet and "
                "nothing is done. Please look at the card again in a minute."
            )
        case StoreDown():
            # The answer may have been lost on the way back, after it was counted.
            return (
                "I cannot reach my records right now, so I do not know whether that was counted. "
                "Please look at the card again in a minute."
            )
        case AnswerRefused():
            return cut(line(str(error)), rows.SENTENCE)
        case _:
            return "That did not work, and it was not counted. Please try again."


def paused_what(halt: Halt) -> str:
    """What a pause stops, as a sentence begins with it."""
    return f"The agent {cut(line(halt.graph), rows.LABEL)}" if halt.graph else "Sayso"


def paused(halt: Halt, *, name: Callable[[PersonId], str], tz: tzinfo = UTC) -> str:
    """Who paused what, until when, and why."""
    until = f" until {Writer(name, tz).when(halt.until).words}" if halt.until else ""
    by = cut(line(name(PersonId(halt.by))), rows.LABEL)
    return f"{paused_what(halt)} is paused by {by}{until}: “{cut(line(halt.why), rows.SENTENCE)}”"


#: So much of its id is shown of a trust, and enough to name it.
TRUST_DIGITS = 12
_UNCONFIRMED = (
    "People are asked meanwhile: the bot has not confirmed for a while that this person may still decide it."
)


def trusts(given: Trust, *, name: Callable[[PersonId], str], now: datetime, tz: tzinfo = UTC) -> str:
    """Who lets which action run without asking, until when, and why."""
    by, asker = (cut(line(name(one)), rows.LABEL) for one in (given.by, given.asked_by))
    tool, graph = (cut(line(one), rows.LABEL) for one in (given.tool, given.graph))
    until, id = Writer(name, tz).when(given.until).words, given.id[:TRUST_DIGITS]
    return (
        f"{by} trusts {tool} of {graph}, with exactly the arguments of {given.request}, for {asker}, until {until} "
        f"({id}): “{cut(line(given.why), rows.SENTENCE)}”.{'' if given.holds(now) else f' {_UNCONFIRMED}'}"
    )


def answered(request: Request, verdict: Verdict, waits: str = "") -> str:
    """What a counted answer led to, for the person who gave it; a repeated delivery reads the same.

    Args:
        waits: The pause of sayso that it waits for, as `paused` says it; empty where it waits for none.
    """
    if request.state is State.EXPIRED:
        return "Too late: the request has expired, and nothing is done."
    if request.state is State.OPEN:
        so_far = rows.seats(request) or f"{len(request.votes)} of {request.ask.rule.needed}"
        return f"Counted: {so_far} so far. The others have to answer too."
    summary = cut(line(decides_about(request).summary), rows.SUMMARY)
    said = f"{verdict_words(verdict, request.ask.edits)}: {summary}"
    return f"{said}\nIt waits, and nothing is done yet. {waits}" if waits else said


def _quotable(text: str) -> str:
    lines = [one.rstrip() for one in clean(text).strip().split("\n")]
    kept = [one for index, one in enumerate(lines) if one or (index and lines[index - 1])]
    return cut("\n".join(kept), REPORT)


def _called(circles: tuple[str, ...]) -> Spans:
    spans: list[Span] = []
    for circle in dict.fromkeys(circles):
        spans += [Circle(circle), Text(" ")]
    return tuple(spans)


def _said(notice: Notice, request: Request, writer: Writer) -> Spans:
    """The sentence of one kind of notice."""
    actor: Spans = (writer.who(notice.by),) if notice.by else (Text("Somebody"),)
    match notice.kind:
        case NoticeKind.REMINDER | NoticeKind.WIDENED | NoticeKind.PAGED:
            until = _until(request, writer)
            said = (
                until and request.paged_at and notice.kind is NoticeKind.PAGED
            )  # it says since when on-call is paged
            return until if said else (Text(_WAITING[notice.kind]), *until)
        case NoticeKind.NOBODY_THERE:
            circle = cut(line(notice.text), rows.LABEL)
            return (Text(f"Nobody is in {circle} now; the next step follows at once."),)
        case NoticeKind.HANDED_ON | NoticeKind.GLASS_BROKEN:
            return (*actor, Text(_DID[notice.kind]))
        case NoticeKind.LOOKING:
            return (*actor, Text(" is on it. "), *_waits(request, writer))
        case NoticeKind.DECIDED if request.decision:
            return decided(request.decision, request.ask.edits, writer)
        case NoticeKind.EDITED:
            return (*actor, Text(f" changed what is asked: {_changes(request)}. Earlier votes are void."))
        case NoticeKind.ENDED:
            failed = request.outcome and request.outcome.then and request.outcome.then.how is RunEnd.FAILED
            return (*actor, Text(_BROKE_OFF if failed else _NOT_AGAIN))
        case NoticeKind.EXPIRED:
            return (Text(_EXPIRED), *_requester(request, writer))
        case NoticeKind.UNKNOWN | NoticeKind.STUCK:
            return (Text(_unfinished(notice.kind, request)),)
        case NoticeKind.SIGN_IN if request.dead_credential:
            return (Text(f"{_SIGN_IN} {cut(line(request.dead_credential.words), rows.SENTENCE)}"),)
        case NoticeKind.OUTCOME if request.outcome:
            return (Text(_outcome(outcome_words(request, request.outcome.kind), request.outcome.words)),)
        case _:
            return (Text(_OTHERWISE.get(notice.kind, f"{notice.kind.value.capitalize()}.")),)


def _unfinished(kind: NoticeKind, request: Request) -> str:
    """What did not come to its end: an agent that is not back, or a tool of which nobody knows what it did."""
    effect = request.effect
    if effect is None:
        return _NOT_UNDONE if request.ask.undoes else _NOT_BACK
    return (
        f"It was started and {broke_off(effect)}: {_WHAT_NOW}"
        if kind is NoticeKind.UNKNOWN
        else _STARTED_AND_SILENT
    )


def _until(request: Request, writer: Writer) -> Spans:
    row = rows.deadline(request, writer)
    return (
        (Text("" if request.paged_at else f"{row.label} "), *row.spans) if request.state is State.OPEN else ()
    )


def _waits(request: Request, writer: Writer) -> Spans:
    if request.looking is None:
        return ()
    end = (Text("; it is cancelled "), writer.when(request.ask.deadline.expires_at), Text(" as before."))
    return (Text("The next step waits until "), writer.when(request.looking.until), *end)


def _requester(request: Request, writer: Writer) -> Spans:
    asked_by = request.ask.run.asked_by
    return (Text(" For "), writer.who(asked_by), Text(".")) if asked_by else ()


def _changes(request: Request) -> str:
    said = [
        f"{values.name_of(name).text} {values.difference(*both)}"
        for name, both in request.proposal.changes.items()
    ]
    return cut(", ".join(said), rows.SENTENCE)


def _outcome(begins: str, words: str) -> str:
    said = cut(line(words), rows.SENTENCE)
    return f"{begins}: {said}" if said else f"{begins}."


def _too_late(error: AlreadySettled, request: Request | None, writer: Writer) -> str:
    if request is not None and request.decision:
        edits = request.ask.edits
        return (
            f"{plain(decided(request.decision, edits, writer))}. Your answer came later and was not counted."
        )
    if request is not None and request.ask.undoes:
        until = plain((writer.when(request.ask.deadline.expires_at),))
        return f"Too late: it could be undone until {until}. It stays done, and nothing was counted."
    if error.by:
        names = plain(writer.people(tuple(PersonId(by) for by in error.by)))
        return f"{names} was faster. Your answer was not counted; see the card."
    if error.state == State.EXPIRED or (request and request.state is State.EXPIRED):
        return "Too late: the request has expired, and nothing is done."
    return "This has ended already; your answer was not counted. See the card."
