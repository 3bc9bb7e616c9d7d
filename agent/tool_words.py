"""What a model reads in place of a tool's result: what people decided, what ran, and what certainly did not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..approvals.request import OutcomeKind
from .outcome import GateOutcome


def words_for_model(outcome: GateOutcome, called: Mapping[str, Any]) -> str:
    """One message.

    Args:
        called: The arguments as the model gave them, frozen.
    """
    words = outcome["words"].rstrip(".")
    match OutcomeKind(outcome["kind"]):
        case kind if kind is OutcomeKind.EXECUTED or outcome["result"] is not None:
            return "\n".join(part for part in (_edits(outcome, called), _text(outcome["result"])) if part)
        case OutcomeKind.REVISED | OutcomeKind.ANSWERED:
            return "\n".join(part for part in (f"Not done: {words}.", _instead(outcome)) if part)
        case OutcomeKind.UNKNOWN:
            return (
                f"It is not known whether this was done: {words}. Do not call it again for the same purpose."
            )
        case OutcomeKind.UNDONE:
            return f"This was done and taken back: {words}."
        case _:
            return f"Not done: {words}."


def _edits(outcome: GateOutcome, called: Mapping[str, Any]) -> str:
    """What runs is not what the model called, and it must know."""
    ran = outcome["arguments"]
    changed = [
        f"{name} = {_text(ran[name])} instead of {_text(called.get(name))}"
        for name in ran
        if ran[name] != called.get(name)
    ]
    return f"People changed this call before it ran: {', '.join(changed)}." if changed else ""


def _instead(outcome: GateOutcome) -> str:
    """What people want the agent to plan with."""
    said = [outcome["instruction"]] if outcome["instruction"] else []
    if outcome["changes"]:
        wanted = ", ".join(f"{name} = {_text(value)}" for name, value in outcome["changes"].items())
        said.append(f"With these arguments: {wanted}.")
    return " ".join(said)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
