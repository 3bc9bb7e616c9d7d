"""LangChain's `HumanInTheLoopMiddleware`: all calls of a turn in one interrupt, or one interrupt per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...approvals.action import Json
from ...approvals.verdict import Way
from .asked import (
    ENDS_AT_GATE,
    Approved,
    Asked,
    Dialect,
    EndsAtGate,
    Refused,
    Responded,
    Settled,
    plain,
    text_of,
)

_WAYS: Mapping[str, Way] = {
    "approve": Way.APPROVE, "edit": Way.EDIT, "reject": Way.REJECT, "respond": Way.RESPOND,
}  # fmt: skip


def _read_batch(value: Any, _schema: Any) -> tuple[Asked, ...] | None:
    if not isinstance(value, Mapping):
        return None
    requests, configs = value.get("action_requests"), value.get("review_configs")
    if not isinstance(requests, list) or not isinstance(configs, list) or len(requests) != len(configs):
        return None
    asked = [_asked(request, config) for request, config in zip(requests, configs, strict=True)]
    return tuple(one for one in asked if one) if asked and all(asked) else None


def _asked(request: Any, config: Any) -> Asked | None:
    if not isinstance(config, Mapping) or text_of(config, "action_name") != text_of(request, "name"):
        return None
    allowed = config.get("allowed_decisions")
    return _call(request, allowed) if isinstance(allowed, list) else None


def _call(request: Any, allowed: Sequence[Any]) -> Asked | None:
    """One call of a tool; None where it is not whole, or allows what we have never heard of alone."""
    name, arguments = text_of(request, "name"), request.get("args") if isinstance(request, Mapping) else None
    ways = tuple(dict.fromkeys(_WAYS[one] for one in allowed if isinstance(one, str) and one in _WAYS))
    if not name or not isinstance(arguments, Mapping) or not ways:
        return None
    said = text_of(request, "description")
    empty = f"\n\nTool: {name}\nArgs: {arguments}"  # what the middleware writes when nobody wrote anything
    return Asked(
        tool=name, arguments=plain(arguments), ways=ways, call=text_of(request, "tool_call_id"),
        description="" if said.endswith(empty) else said,
    )  # fmt: skip


def _answer_batch(value: Any, _schema: Any, settled: Sequence[Settled]) -> Json | EndsAtGate:
    requests, configs = value["action_requests"], value["review_configs"]
    decisions: list[Json] = []
    for request, config, one in zip(requests, configs, settled, strict=True):
        decision = _decision(str(request["name"]), one)
        if decision["type"] not in config["allowed_decisions"]:
            return ENDS_AT_GATE
        decisions.append(decision)
    return {"decisions": decisions}


def _decision(tool: str, settled: Settled) -> dict[str, Json]:
    match settled:
        case Approved(edited=False):
            return {"type": "approve"}
        case Approved(arguments=arguments):
            return {"type": "edit", "edited_action": {"name": tool, "args": dict(arguments)}}
        case Refused(words=words):
            return {"type": "reject", "message": words}
        case Responded(text=text):
            return {"type": "respond", "message": text}


def _read_call(value: Any, schema: Any) -> tuple[Asked, ...] | None:
    if text_of(value, "type") != "tool_approval" or not isinstance(schema, Mapping):
        return None
    asked = _call(value, allowed_in(schema))
    return (asked,) if asked and asked.call else None


def allowed_in(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The decisions that an interrupt's own response schema takes."""
    branches, found = [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())], list[str]()
    for branch in branches:
        name = str(branch.get("$ref", "")).removeprefix("#/$defs/")
        whole = schema.get("$defs", {}).get(name, {}) if name else branch
        said = whole.get("properties", {}).get("type", {}).get("const")
        found += [said] if isinstance(said, str) else []
    return tuple(found)


def _answer_call(value: Any, _schema: Any, settled: Sequence[Settled]) -> Json | EndsAtGate:
    (one,) = settled
    return _decision(str(value["name"]), one)


BATCHED = Dialect(name="langchain middleware", read=_read_batch, answer=_answer_batch)
PER_CALL = Dialect(name="langchain middleware, per call", read=_read_call, answer=_answer_call)
