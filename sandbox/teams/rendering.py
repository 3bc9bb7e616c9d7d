"""Cards as a person reads them: plain text for a terminal, and the mentions and links that are alive."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ..loopback import Json
from .forms import Typed, initial, label_of
from .limits import card_texts

_LINK = re.compile(r"(?<!\\)\[((?:\\.|[^\]\\])*)\]\(\s*<?([^()\s<>]*)>?[^()]*\)")
_BARE = re.compile(r"(?:https?://|www\.)[^\s<>()\[\]]+", re.IGNORECASE)
_AT = re.compile(r"<at[^>]*>(.*?)</at>", re.DOTALL | re.IGNORECASE)
_EMPHASIS = re.compile(r"(?<![\\\w*_])(\*\*|__|\*|_)(?=\S)(.+?)(?<=[^\s\\])\1(?![\w*_])")
_DATE = re.compile(
    r"\{\{(DATE|TIME)\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))(?:,\s*(COMPACT|SHORT|LONG))?\)\}\}"
)
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!~|<>&])")


def text_of_card(card: Json, typed: Typed | None = None, shown: frozenset[str] = frozenset()) -> str:
    """One string, a line or more per element; a button is `[label]`, a link `label <url>`.

    Args:
        typed: What was entered so far, by input id.
        shown: Titles of the ShowCards that are unfolded.
    """
    lines = _all(card.get("body", []), typed or {})
    buttons = "  ".join(_button(action) for action in card.get("actions", []))
    forms = [
        text_of_card(action["card"], typed, shown)
        for action in card.get("actions", [])
        if action["type"] == "Action.ShowCard" and action.get("title") in shown
    ]
    return "\n".join(line for line in [*lines, buttons, *forms] if line)


def readable(text: str) -> str:
    """Teams' Markdown as it appears: links with their targets, mentions as `@name`, dates in UTC, emphasis gone."""
    text = _DATE.sub(lambda found: _date(found[1], found[2]), text)
    text = _AT.sub(lambda found: f"@{found[1]}", text)
    text = _LINK.sub(lambda found: f"{found[1]} <{found[2]}>", text)
    text = _EMPHASIS.sub(lambda found: found[2], text)
    return _ESCAPED.sub(lambda found: found[1], text)


def _date(function: str, written: str) -> str:
    at = datetime.fromisoformat(written).astimezone(UTC)
    return f"{at:%H:%M} UTC" if function == "TIME" else f"{at.day} {at:%b %Y}"


def live_mentions(text: str, card: Json | None) -> list[str]:
    """Every `<at>` in a message and its card, whether or not an entity stands behind it."""
    texts = [text, *(card_texts(card) if card else [])]
    return [found[0] for one in texts for found in _AT.finditer(one)]


def live_links(text: str, card: Json | None) -> list[tuple[str, str]]:
    """(label, address) of every link Teams would make of Markdown or of a bare address."""
    found = []
    for one in [text, *(card_texts(card) if card else [])]:
        found += [(match[1], match[2]) for match in _LINK.finditer(one)]
        found += [(match[0], match[0]) for match in _BARE.finditer(_LINK.sub(" ", one))]
    return found


def _all(elements: list[Json], typed: Typed) -> list[str]:
    return [line for one in elements if one.get("isVisible", True) for line in _lines(one, typed)]


def _lines(element: Json, typed: Typed) -> list[str]:
    if element["type"].startswith("Input."):
        return [f"{label_of(element)}: [{typed.get(str(element['id']), initial(element))}]"]
    return _DRAWN[element["type"]](element, typed)


def _columns(element: Json, typed: Typed) -> list[str]:
    return [" | ".join(" ".join(_all(one.get("items", []), typed)) for one in element["columns"])]


def _table(element: Json, typed: Typed) -> list[str]:
    return [
        " | ".join(" ".join(_all(cell["items"], typed)) for cell in row["cells"]) for row in element["rows"]
    ]


_DRAWN: Mapping[str, Callable[[Json, Typed], list[str]]] = {
    "TextBlock": lambda one, _: [readable(one["text"])],
    "RichTextBlock": lambda one, _: ["".join(str(run["text"]) for run in one["inlines"])],
    "FactSet": lambda one, _: [
        f"{readable(fact['title'])}  {readable(fact['value'])}" for fact in one["facts"]
    ],
    "Container": lambda one, typed: _all(one["items"], typed),
    "ColumnSet": _columns,
    "Table": _table,
    "ActionSet": lambda one, _: ["  ".join(_button(action) for action in one["actions"])],
    "Image": lambda one, _: [f"(image: {one.get('altText', '')})"],
    "ImageSet": lambda one, typed: _all(one["images"], typed),
}


def _button(action: Json) -> str:
    return f"[{action.get('title', '')}]"
