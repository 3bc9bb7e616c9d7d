"""What every dialect speaks of: the actions that a pause asks about, and how each of them was settled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import pydantic_core

from ...approvals.action import Json
from ...approvals.verdict import Way

#: The name of the tool where a pause names none: rate it in the policy like any other.
NO_TOOL: Final = "interrupt"
#: Where people write the answer itself: the argument that shows the question, and the one that is the answer.
ASKED: Final = "asked"
ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One action that a pause asks about.

    Attributes:
        tool: The tool's name; `NO_TOOL` where the pause names none.
        arguments: What it will be called with; for an answer that people write, `ASKED` and the answer.
        ways: How the agent says that it can be answered.
        summary: One sentence in the agent's words; empty where tool and arguments have to say it.
        description: What else it says; empty where that is nothing new.
        schema: JSON Schema of the arguments, as JSON text; "{}" where the pause does not say.
        call: Id of the model's tool call; empty when it has none.
        written: Whether the arguments are the answer, which is sent back as it stands on the card.
    """

    tool: str
    arguments: Mapping[str, Json]
    ways: tuple[Way, ...]
    summary: str = ""
    description: str = ""
    schema: str = "{}"
    call: str = ""
    written: bool = False


@dataclass(frozen=True, slots=True)
class Approved:
    """People want exactly these arguments; `edited` when they are not the agent's own."""

    arguments: Mapping[str, Json]
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """It must not happen: rejected, expired or taken back; `words` say which and why."""

    words: str
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Responded:
    """A person's text instead of the action."""

    text: str


Settled = Approved | Refused | Responded


class EndsAtGate(Enum):
    """There is no answer that certainly says it: the agent is not resumed, its run ends where it stands."""

    ENDS = "ends at its gate"


ENDS_AT_GATE: Final = EndsAtGate.ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to ask and to be answered (pure).

    Attributes:
        name: What the record says, and what a graph names to say that it reads this dialect's answers.
        read: The actions that (value, response schema) ask about, in order; None when it speaks otherwise.
        answer: What (value, response schema, one settled action each) is resumed with, exactly. Only asked for a
            refusal or a text where the agent is known to read it.
    """

    name: str
    read: Callable[[Any, Any], tuple[Asked, ...] | None]
    answer: Callable[[Any, Any, Sequence[Settled]], Json | EndsAtGate]


def plain(value: object) -> Any:
    """As JSON can say it, the same in every process; what has no form there is named by its type."""
    match value:
        case Mapping():
            return {key if isinstance(key, str) else f"({key!r})": plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case set() | frozenset():
            return sorted((plain(one) for one in value), key=repr)
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return pydantic_core.to_jsonable_python(
                value,
                fallback=lambda one: f"<{type(one).__qualname__}>",
                bytes_mode="base64",
            )


def text_of(value: Any, name: str) -> str:
    """A text in a mapping; empty when there is none."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found.strip() if isinstance(found, str) else ""
