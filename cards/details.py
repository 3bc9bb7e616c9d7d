"""Everything about a request, complete and exact: the rows of Details, and how they are divided into pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo

from ..approvals.action import Action
from ..approvals.deadline import StepKind
from ..approvals.people import PersonId
from ..approvals.request import Request, State
from ..approvals.risk import RiskAssessment
from . import rows, values
from .escape import chunks, https, size, visible
from .logged import done, is_log
from .rows import Writer
from .spans import Form, Link, Row, Span, Spans, Text, plain
from .standing import given_words, how, is_unknown, sent_along, standing, verdict_words

#: Of one piece of text, and of one page, in UTF-16 units; a page has at most this many rows.
PIECE, PAGE, PAGE_ROWS = 2_500, 8_000, 40
_STEP = {
    StepKind.REMIND: "approvers are reminded",
    StepKind.WIDEN: "a wider circle may decide",
    StepKind.PAGE: "on-call is paged",
    StepKind.EXPIRE: "it is cancelled, nothing is done",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of Details; `number` counts from 1 to `of`, and a number beyond the ends means the nearest page."""

    number: int
    of: int
    flags: tuple[str, ...]
    summary: str
    rows: tuple[Row, ...]


def page(request: Request, number: int, *, name: Callable[[PersonId], str], tz: tzinfo = UTC) -> Page:
    """One page; flags and summary head each of them."""
    proposal = request.proposal
    pages = paged(details(request, name=name, tz=tz))
    at = min(max(number, 1), len(pages))
    return Page(
        number=at, of=len(pages), flags=rows.flags(request),
        summary=Writer(name, tz).must_fit(proposal.action.summary, rows.SUMMARY), rows=pages[at - 1],
    )  # fmt: skip


def details(request: Request, *, name: Callable[[PersonId], str], tz: tzinfo = UTC) -> tuple[Row, ...]:
    """All rows, nothing left out; text is shown with its invisible characters spelled out."""
    writer = Writer(name, tz)
    undoes = request.ask.undoes
    proposal = undoes.proposal if undoes else request.proposal
    action = proposal.action
    return (
        *_status(request, writer),
        _words("Summary", action.summary),
        _words("Goal", action.goal),
        Row("Asked by", rows.asked_for(request, writer)),
        *_changes(request),
        *_targets(action),
        *_call(action),
        _words("Why", action.reasoning),
        *_evidence(action),
        Row("Confidence", (Text(rows.confidence(action)),)),
        _words("Unsure", action.unsure or "nothing stated"),
        *_risk(proposal.assessment),
        *_undo(request, writer),
        *_votes(request, writer),
        *_clock(request, writer),
        *_proof(request, request.proposal.action),
    )


def paged(some: tuple[Row, ...]) -> list[tuple[Row, ...]]:
    """The rows in pages; long ones go on, unlabelled, in the next row."""
    pages: list[list[Row]] = [[]]
    room = PAGE
    for row in (piece for long in some for piece in _pieces(long)):
        need = size(plain(row.spans)) + 100
        if pages[-1] and (need > room or len(pages[-1]) >= PAGE_ROWS):
            pages.append([])
            room = PAGE
        pages[-1].append(row)
        room -= need
    return [tuple(one) for one in pages]


def _pieces(row: Row) -> Iterator[Row]:
    """A row whose texts are too long, as several; nothing is lost between them."""
    label, batch, used = row.label, list[Span](), 0
    for span in _short(row.spans):
        length = size(plain((span,)))
        if batch and used + length > PIECE + 200:
            yield Row(label, tuple(batch), row.form)
            label, batch, used = "", [], 0
        batch.append(span)
        used += length
    yield Row(label, tuple(batch), row.form)


def _short(spans: Spans) -> Iterator[Span]:
    for span in spans:
        if isinstance(span, Text):
            yield from (Text(piece, span.strong) for piece in chunks(span.text, PIECE))
        else:
            yield span


def _words(label: str, text: str) -> Row:
    return Row(label, (Text(visible(text)),), Form.QUOTE)


def _status(request: Request, writer: Writer) -> Iterator[Row]:
    if is_log(request):
        yield Row("Done", done(request, writer))
    elif request.state is not State.OPEN:
        yield Row("Decided" if request.decision else "Began", how(request, writer))
        yield standing(request, writer)
        if request.decision and (said := given_words(request.decision.verdict)):
            yield _words("Their words", said)
        if request.decision:
            for name, value in sent_along(request.decision.verdict, request.ask.edits).items():
                yield Row("Sent along", (Text(f"{visible(name)} = {values.whole(value)}"),), Form.VALUES)
    if request.state is State.OPEN or is_unknown(request):
        yield rows.needs(request, writer)


def _undo(request: Request, writer: Writer) -> Iterator[Row]:
    """What would be called to take it back, exactly."""
    if undoes := request.ask.undoes:
        yield Row("Takes back", (Text(f"request {undoes.request}"),))
        yield from _call(request.proposal.action)
        yield Row("Until", (writer.when(request.ask.deadline.expires_at),))


def _changes(request: Request) -> Iterator[Row]:
    for name, (before, after) in request.proposal.changes.items():
        yield Row(
            "Changed",
            (Text(f"{visible(name)}\nbefore: {values.whole(before)}\nnow: {values.whole(after)}"),),
            Form.VALUES,
        )
    if request.ask.revises:
        yield Row("Replaces", (Text(f"request {request.ask.revises}"),))


def _targets(action: Action) -> Iterator[Row]:
    if action.scope:
        yield _words("Scope", action.scope)
    for entity in action.targets:
        called = f"{entity.name} ({entity.id})" if entity.name else entity.id
        facts = "".join(f"\n{label}: {fact}" for label, fact in entity.facts.items())
        yield _words("Target", f"{entity.kind} {called}{facts}")
        yield from _link(entity.link)


def _call(action: Action) -> Iterator[Row]:
    kind = f" ({action.category})" if action.category else ""
    yield _words("Action", f"{action.tool}{kind}")
    if not action.arguments:
        yield Row("Arguments", (Text("none"),))
    for name, value in action.arguments.items():
        yield Row("Argument", (Text(f"{visible(name)} = {values.whole(value)}"),), Form.VALUES)


def _evidence(action: Action) -> Iterator[Row]:
    if not action.evidence:
        yield Row("Evidence", (Text("none given"),))
    for one in action.evidence:
        yield _words("Evidence", one.label)
        yield from _link(one.link)


def _link(url: str) -> Iterator[Row]:
    if https(url):
        yield Row("", (Link(url),))
    elif url:
        yield _words("", f"not a safe link: {url.replace('://', '[:]//')}")


def _risk(assessment: RiskAssessment) -> Iterator[Row]:
    yield _words("Flags", ", ".join(assessment.flags) or "none")
    for finding in assessment.findings:
        text = f"{finding.dimension.value}: {finding.level.name.lower()} risk — {finding.reason}"
        yield _words("Risk", text)
    yield _words("Because", f"{assessment.oversight.value}: {' '.join(assessment.reasons)}")


def _votes(request: Request, writer: Writer) -> Iterator[Row]:
    for vote in request.votes:
        said = given_words(vote.verdict)
        head = f": {verdict_words(vote.verdict, request.ask.edits).lower()} "
        tail: Spans = (Text(f" “{said}”"),) if said else ()
        yield Row("Vote", (writer.who(vote.person), Text(head), writer.when(vote.at), *tail))


def _clock(request: Request, writer: Writer) -> Iterator[Row]:
    yield Row("Asked", (writer.when(request.ask.opened_at), Text(f" on route {request.ask.route}")))
    for index, step in enumerate(request.ask.deadline.steps):
        over = " — past" if index < request.fired else ""
        added = f" ({visible(step.adds)})" if step.adds else ""
        said = "it can no longer be undone" if request.ask.undoes else _STEP[step.kind]
        yield Row("Step", (writer.when(step.at), Text(f": {said}{added}{over}")))


def _proof(request: Request, action: Action) -> Iterator[Row]:
    for ref in action.credentials:
        stated = {
            "provider": ref.provider,
            "subject": ref.subject,
            "tenant": ref.tenant,
            "scopes": list(ref.scopes),
        }
        yield _words("Credential", json.dumps(stated, ensure_ascii=False))
    if not action.credentials:
        yield Row("Credential", (Text("none"),))
    if effect := request.effect:
        how = f"; it {visible(effect.how)}" if effect.how else ""
        yield Row("Tool", (Text(f"attempt {effect.attempt}: {effect.state.value}{how}"),))
    yield Row(
        "Request",
        (Text(f"{request.id}, revision {request.revision}, thread {visible(request.ask.run.thread)}"),),
    )
    yield Row("Digest", (Text(request.current.digest),))
