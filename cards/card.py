"""The neutral card: what people see of a request in each state, before any platform draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from enum import StrEnum

from ..approvals.credential import Mending
from ..approvals.lacking import waits_for_sign_in
from ..approvals.looking import can_hold
from ..approvals.people import PersonId
from ..approvals.request import Request, State
from ..approvals.verdict import RequestId, Way
from ..approvals.watched import decides_about
from . import rows
from .escape import cut, line
from .form_words import UNDO_QUESTION
from .logged import is_log, log_rows
from .rows import Writer
from .spans import Row, Spans, Text
from .standing import how, is_stuck, is_unknown, standing


class Verb(StrEnum):
    """What a button does; the value is part of its action id."""

    APPROVE = "approve"
    MODIFY = "modify"
    REJECT = "reject"
    ON_IT = "on_it"
    DETAILS = "details"
    HAPPENED = "happened"
    AGAIN = "again"
    GIVE_UP = "give_up"
    UNDO = "undo"
    RECONNECT = "reconnect"


class Style(StrEnum):
    """How loud a button is."""

    PLAIN = ""
    PRIMARY = "primary"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press; what it carries is the card's request, revision and digest, never authority.

    Attributes:
        confirm: What is asked before the press counts; empty where nothing is.
    """

    verb: Verb
    label: str
    style: Style = Style.PLAIN
    confirm: str = ""


#: What the button reads behind which a form asks whoever approves why.
APPROVE_WHY = "Approve…"
ON_IT = Button(Verb.ON_IT, "I am on it")
DETAILS = Button(Verb.DETAILS, "Details")
#: The answers, in the order people read them; no request takes all of them.
ANSWERS = (
    Button(Verb.APPROVE, "Approve", Style.PRIMARY),
    Button(Verb.MODIFY, "Modify…"),
    Button(Verb.REJECT, "Reject…", Style.DANGER),
    Button(Verb.UNDO, "Undo…", Style.DANGER, UNDO_QUESTION),
)
#: Which ways of answering are behind each button.
_WAYS: Mapping[Verb, frozenset[Way]] = {
    Verb.APPROVE: frozenset({Way.APPROVE}), Verb.REJECT: frozenset({Way.REJECT}),
    Verb.MODIFY: frozenset({Way.EDIT, Way.INSTRUCT, Way.RESPOND}), Verb.UNDO: frozenset({Way.UNDO}),
}  # fmt: skip
#: The three ways on when nobody knows whether it happened.
WAYS_ON = (
    Button(Verb.HAPPENED, "It happened"),
    Button(Verb.AGAIN, "Run it again", Style.DANGER),
    Button(Verb.GIVE_UP, "Give up"),
)

#: Stands on a card that has no answers because something of the action is missing on it.
TOO_LONG = Row(
    "",
    (Text("This does not fit here completely: open Details to see all of it and to answer.", strong=True),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What people see of a request now.

    Attributes:
        request, revision, digest: What a press on it is about.
        version: Of the record it shows; a platform's block ids change with it.
        push: One line for a notification: flags and summary, or how it ended.
        flags: Risk flags, first of all; empty once there is nothing left to decide.
        summary: One sentence: what will be done, or was asked.
        rows: The rest, in order.
        buttons: What can be pressed; empty never, Details is always there.
        shrunk: Whether it is the three-line form.
    """

    request: RequestId
    revision: int
    digest: str
    version: int
    push: str
    flags: tuple[str, ...]
    summary: str
    rows: tuple[Row, ...]
    buttons: tuple[Button, ...]
    shrunk: bool = False


def card_of(request: Request, *, name: Callable[[PersonId], str], tz: tzinfo = UTC) -> Card:
    """The card of a request as it stands.

    Args:
        name: How people call a person.
        tz: Zone of the times where the platform cannot show the reader's own.
    """
    writer = Writer(name, tz)
    if is_log(request):
        return _log(request, writer)
    if request.state is State.OPEN:
        return _open(request, writer)
    return _unknown(request, writer) if is_unknown(request) else _shrunk(request, writer)


def answers(request: Request) -> tuple[Button, ...]:
    """What a person can answer now, wherever there is room for it."""
    if request.state is State.OPEN:
        buttons = (button for button in ANSWERS if _WAYS[button.verb] & set(request.ways))
        only_text = Way.RESPOND in request.ways and Way.EDIT not in request.ways
        said = {Verb.MODIFY: "Answer…"} if only_text else {}
        said |= {Verb.APPROVE: APPROVE_WHY} if request.ask.rule.ask_why else {}
        return tuple(replace(button, label=said.get(button.verb, button.label)) for button in buttons)
    return WAYS_ON if is_unknown(request) else ()


def reconnect(request: Request) -> tuple[Button, ...]:
    """Gives whoever may decide a link to sign in with, where a dead credential is mended that way."""
    dead = request.dead_credential
    if dead is None or dead.mending is not Mending.LINK:
        return ()
    return (Button(Verb.RECONNECT, f"Reconnect {cut(line(dead.ref.provider), rows.FLAG)}…"),)


def _open(request: Request, writer: Writer) -> Card:
    proposal = request.proposal
    first = rows.flags(request)
    summary = writer.must_fit(proposal.action.summary, rows.SUMMARY)
    body = (
        *rows.open_rows(request, proposal, writer),
        rows.deadline(request, writer),
        *rows.on_it(request, writer),
        rows.needs(request, writer),
    )
    hint = () if writer.whole else (TOO_LONG,)
    waiting = (ON_IT,) if can_hold(request) else ()
    return Card(
        request=request.id, revision=request.revision, digest=request.question, version=request.version,
        push=" — ".join(filter(None, [flag_line(first), summary])), flags=first, summary=summary,
        rows=(*body, *hint),
        buttons=(*(answers(request) if writer.whole else ()), *waiting, *reconnect(request), DETAILS),
    )  # fmt: skip


def _log(request: Request, writer: Writer) -> Card:
    first = rows.flags(request)
    summary = writer.must_fit(decides_about(request).summary, rows.SUMMARY)
    body = log_rows(request, writer)
    hint = () if writer.whole else (TOO_LONG,)
    return Card(
        request=request.id, revision=request.revision, digest=request.question, version=request.version,
        push=f"Done without asking — {summary}", flags=first, summary=summary, rows=(*body, *hint),
        buttons=(*(answers(request) if writer.whole else ()), DETAILS),
    )  # fmt: skip


def _unknown(request: Request, writer: Writer) -> Card:
    proposal = request.proposal
    first = ("It may have happened", *rows.flags(request))
    summary = writer.must_fit(proposal.action.summary, rows.SUMMARY)
    body = (
        standing(request, writer),
        Row("Decided" if request.decision else "Began", how(request, writer)),
        *rows.what(proposal.action, writer),
        rows.needs(request, writer),
    )
    hint = () if writer.whole else (TOO_LONG,)
    return Card(
        request=request.id, revision=request.revision, digest=request.question, version=request.version,
        push=f"{flag_line(first)} — {summary}", flags=first, summary=summary,
        rows=(*body, *hint), buttons=(*(WAYS_ON if writer.whole else ()), DETAILS),
    )  # fmt: skip


def _shrunk(request: Request, writer: Writer) -> Card:
    """Three lines: what; who, when, how; what is happening or what came of it."""
    summary = cut(line(decides_about(request).summary), rows.SUMMARY)
    last = standing(request, writer)
    second: Spans = (*how(request, writer), Text(" · "), *rows.asked_for(request, writer))
    stuck = ("The agent has not come back",) if is_stuck(request) else ()
    lacking = ("Credential is dead",) if waits_for_sign_in(request) else ()
    return Card(
        request=request.id, revision=request.revision, digest=request.question, version=request.version,
        push=f"{_first_text(last.spans)} — {summary}", flags=(*lacking, *stuck), summary=summary,
        rows=(Row("", second), last), buttons=(*(reconnect(request) if lacking else ()), DETAILS), shrunk=True,
    )  # fmt: skip


def flag_line(flags: tuple[str, ...]) -> str:
    """The flags as one line of plain text."""
    return "   ".join(f"[!] {flag}" for flag in flags)


def _first_text(spans: Spans) -> str:
    first = spans[0]
    return first.text.removesuffix(" (") if isinstance(first, Text) else ""
