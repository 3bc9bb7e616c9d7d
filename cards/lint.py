"""Slack's limits for what we send: complaints in words, none when all is well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .escape import size

Block = Mapping[str, Any]

MESSAGE_BLOCKS, VIEW_BLOCKS, METADATA = 50, 100, 3_000
#: All texts of one message or view together; ours, so that no card becomes a scroll.
MESSAGE_TEXT, VIEW_TEXT = 14_000, 120_000
_TITLE, _ID, _SECTION, _BUTTON, _VALUE, _OPTION, _OPTION_VALUE, _INPUT = (
    24,
    255,
    3_000,
    75,
    2_000,
    75,
    150,
    3_000,
)
_RICH = ("rich_text_section", "rich_text_quote", "rich_text_preformatted")
_INPUTS = ("plain_text_input", "number_input", "static_select", "datepicker", "checkboxes")


def lint_message(blocks: Sequence[Block]) -> tuple[str, ...]:
    """What Slack would refuse in a message's blocks."""
    return (*_count(blocks, MESSAGE_BLOCKS), *_blocks(blocks, inputs=False), *_total(blocks, MESSAGE_TEXT))


def lint_view(view: Mapping[str, Any]) -> tuple[str, ...]:
    """What Slack would refuse in a modal."""
    blocks = view["blocks"]
    found = [*_count(blocks, VIEW_BLOCKS), *_blocks(blocks, inputs=True), *_total(blocks, VIEW_TEXT)]
    for part in ("title", "submit", "close"):
        if part in view:
            found += _text(view[part], _TITLE, part)
    if "title" not in view:
        found.append("a modal needs a title")
    if "submit" not in view and any(block["type"] == "input" for block in blocks):
        found.append("a modal with inputs needs submit")
    found += _long(view.get("private_metadata", ""), METADATA, "private_metadata", least=0)
    found += _long(view.get("callback_id", ""), _ID, "callback_id")
    return tuple(found)


def _count(blocks: Sequence[Block], most: int) -> Iterator[str]:
    if not 1 <= len(blocks) <= most:
        yield f"{len(blocks)} blocks, at most {most}"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        yield "a block_id stands twice"


def _total(blocks: Sequence[Block], most: int) -> Iterator[str]:
    total = sum(size(text) for text in texts(blocks))
    if total > most:
        yield f"{total} units of text, at most {most}"


def texts(value: Any) -> Iterator[str]:
    """Every string people read in blocks or a view."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("text", "initial_value") and isinstance(item, str):
                yield item
            else:
                yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def _blocks(blocks: Sequence[Block], *, inputs: bool) -> Iterator[str]:
    for index, block in enumerate(blocks):
        at = f"block {index}"
        yield from _long(block.get("block_id", "x"), _ID, f"{at} block_id")
        match block["type"]:
            case "section":
                yield from _text(block["text"], _SECTION, at, markup=True)
                if "accessory" in block:
                    yield from _button(block["accessory"], at)
            case "actions":
                yield from _actions(block["elements"], at)
            case "context":
                for element in block["elements"]:
                    yield from _text(element, _SECTION, at, markup=True)
            case "rich_text":
                yield from _rich(block["elements"], at)
            case "input" if inputs:
                yield from _input(block, at)
            case other:
                yield f"{at}: {other} is not drawn by us"


def _actions(elements: Sequence[Block], at: str) -> Iterator[str]:
    if not 1 <= len(elements) <= 25:
        yield f"{at}: {len(elements)} buttons"
    ids = [element["action_id"] for element in elements]
    if len(ids) != len(set(ids)):
        yield f"{at}: an action_id stands twice"
    for element in elements:
        yield from _button(element, at)


def _button(element: Block, at: str) -> Iterator[str]:
    yield from _text(element["text"], _BUTTON, at)
    yield from _long(element["value"], _VALUE, f"{at} value")
    yield from _long(element["action_id"], _ID, f"{at} action_id")
    if "confirm" in element:
        yield from _confirm(element["confirm"], f"{at} confirm")
    if element.get("style", "primary") not in ("primary", "danger"):
        yield f"{at}: style {element['style']}"


def _confirm(asked: Block, at: str) -> Iterator[str]:
    for part, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from _text(asked[part], most, at)


def _rich(elements: Sequence[Block], at: str) -> Iterator[str]:
    if not elements:
        yield f"{at}: empty rich text"
    for element in elements:
        if element["type"] not in _RICH or not element["elements"]:
            yield f"{at}: {element['type']} is empty or unknown"
        for part in element["elements"]:
            if part["type"] == "text" and not part["text"]:
                yield f"{at}: empty text"


def _input(block: Block, at: str) -> Iterator[str]:
    yield from _text(block["label"], 2_000, f"{at} label")
    if "hint" in block:
        yield from _text(block["hint"], 2_000, f"{at} hint")
    element = block["element"]
    if element["type"] not in _INPUTS:
        yield f"{at}: {element['type']} is not drawn by us"
    yield from _long(element.get("initial_value", "x"), _INPUT, f"{at} initial_value")
    options = element.get("options")
    if options is not None and not 1 <= len(options) <= (10 if element["type"] == "checkboxes" else 100):
        yield f"{at}: {len(options)} options"
    for option in options or ():
        yield from _text(option["text"], _OPTION, f"{at} option")
        yield from _long(option["value"], _OPTION_VALUE, f"{at} option value")
    if "initial_option" in element and element["initial_option"] not in options:
        yield f"{at}: the initial option is not offered"


def _text(value: Block, most: int, at: str, *, markup: bool = False) -> Iterator[str]:
    if value["type"] != "plain_text" and not (markup and value["type"] == "mrkdwn"):
        yield f"{at}: {value['type']} is not allowed here"
    yield from _long(value["text"], most, at)


def _long(value: str, most: int, at: str, least: int = 1) -> Iterator[str]:
    if not least <= size(value) <= most:
        yield f"{at}: {size(value)} units, {least} to {most} allowed"
