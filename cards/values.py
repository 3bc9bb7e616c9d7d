"""Show argument values: on a card cut per leaf, so that a long one hides no later key; in Details whole and exact."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..approvals.action import Json
from .escape import cut, visible

#: Limits on a card, in characters or entries; Details has none.
LEAF, VALUE, NAME, ENTRIES = 120, 240, 60, 8
_PLAIN_WORD = re.compile(r"[^\s\"'{}\[\]=\\][^\"{}\[\]\n\t\\=]*")
_JSON_WORDS = frozenset(("null", "true", "false"))


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as text, and whether that is all of it."""

    text: str
    whole: bool


def name_of(name: str) -> Shown:
    """An argument's name on a card; one that is no plain word is quoted."""
    text = name if re.fullmatch(r"[^\W\d][\w.-]*", name) else _quoted(name)
    return Shown(cut(text, NAME), len(text) <= NAME)


def brief(value: Json) -> Shown:
    """The value on one line, each leaf cut by itself."""
    short, whole = _shortened(value, 0)
    text = short if isinstance(short, str) and whole and _reads_plainly(short) else _quoted(short)
    shown = cut(text, VALUE)
    return Shown(shown, whole and shown == text)


def whole(value: Json) -> str:
    """The value complete and exact, as JSON over several lines; a plain word stands for itself."""
    if isinstance(value, str) and _reads_plainly(value):
        return value
    return _quoted(value, indent=2)


def difference(before: Json, after: Json) -> str:
    """What changed, in a few words."""
    return f"{brief(before).text} → {brief(after).text}"


def _reads_plainly(text: str) -> bool:
    """Whether it can stand without quotes and is read as exactly itself."""
    plain = bool(_PLAIN_WORD.fullmatch(text)) and text == text.strip() and "  " not in text
    return plain and text not in _JSON_WORDS and visible(text) == text


def _quoted(value: Json, indent: int | None = None) -> str:
    return visible(json.dumps(value, ensure_ascii=False, indent=indent, default=str))


def _shortened(value: Json, depth: int) -> tuple[Json, bool]:
    """A copy with long leaves cut and long collections counted; whether nothing was lost."""
    if isinstance(value, str):
        return (value, True) if len(value) <= LEAF else (cut(value, LEAF), False)
    if isinstance(value, Mapping) and (depth > 2 or len(value) > ENTRIES):
        keys = [cut(str(key), 20) for key in list(value)[:ENTRIES]]
        return {"keys": keys, "count": len(value)}, False
    if isinstance(value, Mapping):
        pairs = {cut(str(key), NAME): _shortened(item, depth + 1) for key, item in value.items()}
        fits = all(len(str(key)) <= NAME for key in value) and all(ok for _, ok in pairs.values())
        return {key: item for key, (item, _) in pairs.items()}, fits
    if isinstance(value, list | tuple):
        if depth > 2:
            return f"{len(value)} entries", False
        items = [_shortened(item, depth + 1) for item in value[:ENTRIES]]
        more = [f"… {len(value) - ENTRIES} more"] if len(value) > ENTRIES else []
        return [*(item for item, _ in items), *more], not more and all(ok for _, ok in items)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**LEAF:
        return "a very long number", False
    return value, True
