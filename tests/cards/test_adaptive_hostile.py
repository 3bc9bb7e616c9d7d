"""In Teams, too, agent text cannot forge, hide or call: nothing comes alive, and nothing is refused for its size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hostile_actions import (
    CORPUS,
    HIDDEN,
    STATES,
    actions,
    clean_corpus,
    hostile,
    in_every_state,
    with_action,
    words,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sayso.approvals import canonical
from sayso.approvals.errors import BadChange
from sayso.approvals.people import PersonId
from sayso.approvals.request import Request, State
from sayso.cards import adaptive, answers
from sayso.cards.adaptive_escape import address, literal, markdown
from sayso.cards.adaptive_forms import Retry
from sayso.cards.adaptive_lint import lint_card, objects
from sayso.cards.adaptive_lint import words as read
from sayso.cards.card import card_of
from sayso.cards.escape import cut, https
from sayso.cards.spans import Circle, Form, Row, Text
from sayso.cards.standing import is_unknown
from scenes import a_request, an_action, an_assessment

#: What only Teams would bring to life.
TEAMS = {
    "mention": "<at>Bo</at> < AT id='1'>Bo</ at> &lt;at&gt;Bo&lt;/at&gt;",
    "date": "{{DATE(2030-01-01T00:00:00Z, SHORT)}} {{TIME(2030-01-01T00:00:00Z)}} { {DATE(2030-01-01T00:00:00Z)}}",
    "blocks": "# heading\n- item\n+ item\n1. item\n2) item\n> quote\n---\n| a | b |\n|---|---|\n    code",
    "image": "![x](https://evil.example/x.png) !",
    "reference": "[bank.example][1]\n\n[1]: https://evil.example\n<https://evil.example>",
    "escapes": "\\*bold\\* \\[a\\](https://evil.example) \\",
    "emphasis": "**bold** __bold__ _it_ *it* ~~gone~~ `code` ***",
    "address": 'https://bank.example/a_(b)_[c]*d*?x=1&lt;2&copy;=`{{DATE(2030-01-01T00:00:00Z)}}|\\"^',
    "template": "${$root} $(x) @{x}",
}
ATTACKS = {**{key: CORPUS[key] for key in clean_corpus()}, **TEAMS}
OURS = re.compile(r"\{\{(DATE|TIME)\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(, SHORT)?\)\}\}")
FUNCTION = re.compile(r"\{\{\s*(DATE|TIME)", re.IGNORECASE)
READER = MarkdownIt("commonmark").enable(["strikethrough", "table"])
#: What a text block of ours may turn into; anything else came from an agent.
DRAWN = {
    "paragraph_open",
    "paragraph_close",
    "inline",
    "text",
    "strong_open",
    "strong_close",
    "link_open",
    "link_close",
}


def name(person: PersonId) -> str:
    return person.title()


def everything(request: Request) -> Iterator[dict[str, Any]]:
    """Each card that people may get to see of it (of Details, some pages)."""
    yield adaptive.message(card_of(request, name=name)).card
    if request.state is State.CLOSED:
        return
    yield from (adaptive.details(request, number, name=name) for number in (1, 2, 9_999))
    yield adaptive.details(request, 1, name=name, surface=adaptive.Surface.DIALOG)
    yield adaptive.modify_form(request)
    yield adaptive.reject_form(request)
    yield adaptive.pending([request] * 3, name=name).card


def alive(card: dict[str, Any]) -> list[str]:
    """What a client would bring to life in it, but for our own labels, times, mentions and labelled links."""
    found = [said for said in read(card) if HIDDEN.search(said)]
    blocks = [part["text"] for part in objects(card["body"]) if part.get("type") == "TextBlock"]
    others = [said for said in _beside_inputs(card) if said not in blocks]
    found += [
        said
        for said in others
        if FUNCTION.search(said) or "://" in said or re.search(r"<\s*/?\s*at\b", said, re.IGNORECASE)
    ]
    for text in blocks:
        found += _alive_in(text)
    return found


def _beside_inputs(card: dict[str, Any]) -> Iterator[str]:
    """The words of a card but for what stands in its inputs, where nothing is read but text."""
    inside = {part["value"] for part in objects(card["body"]) if isinstance(part.get("value"), str)}
    yield from (said for said in read(card) if said not in inside)


def _alive_in(text: str) -> Iterator[str]:
    if FUNCTION.search(OURS.sub("", text)):
        yield text
    if re.search(r"://|</?(?!/?at>)|&#?\w+;", re.sub(r"\[[A-Za-z0-9.:-]+\]\(https://[^()\s]+\)", "", text)):
        yield text
    tokens = READER.parse(text)
    inside = [token for block in tokens for token in (block.children or [])]
    kinds = {token.type for token in (*tokens, *inside)} - DRAWN
    if kinds - ({"html_inline"} if "<at>" in text else set()):
        yield f"{kinds} in {text}"
    for at, token in enumerate(inside):
        if token.type == "link_open":
            url, label = str(token.attrs["href"]), inside[at + 1].content
            if not https(url) or label != re.split("[/?#]", url.removeprefix("https://"))[0]:
                yield f"{label} leads to {url}"


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_an_agent_says_comes_alive(attack: str) -> None:
    """P11b: no live mention, link, function or markdown, no hidden character; small enough, in every state."""
    for number, request in enumerate(in_every_state(hostile(ATTACKS[attack]))):
        message = adaptive.message(card_of(request, name=name)).card
        for card in everything(request) if number < 4 or is_unknown(request) else (message,):
            assert lint_card(card) == ()
            assert alive(card) == []
        summary = adaptive.message(card_of(request, name=name)).summary
        assert not HIDDEN.search(summary)
        assert "://" not in summary


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_key_is_hidden_and_the_flags_stay_first(attack: str) -> None:
    """S19 P11b: whatever the text, an open card begins with the flags and names its last argument."""
    [request] = [one for one in in_every_state(hostile(ATTACKS[attack])) if one.state is State.OPEN][:1]
    said = list(read(adaptive.message(card_of(request, name=name)).card))[1:]
    assert said[0].startswith("[!]\u00a0Cannot be undone")
    assert said[1].startswith("summary")
    assert "last = kept" in said


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_said_about_it_is_dead_too(attack: str) -> None:
    """Notices with an agent's report, names of people and circles, refusals, hints and problems of a form."""
    text = ATTACKS[attack]
    rows = (Row("", (Circle(cut(text, 80)), Text(text))), Row("", (Text(cut(text, 2_400)),), Form.QUOTE))
    called = adaptive.say(rows, members=lambda _: [adaptive.Mentioned("id", text)])
    for card in (adaptive.say(rows).card, called.card):
        assert lint_card(card) == ()
        assert alive(card) == []
    for words_shown in (
        adaptive.error(text)["value"]["message"],
        adaptive.closing(text)["task"]["value"],
        adaptive.dialog(text, {})["task"]["value"]["title"],
    ):
        assert words_shown
        assert not HIDDEN.search(words_shown)
    described = {"properties": {"order": {"type": "integer", "description": text}}}
    retry = Retry(problems={"arg.0": cut(text, 300)})
    form = adaptive.modify_form(
        a_request(action=an_action(arguments={"order": 1}), schema=json.dumps(described)), retry=retry
    )
    assert alive(form) == []


def test_a_newline_forges_no_section() -> None:
    """An agent's words stand in a box of their own, and only our labels are bold."""
    text = CORPUS["forged sections"]
    card = adaptive.message(card_of(a_request(action=an_action(reasoning=text)), name=name)).card
    boxes = [part for part in card["body"] if part["type"] == "Container"]
    [box] = [box for box in boxes if "0 of nobody" in str(box)]
    assert not [part for part in objects(box) if part.get("weight")]
    outside = [part for part in card["body"] if part["type"] != "Container"]
    assert "0 of nobody" not in str(outside)


def test_dead_text_is_still_readable() -> None:
    """What people mean survives; exact values stand where no markdown is read."""
    assert (
        markdown("Tom & Jerry, snake_case, 3 - 2, #7, A\\b, 50% {x}")
        == "Tom & Jerry, snake_case, 3 - 2, #7, A\\b, 50% {x}"
    )
    assert literal('{"a": ["*b*", "<at_x>", "{{name}}"]}') == '{"a": ["*b*", "<at_x>", "{{name}}"]}'
    assert markdown("1. item") == "1\u2024 item"
    assert address("https://a.example/x?y=1&z=2#t") == "https://a.example/x?y=1&z=2#t"


def test_a_long_word_does_not_run_out_of_the_screen() -> None:
    """Renderers do not break it inside a run; scripts without blanks are left to them."""
    card = adaptive.message(
        card_of(a_request(action=an_action(goal="A" * 200, scope="東" * 200)), name=name)
    ).card
    runs = [part["text"] for part in objects(card["body"]) if part.get("type") == "TextRun"]
    assert max(len(word) for run in runs for word in re.findall(r"[!-~]+", run)) <= 32
    assert "東" * 200 in runs


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(action=actions, flags=st.lists(words, max_size=14).map(tuple), which=st.sampled_from(sorted(STATES)))
def test_any_request_fits_in_every_state(action: Any, flags: tuple[str, ...], which: str) -> None:
    """P11b: Cards, Details, forms and lists stay small and dead, whatever an agent asks."""
    request = with_action(STATES[which], action)
    proposal = replace(request.ask.first.proposal, assessment=an_assessment(flags=flags))
    first = replace(request.ask.first, frozen=canonical.encode(proposal).decode())
    for one in (request, replace(request, ask=replace(request.ask, first=first))):
        for card in everything(one):
            assert lint_card(card) == ()
            assert alive(card) == []


@settings(max_examples=25, deadline=None)
@given(action=actions)
def test_a_form_sent_back_unchanged_changes_nothing(action: Any) -> None:
    """No value of any type is altered by its journey through a client, which sends text and leaves out what is empty."""
    request = a_request(action=action, schema="{}")
    parts = [part for part in objects(adaptive.modify_form(request)["body"]) if "id" in part]
    filled = {part["id"]: str(part["value"]) for part in parts if part.get("value", "") != ""}
    with pytest.raises(BadChange) as error:
        adaptive.modify_values(request, {answers.INSTRUCTION: "", **filled})
    assert list(error.value.problems) == [""]
