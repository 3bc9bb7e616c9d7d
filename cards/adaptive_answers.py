"""What Teams sends when somebody presses a button or sends a form: read strictly, trusted in nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .adaptive_actions import BACK, POSTED, SENT
from .answers import BadPress, decode_press
from .card import Verb

_VERBS = frozenset(verb.value for verb in Verb) | {BACK}
_OURS = frozenset(("press", "verb", SENT, POSTED, "msteams"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A button that was pressed.

    Attributes:
        verb: One of `Verb`, or "card": draw the card anew.
        press: For `decode_press` and `decode_page`, which both take it.
        sent: Whether a filled-in form comes with it; without, modify and reject ask for their form.
        posted: Whether the button stands on a posted card itself.
        inputs: Input id -> text as the client sent it; an input that was emptied is missing.
    """

    verb: str
    press: str
    sent: bool = False
    posted: bool = False
    inputs: Mapping[str, str] = field(default_factory=dict)


def pressed(value: Any) -> Pressed:
    """The `value` of an `adaptiveCard/action`, `task/fetch` or `task/submit` invoke. Raises: BadPress."""
    if not isinstance(value, Mapping):
        raise BadPress
    action = value.get("action", value)
    if not isinstance(action, Mapping) or action.get("type", "Action.Execute") != "Action.Execute":
        raise BadPress
    filled = action.get("data")
    if not isinstance(filled, Mapping):
        raise BadPress
    verb, press, sent = action.get("verb", filled.get("verb")), filled.get("press"), filled.get(SENT, False)
    if (
        not isinstance(verb, str)
        or verb not in _VERBS
        or not isinstance(press, str)
        or not isinstance(sent, bool)
    ):
        raise BadPress
    decode_press(press)
    inputs = {str(id): _text(said) for id, said in filled.items() if id not in _OURS}
    posted = filled.get(POSTED) is True
    return Pressed(verb=verb, press=press, sent=sent, posted=posted, inputs=inputs)


def _text(said: object) -> str:
    """An input's value; clients send text, but some send numbers and toggles as what they are. Raises: BadPress."""
    match said:
        case None:
            return ""
        case bool():
            return "true" if said else "false"
        case str() | int() | float():
            return str(said)
        case _:
            raise BadPress
