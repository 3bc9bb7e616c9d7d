"""The log card: what an agent did without asking, why, what came of it, and until when people can take it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..approvals.request import OutcomeKind, Request
from ..approvals.watched import can_be_undone
from . import rows
from .escape import cut, line
from .rows import Writer
from .spans import Row, Spans, Text

#: What stands on the card of what nothing takes back.
_ONLY_LOGGED = "Nothing here takes it back; it is only logged."


def is_log(request: Request) -> bool:
    """Whether its card shows what was done, and nobody waits for an answer."""
    done = request.outcome is not None and request.outcome.kind is OutcomeKind.EXECUTED
    return can_be_undone(request) or (request.ask.watched and done)


def log_rows(request: Request, writer: Writer) -> tuple[Row, ...]:
    """Everything between summary and buttons."""
    undoes = request.ask.undoes
    shown = undoes.proposal if undoes else request.proposal
    return (
        Row("Done", done(request, writer)),
        *rows.open_rows(request, shown, writer),
        *(_undo(request, writer) if undoes else (Row("Undo", (Text(_ONLY_LOGGED),)),)),
    )


def done(request: Request, writer: Writer) -> Spans:
    """What came of a watched action, and when."""
    undoes, outcome = request.ask.undoes, request.outcome
    words, at = (undoes.words, undoes.at) if undoes else ("", request.ask.opened_at)
    if not undoes and outcome is not None:
        words, at = outcome.words, outcome.at
    said = cut(line(words), rows.SENTENCE)
    return (Text("Ran without asking, "), writer.when(at), *((Text(f": {said}"),) if said else ()))


def _undo(request: Request, writer: Writer) -> Iterator[Row]:
    until = request.ask.deadline.expires_at
    yield Row("Undo", (Text("Can be undone until "), writer.when(until), Text(", which calls:")))
    yield from rows.call(request.proposal.action, writer)
    yield replace(rows.needs(request, writer), label="Undo needs")
