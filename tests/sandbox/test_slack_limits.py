"""What Slack refuses for its form: one row per rule."""

from __future__ import annotations

from typing import Any

import pytest
from sayso.sandbox import Workplace
from sayso.sandbox.slack.limits import Surface, problems_of_blocks, problems_of_view
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

Block = dict[str, Any]


def plain(text: str = "words") -> Block:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str = "words") -> Block:
    return {"type": "mrkdwn", "text": text}


def section(**more: Any) -> Block:
    return {"type": "section", "text": mrkdwn(), **more}


def button(**more: Any) -> Block:
    return {"type": "button", "action_id": "go", "text": plain(), **more}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def option(label: str = "One", value: str = "1") -> Block:
    return {"text": plain(label), "value": value}


def select(**more: Any) -> Block:
    return {"type": "static_select", "action_id": "pick", "options": [option()], **more}


def field(element: Block | None = None, **more: Any) -> Block:
    return {"type": "input", "label": plain("Name"), "element": element or text_input(), **more}


def text_input(**more: Any) -> Block:
    return {"type": "plain_text_input", "action_id": "name", **more}


def modal(*blocks: Block, **more: Any) -> Block:
    return {
        "type": "modal",
        "title": plain(),
        "submit": plain(),
        "blocks": list(blocks) or [section()],
        **more,
    }


def table(rows: int = 1, cells: int = 1) -> Block:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * cells] * rows}


BROKEN_MESSAGES = {
    "51 blocks": [section()] * 51,
    "unknown block": [{"type": "hologram"}],
    "unknown key": [section(colour="red")],
    "section text 3001": [section(text=mrkdwn("x" * 3001))],
    "empty text": [section(text=mrkdwn(""))],
    "section without text and fields": [{"type": "section"}],
    "11 fields": [section(fields=[mrkdwn()] * 11)],
    "field 2001": [section(fields=[mrkdwn("x" * 2001)])],
    "header 151": [{"type": "header", "text": plain("x" * 151)}],
    "header mrkdwn": [{"type": "header", "text": mrkdwn()}],
    "verbatim on plain text": [section(text={**plain(), "verbatim": True})],
    "11 in context": [{"type": "context", "elements": [mrkdwn()] * 11}],
    "button in context": [{"type": "context", "elements": [button()]}],
    "26 actions": [actions(*(button(action_id=f"a{n}") for n in range(26)))],
    "no actions": [actions()],
    "text input in actions": [actions(text_input())],
    "button text 76": [actions(button(text=plain("x" * 76)))],
    "button mrkdwn": [actions(button(text=mrkdwn()))],
    "button value 2001": [actions(button(value="x" * 2001))],
    "button url 3001": [actions(button(url="x" * 3001))],
    "button style green": [actions(button(style="green"))],
    "action_id 256": [actions(button(action_id="x" * 256))],
    "block_id 256": [section(block_id="x" * 256)],
    "same block_id": [section(block_id="b"), section(block_id="b")],
    "same action_id in a block": [actions(button(), button())],
    "confirm title 101": [actions(button(confirm={"title": plain("x" * 101), "text": plain(),
                                                  "confirm": plain(), "deny": plain()}))],
    "confirm without deny": [actions(button(confirm={"title": plain(), "text": plain(), "confirm": plain()}))],
    "select without options": [actions({"type": "static_select", "action_id": "pick"})],
    "select with no option": [actions(select(options=[]))],
    "101 options": [actions(select(options=[option(value=str(n)) for n in range(101)]))],
    "option text 76": [actions(select(options=[option("x" * 76)]))],
    "option value 151": [actions(select(options=[option(value="x" * 151)]))],
    "initial option not offered": [actions(select(initial_option=option("Two", "2")))],
    "6 in overflow": [actions({"type": "overflow", "action_id": "more",
                               "options": [option(value=str(n)) for n in range(6)]})],
    "11 checkboxes": [actions({"type": "checkboxes", "action_id": "tick",
                               "options": [option(value=str(n)) for n in range(11)]})],
    "input label mrkdwn": [field(label=mrkdwn())],
    "button as input": [field(button())],
    "number without is_decimal_allowed": [field({"type": "number_input", "action_id": "n"})],
    "image without alt text": [{"type": "image", "image_url": "https://x.example/i.png"}],
    "markdown 12001": [{"type": "markdown", "text": "x" * 12_001}],
    "101 rows": [table(rows=101)],
    "21 cells": [table(cells=21)],
    "two tables": [table(), table()],
    "card body 201": [{"type": "card", "body": mrkdwn("x" * 201)}],
    "two elements with focus": [field(text_input(focus_on_load=True)), field(text_input(focus_on_load=True))],
}  # fmt: skip

BROKEN_VIEWS = {
    "no title": {"type": "modal", "blocks": [section()]},
    "title 25": modal(title=plain("x" * 25)),
    "submit 25": modal(submit=plain("x" * 25)),
    "close 25": modal(close=plain("x" * 25)),
    "private_metadata 3001": modal(private_metadata="x" * 3001),
    "callback_id 256": modal(callback_id="x" * 256),
    "101 blocks": modal(*[section()] * 101),
    "no blocks": {**modal(), "blocks": []},
    "input without submit": {"type": "modal", "title": plain(), "blocks": [field()]},
    "markdown in a modal": modal({"type": "markdown", "text": "x"}),
    "table in a modal": modal(table()),
    "home with title": {"type": "home", "title": plain(), "blocks": [section()]},
    "unknown key": modal(colour="red"),
    "not a view": {"type": "poster"},
}

SOUND = [
    section(accessory=button(), fields=[plain("x" * 2000)] * 10),
    {"type": "header", "text": plain("x" * 150)},
    {"type": "divider"},
    {"type": "context", "elements": [mrkdwn(), {"type": "image", "image_url": "https://x", "alt_text": "x"}]},
    actions(button(style="danger", value="x" * 2000), select(initial_option=option())),
    actions(button(), {"type": "datepicker", "action_id": "d", "initial_date": "2030-01-01"}),
    field({"type": "number_input", "action_id": "n", "is_decimal_allowed": True, "min_value": "0"}),
    {"type": "alert", "text": plain("mind"), "level": "warning"},
    {"type": "markdown", "text": "**x**"},
    table(100, 20),
    {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}],
    },
]


@pytest.mark.parametrize("blocks", BROKEN_MESSAGES.values(), ids=BROKEN_MESSAGES.keys())
def test_a_message_that_breaks_one_rule_is_refused(blocks: list[Block]) -> None:
    """Each finding says where, as a JSON pointer."""
    findings = problems_of_blocks(blocks, Surface.MESSAGE)
    assert len(findings) == 1
    assert "[json-pointer:/blocks" in findings[0]


@pytest.mark.parametrize("view", BROKEN_VIEWS.values(), ids=BROKEN_VIEWS.keys())
def test_a_view_that_breaks_one_rule_is_refused(view: Block) -> None:
    """The same for modals and Home tabs."""
    assert len(problems_of_view(view)) == 1


def test_what_is_right_to_the_last_character_is_accepted() -> None:
    """The limits are not one too small, and a modal may hold 100 blocks."""
    assert problems_of_blocks(SOUND, Surface.MESSAGE) == []
    assert problems_of_view(modal(*[section()] * 99, field(), private_metadata="x" * 3000)) == []
    assert problems_of_view({"type": "home", "blocks": [section(), field()]}) == []


async def test_the_web_api_names_what_is_wrong(workplace: Workplace, client: AsyncWebClient) -> None:
    """`invalid_blocks` comes with its messages, and counts against the program."""
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C0SUPPORT", text="hello", blocks=[actions(button(), button())])
    assert refused.value.response["error"] == "invalid_blocks"
    assert "`action_id` go already exists" in refused.value.response["response_metadata"]["messages"][0]
    assert "invalid_blocks" in str(workplace.violations.take()[0])
    assert workplace.slack.messages("#support") == []
