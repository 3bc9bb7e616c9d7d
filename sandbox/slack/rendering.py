"""Blocks as a person reads them: plain text for a terminal, and the mentions that would wake somebody."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from ..loopback import Json

#: Turns the id of a user, group or channel into the name people see.
NameOf = Callable[[str], str]

_DATE = re.compile(r"!date\^(\d{1,11})\^([^^]+)")
_BOLD = re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])")
_TOKEN = re.compile(r"<([^<>\n]+)>")
_MENTION = re.compile(r"<(?:@[UW]\w+|!subteam\^\w+|!(?:channel|here|everyone))(?:\|[^<>]*)?>")


def text_of_blocks(blocks: list[Json], name_of: NameOf) -> str:
    """One string, a line or more per block; a button is `[label]`, a link `label <url>`."""
    return "\n".join(line for block in blocks for line in _lines(block, name_of))


def readable(text: str, name_of: NameOf) -> str:
    """Slack's mrkdwn with names, links and dates as they appear."""
    plain = _BOLD.sub(r"\1", text)
    return html.unescape(_TOKEN.sub(lambda found: _token(found[1], name_of), plain))


def live_mentions(text: str, blocks: list[Json]) -> list[str]:
    """Every mention in the message that Slack would act on, as written."""
    found = _MENTION.findall(text)
    for mrkdwn in _mrkdwn_in(blocks):
        found += _MENTION.findall(mrkdwn)
    return found


def _mrkdwn_in(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _mrkdwn_in(entry)
    elif isinstance(value, dict):
        if value.get("type") in ("mrkdwn", "markdown") and isinstance(value.get("text"), str):
            yield value["text"]
        elif value.get("type") in ("user", "usergroup", "broadcast"):
            known = {"user": "<@{}>", "usergroup": "<!subteam^{}>", "broadcast": "<!{}>"}[value["type"]]
            yield known.format(value.get("user_id") or value.get("usergroup_id") or value.get("range"))
        else:
            for entry in value.values():
                yield from _mrkdwn_in(entry)


def _token(inside: str, name_of: NameOf) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return f"@{name_of(target[1:])}"
    if target.startswith("#"):
        return f"#{name_of(target[1:])}"
    if target.startswith("!subteam^"):
        return f"@{name_of(target.removeprefix('!subteam^'))}"
    if target.startswith("!date^"):
        return _date(target, label)
    if target.startswith("!"):
        return f"@{target[1:]}"
    return f"{label} <{target}>" if label else target


def _date(target: str, fallback: str) -> str:
    found = _DATE.match(target)
    if found is None:
        return fallback
    at, shape = datetime.fromtimestamp(int(found[1]), UTC), found[2]
    shown = {
        "{date}": f"{at:%B} {at.day}, {at.year}", "{date_num}": f"{at:%Y-%m-%d}", "{time}": f"{at:%H:%M} UTC",
        "{date_short}": f"{at:%b} {at.day}, {at.year}", "{date_long}": f"{at:%A, %B} {at.day}, {at.year}",
        "{time_secs}": f"{at:%H:%M:%S} UTC", "{date_pretty}": f"{at:%B} {at.day}, {at.year}",
        "{date_short_pretty}": f"{at:%b} {at.day}, {at.year}",
        "{date_long_pretty}": f"{at:%A, %B} {at.day}, {at.year}",
    }  # fmt: skip
    rendered = re.sub(r"\{\w+\}", lambda found: shown.get(found[0], found[0]), shape)
    return fallback if "{" in rendered else rendered


def _text(value: Json | None, name_of: NameOf) -> str:
    if not value:
        return ""
    content = str(value["text"])
    return readable(content, name_of) if value["type"] == "mrkdwn" else content


def _lines(block: Json, name_of: NameOf) -> list[str]:
    return _LINES[block["type"]](block, name_of)


def _section(block: Json, name_of: NameOf) -> list[str]:
    texts = [_text(one, name_of) for one in (block.get("text"), *block.get("fields", [])) if one]
    return [*texts, *([_element(block["accessory"])] if "accessory" in block else [])]


def _context(block: Json, name_of: NameOf) -> list[str]:
    return ["  ".join(one.get("alt_text") or _text(one, name_of) for one in block["elements"])]


def _card(block: Json, name_of: NameOf) -> list[str]:
    texts = [_text(block[name], name_of) for name in ("title", "subtitle", "body") if name in block]
    return [*texts, "  ".join(_element(one) for one in block.get("actions", []))]


def _table(block: Json, name_of: NameOf) -> list[str]:
    return [" | ".join(cell.get("text") or _rich(cell, name_of) for cell in row) for row in block["rows"]]


_LINES: Mapping[str, Callable[[Json, NameOf], list[str]]] = {
    "divider": lambda *_: ["-" * 40],
    "header": lambda block, name_of: [_text(block["text"], name_of)],
    "alert": lambda block, name_of: [_text(block["text"], name_of)],
    "markdown": lambda block, _: [str(block["text"])],
    "section": _section,
    "context": _context,
    "actions": lambda block, _: ["  ".join(_element(one) for one in block["elements"])],
    "input": lambda block, _: [f"{block['label']['text']}: [{block.get('shown', '')}]"],
    "image": lambda block, _: [f"(image: {block['alt_text']})"],
    "card": _card,
    "table": _table,
    "rich_text": lambda block, name_of: [_rich(block, name_of)],
}


def _element(element: Json) -> str:
    match element["type"]:
        case "button":
            return f"[{element['text']['text']}]"
        case "image":
            return f"(image: {element['alt_text']})"
        case "overflow":
            return "[...] " + " ".join(f"[{option['text']['text']}]" for option in element["options"])
        case _:
            initial = [
                str(value)
                for key, value in element.items()
                if key in ("initial_value", "initial_date", "initial_time", "initial_user")
            ]
            for option in [element.get("initial_option"), *element.get("initial_options", [])]:
                initial += [option["text"]["text"]] if option else []
            return f"____{', '.join(initial)}____"


def _rich(value: Json, name_of: NameOf) -> str:
    match value.get("type"):
        case "text":
            return str(value["text"])
        case "link":
            return f"{value.get('text', '')} <{value['url']}>".strip()
        case "user":
            return f"@{name_of(value['user_id'])}"
        case "usergroup":
            return f"@{name_of(value['usergroup_id'])}"
        case "channel":
            return f"#{name_of(value['channel_id'])}"
        case "broadcast":
            return f"@{value['range']}"
        case "emoji":
            return f":{value['name']}:"
        case "rich_text_list":
            return "\n".join(f"- {_rich(one, name_of)}" for one in value["elements"])
        case "rich_text":
            return "\n".join(_rich(one, name_of) for one in value["elements"])
        case _:
            return "".join(_rich(one, name_of) for one in value.get("elements", []))
