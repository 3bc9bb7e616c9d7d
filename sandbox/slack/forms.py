"""What a person has put into input elements: defaults, typing by label, and what the element refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation

from ..loopback import Json

#: (key of the value in `state.values`, key of its default in the element), by element type.
_KEYS: Mapping[str, tuple[str, str]] = {
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "static_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "multi_static_select": ("selected_options", "initial_options"),
    "checkboxes": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "channels_select": ("selected_channel", "initial_channel"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
}
_LISTS = ("multi_static_select", "checkboxes", "multi_users_select")


class CannotDoThat(AssertionError):
    """The driver wanted something a person could not do on this screen."""


class NoSuchButton(CannotDoThat):
    """It is not on this screen, or not any more."""


def keeps_state(element: Json) -> bool:
    """It appears in `state.values`."""
    return element["type"] in _KEYS


def initial_state(element: Json) -> Json:
    """What `state.values` holds before anybody has touched it."""
    key, default = _KEYS[element["type"]]
    empty: list[object] | None = [] if element["type"] in _LISTS else None
    return {"type": element["type"], key: element.get(default) or empty}


def state_after(element: Json, answer: str | list[str]) -> Json:
    """What `state.values` holds once somebody has entered `answer` (option labels for choices; "" clears).

    Raises:
        CannotDoThat: There is no such option, or it takes one answer only.
    """
    kind = element["type"]
    key, _ = _KEYS[kind]
    if kind in _LISTS:
        wanted = [answer] if isinstance(answer, str) else answer
        chosen: object = wanted if kind == "multi_users_select" else [_option(element, one) for one in wanted]
        return {"type": kind, key: chosen}
    if not isinstance(answer, str):
        raise CannotDoThat(f"{kind} takes one answer, not {answer!r}")
    if answer == "":
        return {"type": kind, key: None}
    if "options" in element or "option_groups" in element:
        return {"type": kind, key: _option(element, answer)}
    if kind == "datetimepicker":
        return {"type": kind, key: int(answer)}
    return {"type": kind, key: answer}


def words_of(state: Json) -> str:
    """What stands in the field, as a person reads it."""
    value = next(one for key, one in state.items() if key != "type")
    several = value if isinstance(value, list) else [] if value is None else [value]
    return ", ".join(one["text"]["text"] if isinstance(one, dict) else str(one) for one in several)


def complaint(element: Json, state: Json, *, required: bool) -> str:
    """What Slack writes under the field instead of submitting; empty when all is well."""
    key, _ = _KEYS[element["type"]]
    value = state[key]
    if value in (None, "", []):
        return "Please complete this required field." if required else ""
    match element["type"]:
        case "number_input":
            return _number_complaint(element, value)
        case "plain_text_input":
            return _length_complaint(element, value)
        case "datepicker":
            return "" if _is_day(value) else "Please enter a valid date, as YYYY-MM-DD."
        case "timepicker":
            return "" if _parses(time.fromisoformat, value) else "Please enter a valid time."
        case "email_text_input":
            return (
                ""
                if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value)
                else "Please enter a valid email address."
            )
        case "url_text_input":
            return "" if re.fullmatch(r"https?://\S+", value) else "Please enter a valid URL."
        case _:
            return ""


def _number_complaint(element: Json, value: str) -> str:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return "Please enter a valid number."
    if not number.is_finite():
        return "Please enter a valid number."
    if not element["is_decimal_allowed"] and number != number.to_integral_value():
        return "Please enter a whole number."
    if "min_value" in element and number < Decimal(element["min_value"]):
        return f"Please enter a number that is at least {element['min_value']}."
    if "max_value" in element and number > Decimal(element["max_value"]):
        return f"Please enter a number that is at most {element['max_value']}."
    return ""


def _length_complaint(element: Json, value: str) -> str:
    if len(value) < element.get("min_length", 0):
        return f"Please enter at least {element['min_length']} characters."
    if len(value) > element.get("max_length", 3000):
        return f"Please enter at most {element.get('max_length', 3000)} characters."
    return ""


def _parses(parse: object, value: str) -> bool:
    assert callable(parse)
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _is_day(value: str) -> bool:
    """As Slack sends it; Python takes shorter forms, too."""
    return re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None and _parses(date.fromisoformat, value)


def _option(element: Json, label: str) -> Json:
    options = [*element.get("options", [])]
    for group in element.get("option_groups", []):
        options += group["options"]
    for option in options:
        if option["text"]["text"] == label:
            return dict(option)
    offered = ", ".join(repr(option["text"]["text"]) for option in options)
    raise CannotDoThat(f"no option {label!r}; there are {offered}")
