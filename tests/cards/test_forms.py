"""What people press, fill in and type becomes exactly the verdict they meant, or a sentence beside the input."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from card_states import foreign, states
from sayso.approvals.errors import BadChange
from sayso.approvals.request import Edits, Request
from sayso.approvals.verdict import Modify, Reject, RequestId, Respond, Way
from sayso.cards import adaptive, answers, blockkit, fields
from sayso.cards.answers import HandOn
from sayso.cards.card import Verb
from sayso.cards.card import answers as buttons
from sayso.cards.lint import lint_view
from scenes import NOON, a_request, an_action

ARGUMENTS: dict[str, Any] = {
    "count": 3, "rate": 0.5, "amount": "100.00", "urgent": False, "size": "m", "before": "2024-01-01",
    "at": "2024-01-01T10:00:00Z", "note": "hello", "tags": ["a", "b"], "limit": None, "colour": "red", "level": 2,
}  # fmt: skip
SCHEMA = json.dumps({
    "type": "object",
    "$defs": {"Size": {"enum": ["s", "m", "l"], "type": "string", "description": "Shirt size"}},
    "properties": {
        "count": {"type": "integer"}, "rate": {"type": "number"},
        "amount": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9.]+$"}], "description": "How much"},
        "urgent": {"type": "boolean"}, "size": {"$ref": "#/$defs/Size"}, "before": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"}, "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "colour": {"anyOf": [{"enum": ["red", "blue"]}, {"type": "null"}]}, "level": {"enum": [1, 2, "2"]},
    },
})  # fmt: skip


def shop(arguments: dict[str, Any] | None = None, schema: str = SCHEMA) -> Request:
    return a_request(action=an_action(arguments=arguments or ARGUMENTS), schema=schema)


def elements(request: Request) -> dict[str, dict[str, Any]]:
    """The inputs of the modify form by label."""
    blocks = blockkit.modify_view(request)["blocks"]
    return {block["label"]["text"]: block["element"] for block in blocks if block["type"] == "input"}


def submitted(request: Request, **typed: str) -> dict[str, dict[str, Any]]:
    """The form as Slack sends it back: everything as it was shown, but for what was typed."""
    state: dict[str, dict[str, Any]] = {}
    for block in blockkit.modify_view(request)["blocks"]:
        if block["type"] != "input":
            continue
        element = block["element"]
        text = typed.get(block["label"]["text"])
        match element["type"]:
            case "static_select":
                wanted = [one for one in element["options"] if text in (one["text"]["text"], one["value"])]
                value: dict[str, Any] = {
                    "selected_option": wanted[0] if wanted else element.get("initial_option")
                }
            case "datepicker":
                value = {"selected_date": text or element.get("initial_date")}
            case _:
                value = {"value": element.get("initial_value") if text is None else text or None}
        state[block["block_id"]] = {element["action_id"]: {"type": element["type"], **value}}
    return state


def test_each_argument_has_the_input_of_its_type() -> None:
    """S20: numbers, dates, lists to pick from and text, prefilled with what the agent asked for."""
    shown = {
        label: (one["type"], one.get("initial_value", one.get("initial_date")))
        for label, one in elements(shop()).items()
    }
    assert shown == {
        "count": ("number_input", "3"), "rate": ("number_input", "0.5"), "amount": ("plain_text_input", "100.00"),
        "urgent": ("static_select", None), "size": ("static_select", None), "before": ("datepicker", "2024-01-01"),
        "at": ("plain_text_input", "2024-01-01T10:00:00Z"), "note": ("plain_text_input", "hello"),
        "tags": ("plain_text_input", '["a", "b"]'), "limit": ("number_input", None), "colour": ("static_select", None),
        "level": ("static_select", None), "Instruction to the agent": ("plain_text_input", None),
    }  # fmt: skip
    assert elements(shop())["size"]["initial_option"]["text"]["text"] == "m"
    assert lint_view(blockkit.modify_view(shop())) == ()


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 90}, "How much. Takes at least 1, at most 90."),
        ({"type": "string", "format": "decimal", "exclusiveMinimum": 0}, "How much. Takes more than 0."),
        (
            {"anyOf": [{"type": "number", "exclusiveMaximum": 0.5}, {"type": "null"}]},
            "How much. Takes less than 0.5.",
        ),
        ({"type": "string", "maximum": 7}, "How much."),
        ({"type": "number", "maximum": "<!channel>"}, "How much."),
    ],
)
def test_a_form_says_what_its_tool_takes(said: dict[str, Any], hint: str) -> None:
    """Before anybody sends it, and as far as the schema says; whatever else stands there is not repeated."""
    schema = json.dumps({"properties": {"amount": {**said, "description": "How much."}}})
    assert fields.shape_of(schema, "amount", None).hint == hint


def test_a_hint_comes_from_the_schema() -> None:
    """The author's description stands below the input, also through a reference."""
    blocks = blockkit.modify_view(shop())["blocks"]
    hints = {block["label"]["text"]: block["hint"]["text"] for block in blocks if "hint" in block}
    assert hints["amount"] == "How much"
    assert hints["size"] == "Shirt size"


@pytest.mark.parametrize(
    ("argument", "typed", "value"),
    [
        ("count", "12", 12), ("rate", "0.125", 0.125), ("rate", "2", 2), ("amount", "99.90", "99.90"), ("urgent", "true", True),
        ("size", "l", "l"), ("before", "2023-12-31", "2023-12-31"), ("note", " two words ", " two words "),
        ("tags", '["c"]', ["c"]), ("limit", "7", 7), ("colour", "null", None), ("note", "", ""),
    ],
)  # fmt: skip
def test_a_changed_value_comes_back_exactly(argument: str, typed: str, value: object) -> None:
    """Decimals stay text, whole numbers whole, dates ISO; what was not touched is not in the verdict."""
    request = shop()
    verdict = answers.modify_from(request, submitted(request, **{argument: typed}))
    assert verdict == Modify({argument: value})
    assert isinstance(verdict, Modify)
    assert type(verdict.changes[argument]) is type(value)


def test_equal_labels_are_told_apart() -> None:
    """2 and "2" read the same in a list, and the picked one arrives."""
    request = shop()
    state = submitted(request)
    [block] = [
        one for one in blockkit.modify_view(request)["blocks"] if one.get("label", {}).get("text") == "level"
    ]
    state[block["block_id"]]["value"]["selected_option"] = block["element"]["options"][2]
    assert answers.modify_from(request, state) == Modify({"level": "2"})


@pytest.mark.parametrize(
    ("now", "typed", "then"), [([1], "[true]", [True]), ([2], "[2.0]", [2.0]), ([0], "[false]", [False])]
)
def test_values_that_only_python_takes_for_equal_are_changes(now: object, typed: str, then: object) -> None:
    """A tool may well tell 1 from true, and 2 from 2.0."""
    request = shop({"flags": now}, "{}")
    verdict = answers.modify_from(request, submitted(request, flags=typed))
    assert isinstance(verdict, Modify)
    assert json.dumps(verdict.changes["flags"]) == json.dumps(then)


def test_an_untouched_form_is_no_answer() -> None:
    """Nothing changed and nothing written: the person is told what to do."""
    request = shop()
    with pytest.raises(BadChange) as error:
        answers.modify_from(request, submitted(request))
    assert answers.field_errors(request, error.value) == {
        "instruction": "Change a value, or write what the agent should do instead."
    }


def test_an_instruction_alone_is_an_answer() -> None:
    """S14 S20: free text goes to the agent, with the changed values if there are any."""
    request = shop()
    text = {"Instruction to the agent": "Only the delivery fee"}
    assert answers.modify_from(request, submitted(request, **text)) == Modify({}, "Only the delivery fee")
    both = answers.modify_from(request, submitted(request, count="4", **text))
    assert both == Modify({"count": 4}, "Only the delivery fee")


@pytest.mark.parametrize(
    ("argument", "typed", "words"),
    [
        ("count", "3.5", "whole number"), ("count", "٣", "whole number"), ("rate", "abc", "number"), ("amount", "100,00", "like 129.90"),
        ("amount", "", "needed"), ("tags", "[1", "JSON"), ("tags", "[NaN]", "JSON"), ("rate", "0.12345678901234567890123", "exactly"),
        ("rate", "1e999", "exactly"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_beside_its_input(argument: str, typed: str, words: str) -> None:
    """One sentence, under the block of that argument, and nothing is counted."""
    request = shop()
    with pytest.raises(BadChange) as error:
        answers.modify_from(request, submitted(request, **{argument: typed}))
    index = list(ARGUMENTS).index(argument)
    [(block, text)] = answers.field_errors(request, error.value).items()
    assert block == f"arg.{index}"
    assert words in text


def test_a_problem_found_later_finds_its_input_too() -> None:
    """The edit's own check names arguments; each problem lands at a block that exists."""
    request = shop()
    errors = answers.field_errors(
        request, BadChange({"count": "must be below 10", "": "nothing differs", "ghost": "unknown"})
    )
    blocks = {block["block_id"] for block in blockkit.modify_view(request)["blocks"]}
    assert set(errors) <= blocks
    assert errors["arg.0"] == "must be below 10"
    assert errors["instruction"] == "nothing differs; ghost: unknown"


def test_more_arguments_than_fit_share_one_input() -> None:
    """As JSON, where every name must stay."""
    arguments = {f"a{number}": number for number in range(60)}
    request = shop(arguments, "{}")
    form = fields.form(request)
    assert len(form.fields) == fields.MOST_FIELDS
    rest = json.loads(elements(request)["Further arguments, as JSON"]["initial_value"])
    assert list(rest) == list(form.overflow)
    changed = submitted(request, **{"Further arguments, as JSON": json.dumps({**rest, "a59": 7})})
    assert answers.modify_from(request, changed) == Modify({"a59": 7})
    for broken in ("{", "[]", json.dumps({"a59": 7}), json.dumps({**rest, "more": 1})):
        with pytest.raises(BadChange) as error:
            answers.modify_from(request, submitted(request, **{"Further arguments, as JSON": broken}))
        assert list(answers.field_errors(request, error.value)) == [fields.REST]


def test_a_value_too_long_for_an_input_is_left_alone() -> None:
    """It is named, cannot be cut by accident, and an instruction can still change it."""
    request = shop({"note": "x" * 3_001, "count": 1}, SCHEMA)
    assert list(elements(request)) == ["count", "Instruction to the agent"]
    assert "Too long to be edited here" in str(blockkit.modify_view(request))
    assert answers.modify_from(request, submitted(request, count="2")) == Modify({"count": 2})


def test_the_form_says_what_an_edit_leads_to() -> None:
    """It runs as written, or the agent plans again."""
    assert "run as you wrote them" in str(blockkit.modify_view(a_request()))
    assert "plans again and comes back" in str(blockkit.modify_view(a_request(edits=Edits.REPLAN)))


def test_a_form_carries_the_revision_it_was_drawn_from() -> None:
    """An edit in between makes the answer outdated, whatever the person sees."""
    for view in (
        blockkit.modify_view(states()["open_edited"]),
        blockkit.reject_view(states()["open_edited"]),
    ):
        assert answers.decode_press(view["private_metadata"])[1] == 2


def test_rejecting_needs_a_reason() -> None:
    """S14: the agent and the requester read it; blanks are none."""
    state = {"reason": {"value": {"value": "  wrong order  "}}}
    assert answers.reject_from(state) == Reject("wrong order")
    for empty in ({}, {"reason": {"value": {"value": None}}}, {"reason": {"value": {"value": " \n\u200b"}}}):
        with pytest.raises(BadChange) as error:
            answers.reject_from(empty)
        assert list(error.value.problems) == [answers.REASON], "which is the block's id"


def test_rejecting_can_hand_the_question_on() -> None:
    """Only where there is a next line; the tick makes it no rejection at all."""
    assert "hand it to the next line" in str(blockkit.reject_view(a_request()))
    assert "hand it to the next line" not in str(blockkit.reject_view(states()["open_in_grace"]))
    ticked = {"hand_on": {"value": {"selected_options": [{"value": "hand_on"}]}}}
    assert answers.reject_from({"reason": {"value": {"value": "not mine"}}, **ticked}) == HandOn("not mine")


def test_a_press_names_request_and_what_was_shown_and_nothing_else() -> None:
    """A button carries no authority, and what we did not write is refused."""
    press = answers.encode_press(RequestId("07-abc"), 3)
    assert answers.decode_press(press) == (RequestId("07-abc"), 3)
    assert answers.decode_shown(press) == ""
    bound = answers.encode_page(RequestId("07-abc"), 3, 12, "ab" * 32)
    assert answers.decode_press(bound) == (RequestId("07-abc"), 3)
    assert (answers.decode_shown(bound), answers.decode_page(bound)) == ("ab" * 12, 12)
    page = answers.encode_page(RequestId("07-abc"), 3, 12)
    assert answers.decode_press(page) == (RequestId("07-abc"), 3)
    assert (answers.decode_page(page), answers.decode_page(press)) == (12, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "07-abc",
        "07-abc.",
        "07-abc.0",
        "07-abc.-1",
        "07-abc.1.p0",
        "a b.1",
        "x" * 4_000,
        "07-abc.1\n",
        "a.٣",
        "07-abc.1.abc",
        "07-abc.1." + "AB" * 12,
    ],
)
def test_a_forged_press_is_refused(text: str) -> None:
    """P6: Nothing is looked up for it."""
    with pytest.raises(answers.BadPress):
        answers.decode_press(text)
    with pytest.raises(answers.BadPress):
        answers.decode_page(text)
    with pytest.raises(answers.BadPress):
        answers.decode_shown(text)


def test_typed_values_take_the_types_of_the_schema() -> None:
    """And what does not fit is named; an unknown name is left for the edit's check to refuse."""
    raw = {
        "count": "4",
        "amount": "10.50",
        "urgent": "yes",
        "size": "s",
        "before": "2024-02-29",
        "note": "7",
        "ghost": "1",
    }
    typed = answers.coerce_changes(SCHEMA, raw)
    assert typed == {
        "count": 4,
        "amount": "10.50",
        "urgent": True,
        "size": "s",
        "before": "2024-02-29",
        "note": "7",
        "ghost": "1",
    }
    with pytest.raises(BadChange) as error:
        answers.coerce_changes(SCHEMA, {"count": "many", "before": "2024-02-30", "size": "0"})
    assert set(error.value.problems) == {"count", "before", "size"}
    assert answers.coerce_changes("{}", {"order": "7", "note": "7"}, {"order": 1, "note": "x"}) == {
        "order": 7,
        "note": "7",
    }


def test_a_deadline_in_the_past_changes_no_form() -> None:
    """Forms know no clock: whether it is too late is for the machine to say."""
    old, new = a_request(), a_request(opened_at=NOON + timedelta(days=30))
    assert blockkit.modify_view(old)["blocks"][1:] == blockkit.modify_view(new)["blocks"][1:]


def test_a_button_stands_only_for_what_the_agent_takes() -> None:
    """Approve and reject alone; or an answer in words, and no approval."""
    assert [one.verb for one in buttons(foreign(Way.APPROVE, Way.REJECT))] == [Verb.APPROVE, Verb.REJECT]
    only_text = buttons(foreign(Way.RESPOND, Way.REJECT))
    assert [(one.verb, one.label) for one in only_text] == [
        (Verb.MODIFY, "Answer…"),
        (Verb.REJECT, "Reject…"),
    ]


def test_where_the_agent_takes_a_text_the_form_asks_for_one() -> None:
    """In place of the instruction; the arguments cannot be changed, and both platforms read it the same."""
    request = foreign(Way.APPROVE, Way.RESPOND)
    assert set(elements(request)) == {"Your answer to the agent"}
    said = Respond("She knows already.")
    assert answers.modify_from(request, submitted(request, **{"Your answer to the agent": said.text})) == said
    assert adaptive.modify_values(request, {answers.INSTRUCTION: said.text}) == said
    assert lint_view(blockkit.modify_view(request)) == ()


def test_a_change_and_a_text_together_are_refused() -> None:
    """The agent takes one answer: which of the two is meant, nobody guesses."""
    request = foreign(Way.EDIT, Way.RESPOND)
    typed = submitted(request, **{"Your answer to the agent": "No need.", "amount": "1.00"})
    with pytest.raises(BadChange, match="only one"):
        answers.modify_from(request, typed)


def test_what_is_only_there_to_be_read_has_no_input() -> None:
    """The question that a foreign pause asks stands among its arguments, and is no answer."""
    schema = json.dumps(
        {"properties": {"asked": {"const": "Send?", "readOnly": True}, "answer": {"type": "string"}}}
    )
    request = shop({"asked": "Send?", "answer": "yes"}, schema)
    assert "asked" not in elements(request)


def test_a_form_without_words_says_what_is_wrong_beside_a_value() -> None:
    """In Teams a problem of the whole form has a place to stand even then."""
    request = foreign(Way.EDIT, Way.REJECT)
    again = adaptive.modify_retry(request, {}, BadChange({"": "nothing differs"}))
    assert list(again.problems.values()) == ["nothing differs"]
    assert answers.INSTRUCTION not in again.problems
