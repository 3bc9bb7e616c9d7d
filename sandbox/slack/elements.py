"""What Slack accepts as an interactive element: one table of shapes."""

from __future__ import annotations

from collections.abc import Mapping

from .shapes import (
    MRKDWN,
    PLAIN,
    Check,
    Findings,
    anything,
    boolean,
    both,
    by_type,
    integer,
    list_of,
    note,
    one_of,
    shape,
    string,
    text,
)

ID = string(255)
URL = string(3000)

CONFIRM = shape(
    {"title": text(100), "text": text(300, PLAIN, MRKDWN), "confirm": text(30), "deny": text(30)},
    {"style": one_of("primary", "danger")},
)
_DISPATCH = shape({"trigger_actions_on": list_of(one_of("on_enter_pressed", "on_character_entered"), 2)})


def _options(most: int, *kinds: str) -> Check:
    option = {"text": text(75, *kinds), "value": string(150)}
    return list_of(shape(option, {"description": text(75, *kinds), "url": URL}), most)


_OPTION = shape(
    {"text": text(75, PLAIN, MRKDWN), "value": string(150)}, {"description": text(75, PLAIN, MRKDWN)}
)
_GROUPS = list_of(shape({"label": text(75), "options": _options(100)}), 100)


def _initial_is_offered(value: object, at: str, findings: Findings) -> None:
    """Slack refuses an initial option that does not equal one of the options."""
    if not isinstance(value, dict):
        return
    offered = [*value.get("options", [])]
    for group in value.get("option_groups", []):
        offered += group.get("options", []) if isinstance(group, dict) else []
    chosen = [*value.get("initial_options", [])]
    if "initial_option" in value:
        chosen.append(value["initial_option"])
    for option in chosen:
        if option not in offered:
            note(findings, "initial option must be one of the options", at)


def _element(
    required: Mapping[str, Check] | None = None, optional: Mapping[str, Check] | None = None
) -> Check:
    common = {"action_id": ID, "focus_on_load": boolean}
    return shape({"type": anything, **(required or {})}, {**common, **(optional or {})})


def _select(extra: Mapping[str, Check]) -> Check:
    common = {"action_id": ID, "placeholder": text(150), "confirm": CONFIRM, "focus_on_load": boolean}
    return shape({"type": anything}, {**common, **extra})


def _static_select(extra: Mapping[str, Check]) -> Check:
    optional = {
        "action_id": ID, "placeholder": text(150), "confirm": CONFIRM, "focus_on_load": boolean,
        "options": _options(100), "option_groups": _GROUPS,
    }  # fmt: skip
    offered = ("options", "option_groups")
    whole = shape({"type": anything}, {**optional, **extra}, any_of=offered, exclusive=offered)
    return both(whole, _initial_is_offered)


def _picker(initial: str, check: Check) -> Check:
    return _element(None, {initial: check, "placeholder": text(150), "confirm": CONFIRM})


def _typed(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    common = {"placeholder": text(150), "dispatch_action_config": _DISPATCH, "initial_value": string(3000, 0)}
    return _element(required, {**common, **optional})


def _ticks(initial: str, check: Check) -> Check:
    options = _options(10, PLAIN, MRKDWN)
    return both(_element({"options": options}, {initial: check, "confirm": CONFIRM}), _initial_is_offered)


_MULTI = {"max_selected_items": integer}
_DATE = string(10, 10)

BUTTON = shape(
    {"type": anything, "text": text(75)},
    {
        "action_id": ID, "url": URL, "value": string(2000, 0), "style": one_of("primary", "danger"),
        "confirm": CONFIRM, "accessibility_label": string(75), "visible_to_user_ids": list_of(ID, 100),
    },
)  # fmt: skip
IMAGE_ELEMENT = shape(
    {"type": anything, "alt_text": string(2000)}, {"image_url": URL, "slack_file": anything},
    any_of=("image_url", "slack_file"), exclusive=("image_url", "slack_file"),
)  # fmt: skip

#: Every element by its type.
ELEMENTS: Mapping[str, Check] = {
    "button": BUTTON,
    "image": IMAGE_ELEMENT,
    "overflow": _element({"options": _options(5)}, {"confirm": CONFIRM}),
    "static_select": _static_select({"initial_option": _OPTION}),
    "multi_static_select": _static_select({"initial_options": list_of(_OPTION, 100), **_MULTI}),
    "users_select": _select({"initial_user": ID}),
    "multi_users_select": _select({"initial_users": list_of(ID, 100, 0), **_MULTI}),
    "channels_select": _select({"initial_channel": ID, "response_url_enabled": boolean}),
    "conversations_select": _select(
        {"initial_conversation": ID, "default_to_current_conversation": boolean, "filter": anything,
         "response_url_enabled": boolean}
    ),
    "datepicker": _picker("initial_date", _DATE),
    "timepicker": both(_element(None, {"initial_time": string(5, 5), "placeholder": text(150),
                                       "confirm": CONFIRM, "timezone": string(255)})),
    "datetimepicker": _element(None, {"initial_date_time": integer, "confirm": CONFIRM}),
    "checkboxes": _ticks("initial_options", list_of(_OPTION, 10)),
    "radio_buttons": _ticks("initial_option", _OPTION),
    "plain_text_input": _typed(
        {}, {"multiline": boolean, "min_length": integer, "max_length": integer}
    ),
    "number_input": _typed(
        {"is_decimal_allowed": boolean}, {"min_value": string(100), "max_value": string(100)}
    ),
    "email_text_input": _typed({}, {}),
    "url_text_input": _typed({}, {}),
}  # fmt: skip

_IN_ACTIONS = (
    "button", "overflow", "static_select", "multi_static_select", "users_select", "multi_users_select",
    "channels_select", "conversations_select", "datepicker", "timepicker", "datetimepicker", "checkboxes",
    "radio_buttons",
)  # fmt: skip
_NOT_IN_INPUT = ("button", "image", "overflow")

#: Which elements may stand where.
IN_ACTIONS = by_type({kind: ELEMENTS[kind] for kind in _IN_ACTIONS})
IN_SECTION = by_type({kind: ELEMENTS[kind] for kind in (*_IN_ACTIONS, "image") if kind != "datetimepicker"})
IN_INPUT = by_type({kind: check for kind, check in ELEMENTS.items() if kind not in _NOT_IN_INPUT})
