"""Rows as Adaptive Card elements: untrusted words in text runs, rows with a link, time or mention in dead markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import groupby
from typing import Any

from ..approvals.people import PersonId
from .adaptive_escape import address, literal, markdown
from .card import flag_line
from .escape import cut, line
from .spans import Circle, Form, Link, Row, Span, Spans, Text, When, Where, Who, place_words, plain

Element = dict[str, Any]
#: A person's Entra object id; empty when they have none, and their name is shown instead.
Account = Callable[[PersonId], str]
#: Lines of one text that become paragraphs of their own; clients differ in how they show a line end inside one.
MOST_LINES = 30
#: People of one circle who are called; the others are counted.
MOST_CALLED = 20
#: Longest name in a mention, in UTF-16 units.
NAME = 80
#: Renderers do not break a longer word inside a text run, and it would run out of a telephone's screen.
WORD = 32
_LONG_WORD = re.compile(f"([!-~\u00a1-\u058f]{{{WORD}}})(?=[!-~\u00a1-\u058f])")
#: Plain blanks in a row become one.
_GAP = " \u00a0 "


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Somebody a card may call.

    Attributes:
        id: The Entra object id, or a Teams user id (29:…).
        name: What people read.
    """

    id: str
    name: str


#: The people of an approver set; empty: the set's name is shown.
Members = Callable[[str], Iterable[Mentioned]]


def no_account(_: PersonId) -> str:
    """People by name only."""
    return ""


def no_members(_: str) -> tuple[Mentioned, ...]:
    """Circles by name only."""
    return ()


class Page:
    """Turns rows into elements and remembers who is mentioned in them."""

    def __init__(self, account: Account = no_account, members: Members = no_members) -> None:
        self._account = account
        self._members = members
        self._called: dict[str, str] = {}
        self._made: list[Element] = []

    def head(self, flags: Sequence[str], summary: str) -> None:
        """The flags, first of all, and the one sentence."""
        if flags:
            said = flag_line(tuple(flags)).replace("   ", _GAP).replace("[!] ", "[!]\u00a0")
            self._made.append(_paragraph([_run(said, strong=True, color="Attention")]))
        self._made.append(_paragraph([_run(summary, strong=True, size="Medium")], spacing="Small"))

    def add(self, row: Row) -> None:
        """The next row."""
        self._made += self.drawn(row)

    def put(self, *elements: Element) -> None:
        """Elements that are no rows."""
        self._made += elements

    def drawn(self, row: Row) -> list[Element]:
        """One row; its label and its words never share a paragraph with another row."""
        if row.form is Form.WORDS:
            return [self._line(row)]
        label = [_paragraph(_label(row), spacing="Small")] if row.label else []
        mono = row.form is Form.VALUES
        texts = [plain((span,)) for span in row.spans] if mono else [plain(row.spans)]
        inside = [_paragraph([_run(one, mono=mono)], spacing="None") for one in _lines(texts)]
        return [*label, {"type": "Container", "style": "emphasis", "spacing": "Small", "items": inside}]

    def elements(self) -> list[Element]:
        """Everything added."""
        return self._made

    def mentions(self) -> tuple[Element, ...]:
        """An entity for each text between `<at>` and `</at>`; no two people share a text."""
        return tuple(
            {"type": "mention", "text": f"<at>{name}</at>", "mentioned": {"id": id, "name": name}}
            for id, name in self._called.items()
        )

    def _line(self, row: Row) -> Element:
        if all(self._is_literal(span) for span in row.spans):
            return _paragraph([*_label(row), *(_runs(row.spans) or [_run("(empty)")])], spacing="Small")
        words = "".join(self._dead(span) for span in row.spans)
        return _text_block(f"**{markdown(row.label)}**{_GAP}{words}" if row.label else words)

    def _is_literal(self, span: Span) -> bool:
        match span:
            case Link() | When():
                return False
            case Who(person):
                return not self._account(person)
            case Circle(name):
                return not list(self._members(name))
            case Text() | Where():
                return True

    def _dead(self, span: Span) -> str:
        """One span in markdown."""
        match span:
            case When(at):
                iso = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
                return f"{{{{DATE({iso}, SHORT)}}}} {{{{TIME({iso})}}}}"
            case Link(url):
                return f"[{span.host}]({address(url)})"
            case Who(person, name) if id := self._account(person):
                return self._mention(Mentioned(id, name))
            case Circle(name) if people := list(self._members(name)):
                more = len(people) - MOST_CALLED
                called = ", ".join(self._mention(one) for one in people[:MOST_CALLED])
                return f"{called} and {more} more of {markdown(name)}" if more > 0 else called
            case Where(place):
                return markdown(place_words(place))
            case Text(text, strong=True) if markdown(text).strip():
                return f"**{markdown(text).strip()}**"
            case _:
                return markdown(plain((span,)))

    def _mention(self, who: Mentioned) -> str:
        if who.id not in self._called:
            name = bare = markdown(cut(line(who.name), NAME)) or "somebody"
            twins = 1
            while name in self._called.values():
                twins += 1
                name = f"{bare} ({twins})"
            self._called[who.id] = name
        return f"<at>{self._called[who.id]}</at>"


def utf8(value: object) -> int:
    """Bytes of it as compact JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def shorter(row: Row, limit: int) -> Row:
    """The row with each of its pieces cut to `limit` units, so that a long one hides no later one.

    Rows with a time are our own sentences around it, and short: they stay.
    """
    if any(isinstance(span, When) for span in row.spans):
        return row
    return replace(row, spans=tuple(_shorter(span, limit) for span in row.spans))


def note(text: str, *, color: str = "") -> Element:
    """Small words beside an input or a list; whoever wrote them, nothing in them lives."""
    looks = {"color": color} if color else {"isSubtle": True}
    return _paragraph([{**_run(text), "size": "Small", **looks}], spacing="Small")


def labelled(words: str, row: Row, page: Page) -> list[Element]:
    """A sentence and the row that belongs to it, for lists."""
    return [_paragraph([_run(words, strong=True)], spacing="Large"), *page.drawn(row)]


def _shorter(span: Span, limit: int) -> Span:
    match span:
        case Text(text):
            return replace(span, text=cut(text, limit))
        case Link(url) if len(url) > limit:
            return Text(f"{cut(span.host, limit)}, link in Details")
        case Who(_, name):
            return replace(span, name=cut(name, limit))
        case Circle() | Link() | When() | Where():
            return span


def _lines(texts: Sequence[str]) -> list[str]:
    """Lines to be paragraphs of their own; of very many, the last ones share one."""
    found = [one for text in texts for one in text.split("\n")]
    if len(found) > MOST_LINES:
        found = [*found[: MOST_LINES - 1], "\n".join(found[MOST_LINES - 1 :])]
    return found


def _label(row: Row) -> list[Element]:
    return [_run(f"{row.label}{_GAP}", strong=True)] if row.label else []


def _runs(spans: Spans) -> list[Element]:
    """One run for all neighbours that look alike."""
    alike = groupby(spans, lambda span: isinstance(span, Text) and span.strong)
    return [_run(plain(tuple(some)), strong=strong) for strong, some in alike]


def _run(text: str, *, strong: bool = False, mono: bool = False, **looks: str) -> Element:
    """Words that no client reads as markdown; in a VALUES row leading blanks are kept, they are JSON's."""
    said = _LONG_WORD.sub(r"\1\n", literal(text))
    if mono:
        bare = said.lstrip(" ")
        said = "\u00a0" * (len(said) - len(bare)) + bare
    weight: Mapping[str, str] = {"weight": "Bolder"} if strong else {}
    font: Mapping[str, str] = {"fontType": "Monospace"} if mono else {}
    return {"type": "TextRun", "text": said or "\u00a0", **weight, **font, **looks}


def _paragraph(runs: Sequence[Element], *, spacing: str = "Default") -> Element:
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": list(runs)}


def _text_block(text: str) -> Element:
    return {"type": "TextBlock", "text": text, "wrap": True, "spacing": "Small"}


__all__ = [
    "Account", "Element", "Members", "Mentioned", "Page", "labelled", "no_account", "no_members", "note",
    "shorter", "utf8",
]  # fmt: skip
