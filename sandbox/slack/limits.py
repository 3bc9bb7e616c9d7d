"""Slack's structural limits on blocks, messages and views; what breaks one comes back as `invalid_blocks`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum

from ..loopback import Json
from .elements import BUTTON, ID, IMAGE_ELEMENT, IN_ACTIONS, IN_INPUT, IN_SECTION, URL
from .shapes import (
    MRKDWN,
    PLAIN,
    Check,
    Findings,
    anything,
    boolean,
    by_type,
    list_of,
    note,
    one_of,
    shape,
    string,
    text,
)

TEXT_CHARACTERS = 40_000
METADATA_BYTES = 8_000
VIEW_BYTES = 250_000


class Surface(StrEnum):
    """Where blocks stand."""

    MESSAGE = "message"
    MODAL = "modal"
    HOME = "home"


MOST_BLOCKS: Mapping[Surface, int] = {Surface.MESSAGE: 50, Surface.MODAL: 100, Surface.HOME: 100}


def _block(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    any_of: tuple[str, ...] = (),
) -> Check:
    return shape({"type": anything, **(required or {})}, {"block_id": ID, **(optional or {})}, any_of=any_of)


_RICH_TEXT = list_of(
    by_type(dict.fromkeys(("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"), anything)), 1000,
)  # fmt: skip
_CELL = by_type(
    {"raw_text": shape({"type": anything, "text": string(3000)}),
     "rich_text": shape({"type": anything, "elements": _RICH_TEXT}, {"block_id": ID})}
)  # fmt: skip

_EVERYWHERE: Mapping[str, Check] = {
    "section": _block(
        None,
        {"text": text(3000, PLAIN, MRKDWN), "fields": list_of(text(2000, PLAIN, MRKDWN), 10),
         "accessory": IN_SECTION, "expand": boolean},
        any_of=("text", "fields"),
    ),
    "divider": _block(),
    "header": _block({"text": text(150)}, {"level": anything}),
    "context": _block(
        {"elements": list_of(by_type({"image": IMAGE_ELEMENT, PLAIN: text(3000), MRKDWN: text(3000, MRKDWN)}), 10)}
    ),
    "actions": _block({"elements": list_of(IN_ACTIONS, 25)}),
    "input": _block(
        {"label": text(2000), "element": IN_INPUT},
        {"hint": text(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "image": _block(
        {"alt_text": string(2000)}, {"image_url": URL, "slack_file": anything, "title": text(2000)},
        any_of=("image_url", "slack_file"),
    ),
    "rich_text": _block({"elements": _RICH_TEXT}),
}  # fmt: skip

_ONLY_MESSAGES: Mapping[str, Check] = {
    "markdown": _block({"text": string(12_000)}),
    "table": _block(
        {"rows": list_of(list_of(_CELL, 20), 100)}, {"column_settings": list_of(anything, 20)}
    ),
    "alert": _block(
        {"text": text(3000, PLAIN, MRKDWN)},
        {"level": one_of("default", "info", "warning", "error", "success")},
    ),
    "card": _block(
        None,
        {"title": text(150, PLAIN, MRKDWN), "subtitle": text(150, PLAIN, MRKDWN),
         "body": text(200, PLAIN, MRKDWN), "icon": anything,
         "hero_image": anything, "actions": list_of(by_type({"button": BUTTON}), 5)},
        any_of=("title", "body", "hero_image", "actions"),
    ),
}  # fmt: skip

BLOCKS: Mapping[Surface, Mapping[str, Check]] = {
    Surface.MESSAGE: {**_EVERYWHERE, **_ONLY_MESSAGES},
    Surface.MODAL: _EVERYWHERE,
    Surface.HOME: _EVERYWHERE,
}

_VIEW_COMMON: Mapping[str, Check] = {
    "private_metadata": string(3000, 0), "callback_id": string(255, 0), "external_id": string(255, 0)
}  # fmt: skip
VIEWS: Mapping[Surface, Check] = {
    Surface.MODAL: shape(
        {"type": anything, "title": text(24), "blocks": anything},
        {**_VIEW_COMMON, "submit": text(24), "close": text(24), "clear_on_close": boolean,
         "notify_on_close": boolean},
    ),
    Surface.HOME: shape({"type": anything, "blocks": anything}, _VIEW_COMMON),
}  # fmt: skip


def problems_of_blocks(blocks: object, surface: Surface, at: str = "/blocks") -> Findings:
    """What Slack would answer `invalid_blocks` for; empty when all is well."""
    findings: Findings = []
    least = 0 if surface is Surface.MESSAGE else 1
    list_of(by_type(BLOCKS[surface]), MOST_BLOCKS[surface], least)(blocks, at, findings)
    if findings or not isinstance(blocks, list):
        return findings
    _unique([block.get("block_id") for block in blocks], "block_id", at, findings)
    for index, block in enumerate(blocks):
        ids = [element.get("action_id") for element in elements_of(block)]
        _unique(ids, "action_id", f"{at}/{index}", findings)
    focused = [element for block in blocks for element in elements_of(block) if element.get("focus_on_load")]
    if len(focused) > 1:
        note(findings, "only one element may have focus_on_load", at)
    if sum(block["type"] == "table" for block in blocks) > 1:
        note(findings, "only one table allowed", at)
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > 12_000:
        note(findings, "markdown blocks must have less than 12001 characters together", at)
    return findings


def problems_of_view(view: object) -> Findings:
    """The same for a whole modal or Home view."""
    if not isinstance(view, dict) or view.get("type") not in ("modal", "home"):
        return ["[ERROR] must be a modal or home view [json-pointer:/view/type]"]
    surface = Surface(view["type"])
    findings: Findings = []
    VIEWS[surface](view, "/view", findings)
    findings += problems_of_blocks(view.get("blocks"), surface, "/view/blocks")
    has_input = any(
        isinstance(block, dict) and block.get("type") == "input" for block in view.get("blocks", [])
    )
    if surface is Surface.MODAL and has_input and "submit" not in view:
        note(findings, "submit is required when there is an input", "/view")
    if len(json.dumps(view)) > VIEW_BYTES:
        note(findings, "view is too large", "/view")
    return findings


def elements_of(block: Json) -> list[Json]:
    """The elements of one block that carry an action id."""
    match block["type"]:
        case "actions":
            return list(block["elements"])
        case "input":
            return [block["element"]]
        case "section" if "accessory" in block:
            return [block["accessory"]]
        case "card":
            return list(block.get("actions", []))
        case _:
            return []


def _unique(ids: list[str | None], name: str, at: str, findings: Findings) -> None:
    given = [one for one in ids if one]
    for repeated in sorted({one for one in given if given.count(one) > 1}):
        note(findings, f"`{name}` {repeated} already exists", at)
