"""The dialects alone: what each pause asks about, and the exact words that each kind of answer becomes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from foreign_shapes import ALL, BATCH, CALL, FORM, INBOX, MAIL, PER_CALL, PER_CALL_SCHEMA
from langchain.agents.middleware.human_in_the_loop import HITLResponse
from pydantic import TypeAdapter
from sayso.agent.dialects.asked import ENDS_AT_GATE, Approved, Refused, Responded, Settled
from sayso.agent.dialects.reading import NoSuchAnswer, Reading, answer_of, dialect_of, ways_of
from sayso.approvals.verdict import Way

YES, NO, TEXT = Approved(MAIL), Refused("Not now."), Responded("Ask Bo.")
CHANGED = Approved({"to": "bo"}, edited=True)


def reading(value: Any, schema: Any = None, *, certain: bool = True) -> Reading:
    dialect, asked = dialect_of(value, schema)
    return Reading(dialect=dialect, value=value, schema=schema, asked=asked, certain=certain)


EDITED = {"action": "send", "args": {"to": "bo"}}
ANSWERS: list[tuple[str, Any, Any, Settled, Any]] = [
    ("langchain middleware", BATCH, None, YES, {"decisions": [{"type": "approve"}]}),
    ("langchain middleware", BATCH, None, NO, {"decisions": [{"type": "reject", "message": "Not now."}]}),
    ("langchain middleware", BATCH, None, TEXT, {"decisions": [{"type": "respond", "message": "Ask Bo."}]}),
    ("langchain middleware", BATCH, None, CHANGED,
     {"decisions": [{"type": "edit", "edited_action": {"name": "send", "args": {"to": "bo"}}}]}),
    ("langchain middleware, per call", PER_CALL, PER_CALL_SCHEMA, YES, {"type": "approve"}),
    ("langchain middleware, per call", PER_CALL, PER_CALL_SCHEMA, NO, {"type": "reject", "message": "Not now."}),
    ("agent-inbox", INBOX, None, YES, [{"type": "accept", "args": INBOX["action_request"]}]),
    ("agent-inbox", [INBOX], None, NO, [{"type": "ignore", "args": None}]),
    ("agent-inbox", [INBOX], None, TEXT, [{"type": "response", "args": "Ask Bo."}]),
    ("agent-inbox", INBOX, None, CHANGED, [{"type": "edit", "args": EDITED}]),
    ("response schema", "Send?", FORM, Approved({"asked": "Send?", "allowed": True, "note": None}, edited=True),
     {"allowed": True}),
    ("response schema", "How many?", {"type": "integer"}, Approved({"asked": "How many?", "answer": 3}, edited=True), 3),
    ("response schema", "Send?", FORM, NO, ENDS_AT_GATE),
    ("action and arguments", {"action": "send", "args": MAIL}, None, YES, {"type": "approve", "action": "approve"}),
    ("action and arguments", {"action": "send", "args": MAIL}, None, NO, ENDS_AT_GATE),
    ("action and arguments", {"action": "send", "args": MAIL}, None, CHANGED, ENDS_AT_GATE),
    ("text", "Send?", None, Approved({"asked": "Send?", "answer": "yes"}), "yes"),
    ("text", "Send?", None, NO, ENDS_AT_GATE),
    ("anything else", {"odd": [1]}, None, Approved({"asked": {"odd": [1]}, "answer": True}), True),
    ("anything else", None, None, NO, ENDS_AT_GATE),
    ("anything else", 7, None, TEXT, ENDS_AT_GATE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "schema", "settled", "answer"), ANSWERS)
def test_each_dialect_states_its_exact_answer(
    name: str, value: Any, schema: Any, settled: Settled, answer: Any
) -> None:
    """What is sent is this and nothing else; where no answer is certainly a no, nothing is sent."""
    read = reading(value, schema)
    assert read.dialect.name == name
    assert answer_of(read, [settled]) == answer


@pytest.mark.parametrize("settled", [YES, NO, TEXT, CHANGED])
def test_langchain_takes_every_answer(settled: Settled) -> None:
    """A wrong answer bricks its middleware for ever, so its own type reads each of ours."""
    TypeAdapter(HITLResponse).validate_python(answer_of(reading(BATCH), [settled]), strict=True)


def test_answers_stand_in_the_order_of_the_calls() -> None:
    """LangChain matches them by position."""
    config = {"action_name": "send", "allowed_decisions": ALL}
    both = {"action_requests": [CALL, {**CALL, "args": {"to": "all"}}], "review_configs": [config, config]}
    assert answer_of(reading(both), [NO, YES]) == {
        "decisions": [{"type": "reject", "message": "Not now."}, {"type": "approve"}]
    }
    with pytest.raises(NoSuchAnswer):
        answer_of(reading(both), [YES])


def test_a_decision_that_is_not_allowed_is_never_sent() -> None:
    """Nobody decided, and this middleware takes no rejection: its run ends."""
    config = {"action_name": "send", "allowed_decisions": ["approve", "edit"]}
    assert answer_of(reading({**BATCH, "review_configs": [config]}), [NO]) is ENDS_AT_GATE


def test_an_answer_that_its_own_schema_refuses_is_never_sent() -> None:
    """The form was filled in with something that the pause does not take."""
    odd = Approved({"asked": "Send?", "allowed": "maybe"}, edited=True)
    with pytest.raises(NoSuchAnswer):
        answer_of(reading("Send?", FORM), [odd])


@pytest.mark.parametrize("value", [BATCH, INBOX, [INBOX, INBOX], {"action": "send", "args": MAIL}])
def test_where_the_reader_is_not_known_only_a_yes_is_sent(value: Any) -> None:
    """`if answer: act()` acts on a rejection too, and on its own arguments whatever was edited."""
    read = reading(value, certain=False)
    refused: Sequence[Settled] = [NO] * len(read.asked)
    assert answer_of(read, refused) is ENDS_AT_GATE
    assert all(ways_of(one, certain=False) == (Way.APPROVE, Way.REJECT) for one in read.asked)


def test_a_question_that_only_takes_a_text_can_be_answered() -> None:
    """Agent-inbox's plain question: nothing is approved by it, so a text is all there is."""
    config = {"allow_accept": False, "allow_edit": False, "allow_ignore": False, "allow_respond": True}
    (asked,) = reading({**INBOX, "config": config}).asked
    assert ways_of(asked, certain=False) == (Way.RESPOND, Way.REJECT)


ALMOST = [
    {**BATCH, "review_configs": []},
    {**BATCH, "review_configs": [{"action_name": "other", "allowed_decisions": ALL}]},
    {**BATCH, "review_configs": [{"action_name": "send", "allowed_decisions": ["dance"]}]},
    {**BATCH, "action_requests": [{"name": "send", "args": "dana"}]},
    {"action_requests": [], "review_configs": []},
    {**INBOX, "config": None},
    {**INBOX, "action_request": {"action": "send", "args": "dana"}},
    [INBOX, "and more"],
    [],
    {"action": "send", "args": MAIL, "also": "delete everything"},
    {"action": "send", "tool": "delete", "args": MAIL},
    {**PER_CALL, "tool_call_id": ""},
]


@pytest.mark.parametrize("value", ALMOST, ids=str)
def test_what_is_almost_a_dialect_is_shown_whole_and_taken_for_none(value: Any) -> None:
    """Nothing that stands in it is left out of what people see, and no word of that dialect is guessed."""
    read = reading(value)
    assert read.dialect.name == "anything else"
    assert read.asked[0].arguments["asked"] == value


def test_values_that_json_cannot_say_are_written_out() -> None:
    """A pause may show anything that its state can hold."""
    (asked,) = reading(
        {"sent": {"b", "a"}, "raw": b"\xff", "odd": float("nan"), 1: object(), "1": (2,)}
    ).asked
    assert asked.arguments["asked"] == {
        "sent": ["a", "b"], "raw": "_w==", "odd": "nan", "(1)": "<object>", "1": [2],
    }  # fmt: skip


DEEP: Any = "end"
for _ in range(60):
    DEEP = {"in": [DEEP]}
HOSTILE = [
    {"f" * 32: "yes"}, {"0" * 32: {"1" * 32: 1}}, {1: "a", (2, 3): "b", None: "c"}, {"n": float("inf")}, DEEP, [], {}, "",
    [[]], {"action_requests": [CALL, CALL], "review_configs": [{}]}, {**BATCH, "review_configs": None},
    {**BATCH, "action_requests": [{**CALL, "name": "other"}]}, {"action_requests": [CALL] * 2, "review_configs": []},
    {**INBOX, "action_request": {"action": "", "args": {}}}, {"action": "send", "args": {}, "tool": 7},
    "x" * 200_000, {"k" * 5_000: "v" * 5_000}, "\u202egnp.exe", b"\x00\xff", 10**40, True,
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_an_agent_raises_is_shown_and_its_no_is_never_sent(value: Any) -> None:
    """Malformed, huge or made to be mistaken: it is read as JSON, the same each time, and refused by ending the run."""
    first, second = reading(value, certain=False), reading(value, certain=False)
    assert first.asked == second.asked
    assert json.loads(json.dumps(first.asked[0].arguments, allow_nan=False)) == first.asked[0].arguments
    assert answer_of(first, [NO] * len(first.asked)) is ENDS_AT_GATE


def test_reviews_in_another_order_than_the_calls_are_no_batch() -> None:
    """Which decisions belong to which call would be a guess."""
    configs = [{"action_name": name, "allowed_decisions": ["approve"]} for name in ("wipe", "send")]
    calls = [CALL, {**CALL, "name": "wipe"}]
    read = reading({"action_requests": calls, "review_configs": configs})
    assert read.dialect.name == "anything else"


SAID = {"reject": False, "expired": {"type": "timeout"}}


@pytest.mark.parametrize("value", ["Send?", {"action": "send", "args": MAIL}, [INBOX], BATCH, 7])
def test_an_author_may_say_what_a_no_is(value: Any) -> None:
    """Whoever wrote the agent knows what it reads as a refusal; it is sent as it was written."""
    read = replace(reading(value, certain=False), answers=SAID)
    assert answer_of(read, [NO]) is False
    assert answer_of(read, [Refused("Nobody.", expired=True)]) == {"type": "timeout"}
    assert (
        answer_of(replace(read, answers={"reject": False}), [Refused("Nobody.", expired=True)])
        is ENDS_AT_GATE
    )


def test_an_author_s_no_covers_no_pause_that_was_half_approved() -> None:
    """It stands for the whole pause."""
    read = replace(reading([INBOX, INBOX], certain=False), answers=SAID)
    assert answer_of(read, [NO, NO]) is False
    assert answer_of(read, [YES, NO]) is ENDS_AT_GATE


def test_an_author_s_no_has_to_be_what_the_pause_takes() -> None:
    """Else it would break the agent's node for ever."""
    read = replace(reading("Send?", FORM, certain=False), answers=SAID)
    with pytest.raises(NoSuchAnswer):
        answer_of(read, [NO])
