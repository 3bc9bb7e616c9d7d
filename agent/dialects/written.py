"""Pauses whose answer people write themselves: to a schema, to a bare text, to anything else.

What stands on the card as `answer` is what is sent, exactly; nothing sent is ever a refusal, because code like
`if interrupt("Send?"): send()` takes almost any answer for a yes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...approvals.action import Json
from ...approvals.verdict import Way
from .asked import ANSWER, ASKED, ENDS_AT_GATE, NO_TOOL, Approved, Asked, Dialect, EndsAtGate, Settled, plain

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SUMMARY = 280
#: Keys that say in one sentence what an object asks.
_QUESTIONS = ("question", "message", "prompt", "task", "description", "action")


def _read_schema(value: Any, schema: Any) -> tuple[Asked, ...] | None:
    """Nothing is ready to be approved here: the form has to be filled in first."""
    if not isinstance(schema, Mapping) or not schema:
        return None
    fields = _fields(schema)
    if fields is None:
        return (_written(value, {ANSWER: schema}, {ANSWER: None}, schema, _FILLED_IN),)
    empty = {name: spec.get("default") for name, spec in fields.items()}
    return (_written(value, _with_gaps(fields, schema), empty, schema, _FILLED_IN),)


def _read_text(value: Any, _schema: Any) -> tuple[Asked, ...] | None:
    if not isinstance(value, str):
        return None
    return (_written(value, {ANSWER: {"type": "string", "minLength": 1}}, {ANSWER: "yes"}, {}, _EDITABLE),)


def _read_anything(value: Any, _schema: Any) -> tuple[Asked, ...]:
    return (_written(value, {ANSWER: {}}, {ANSWER: True}, {}, _EDITABLE),)


_EDITABLE = (Way.APPROVE, Way.EDIT, Way.REJECT)
_FILLED_IN = (Way.EDIT, Way.REJECT)


def _fields(schema: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]] | None:
    """The properties of a plain object, which get an input each; None for every other schema."""
    fields = schema.get("properties")
    plain_object = schema.get("type") == "object" and isinstance(fields, Mapping) and bool(fields)
    if not plain_object or not set(schema) <= _PLAIN or ASKED in (fields or {}):
        return None
    return fields if all(isinstance(spec, Mapping) for spec in (fields or {}).values()) else None


_PLAIN = {
    "type",
    "properties",
    "required",
    "title",
    "description",
    "$defs",
    "$schema",
    "additionalProperties",
}


def _with_gaps(fields: Mapping[str, Mapping[str, Any]], schema: Mapping[str, Any]) -> dict[str, Any]:
    """What need not be given may be left empty."""
    needed = schema.get("required", [])
    return {
        name: spec if name in needed else {"anyOf": [dict(spec), {"type": "null"}]}
        for name, spec in fields.items()
    }


def _written(
    value: Any, fields: Mapping[str, Any], answer: Mapping[str, Json], schema: Mapping[str, Any],
    ways: tuple[Way, ...],
) -> Asked:  # fmt: skip
    shown = plain(value)
    whole = {
        "$schema": _DRAFT, "type": "object", "required": [ASKED, *fields], "additionalProperties": False,
        "properties": {ASKED: {"const": shown, "readOnly": True}, **plain(fields)},
        "$defs": plain(schema.get("$defs", {})),
    }  # fmt: skip
    return Asked(
        tool=NO_TOOL, arguments={ASKED: shown, **plain(answer)}, ways=ways, schema=json.dumps(whole),
        summary=_sentence(shown), written=True,
    )  # fmt: skip


def _sentence(shown: Json) -> str:
    if isinstance(shown, dict):
        said = next((shown[name] for name in _QUESTIONS if isinstance(shown.get(name), str)), "")
        shown = said or "The agent waits for an answer"
    text = " ".join(str(shown).split()) or "The agent waits for an answer"
    return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]}…"


def _answer(_value: Any, schema: Any, settled: Sequence[Settled]) -> Json | EndsAtGate:
    match settled:
        case [Approved(arguments=arguments)]:
            given = {name: one for name, one in arguments.items() if name != ASKED}
        case _:
            return ENDS_AT_GATE
    if not isinstance(schema, Mapping) or not schema or _fields(schema) is None:
        return given.get(ANSWER)
    needed = schema.get("required", [])
    return {name: one for name, one in given.items() if one is not None or name in needed}


SCHEMA_FORM = Dialect(name="response schema", read=_read_schema, answer=_answer)
TEXT = Dialect(name="text", read=_read_text, answer=_answer)
ANYTHING = Dialect(name="anything else", read=_read_anything, answer=_answer)
