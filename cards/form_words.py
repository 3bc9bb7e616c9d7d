"""What the forms say, on every platform alike."""

from __future__ import annotations

from collections.abc import Sequence

from ..approvals.request import Edits
from .values import name_of

REST_LABEL = "Further arguments, as JSON"
INSTRUCTION_LABEL = "Instruction to the agent"
INSTRUCTION_HINT = (
    "In your own words. The agent plans again and comes back with a new card; nothing is done until then."
)
REASON_LABEL = "Why?"
REASON_HINT = "The agent and the person it works for read this."
HAND_ON_LABEL = "Not mine to decide: hand it to the next line instead"
_MOST_NAMES = 20


def what_follows(edits: Edits) -> str:
    """What becomes of changed values."""
    match edits:
        case Edits.APPLY:
            return "Changed values are checked and run as you wrote them, once enough people have agreed."
        case Edits.REPLAN:
            return "Changed values go to the agent, which plans again and comes back with a new card."


def too_long(names: Sequence[str]) -> str:
    """Which arguments have no input here."""
    listed = ", ".join(name_of(name).text for name in names[:_MOST_NAMES])
    return f"Too long to be edited here, change them by an instruction: {listed}"
