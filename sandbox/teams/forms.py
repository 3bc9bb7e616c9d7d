"""What a person has put into the inputs of a card: defaults, typing by label, and what the client refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from ..loopback import Json
from ..slack.forms import CannotDoThat

#: What somebody entered, by input id; texts, as they travel.
Typed = Mapping[str, str]


def inputs_of(value: object) -> Iterator[Json]:
    """The inputs of a card, in order; those of its ShowCards are not among them."""
    if isinstance(value, list):
        for entry in value:
            yield from inputs_of(entry)
    elif isinstance(value, dict):
        if str(value.get("type")).startswith("Input."):
            yield value
        elif value.get("type") != "Action.ShowCard":
            for name in ("body", "items", "columns", "rows", "cells", "actions"):
                yield from inputs_of(value.get(name))


def label_of(element: Json) -> str:
    """What a person calls the input: its label, else a toggle's title, else its id."""
    return str(element.get("label") or element.get("title") or element["id"]).strip()


def entered(element: Json, answer: str) -> str:
    """What an answer becomes on the wire; choices by their title, several separated by commas; "" empties.

    Raises:
        CannotDoThat: There is no such choice, or a toggle is neither "on" nor "off".
    """
    match element["type"]:
        case "Input.Toggle":
            if answer not in ("on", "off"):
                raise CannotDoThat(f"{label_of(element)!r} is on or off, not {answer!r}")
            return _toggled(element, on=answer == "on")
        case "Input.ChoiceSet" if answer:
            values = {str(choice["title"]): str(choice["value"]) for choice in element["choices"]}
            wanted = [one.strip() for one in answer.split(",")] if element.get("isMultiSelect") else [answer]
            if missing := [one for one in wanted if one not in values]:
                raise CannotDoThat(f"no choice {missing} for {label_of(element)!r}; there are {list(values)}")
            return ",".join(values[one] for one in wanted)
        case _:
            return answer


def must_offer(element: Json, value: str) -> None:
    """Raises: CannotDoThat, for a value that the input could not have sent."""
    match element["type"]:
        case "Input.Toggle":
            offered = {_toggled(element, on=True), _toggled(element, on=False)}
            chosen = {value}
        case "Input.ChoiceSet":
            offered = {str(choice["value"]) for choice in element["choices"]} | {""}
            chosen = set(value.split(",")) if element.get("isMultiSelect") else {value}
        case _:
            return
    if not chosen <= offered:
        raise CannotDoThat(f"{label_of(element)!r} does not offer {sorted(chosen - offered)}")


def initial(element: Json) -> str:
    """What stands in the input before anybody has touched it."""
    given = element.get("value", "")
    if element["type"] == "Input.Toggle":
        return str(given or _toggled(element, on=False))
    return str(given)


def values_of(inputs: list[Json], typed: Typed) -> dict[str, str]:
    """Everything entered, or its default; inputs left empty are missing, as Teams leaves them out."""
    whole = {str(one["id"]): typed.get(str(one["id"]), initial(one)) for one in inputs}
    return {id: value for id, value in whole.items() if value}


def complaints(inputs: list[Json], typed: Typed) -> dict[str, str]:
    """What the client refuses before it sends anything, by label."""
    found = {label_of(one): _complaint(one, typed.get(str(one["id"]), initial(one))) for one in inputs}
    return {label: problem for label, problem in found.items() if problem}


def _toggled(element: Json, *, on: bool) -> str:
    return str(element.get("valueOn", "true") if on else element.get("valueOff", "false"))


def _complaint(element: Json, value: str) -> str:
    words = str(element.get("errorMessage") or "")
    if not value:
        return (words or "This field is required.") if element.get("isRequired") else ""
    return "" if _acceptable(element, value) else words or "This value is not allowed."


def _acceptable(element: Json, value: str) -> bool:
    match element["type"]:
        case "Input.Number":
            return _in_range(element, value)
        case "Input.Text":
            fits = len(value) <= int(element.get("maxLength", len(value)))
            return fits and re.fullmatch(str(element.get("regex", "[\\s\\S]*")), value) is not None
        case "Input.Date" | "Input.Time":
            shape = r"\d{4}-\d\d-\d\d" if element["type"] == "Input.Date" else r"\d\d:\d\d"
            low, high = str(element.get("min", value)), str(element.get("max", value))
            return re.fullmatch(shape, value) is not None and low <= value <= high
        case _:
            return True


def _in_range(element: Json, value: str) -> bool:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return False
    low, high = Decimal(str(element.get("min", number))), Decimal(str(element.get("max", number)))
    return low <= number <= high
