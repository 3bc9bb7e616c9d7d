"""Agent-inbox's `HumanInterrupt`, alone or in a list; its answer is a list either way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...approvals.action import Json
from ...approvals.verdict import Way
from .asked import Approved, Asked, Dialect, Refused, Responded, Settled, plain, text_of

_WAYS: Mapping[str, Way] = {
    "allow_accept": Way.APPROVE, "allow_edit": Way.EDIT, "allow_ignore": Way.REJECT, "allow_respond": Way.RESPOND,
}  # fmt: skip


def _read(value: Any, _schema: Any) -> tuple[Asked, ...] | None:
    asked = [_one(interrupt) for interrupt in _all(value)]
    return tuple(one for one in asked if one) if asked and all(asked) else None


def _all(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _one(value: Any) -> Asked | None:
    if not isinstance(value, Mapping):
        return None
    request, config = value.get("action_request"), value.get("config")
    if not isinstance(request, Mapping) or not isinstance(config, Mapping):
        return None
    arguments = request.get("args")
    if not text_of(request, "action") or not isinstance(arguments, Mapping):
        return None
    return Asked(
        tool=text_of(request, "action"), arguments=plain(arguments), description=text_of(value, "description"),
        ways=tuple(way for name, way in _WAYS.items() if config.get(name) is True),
    )  # fmt: skip


def _answer(value: Any, _schema: Any, settled: Sequence[Settled]) -> Json:
    return [_response(interrupt, one) for interrupt, one in zip(_all(value), settled, strict=True)]


def _response(interrupt: Any, settled: Settled) -> Json:
    request = interrupt["action_request"]
    match settled:
        case Approved(edited=False):
            return {"type": "accept", "args": dict(request)}
        case Approved(arguments=arguments):
            return {"type": "edit", "args": {"action": request["action"], "args": dict(arguments)}}
        case Refused():
            return {"type": "ignore", "args": None}
        case Responded(text=text):
            return {"type": "response", "args": text}


INBOX = Dialect(name="agent-inbox", read=_read, answer=_answer)
