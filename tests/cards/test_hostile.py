"""Agent text cannot forge, hide or call: hostile corpus and random requests in every state, within Slack's limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
    json_values,
    with_action,
    words,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sayso.approvals import canonical
from sayso.approvals.action import Action
from sayso.approvals.people import PersonId
from sayso.approvals.request import Request, State
from sayso.cards import blockkit, details, fields, plaintext
from sayso.cards.adaptive_escape import literal, markdown
from sayso.cards.card import card_of
from sayso.cards.escape import chunks, clean, cut, https, mrkdwn, size, visible
from sayso.cards.lint import lint_message, lint_view, texts
from sayso.sandbox.slack.limits import Surface, problems_of_blocks, problems_of_view
from scenes import a_request, an_action, an_assessment
from tokens import CANARIES


def name(person: PersonId) -> str:
    return person.title()


def everything(request: Request) -> list[dict[str, Any]]:
    """Each list of blocks that people may get to see of it (of Details, the first pages and the last)."""
    message: dict[str, Any] = {"blocks": list(blockkit.message(card_of(request, name=name)).blocks)}
    if request.state is State.CLOSED:
        return [message]
    pages = len(details.paged(details.details(request, name=name)))
    views = [blockkit.details_view(request, number, name=name) for number in {1, 2, pages}]
    views += [blockkit.modify_view(request), blockkit.reject_view(request)]
    return [message, *views]


def complaints(request: Request) -> list[str]:
    """What our lint and the strict stand-in have against it."""
    message, *views = everything(request)
    found = [*lint_message(message["blocks"]), *problems_of_blocks(message["blocks"], Surface.MESSAGE)]
    for view in views:
        found += [*lint_view(view), *problems_of_view(view)]
    pending = list(blockkit.pending_blocks([request], name=name))
    return [*found, *lint_message(pending), *problems_of_blocks(pending, Surface.MESSAGE)]


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object inside blocks."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from parts(item)


def live(text: str) -> list[str]:
    """What Slack would bring to life in mrkdwn, but for our own times and labelled https links."""
    ours = re.compile(
        r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|[^<>|]*>|<https://[^<>|]+\|[^<>|]+>|<#C0SUP>"
    )
    rest = ours.sub("", text)
    return re.findall(r"<[^>]*>?|>|https?://|:\w+:|`", rest)


@pytest.mark.parametrize("attack", clean_corpus())
def test_nothing_an_agent_says_comes_alive(attack: str) -> None:
    """P11b: no live mention, no link but labelled https ones, no hidden character; limits kept, in every state."""
    text = CORPUS[attack]
    for request in in_every_state(hostile(text)):
        assert complaints(request) == []
        for seen in everything(request):
            for part in parts(seen):
                assert part.get("type") not in ("user", "usergroup", "broadcast", "emoji", "color")
                if part.get("type") == "link":
                    assert https(part["url"])
                    assert part["text"] == re.split("[/?#]", part["url"].removeprefix("https://"))[0]
                if part.get("type") == "mrkdwn":
                    assert live(part["text"]) == []
            assert not any(HIDDEN.search(said) for said in texts(seen))
        assert live(blockkit.message(card_of(request, name=name)).text) == []


@pytest.mark.parametrize("attack", clean_corpus())
def test_flags_and_scope_stay_first_and_no_key_is_hidden(attack: str) -> None:
    """S19 P11b: whatever the text, an open card begins with the flags, then the sentence, and names its last argument."""
    [request] = [one for one in in_every_state(hostile(CORPUS[attack])) if one.state is State.OPEN][:1]
    lines = plaintext.text(card_of(request, name=name)).split("\n")
    assert lines[0].startswith("[!] Cannot be undone   [!] Money")
    assert lines[1].startswith("summary")
    assert any("last = kept" in line for line in lines)
    labels = [line[:12].strip() for line in lines[2:-2] if line[:1] not in ("", " ", "[")]
    ours = [
        "Goal",
        *(["Scope"] if CORPUS[attack].strip() else []),
        *["Target"] * min(6, len(hostile(CORPUS[attack]).targets)),
        "Action",
        "Why",
        "Evidence",
    ]
    assert [label for label in labels if label in ours] == ours
    assert labels[-2:] == ["Answer by", "Needs"]


@pytest.mark.parametrize("shown", [clean, visible, mrkdwn, literal, markdown])
def test_no_card_shows_a_token(shown: Callable[[str], str]) -> None:
    """P11: A record from before tokens were withheld is drawn without them."""
    assert CANARIES["GitHub"][8:] not in shown(f"with {CANARIES['GitHub']}, as asked")
    assert "withheld: a GitHub token" in shown(f"with {CANARIES['GitHub']}, as asked")


def test_a_newline_forges_no_section() -> None:
    """In plain text every line of an agent's words begins with blanks; in Slack they stand in a quote."""
    text = CORPUS["forged sections"]
    lines = plaintext.text(card_of(a_request(action=hostile(text)), name=name)).split("\n")
    assert sum(line.startswith("Needs") for line in lines) == 1
    assert sum(line.startswith("[Approve]") for line in lines) == 0, (
        "it does not fit, so it has no such button"
    )
    assert not any(line.startswith(("votes", "Outcome")) for line in lines)
    blocks = blockkit.message(card_of(a_request(action=an_action(reasoning=text)), name=name)).blocks
    holders = [
        part["type"]
        for part in parts(blocks)
        if "0 of nobody" in str(part.get("elements", "")) and "type" in part
    ]
    assert holders[-1] == "rich_text_quote"


def test_characters_that_deceive_are_flagged_and_spelled_out() -> None:
    """A direction override is removed from the card, flagged on top, and visible in Details."""
    request = a_request(action=an_action(arguments={"payee": "acme\u202etxt"}))
    card = card_of(request, name=name)
    assert "Hidden characters in the text" in card.flags
    assert 'payee = "acme\\u202etxt"' in plaintext.text(card)
    assert "\\u202e" in str(blockkit.details_view(request, name=name))


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "https://a.example@b.example/", "https://a b", "javascript:x", "https://x/<y>", "https://é.example", "https://",
     "https://a.example/\n", "HTTPS://a.example", "//a.example", "https://a.example/" + "x" * 2_000],
)  # fmt: skip
def test_only_plain_https_becomes_a_link(url: str) -> None:
    """Anything else is shown as dead text."""
    assert not https(url)


def test_dead_text_is_still_readable() -> None:
    """What people mean survives escaping."""
    assert (
        mrkdwn("Tom & Jerry <3, at 12:30:45, snake_case") == "Tom &amp; Jerry &lt;3, at 12:30:45, snake_case"
    )
    assert clean("Zoë — 東京 ✓ ❤️\tok") == "Zoë — 東京 ✓ ❤️ ok"
    assert visible("a\u200bb\nc") == "a\\u200bb\nc"


@given(st.text(max_size=300), st.integers(30, 80))
def test_cutting_keeps_the_limit_and_pieces_keep_the_text(text: str, limit: int) -> None:
    """A cut never exceeds its limit, and the pieces of Details lose nothing."""
    text = text.encode("utf-8", "ignore").decode()
    assert size(cut(text, limit)) <= limit
    pieces = chunks(text, limit)
    assert "".join(pieces) == text
    assert all(size(piece) <= limit for piece in pieces)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(action=actions, flags=st.lists(words, max_size=14).map(tuple), which=st.sampled_from(sorted(STATES)))
def test_any_request_fits_in_every_state(action: Action, flags: tuple[str, ...], which: str) -> None:
    """P11b: Card, Details, forms and lists keep Slack's limits, whatever an agent asks."""
    request = with_action(STATES[which], action)
    proposal = replace(request.ask.first.proposal, assessment=an_assessment(flags=flags))
    first = replace(request.ask.first, frozen=canonical.encode(proposal).decode())
    flagged = replace(request, ask=replace(request.ask, first=first))
    for one in (request, flagged):
        assert complaints(one) == []
        assert plaintext.text(card_of(one, name=name))


@settings(max_examples=25, deadline=None)
@given(arguments=st.dictionaries(words, json_values, max_size=45))
def test_a_form_sent_back_unchanged_changes_nothing(arguments: dict[str, Any]) -> None:
    """No value of any type is altered by being shown in its input."""
    for one in fields.form(a_request(action=an_action(arguments=arguments), schema="{}")).fields:
        assert one.read(one.shown) is fields.UNCHANGED
