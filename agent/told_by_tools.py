"""What a tool says when it ends, in the form that the record keeps: JSON, cut to a length, and without any token."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable

import pydantic_core

from ..approvals.looks import withheld_in
from .artifacts import WithArtifact
from .faults import safe_words

Withhold = Callable[[str], str]


def told(result: object, withhold: Withhold) -> tuple[str, str]:
    """What a tool returned, as JSON text, and in words where it is words."""
    text = _as_json(result, withhold)
    said = json.loads(text)
    return text, said if isinstance(said, str) and said.strip() else ""


def broke_off(error: BaseException, withhold: Withhold) -> str:
    """How it broke off ("broke off: RuntimeError: no such table"): one line, for the record, cards and logs.

    It may quote the tool's arguments, which the card shows anyway; words that might hold a secret are left out whole.
    """
    words = safe_words(withhold(_text(error))).strip()
    return f"broke off: {type(error).__name__}{f': {words}' if words else ''}"


def _text(error: BaseException) -> str:
    """Also of an error that breaks when it is asked what it says."""
    said = str(traceback.TracebackException.from_exception(error, limit=0))
    return said.encode(errors="replace").decode()


def _as_json(result: object, withhold: Withhold) -> str:
    """The tool has run, so nothing that it can return may keep that off the record."""
    if isinstance(result, WithArtifact):
        result = result.content
    if isinstance(result, str):  # text from elsewhere may hold half a character
        result = result.encode(errors="replace").decode()
    try:
        kept = withheld_in(json.loads(pydantic_core.to_json(result, fallback=repr)), withhold)
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return json.dumps(f"(a {type(result).__name__} that cannot be kept as JSON)")
