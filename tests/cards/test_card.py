"""What a reviewer with thirty seconds sees, in which order, and what a card never claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from card_states import decided, states
from sayso.approvals import canonical
from sayso.approvals.action import Entity, Evidence
from sayso.approvals.credential import CredentialRef
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import EffectState, OutcomeKind, State
from sayso.approvals.verdict import Modify
from sayso.cards import blockkit, details, plaintext
from sayso.cards.card import Card, Verb, card_of
from sayso.cards.lint import texts
from sayso.cards.spans import place_words, plain
from scenes import ALEX, BO, CY, NOON, a_request, an_action, an_assessment

STATES = states()


def name(person: PersonId) -> str:
    return person.title()


def card(state: str) -> Card:
    return card_of(STATES[state], name=name)


def verbs(shown: Card) -> list[str]:
    return [button.verb.value for button in shown.buttons]


def test_an_open_card_is_read_from_top_to_bottom() -> None:
    """S15 S16 S17 S18 S19: flags, the sentence, goal, records, call, why, evidence, doubt, deadline, votes, buttons."""
    text = plaintext.text(card("open"))
    order = [
        "[!] Cannot be undone", "Refund 129.90 USD", "Goal", "Target", "shop.example/orders/1042", "paid: 129.90",
        "Action", "amount = 129.90", "Why", "Evidence", "Confidence  62 %", "Unsure", "Risk", "Answer by", "Needs",
        "votes: none", "[Approve]  [Modify…]  [Reject…]  [Details]",
    ]  # fmt: skip
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)


def test_the_first_line_says_what_will_be_done() -> None:
    """S16 S19: a notification holds the flags and the one sentence, nothing else."""
    message = blockkit.message(card("open"))
    flags, _, sentence = message.text.partition(" — ")
    assert flags == "[!] Cannot be undone   [!] Money   [!] Confidence 62 %"
    assert sentence == "Refund 129.90 USD to Dana Smith for order 1042"


def test_the_exact_record_is_one_click_away() -> None:
    """S17: each target has its link into the source system, labelled with the true host, beside its facts."""
    links = [part for part in _parts(blockkit.message(card("open")).blocks) if part.get("type") == "link"]
    assert {(link["url"], link["text"]) for link in links} == {
        ("https://shop.example/orders/1042", "shop.example"),
        ("https://shop.example/customers/77", "shop.example"),
        ("https://shop.example/mails/9", "shop.example"),
    }


def test_modify_stands_beside_approve_and_reject() -> None:
    """S20 S21: three answers and Details, in one row."""
    assert verbs(card("open")) == ["approve", "modify", "reject", "details"]


@pytest.mark.parametrize("state", [state for state in STATES if STATES[state].state is not State.OPEN])
def test_nothing_can_be_approved_once_it_is_not_open(state: str) -> None:
    """P14: The old buttons are gone from the moment somebody decided or the clock did."""
    assert not {"approve", "modify", "reject"} & set(verbs(card(state)))
    view = blockkit.details_view(STATES[state], name=name)
    assert "sayso.approve" not in str(view)


@pytest.mark.parametrize("state", STATES)
def test_details_is_always_there(state: str) -> None:
    """Whatever happened, everything about it can be read."""
    assert "details" in verbs(card(state))


@pytest.mark.parametrize("state", [s for s in STATES if s.startswith("closed_")])
def test_a_closed_card_is_three_lines(state: str) -> None:
    """What; who, when, how; what came of it."""
    shown = card(state)
    assert shown.shrunk
    assert shown.flags == ()
    assert [row.label for row in shown.rows] == ["", "Outcome"]
    assert shown.summary.startswith(("Refund 129.90 USD", "Add a note to order 1042"))


@pytest.mark.parametrize("state", [s for s in STATES if not s.startswith(("closed_executed", "watched_"))])
def test_only_a_done_record_is_called_done(state: str) -> None:
    """A card claims only what is durable; one that is logged says what ran already."""
    request = STATES[state]
    done = request.outcome is not None and request.outcome.kind is OutcomeKind.EXECUTED
    assert ("Done (" in plaintext.text(card(state))) is done


def test_a_tool_that_has_started_is_not_called_undone() -> None:
    """While it runs, and while nobody knows, no card says that nothing was done."""
    for state in ("running", "unknown", "closed_unknown"):
        assert "nothing was done" not in plaintext.text(card(state)).lower()
        assert "nothing has been done" not in plaintext.text(card(state)).lower()
    effect = STATES["running"].effect
    assert effect is not None
    assert effect.state is EffectState.STARTED


def test_an_unknown_outcome_has_three_ways_on() -> None:
    """It happened, run it again, give up; flagged first of all."""
    shown = card("unknown")
    assert verbs(shown) == [Verb.HAPPENED, Verb.AGAIN, Verb.GIVE_UP, Verb.DETAILS]
    assert shown.flags[0] == "It may have happened"


def test_the_deadline_says_what_happens_then() -> None:
    """Paged, then cancelled; without a page only cancelled; once paged, when that was."""
    assert _row("open", "Answer by").endswith(
        "; then on-call is paged; cancelled Wed 2 Jan 2030 13:00 UTC, nothing is done"
    )
    assert (
        _row("open_routine", "Answer by") == "Tue 8 Jan 2030 12:00 UTC; then it is cancelled, nothing is done"
    )
    assert _row("open_in_grace", "Answer").startswith(
        "On-call was paged Wed 2 Jan 2030 12:30 UTC; cancelled "
    )


def test_times_are_the_readers_own() -> None:
    """A Slack date token with a fallback in the configured zone; that zone in plain text."""
    berlin = card_of(STATES["open"], name=name, tz=ZoneInfo("Europe/Berlin"))
    assert "Wed 2 Jan 2030 13:00 CET" in plaintext.text(berlin)
    epoch = int((NOON + timedelta(hours=24)).timestamp())
    token = f"<!date^{epoch}^{{date_short_pretty}} {{time}}|Wed 2 Jan 2030 13:00 CET>"
    assert any(token in text for text in texts(list(blockkit.message(berlin).blocks)))


def test_an_edit_shows_the_difference_and_who_made_it() -> None:
    """Before and after, side by side, the votes that count now, and that the agent's words are about what was before."""
    text = plaintext.text(card("open_edited"))
    assert "Changed     by @Bo. What the agent says of goal, target and reason is from before.\n" in text
    assert "            amount: 129.90 → 100.00\n" in text
    assert "2 of finance (not @Alex); votes: @Bo approved" in text


def test_values_that_went_to_the_agent_with_words_are_shown() -> None:
    """They may say something else than the words: who reads the record sees both."""
    both = decided(Modify({"amount": "35.00"}, "Refund order 1013 20.00."))
    shown = " ".join(plaintext.text(card_of(both, name=name)).split())
    assert "(amount = 35.00): “Refund order 1013 20.00.”" in shown
    rows = [plain(row.spans) for row in details.details(both, name=name) if row.label == "Sent along"]
    assert rows == ["amount = 35.00"]
    assert "(amount" not in plaintext.text(card("closed_executed_edited"))  # applied: the arguments show it


def test_wider_circles_are_named() -> None:
    """Whose answer counts now, after the clock has widened the question."""
    assert _row("open_wider_circles", "Needs").startswith(
        "1 of finance or seniors or supervisors (not @Alex)"
    )


def test_an_action_that_does_not_fit_is_decided_only_in_details() -> None:
    """No answer is given to half an action."""
    assert verbs(card("open_too_long")) == ["details"]
    view = str(blockkit.details_view(STATES["open_too_long"], name=name))
    for verb in ("approve", "modify", "reject"):
        assert f"sayso.{verb}" in view


def test_a_long_value_hides_no_later_argument() -> None:
    """P11b: Each value is cut by itself, and each part of a value as well."""
    arguments = {"note": "x" * 50_000, "nested": {"first": "y" * 9_000, "then": "transfer"}, "amount": "1.00"}
    text = plaintext.text(card_of(a_request(action=an_action(arguments=arguments)), name=name))
    assert "amount = 1.00" in text
    assert '"then": "transfer"' in " ".join(text.split())


def test_details_hold_everything() -> None:
    """Whole arguments, evidence, findings with reasons, oversight, votes, credential reference, digest (S18 S19)."""
    long = "".join(f"line {number}\n" for number in range(4_000))
    action = an_action(
        arguments={"a": long, "b": {"deep": ["z" * 7_000, 1]}},
        evidence=tuple(Evidence(f"record {number}") for number in range(60)),
        credential=CredentialRef(provider="entra", subject="ops-agent", scopes=("orders.write",)),
    )
    request = a_request(action=action)
    rows = [row for page in details.paged(details.details(request, name=name)) for row in page]
    everything = "".join(plain(row.spans) for row in rows)
    assert canonical.digest(request.ask.first.frozen) in everything
    expected = [
        "record 59",
        "z" * 2_000,
        "A refund cannot be called back.",
        "Money is always gated.",
        "orders.write",
    ]
    assert [piece for piece in expected if piece not in everything] == []
    assert long.replace("\n", "\\n") in everything
    votes = STATES["open_with_votes"]
    assert "Bo: approved" in "".join(plain(row.spans) for row in details.details(votes, name=name))


def test_every_page_of_details_begins_with_the_flags() -> None:
    """S19: and says which page it is; a page beyond the end is the last one."""
    request = a_request(action=an_action(reasoning="word " * 20_000))
    first = blockkit.details_view(request, 1, name=name)
    last = blockkit.details_view(request, 999, name=name)
    for view in (first, last):
        assert "Cannot be undone" in str(view["blocks"][0])
    assert "sayso.later" in str(first)
    assert "sayso.earlier" not in str(first)
    assert "sayso.earlier" in str(last)
    assert "sayso.later" not in str(last)


def test_a_block_id_changes_with_the_record() -> None:
    """Slack wants new block ids on an update."""
    before = blockkit.message(card("open")).blocks
    after = blockkit.message(card("decided_approved")).blocks
    newer = blockkit.message(card_of(replace(STATES["open"], version=2), name=name)).blocks
    ids = [{block["block_id"] for block in blocks} for blocks in (before, after, newer)]
    assert not ids[0] & ids[2]
    assert all(len(one) == len(blocks) for one, blocks in zip(ids, (before, after, newer), strict=True))


def test_people_are_named_and_mentioned_where_slack_knows_them() -> None:
    """The requester and the voters by account, others by name."""
    accounts = {ALEX: "U0ALEX"}
    message = blockkit.message(card("open_with_votes"), account=lambda person: accounts.get(person, ""))
    parts = list(_parts(message.blocks))
    assert {part["user_id"] for part in parts if part.get("type") == "user"} == {"U0ALEX"}
    assert any(part.get("text") == "@Bo" for part in parts)


def test_what_is_missing_is_said() -> None:
    """No evidence, no confidence, a dead link: the card says so instead of staying silent."""
    action = an_action(
        evidence=(), confidence=None, targets=(Entity("order", "7", link="http://shop.example/7"),)
    )
    text = plaintext.text(card_of(a_request(action=action, assessment=an_assessment(flags=())), name=name))
    assert "Evidence    none given" in text
    assert "Confidence  not stated (counts as low)" in text
    assert "order 7 (no safe link: http[:]//shop.example/7)" in text
    assert re.match(r"Refund 129\.90 USD", text), "without flags the sentence is first"


def test_a_list_of_what_waits_is_most_urgent_first() -> None:
    """S21: a queue to work through, each with its Details."""
    routine, urgent = (
        STATES["open_routine"],
        a_request(thread="t2", action=an_action(summary="Close the rule")),
    )
    blocks = blockkit.pending_blocks([routine, urgent], name=name)
    assert "Close the rule" in blocks[0]["text"]["text"]
    assert [block["accessory"]["action_id"] for block in blocks] == ["sayso.details"] * 2
    assert "Nothing waits" in str(blockkit.pending_blocks([], name=name))
    assert plaintext.one_line(urgent).endswith("Close the rule  (answer by Wed 2 Jan 2030 12:00 UTC)")


def test_who_decided_is_named_in_full() -> None:
    """With two approvals both persons are on the closed card."""
    assert BO != CY
    assert "Approved by @Bo Tue 1 Jan 2030 12:05 UTC" in plaintext.text(card("decided_approved"))
    assert "Changed and approved by @Bo" in plaintext.text(card("closed_executed_edited"))
    assert "“Order 1042 was paid back on Monday.”" in " ".join(
        plaintext.text(card("decided_rejected")).split()
    )


def _row(state: str, label: str) -> str:
    [row] = [row for row in card(state).rows if row.label == label]
    return plain(row.spans)


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object inside blocks."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("", "the command line"),
        ("person:alex", "a direct message"),
        ("slack:C0SUP", "Slack"),
        ("slack:C0SUP/1699.01", "a thread in Slack"),
        ("teams:19:0ac3@thread.tacv2/17", "a thread in Teams"),
        ("teams:a:1f00", "Teams"),
    ],
)
def test_where_something_was_asked_is_said_in_words(origin: str, words: str) -> None:
    """Ids tell nobody anything."""
    assert place_words(Place(origin)) == words
