"""What the forms say, on every platform alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..approvals.request import Edits, Request
from ..approvals.verdict import Way
from .values import name_of

REST_LABEL = "Further arguments, as JSON"
INSTRUCTION_LABEL = "Instruction to the agent"
INSTRUCTION_HINT = (
    "In your own words. The agent plans again and comes back with a new card; nothing is done until then."
)
RESPONSE_LABEL = "Your answer to the agent"
RESPONSE_HINT = "In your own words, instead of the action: the agent goes on with what you write."
REASON_LABEL = "Why?"
WHY_HINT = "It is kept with your approval, and shown."
REASON_HINT = "The agent and the person it works for read this."
HAND_ON_LABEL = "Not mine to decide: hand it to the next line instead"
WHY_CHANGED_LABEL = "Why? (when you change values)"
UNDO_TITLE = "Undo this?"
UNDO_QUESTION = "What is shown under Undo is called, once, and cannot be taken back from here."
UNDO_LABEL = "Undo it"
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Words:
    """The input for a person's own words: what stands above and below it."""

    label: str
    hint: str


def words_wanted(request: Request) -> Words | None:
    """What a person's own words are in the modify form; None where the agent takes none."""
    if Way.INSTRUCT in request.ways:
        return Words(INSTRUCTION_LABEL, INSTRUCTION_HINT)
    return Words(RESPONSE_LABEL, RESPONSE_HINT) if Way.RESPOND in request.ways else None


def what_follows(request: Request) -> str:
    """What becomes of changed values."""
    if Way.EDIT not in request.ways:
        return "The values cannot be changed here; the agent takes your words instead."
    match request.ask.edits:
        case Edits.APPLY:
            return "Changed values are checked and run as you wrote them, once enough people have agreed."
        case Edits.REPLAN:
            return "Changed values go to the agent, which plans again and comes back with a new card."


def too_long(names: Sequence[str]) -> str:
    """Which arguments have no input here."""
    listed = ", ".join(name_of(name).text for name in names[:_MOST_NAMES])
    return f"Too long to be edited here, change them by an instruction: {listed}"
