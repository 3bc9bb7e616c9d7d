"""What an Adaptive Card 1.5 in Teams may hold; what is wrong comes back as sentences with a JSON pointer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from ..loopback import Json
from ..slack.shapes import Check, Findings, anything, boolean, by_type, list_of, note, one_of, shape, string

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
VERSIONS = ("1.2", "1.3", "1.4", "1.5")
#: Above it Teams answers 413; counted in UTF-16 for the whole activity.
ACTIVITY_BYTES = 100 * 1024
#: What a card should stay below; counted in UTF-8.
CARD_BYTES = 20 * 1024
MOST_ACTIONS = 6
MOST_REFRESHED = 60


def word(*allowed: str) -> Check:
    """One of these words, in capitals or not."""
    lower = {one.lower() for one in allowed}

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, str) or value.lower() not in lower:
            note(findings, f"must be one of {', '.join(allowed)}", at)

    return check


_TEXT, _WORD, _ID = string(50_000, 0), string(200), string(500)
_SPACING = word("default", "none", "small", "medium", "large", "extraLarge", "padding")
_HORIZONTAL = word("left", "center", "right")
_VERTICAL = word("top", "center", "bottom")
_STYLE = word("default", "emphasis", "good", "attention", "warning", "accent")
_COLOR = word("default", "dark", "light", "accent", "good", "warning", "attention")


def _number(value: object, at: str, findings: Findings) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        note(findings, "must provide a number", at)


def _url(value: object, at: str, findings: Findings) -> None:
    if not isinstance(value, str) or not re.match(r"https?://|data:image/", value):
        note(findings, "must provide an http(s) address", at)


def _later(value: object, at: str, findings: Findings) -> None:
    """A list of elements, which are described below themselves."""
    list_of(by_type(ELEMENTS), 500, 0)(value, at, findings)


def _actions(value: object, at: str, findings: Findings) -> None:
    list_of(by_type(ACTIONS), MOST_ACTIONS, 0)(value, at, findings)


def _action(value: object, at: str, findings: Findings) -> None:
    by_type(ACTIONS)(value, at, findings)


def _select_action(value: object, at: str, findings: Findings) -> None:
    by_type({kind: check for kind, check in ACTIONS.items() if kind != "Action.ShowCard"})(
        value, at, findings
    )


def _sub_card(value: object, at: str, findings: Findings) -> None:
    CARD(value, at, findings)


_COMMON: Mapping[str, Check] = {
    "id": _ID, "isVisible": boolean, "spacing": _SPACING, "separator": boolean, "height": word("auto", "stretch"),
    "requires": anything, "fallback": anything,
}  # fmt: skip


def _element(required: Mapping[str, Check], **optional: Check) -> Check:
    return shape({"type": anything, **required}, {**_COMMON, **optional})


def _input(required: Mapping[str, Check] | None = None, **optional: Check) -> Check:
    return shape(
        {"type": anything, "id": _ID, **(required or {})},
        {**_COMMON, "label": _TEXT, "isRequired": boolean, "errorMessage": _TEXT, **optional},
    )


_TEXT_LOOK: Mapping[str, Check] = {
    "color": _COLOR, "fontType": word("default", "monospace"), "isSubtle": boolean,
    "size": word("default", "small", "medium", "large", "extraLarge"),
    "weight": word("default", "lighter", "bolder"),
}  # fmt: skip
_CONTAINED: Mapping[str, Check] = {
    "style": _STYLE, "bleed": boolean, "minHeight": _WORD, "selectAction": _select_action, "rtl": boolean,
    "backgroundImage": anything, "verticalContentAlignment": _VERTICAL,
}  # fmt: skip
_RUN = shape(
    {"type": anything, "text": _TEXT},
    {**_TEXT_LOOK, "highlight": boolean, "italic": boolean, "strikethrough": boolean, "underline": boolean,
     "selectAction": _select_action},
)  # fmt: skip
_COLUMN = shape(
    {"type": one_of("Column")},
    {**_COMMON, **_CONTAINED, "items": _later, "width": anything},
)
_CELL = shape({"type": one_of("TableCell"), "items": _later}, {**_COMMON, **_CONTAINED})
_ROW = shape(
    {"type": one_of("TableRow"), "cells": list_of(_CELL, 20)},
    {**_COMMON, "style": _STYLE, "horizontalCellContentAlignment": _HORIZONTAL,
     "verticalCellContentAlignment": _VERTICAL},
)  # fmt: skip
_CHOICE = shape({"title": _TEXT, "value": _TEXT})

ELEMENTS: Mapping[str, Check] = {
    "TextBlock": _element(
        {"text": _TEXT}, **_TEXT_LOOK, wrap=boolean, maxLines=_number, horizontalAlignment=_HORIZONTAL,
        style=word("default", "heading", "columnHeader"),
    ),
    "RichTextBlock": _element(
        {"inlines": list_of(by_type({"TextRun": _RUN}), 500)}, horizontalAlignment=_HORIZONTAL
    ),
    "Image": _element(
        {"url": _url}, altText=_TEXT, size=_WORD, style=word("default", "person"), width=_WORD,
        horizontalAlignment=_HORIZONTAL, backgroundColor=_WORD, selectAction=_select_action,
    ),
    "ImageSet": _element({"images": _later}, imageSize=_WORD),
    "Container": _element({"items": _later}, **_CONTAINED),
    "ColumnSet": _element(
        {"columns": list_of(_COLUMN, 20)}, **_CONTAINED, horizontalAlignment=_HORIZONTAL
    ),
    "FactSet": _element({"facts": list_of(shape({"title": _TEXT, "value": _TEXT}), 100)}),
    "ActionSet": _element({"actions": _actions}),
    "Table": _element(
        {"columns": list_of(anything, 20), "rows": list_of(_ROW, 100)}, firstRowAsHeader=boolean,
        showGridLines=boolean, gridStyle=_STYLE, horizontalCellContentAlignment=_HORIZONTAL,
        verticalCellContentAlignment=_VERTICAL,
    ),
    "Input.Text": _input(
        isMultiline=boolean, maxLength=_number, placeholder=_TEXT, regex=_TEXT,
        style=word("text", "tel", "url", "email", "password"), value=_TEXT, inlineAction=_select_action,
    ),
    "Input.Number": _input(max=_number, min=_number, placeholder=_TEXT, value=_number),
    "Input.Date": _input(max=_WORD, min=_WORD, placeholder=_TEXT, value=_WORD),
    "Input.Time": _input(max=_WORD, min=_WORD, placeholder=_TEXT, value=_WORD),
    "Input.Toggle": _input({"title": _TEXT}, value=_TEXT, valueOff=_TEXT, valueOn=_TEXT, wrap=boolean),
    "Input.ChoiceSet": _input(
        {"choices": list_of(_CHOICE, 200)}, isMultiSelect=boolean, placeholder=_TEXT, value=_TEXT,
        style=word("compact", "expanded", "filtered"), wrap=boolean,
    ),
}  # fmt: skip

_ACTION_COMMON: Mapping[str, Check] = {
    "id": _ID, "title": string(200), "iconUrl": _url, "style": word("default", "positive", "destructive"),
    "tooltip": _TEXT, "isEnabled": boolean, "mode": word("primary", "secondary"), "requires": anything,
    "fallback": anything,
}  # fmt: skip
_SENDS: Mapping[str, Check] = {"data": anything, "associatedInputs": word("auto", "none")}
ACTIONS: Mapping[str, Check] = {
    "Action.Execute": shape({"type": anything}, {**_ACTION_COMMON, **_SENDS, "verb": string(100)}),
    "Action.Submit": shape({"type": anything}, {**_ACTION_COMMON, **_SENDS}),
    "Action.OpenUrl": shape({"type": anything, "url": _url}, _ACTION_COMMON),
    "Action.ShowCard": shape({"type": anything, "card": _sub_card}, _ACTION_COMMON),
    "Action.ToggleVisibility": shape({"type": anything, "targetElements": list_of(anything, 100)}, _ACTION_COMMON),
}  # fmt: skip

_MENTIONED = shape({"id": _ID, "name": _TEXT})
_TEAMS = shape(
    {},
    {"width": word("full"),
     "entities": list_of(
         shape({"type": one_of("mention"), "text": _TEXT, "mentioned": _MENTIONED}), 100, 0)},
)  # fmt: skip
_REFRESH = shape({"action": by_type({"Action.Execute": ACTIONS["Action.Execute"]})},
                 {"userIds": list_of(_ID, MOST_REFRESHED, 0), "expires": _WORD})  # fmt: skip
CARD: Check = shape(
    {"type": one_of("AdaptiveCard")},
    {"version": one_of(*VERSIONS), "$schema": _WORD, "body": _later, "actions": _actions, "refresh": _REFRESH,
     "fallbackText": _TEXT, "speak": _TEXT, "lang": _WORD, "minHeight": _WORD, "rtl": boolean,
     "backgroundImage": anything, "verticalContentAlignment": _VERTICAL, "selectAction": _select_action,
     "style": _STYLE, "msteams": _TEAMS, "authentication": anything},
)  # fmt: skip


def problems_of_card(card: object) -> Findings:
    """What Teams would not draw, or would draw wrongly; empty when all is well."""
    findings: Findings = []
    CARD(card, "/card", findings)
    if findings or not isinstance(card, dict):
        return findings
    if "version" not in card:
        note(findings, "missing required field: version", "/card")
    if not card.get("body") and not card.get("actions"):
        note(findings, "nothing to see", "/card")
    ids = [str(one["id"]) for one in walk(card) if str(one.get("type")).startswith("Input.")]
    for repeated in sorted({one for one in ids if ids.count(one) > 1}):
        note(findings, f"input id {repeated!r} appears twice", "/card")
    return findings


def cautions_of_card(card: Json) -> Findings:
    """What Teams takes but people would suffer from: size, and mentions that are none."""
    findings = problems_of_mentions(card_texts(card), card.get("msteams", {}).get("entities", []), "/card")
    size = len(json.dumps(card, ensure_ascii=False, separators=(",", ":")).encode())
    if size > CARD_BYTES:
        note(findings, f"{size} bytes, should be at most {CARD_BYTES}", "/card")
    return findings


def problems_of_mentions(texts: list[str], entities: list[Json], at: str) -> Findings:
    """Every `<at>` needs its entity and every entity its `<at>`."""
    findings: Findings = []
    written = {found for text in texts for found in re.findall(r"<at>.*?</at>", text, re.DOTALL)}
    named = {str(entity.get("text")) for entity in entities}
    for text in sorted(written - named):
        note(findings, f"{text} has no mention entity", at)
    for text in sorted(named - written):
        note(findings, f"the mention entity {text} appears nowhere in the text", at)
    return findings


def walk(value: object) -> Iterator[Json]:
    """Every object in a card that has a type, outermost first; data of actions is not looked into."""
    if isinstance(value, list):
        for entry in value:
            yield from walk(entry)
    elif isinstance(value, dict):
        if "type" in value:
            yield value
        for name, entry in value.items():
            if name not in ("data", "msteams"):
                yield from walk(entry)


def card_texts(card: Json) -> list[str]:
    """Every text of a card in which Teams looks for mentions and Markdown; text runs are taken literally."""
    found = []
    for one in walk(card):
        match one["type"]:
            case "TextBlock":
                found.append(str(one["text"]))
            case "FactSet":
                found += [str(fact[name]) for fact in one["facts"] for name in ("title", "value")]
    return found
