"""Cards as plain text, for terminals, pages and e-mail: every line begins with our label or with blanks."""

from __future__ import annotations

import textwrap
from datetime import UTC, tzinfo

from ..approvals.request import Request, State
from .card import Card, flag_line
from .escape import cut, line
from .rows import Writer
from .spans import Form, Row, plain

LABEL_WIDTH, WIDTH = 12, 110
_INDENT = " " * LABEL_WIDTH


def text(card: Card) -> str:
    """The whole card; of untrusted text only the summary begins a line, and it is one line at a fixed place."""
    lines = [flag_line(card.flags)] if card.flags else []
    lines.append(card.summary)
    for row in card.rows:
        lines += _row(row)
    lines.append("  ".join(f"[{button.label}]" for button in card.buttons))
    return "\n".join(lines) + "\n"


def rows_text(some: tuple[Row, ...]) -> str:
    """Rows alone, for a page or a timeline."""
    return "\n".join(one for row in some for one in _row(row))


def one_line(request: Request, *, tz: tzinfo = UTC) -> str:
    """One request in a list: id, what, and until when or where it stands."""
    summary = cut(line(request.proposal.action.summary), 120)
    if request.state is State.OPEN:
        clock = request.ask.deadline
        until = Writer(str, tz).when(clock.expires_at if request.paged_at else clock.ends_at).words
        return f"{request.id}  {summary}  (answer by {until})"
    state = request.outcome.kind.value if request.outcome else request.state.value
    return f"{request.id}  {summary}  ({state})"


def _row(row: Row) -> list[str]:
    head = f"{row.label:<{LABEL_WIDTH}}" if row.label else _INDENT
    match row.form:
        case Form.VALUES:
            parts = [plain((span,)) for span in row.spans]
            joined = "   ".join(parts)
            parts = [joined] if len(joined) + LABEL_WIDTH <= WIDTH else parts
        case Form.QUOTE | Form.WORDS:
            parts = plain(row.spans).split("\n")
    mark = "| " if row.form is Form.QUOTE else ""
    wrapped = [piece for part in parts for piece in _wrapped(part, mark)]
    return [
        f"{head if index == 0 else _INDENT}{piece}".rstrip() for index, piece in enumerate(wrapped or [""])
    ]


def _wrapped(part: str, mark: str) -> list[str]:
    width = WIDTH - LABEL_WIDTH - len(mark)
    return [mark + piece for piece in textwrap.wrap(part, width, break_on_hyphens=False)] or [mark]
