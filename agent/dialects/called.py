"""Dictionaries that name an action and its arguments: `{"action": ..., "args": {...}}` and its relatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...approvals.action import Json
from ...approvals.verdict import Way
from .asked import ENDS_AT_GATE, Approved, Asked, Dialect, EndsAtGate, Settled, plain, text_of

_NAMES = ("action", "tool", "tool_name", "name")
_ARGUMENTS = ("args", "arguments", "tool_args", "tool_input", "parameters")
_WORDS = ("description", "question", "message", "reason")


def _read(value: Any, _schema: Any) -> tuple[Asked, ...] | None:
    """Only where nothing else stands in it that people would not see."""
    if not isinstance(value, Mapping):
        return None
    names = [name for name in _NAMES if text_of(value, name)]
    arguments = [name for name in _ARGUMENTS if isinstance(value.get(name), Mapping)]
    words = [name for name in _WORDS if text_of(value, name)]
    if len(names) != 1 or len(arguments) != 1 or len(words) > 1 or set(value) - {*names, *arguments, *words}:
        return None
    return (
        Asked(
            tool=text_of(value, names[0]), arguments=plain(value[arguments[0]]),
            description=text_of(value, words[0]) if words else "", ways=(Way.APPROVE, Way.REJECT),
        ),
    )  # fmt: skip


def _answer(_value: Any, _schema: Any, settled: Sequence[Settled]) -> Json | EndsAtGate:
    """Yes, said in the two places where such code looks for it; there is no common word for anything else."""
    match settled:
        case [Approved(edited=False)]:
            return {"type": "approve", "action": "approve"}
        case _:
            return ENDS_AT_GATE


CALLED = Dialect(name="action and arguments", read=_read, answer=_answer)
