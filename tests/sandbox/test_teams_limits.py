"""What Teams refuses in a card, or shows badly: one row per rule; and how a card reads in a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from sayso.sandbox.teams.limits import cautions_of_card, problems_of_card
from sayso.sandbox.teams.rendering import live_links, live_mentions, readable, text_of_card
from tiny_bot import a_card, execute

Json = dict[str, Any]


def text(words: str = "words", **more: Any) -> Json:
    return {"type": "TextBlock", "text": words, **more}


def field(**more: Any) -> Json:
    return {"type": "Input.Text", "id": "reason", "label": "Reason", **more}


RUN = {"type": "TextRun", "text": "[bold](https://evil.example) <at>Bo</at>", "weight": "Bolder"}
EVERYTHING = a_card(
    text("**Flags** _now_", wrap=True, size="Large", color="Attention", spacing="Small"),
    {"type": "RichTextBlock", "inlines": [RUN]},
    {"type": "FactSet", "facts": [{"title": "Order", "value": "1042"}]},
    {"type": "Container", "items": [text("inside")], "style": "emphasis"},
    {"type": "ColumnSet", "columns": [{"type": "Column", "items": [text("left")]},
                                      {"type": "Column", "items": [text("right")], "width": "auto"}]},
    {"type": "Table", "columns": [{"width": 1}],
     "rows": [{"type": "TableRow", "cells": [{"type": "TableCell", "items": [text("cell")]}]}]},
    {"type": "Image", "url": "https://shop.example/a.png", "altText": "a parcel"},
    text("hidden", isVisible=False),
    field(),
    {"type": "ActionSet", "actions": [execute("Now", "now")]},
    actions=[execute("Approve", "approve"), {"type": "Action.OpenUrl", "title": "Order", "url": "https://x.example"}],
    msteams={"width": "Full", "entities": []},
)  # fmt: skip


def test_a_card_with_everything_is_well() -> None:
    """Capitals in words of choice do not matter."""
    assert problems_of_card(EVERYTHING) == cautions_of_card(EVERYTHING) == []


def test_a_card_reads_in_a_terminal() -> None:
    """A line or more per element; what is hidden is not there, and runs are taken literally."""
    assert text_of_card(EVERYTHING).splitlines() == [
        "Flags now", "[bold](https://evil.example) <at>Bo</at>", "Order  1042", "inside", "left | right", "cell",
        "(image: a parcel)", "Reason: []", "[Now]", "[Approve]  [Order]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        ("no card", "must provide an object"),
        ({"type": "AdaptiveCard", "body": [text()]}, "missing required field: version"),
        (a_card(version="2.0"), "must be one of 1.2"),
        (a_card(colour="red"), "invalid additional property: colour"),
        ({**a_card(), "body": [], "actions": []}, "nothing to see"),
        (a_card({"type": "Blink"}), "unsupported type: Blink"),
        (a_card({"type": "TextBlock"}), "missing required field: text"),
        (a_card(text(weight="huge")), "must be one of default, lighter"),
        (a_card(text(wrap="yes")), "must provide a boolean"),
        (a_card(field(), field()), "input id 'reason' appears twice"),
        (a_card({"type": "Input.Text", "label": "Reason"}), "missing required field: id"),
        (a_card(actions=[execute(str(n), "v") for n in range(7)]), "no more than 6 items"),
        (a_card(actions=[{"type": "Action.Http", "title": "x"}]), "unsupported type: Action.Http"),
        (a_card(actions=[execute("x" * 201, "v")]), "less than 201 characters"),
        (
            a_card(actions=[{"type": "Action.OpenUrl", "title": "x", "url": "javascript:x"}]),
            "http(s) address",
        ),
        (a_card(refresh={"action": execute("r", "r"), "userIds": ["29:x"] * 61}), "no more than 60"),
        (
            a_card(refresh={"action": {"type": "Action.Submit", "title": "x"}}),
            "unsupported type: Action.Submit",
        ),
        (a_card(msteams={"entities": [{"type": "mention", "text": "<at>Bo</at>"}]}), "field: mentioned"),
        (a_card({"type": "Input.Number", "id": "n", "min": "1"}), "must provide a number"),
        (
            a_card(selectAction={"type": "Action.ShowCard", "card": a_card()}),
            "unsupported type: Action.ShowCard",
        ),
    ],
)
def test_what_teams_would_not_draw(card: Any, complaint: str) -> None:
    """Each with a pointer to the place."""
    (problem,) = problems_of_card(card)
    assert complaint in problem


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        (a_card(*[text("é" * 1100) for _ in range(10)]), "should be at most 20480"),
        (a_card(text("<at>Bo</at>")), "has no mention entity"),
        (a_card(msteams={"entities": [{"type": "mention", "text": "<at>Bo</at>",
                                       "mentioned": {"id": "29:x", "name": "Bo"}}]}), "appears nowhere"),
    ],
)  # fmt: skip
def test_what_people_would_suffer_from(card: Any, complaint: str) -> None:
    """Drawn all the same."""
    assert problems_of_card(card) == []
    (caution,) = cautions_of_card(card)
    assert complaint in caution


@pytest.mark.parametrize(
    ("markdown", "seen"),
    [
        ("[order](https://shop.example/1)", "order <https://shop.example/1>"),
        (r"\[order\](https://shop.example/1)", "[order](https://shop.example/1)"),
        ("**bold** and _slanted_ but snake_case_name", "bold and slanted but snake_case_name"),
        (r"\*\*not bold\*\*", "**not bold**"),
        ("<at>Bo Berg</at>, please", "@Bo Berg, please"),
        ("{{DATE(2030-01-02T12:00:00Z, SHORT)}} {{TIME(2030-01-02T12:00:00Z)}}", "2 Jan 2030 12:00 UTC"),
        ("{{DATE(tomorrow)}}", "{{DATE(tomorrow)}}"),
    ],
)
def test_markdown_as_it_appears(markdown: str, seen: str) -> None:
    """Enough of it for a terminal."""
    assert readable(markdown) == seen


def test_links_and_mentions_that_are_alive() -> None:
    """Bare addresses count; escaped brackets, and anything in a text run, do not."""
    card = a_card(
        text(r"[safe](https://evil.example) \[dead\](x) www.bare.example <at>Bo</at>"),
        {"type": "RichTextBlock", "inlines": [RUN]},
    )
    assert live_links("", card) == [
        ("safe", "https://evil.example"), ("www.bare.example", "www.bare.example")
    ]  # fmt: skip
    assert live_mentions("<at>Cy</at>", card) == ["<at>Cy</at>", "<at>Bo</at>"]
