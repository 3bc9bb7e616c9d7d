"""Which dialect a pause speaks, what it asks in it, and the exact answer once everything it asks about is settled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jsonschema

from ...approvals.action import Json
from ...approvals.errors import SaysoError
from ...approvals.verdict import Way
from .asked import ENDS_AT_GATE, Asked, Dialect, EndsAtGate, Refused, Settled
from .called import CALLED
from .inbox import INBOX
from .middleware import BATCHED, PER_CALL
from .written import ANYTHING, SCHEMA_FORM, TEXT

#: What an author can have a graph told where people said no, and where nobody answered.
REJECT, EXPIRED = "reject", "expired"
#: The most telling shape first; the last one takes anything.
DIALECTS = (PER_CALL, BATCHED, INBOX, SCHEMA_FORM, CALLED, TEXT, ANYTHING)


class NoSuchAnswer(SaysoError):
    """What people decided cannot be said to this agent, so it was not resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one pause asks.

    Attributes:
        certain: Whether what reads the answer is known to read this dialect. Where it is not, only a yes to
            exactly what was asked is ever sent: anything else could be taken for one.
        answers: What its author has this graph told instead, by `REJECT` and `EXPIRED`: it is known to read that.
    """

    dialect: Dialect
    value: Any
    schema: Any
    asked: tuple[Asked, ...]
    certain: bool
    answers: Mapping[str, Json] = field(default_factory=dict)


def dialect_of(value: Any, schema: Any) -> tuple[Dialect, tuple[Asked, ...]]:
    """The first dialect that can read it."""
    for dialect in DIALECTS:
        asked = dialect.read(value, schema)
        if asked is not None:
            return dialect, asked
    raise AssertionError("the last dialect takes anything")


def ways_of(asked: Asked, *, certain: bool) -> tuple[Way, ...]:
    """How people can answer it.

    A reader that is not known may take any answer for a yes, and then act on its own arguments: so there is only
    yes and no (which ends the run), and a text only where the pause wants nothing else.
    """
    if certain or asked.written:
        return asked.ways
    only_text = not {Way.APPROVE, Way.EDIT} & set(asked.ways)
    kept = {Way.APPROVE, Way.RESPOND} if only_text else {Way.APPROVE}
    return (*(way for way in asked.ways if way in kept), Way.REJECT)


def answer_of(reading: Reading, settled: Sequence[Settled]) -> Json | EndsAtGate:
    """What the pause is resumed with, checked against what it says it takes.

    Raises: NoSuchAnswer when it would not be taken; nothing must be sent then.
    """
    if len(settled) != len(reading.asked):
        raise NoSuchAnswer("The pause asks about another number of actions than were settled.")
    said = _said(reading.answers, settled)
    if said is not None:
        _check(reading.schema, said)
        return said
    if not reading.certain and any(isinstance(one, Refused) for one in settled):
        return ENDS_AT_GATE
    answer = reading.dialect.answer(reading.value, reading.schema, settled)
    if answer is ENDS_AT_GATE:
        return ENDS_AT_GATE
    _check(reading.schema, answer)
    return answer


def _said(answers: Mapping[str, Json], settled: Sequence[Settled]) -> Json:
    """What the author has this graph told; None where that does not cover how everything was settled."""
    refused = [one for one in settled if isinstance(one, Refused)]
    if len(refused) < len(settled):
        return None
    return answers.get(EXPIRED if all(one.expired for one in refused) else REJECT)


def _check(schema: Any, answer: Json | EndsAtGate) -> None:
    if answer is None:
        raise NoSuchAnswer("An empty answer cannot be sent.")
    try:
        json.dumps(answer, allow_nan=False)
        if isinstance(schema, Mapping):
            jsonschema.Draft202012Validator(schema).validate(answer)
    except (TypeError, ValueError) as error:
        raise NoSuchAnswer(f"The answer is no JSON ({type(error).__name__}).") from None
    except jsonschema.ValidationError as error:
        raise NoSuchAnswer(f"The answer is not what the pause takes: {error.message[:200]}") from None


def with_schema(asked: Asked, schema: str) -> Asked:
    """The same with its tool's argument schema, where the pause did not bring one."""
    return replace(asked, schema=schema) if asked.schema == "{}" and schema else asked
