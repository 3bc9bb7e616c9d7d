"""What a tab asks for, read field by field: nothing of it is believed before it has the right shape."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..loopback import Json


class WrongAct(Exception):
    """No page of ours would send this; one sentence."""


@dataclass(frozen=True, slots=True)
class Told:
    """The fields of one act."""

    fields: Json

    def text(self, name: str) -> str:
        """Raises: WrongAct, when it is missing or no text."""
        found = self.fields.get(name)
        if not isinstance(found, str):
            raise WrongAct(f"The field {name!r} must be text.")
        return found

    def text_or_nothing(self, name: str) -> str:
        """Empty when it is missing. Raises: WrongAct."""
        return self.text(name) if self.fields.get(name) is not None else ""

    def texts(self, name: str) -> dict[str, str]:
        """Text by name; empty when it is missing. Raises: WrongAct."""
        found = self.fields.get(name) or {}
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
            raise WrongAct(f"The field {name!r} must hold texts by name.")
        return dict(found)

    def answers(self, name: str) -> dict[str, str | list[str]]:
        """Text or several texts by name; empty when it is missing. Raises: WrongAct."""
        found = self.fields.get(name) or {}
        if not isinstance(found, dict) or not all(_is_answer(one) for one in found.values()):
            raise WrongAct(f"The field {name!r} must hold texts, or lists of texts, by name.")
        return dict(found)


def read(body: bytes) -> Told:
    """Raises: WrongAct, for anything but a JSON object."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise WrongAct("An act is a JSON object.") from None
    if not isinstance(fields, dict):
        raise WrongAct("An act is a JSON object.")
    return Told(fields)


def _is_answer(value: object) -> bool:
    several = value if isinstance(value, list) else [value]
    return all(isinstance(one, str) for one in several)
