"""Makes calls of a tool from the JSON Schema of its arguments, to see whether a condition has any answer for it; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..approvals.action import Action, Entity

_NUMBERS: Sequence[object] = (0, 1, 1_000_000, -1)
_TEXTS: Sequence[object] = ("1", "1000000", "x", "")
#: So many calls are made of each tool.
SAMPLES = 4
#: Arguments within arguments are made so deep.
_DEEPEST = 4


def sample_calls(tool: str, schema: Mapping[str, Any], category: str = "") -> Iterator[Action]:
    """A few calls with every argument there, each of the type that it has."""
    for number in range(SAMPLES):
        made = _made(schema, schema, number, 0)
        yield Action(
            tool=tool, arguments=made if isinstance(made, dict) else {}, goal="-", summary="-", reasoning="-",
            category=category, confidence=(0.99, 0.5)[number % 2], targets=(Entity("order", "1"),) * (number % 3),
        )  # fmt: skip


def _made(schema: Mapping[str, Any], whole: Mapping[str, Any], number: int, depth: int) -> Any:
    schema = _resolved(schema, whole)
    if choices := schema.get("enum"):
        return choices[number % len(choices)]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object" if depth < _DEEPEST:
            inside = schema.get("properties", {})
            return {name: _made(one, whole, number, depth + 1) for name, one in inside.items()}
        case "object":
            return {}
        case "array":
            one = _made(schema.get("items", {}), whole, number, depth + 1) if depth < _DEEPEST else None
            return [one] * number
        case "integer" | "number":
            return _NUMBERS[number % len(_NUMBERS)]
        case "boolean":
            return number % 2 == 0
        case "null":
            return None
        case _:
            return _TEXTS[number % len(_TEXTS)]


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference leads to; of several forms the first that is not nothing."""
    for _ in range(_DEEPEST):
        if "$ref" in schema:
            schema = whole.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
        elif some := [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]:
            schema = some[0]
    return schema
