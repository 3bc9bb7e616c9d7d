"""What Teams and telephones ask of our Adaptive Cards: complaints in words, none when all is well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .adaptive_text import utf8

Card = Mapping[str, Any]

#: Bytes of one card; buttons in one row (Teams shows no more), letters of a button's title.
BYTES, BUTTONS, TITLE = 20_000, 6, 40
#: Elements we draw (nothing wide) and what of them is never empty.
_INSIDE = {
    "TextBlock": "text", "RichTextBlock": "inlines", "TextRun": "text", "Container": "items", "ActionSet": "actions",
}  # fmt: skip
_INPUTS = frozenset(("Input.Text", "Input.Number", "Input.Date", "Input.ChoiceSet", "Input.Toggle"))
_ACTIONS = frozenset(("Action.Execute", "Action.Submit"))
_STYLES = frozenset(("positive", "destructive", "default"))


def lint_card(card: Card) -> tuple[str, ...]:
    """What a client would refuse, cut off, or not show on a telephone."""
    found = list[str]()
    if (card.get("type"), card.get("version")) != ("AdaptiveCard", "1.5"):
        found.append("not an Adaptive Card 1.5")
    if utf8(card) > BYTES:
        found.append(f"{utf8(card)} bytes, at most {BYTES}")
    found += _mentions(card)
    parts = list(objects(card["body"]))
    ids = [part["id"] for part in parts if "id" in part]
    if len(ids) != len(set(ids)):
        found.append("an id stands twice")
    for part in parts:
        found += _part(part)
    return tuple(found)


def objects(value: Any) -> Iterator[Card]:
    """Every element, run and action inside; not what a button carries."""
    if isinstance(value, Mapping):
        yield value
        for key, item in value.items():
            if key != "data":
                yield from objects(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from objects(item)


def words(card: Card) -> Iterator[str]:
    """Every string people read."""
    yield str(card.get("fallbackText", ""))
    for part in objects(card["body"]):
        for key in ("text", "title", "label", "value", "placeholder", "errorMessage"):
            if isinstance(part.get(key), str):
                yield part[key]


def _part(part: Card) -> Iterator[str]:
    kind = part.get("type", "choice")
    if kind in _INSIDE:
        if not part[_INSIDE[kind]]:
            yield f"an empty {kind}"
    elif kind in _ACTIONS:
        yield from _action(part)
    elif kind in _INPUTS:
        yield from _input(part)
    elif not {"title", "value"} <= set(part):
        yield f"{kind} is not drawn by us"
    if kind == "TextBlock" and part.get("wrap") is not True:
        yield "a TextBlock does not wrap"
    if kind == "ActionSet" and len(part["actions"]) > BUTTONS:
        yield f"{len(part['actions'])} buttons in a row"


def _action(action: Card) -> Iterator[str]:
    if not 1 <= len(action["title"]) <= TITLE:
        yield f"a button's title has {len(action['title'])} letters"
    if action.get("style", "default") not in _STYLES:
        yield f"style {action['style']}"
    if "press" not in action["data"] or (action["type"] == "Action.Execute") != ("verb" in action):
        yield f"“{action['title']}” carries no press or no verb"


def _input(part: Card) -> Iterator[str]:
    if not part.get("id") or not part.get("label", part.get("title")):
        yield f"{part['type']} without id or label"
    if part.get("isRequired") and not part.get("errorMessage"):
        yield f"{part['id']} is required and does not say so"
    offered = [choice["value"] for choice in part.get("choices", ())]
    if part["type"] == "Input.ChoiceSet" and (not offered or len(offered) != len(set(offered))):
        yield f"{part['id']} offers nothing, or the same twice"
    if offered and part.get("value", offered[0]) not in offered:
        yield f"{part['id']}: the value is not offered"


def _mentions(card: Card) -> Iterator[str]:
    """Each mention needs its entity and each entity its mention, or Teams refuses the message."""
    entities = card.get("msteams", {}).get("entities", [])
    called = [entity["text"] for entity in entities]
    said = "".join(part["text"] for part in objects(card["body"]) if part.get("type") == "TextBlock")
    if len(called) != len(set(called)):
        yield "a mention's text stands for two people"
    if any(text not in said for text in called):
        yield "an entity without its mention"
    rest = said
    for text in called:
        rest = rest.replace(text, "")
    if "<at" in rest.lower():
        yield "a mention without its entity"
