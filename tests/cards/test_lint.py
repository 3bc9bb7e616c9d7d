"""The lint can fail: each of Slack's limits, one step beyond."""

from __future__ import annotations

from typing import Any

import pytest
from sayso.cards import blockkit
from sayso.cards.lint import lint_message, lint_view
from scenes import a_request


def text(words: str, kind: str = "plain_text") -> dict[str, Any]:
    return {"type": kind, "text": words}


def section(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": text(words, "mrkdwn"), **more}


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "a", "text": text("Go"), "value": "v", **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


BROKEN = {
    "no block": [],
    "51 blocks": [section("x")] * 51,
    "long section": [section("x" * 3_001)],
    "wide section": [section("😀" * 1_501)],
    "empty section": [section("")],
    "block_id twice": [section("x", block_id="b")] * 2,
    "long block_id": [section("x", block_id="b" * 256)],
    "long button": [actions(button(text=text("x" * 76)))],
    "mrkdwn button": [actions(button(text=text("x", "mrkdwn")))],
    "long value": [actions(button(value="v" * 2_001))],
    "green button": [actions(button(style="green"))],
    "action_id twice": [actions(button(), button())],
    "26 buttons": [actions(*(button(action_id=str(number)) for number in range(26)))],
    "no buttons": [actions()],
    "input in a message": [{"type": "input", "label": text("x"), "element": {"type": "plain_text_input"}}],
    "unknown block": [{"type": "carousel"}],
    "empty rich text": [{"type": "rich_text", "elements": []}],
    "empty words": [
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [text("", "text")]}]}
    ],
    "a scroll": [section("x" * 2_900)] * 5,
}


@pytest.mark.parametrize("defect", BROKEN)
def test_a_message_that_slack_or_a_reader_would_refuse_is_named(defect: str) -> None:
    """One complaint at least."""
    assert lint_message(BROKEN[defect])


@pytest.mark.parametrize(
    "change",
    [
        {"title": text("x" * 25)},
        {"title": text("x", "mrkdwn")},
        {"submit": text("x" * 25)},
        {"private_metadata": "x" * 3_001},
        {"callback_id": "x" * 256},
        {"blocks": []},
        {"blocks": [section("x")] * 101},
        {"blocks": [{"type": "input", "label": text(""), "element": {"type": "plain_text_input"}}]},
        {"blocks": [{"type": "input", "label": text("x"), "element": {"type": "plain_text_input", "initial_value": "x" * 3_001}}]},
        {"blocks": [{"type": "input", "label": text("x"), "element": {"type": "static_select", "options": []}}]},
        {"blocks": [{"type": "input", "label": text("x"), "element": {
            "type": "static_select", "options": [{"text": text("x" * 76), "value": "v"}]}}]},
        {"blocks": [{"type": "input", "label": text("x"), "element": {
            "type": "static_select", "options": [{"text": text("x"), "value": "v"}], "initial_option": {}}}]},
        {"blocks": [{"type": "input", "label": text("x"), "element": {"type": "email_text_input"}}]},
    ],
)  # fmt: skip
def test_a_modal_that_slack_would_refuse_is_named(change: dict[str, Any]) -> None:
    """Each limit of a view, one step beyond."""
    view = blockkit.modify_view(a_request())
    assert lint_view(view) == ()
    assert lint_view({**view, **change})


def test_a_modal_needs_a_title_and_inputs_need_submit() -> None:
    """Slack refuses both; the client library does not notice."""
    view = blockkit.modify_view(a_request())
    for missing in ("title", "submit"):
        assert lint_view({key: value for key, value in view.items() if key != missing})
