"""Forms in Teams: what a client sends back, all of it text, becomes exactly the verdict that was meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from card_states import states
from sayso.approvals.errors import BadChange
from sayso.approvals.request import Edits, Request
from sayso.approvals.verdict import Modify, Reject
from sayso.cards import adaptive, answers
from sayso.cards.adaptive import Surface
from sayso.cards.adaptive_forms import Retry
from sayso.cards.adaptive_lint import BYTES, lint_card, objects
from sayso.cards.adaptive_text import utf8
from sayso.cards.answers import BadPress, HandOn
from scenes import a_request, an_action

ARGUMENTS: dict[str, Any] = {
    "count": 3, "rate": 0.5, "amount": "100.00", "urgent": False, "size": "m", "before": "2024-01-01",
    "note": "hello", "tags": ["a", "b"], "limit": None, "level": 2, "whole": 3.0,
}  # fmt: skip
SCHEMA = json.dumps({
    "type": "object",
    "properties": {
        "count": {"type": "integer"}, "rate": {"type": "number"}, "whole": {"type": "number"},
        "amount": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9.]+$"}], "description": "How much"},
        "urgent": {"type": "boolean"}, "size": {"enum": ["s", "m", "l"]}, "before": {"type": "string", "format": "date"},
        "note": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]}, "level": {"enum": [1, 2, "2"]},
    },
})  # fmt: skip


def shop(arguments: dict[str, Any] | None = None, schema: str = SCHEMA) -> Request:
    return a_request(action=an_action(arguments=arguments or ARGUMENTS), schema=schema)


def inputs(form: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The inputs of a form by label."""
    found = [dict(part) for part in objects(form["body"]) if str(part.get("type")).startswith("Input.")]
    return {str(one.get("label", one.get("title"))): one for one in found}


def sent(form: dict[str, Any], **typed: str) -> dict[str, str]:
    """What the official client sends: each input as text, numbers as JavaScript writes them, empty ones not at all."""
    filled: dict[str, str] = {}
    for label, one in inputs(form).items():
        text = str(one.get("value", ""))
        text = typed.get(label, text.removesuffix(".0") if one["type"] == "Input.Number" else text)
        if one["type"] == "Input.ChoiceSet" and label in typed:
            [text] = [choice["value"] for choice in one["choices"] if typed[label] == choice["title"]]
        if text:
            filled[one["id"]] = text
    return filled


def test_each_argument_has_the_input_of_its_type() -> None:
    """S20: prefilled with what the agent asked for; only what cannot be empty is required."""
    shown = {
        label: (one["type"], one.get("value"), one.get("isRequired", False))
        for label, one in inputs(adaptive.modify_form(shop())).items()
    }
    assert shown == {
        "count": ("Input.Number", 3, True), "rate": ("Input.Number", 0.5, True), "amount": ("Input.Text", "100.00", True),
        "urgent": ("Input.ChoiceSet", "false", True), "size": ("Input.ChoiceSet", "1", True),
        "before": ("Input.Date", "2024-01-01", True), "note": ("Input.Text", "hello", False),
        "tags": ("Input.Text", '["a", "b"]', True), "limit": ("Input.Number", None, False),
        "level": ("Input.ChoiceSet", "1", True), "whole": ("Input.Text", "3.0", True),
        "Instruction to the agent": ("Input.Text", None, False),
    }  # fmt: skip
    assert lint_card(adaptive.modify_form(shop())) == ()
    assert "How much" in str(adaptive.modify_form(shop()))


def test_an_untouched_form_is_no_answer() -> None:
    """Nothing that a client does to numbers, dates or lists is taken for a change."""
    request = shop()
    for filled in (sent(adaptive.modify_form(request)), {}):
        with pytest.raises(BadChange) as error:
            adaptive.modify_values(request, filled)
        assert list(error.value.problems) == [""]


@pytest.mark.parametrize(
    ("argument", "typed", "value"),
    [
        ("count", "12", 12), ("rate", "0.125", 0.125), ("amount", "620", "620"), ("urgent", "true", True), ("size", "l", "l"),
        ("before", "2023-12-31", "2023-12-31"), ("note", "two words", "two words"), ("tags", '["c"]', ["c"]), ("limit", "7", 7),
        ("whole", "3", 3),
    ],
)  # fmt: skip
def test_a_changed_value_comes_back_exactly(argument: str, typed: str, value: object) -> None:
    """Everything arrives as text; the schema gives it its type."""
    request = shop()
    verdict = adaptive.modify_values(request, sent(adaptive.modify_form(request), **{argument: typed}))
    assert verdict == Modify({argument: value})
    assert type(verdict.changes[argument]) is type(value)


def test_an_emptied_input_is_not_taken_for_an_untouched_one() -> None:
    """Clients leave empty inputs out of what they send."""
    request = shop({**ARGUMENTS, "limit": 5})
    form = adaptive.modify_form(request)
    without = {id: text for id, text in sent(form).items() if id != inputs(form)["limit"]["id"]}
    assert adaptive.modify_values(request, without) == Modify({"limit": None})
    without = {id: text for id, text in sent(form).items() if id != inputs(form)["note"]["id"]}
    assert adaptive.modify_values(request, without) == Modify({"note": ""})
    without = {id: text for id, text in sent(form).items() if id != inputs(form)["amount"]["id"]}
    with pytest.raises(BadChange) as error:
        adaptive.modify_values(request, without)
    assert error.value.problems == {"amount": "A value is needed here."}


@pytest.mark.parametrize(
    ("argument", "typed", "words"),
    [("count", "3.5", "whole number"), ("amount", "100,00", "like 129.90"), ("tags", "[1", "JSON"), ("before", "soon", "date")],
)  # fmt: skip
def test_what_does_not_fit_comes_back_beside_its_input(argument: str, typed: str, words: str) -> None:
    """The form again, with the sentence below the input and everything the person had entered."""
    request = shop()
    filled = sent(adaptive.modify_form(request), **{argument: typed, "note": "mine", "limit": "9"})
    with pytest.raises(BadChange) as error:
        adaptive.modify_values(request, filled)
    retry = Retry(problems=answers.field_errors(request, error.value), typed=filled)
    again = adaptive.modify_form(request, retry=retry)
    assert lint_card(again) == ()
    assert inputs(again)["note"]["value"] == "mine"
    assert inputs(again)["limit"]["value"] == 9
    at = next(i for i, part in enumerate(again["body"]) if part.get("label") == argument)
    beside = " ".join(str(part) for part in again["body"][at + 1 : at + 3])
    assert words in beside
    assert "Attention" in beside


def test_a_choice_that_was_not_offered_is_refused() -> None:
    """A client may send anything."""
    request = shop()
    size = inputs(adaptive.modify_form(request))["size"]["id"]
    for forged in ("7", "-1", "l", "1e9", "١"):
        with pytest.raises(BadChange) as error:
            adaptive.modify_values(request, {**sent(adaptive.modify_form(request)), size: forged})
        assert list(error.value.problems) == ["size"]


def test_what_does_not_fit_into_a_card_is_left_alone() -> None:
    """Too many bytes for one card: the rest is named, cannot be emptied by accident, and takes an instruction."""
    arguments = {f"a{number}": "東" * 900 for number in range(12)} | {"last": 1}
    request = shop(arguments, "{}")
    form = adaptive.modify_form(request)
    assert utf8(form) <= BYTES
    drawn = inputs(form)
    assert {"a0", "last", "Instruction to the agent"} <= set(drawn)
    assert "a11" not in drawn
    assert "Too long to be edited here" in str(form)
    assert adaptive.modify_values(request, sent(form, last="2")) == Modify({"last": 2})


def test_more_arguments_than_inputs_share_one() -> None:
    """As JSON, as in Slack."""
    request = shop({f"a{number}": number for number in range(60)}, "{}")
    form = adaptive.modify_form(request)
    rest = json.loads(inputs(form)["Further arguments, as JSON"]["value"])
    typed = {"Further arguments, as JSON": json.dumps({**rest, "a59": 7})}
    assert adaptive.modify_values(request, sent(form, **typed)) == Modify({"a59": 7})
    assert lint_card(form) == ()


def test_the_form_says_what_an_edit_leads_to() -> None:
    """It runs as written, or the agent plans again."""
    assert "run as you wrote them" in str(adaptive.modify_form(a_request()))
    assert "plans again and comes back" in str(adaptive.modify_form(a_request(edits=Edits.REPLAN)))


@pytest.mark.parametrize("draw", [adaptive.modify_form, adaptive.reject_form])
def test_a_form_is_sent_in_a_card_or_in_a_dialog(draw: Any) -> None:
    """By Action.Execute with a way back; in a dialog by Action.Submit with the verb in its data. Both carry the revision."""
    request = states()["open_edited"]
    for surface, kind in ((Surface.VIEW, "Action.Execute"), (Surface.DIALOG, "Action.Submit")):
        form = draw(request, surface=surface)
        buttons = [part for part in objects(form["body"]) if str(part.get("type")).startswith("Action.")]
        assert {one["type"] for one in buttons} == {kind}
        verb = "modify" if draw is adaptive.modify_form else "reject"
        value = (
            {"action": {**buttons[0], "data": {**buttons[0]["data"], "reason": "no"}}, "trigger": "manual"}
            if surface is Surface.VIEW
            else {"data": {**buttons[0]["data"], "reason": "no"}, "context": {"theme": "dark"}}
        )
        read = adaptive.pressed(value)
        assert (read.verb, read.sent, dict(read.inputs)) == (verb, True, {"reason": "no"})
        assert answers.decode_press(read.press) == (request.id, 2)
        backs = [one for one in buttons if one["title"] == "Back to the card"]
        assert [one["associatedInputs"] for one in backs] == (["none"] if surface is Surface.VIEW else [])


@pytest.mark.parametrize(
    ("argument", "typed"), [("tags", "[1e999]"), ("tags", "[NaN]"), ("rate", "1e999"), ("note", "x" * 3_001)]
)
def test_what_no_tool_takes_is_refused_on_the_server(argument: str, typed: str) -> None:
    """Infinity is no JSON, however it is written; the length is no matter of the client's."""
    request = shop()
    with pytest.raises(BadChange) as error:
        adaptive.modify_values(request, sent(adaptive.modify_form(request), **{argument: typed}))
    assert list(error.value.problems) == [argument]


def test_a_form_that_comes_back_holds_what_was_typed_and_no_more_than_fits() -> None:
    """The person's words as they were, or none of them with a note: cut in two they would say something else."""
    request = shop()
    first = adaptive.modify_form(request)
    typed = {
        "count": "many",
        "note": "n" * 900,
        "size": "l",
        "before": "soon",
        "amount": "\u202e1 <at>Bo</at>",
    }
    inputs_sent = {**sent(first, **typed), inputs(first)["size"]["id"]: "99"}
    bad = BadChange({"count": "This must be a whole number.", "nobody": "Who?"})
    again = adaptive.modify_form(request, retry=adaptive.modify_retry(request, inputs_sent, bad))
    shown = {label: one.get("value") for label, one in inputs(again).items()}
    assert (shown["note"], shown["amount"]) == ("n" * 900, "1 <at>Bo</at>")
    assert {label for label in ("count", "size", "before") if shown[label] is None} == {
        "count",
        "size",
        "before",
    }
    assert shown["tags"] == '["a", "b"]'
    assert "whole number" in str(again)
    assert "nobody: Who?" in str(again)
    crowded = shop({f"a{number}": "x" * 200 for number in range(25)}, "{}")
    filled = sent(adaptive.modify_form(crowded), **{f"a{number}": "東" * 500 for number in range(25)})
    small = adaptive.modify_form(crowded, retry=adaptive.modify_retry(crowded, filled, bad))
    assert lint_card(small) == ()
    assert "東" not in str(small)
    assert "too long to be shown here again" in str(small)


def test_rejecting_needs_a_reason_and_can_hand_on() -> None:
    """S14: blanks are none; the tick is there only where there is a next line."""
    assert adaptive.reject_values({"reason": " wrong order "}) == Reject("wrong order")
    for empty in ({}, {"reason": " \n\u200b"}):
        with pytest.raises(BadChange) as error:
            adaptive.reject_values(empty)
        assert list(error.value.problems) == [answers.REASON]
    assert adaptive.reject_values({"reason": "not mine", "hand_on": "true"}) == HandOn("not mine")
    assert adaptive.reject_values({"reason": "mine", "hand_on": "false"}) == Reject("mine")
    assert "hand it to the next line" in str(adaptive.reject_form(a_request()))
    assert "hand it to the next line" not in str(adaptive.reject_form(states()["open_in_grace"]))


def test_a_press_is_read_wherever_it_comes_from() -> None:
    """From a card, from a dialog that is asked for, with numbers and ticks as what they are."""
    clicked = {"action": {"type": "Action.Execute", "verb": "approve", "data": {"press": "07-a.1"}}}
    assert adaptive.pressed(clicked).verb == "approve"
    assert not adaptive.pressed(clicked).sent
    asked = {"data": {"press": "07-a.1", "verb": "modify", "msteams": {"type": "task/fetch"}}}
    assert adaptive.pressed(asked) == adaptive.Pressed(verb="modify", press="07-a.1")
    typed = {"data": {"press": "07-a.1", "verb": "modify", "sent": True, "n": 3, "t": True, "e": None}}
    assert dict(adaptive.pressed(typed).inputs) == {"n": "3", "t": "true", "e": ""}


@pytest.mark.parametrize(
    "value",
    [
        None, [], "x", {}, {"action": None}, {"action": {"type": "Action.Submit", "verb": "approve", "data": {"press": "07-a.1"}}},
        {"action": {"type": "Action.Execute", "verb": "approve"}}, {"action": {"type": "Action.Execute", "data": {"press": "07-a.1"}}},
        {"action": {"type": "Action.Execute", "verb": "own", "data": {"press": "07-a.1"}}},
        {"action": {"type": "Action.Execute", "verb": ["approve"], "data": {"press": "07-a.1"}}},
        {"action": {"type": "Action.Execute", "verb": "approve", "data": {"press": "07-a"}}},
        {"action": {"type": "Action.Execute", "verb": "approve", "data": {"press": 7}}},
        {"action": {"type": "Action.Execute", "verb": "approve", "data": {"press": "07-a.1", "sent": "yes"}}},
        {"data": {"press": "07-a.1", "verb": "modify", "arg.0": {"deep": 1}}}, {"data": "x"},
    ],
)  # fmt: skip
def test_a_malformed_press_is_refused(value: Any) -> None:
    """P6: Before anything is looked up, and never as a crash."""
    with pytest.raises(BadPress):
        adaptive.pressed(value)


def test_the_bodies_are_what_teams_expects() -> None:
    """A card, a refusal with its sentence, a dialog, a last word."""
    form = adaptive.reject_form(a_request())
    assert adaptive.answer(form) == {
        "statusCode": 200, "type": "application/vnd.microsoft.card.adaptive", "value": form,
    }  # fmt: skip
    assert adaptive.error("Too late\n<at>Bo</at>") == {
        "statusCode": 403, "type": "application/vnd.microsoft.error",
        "value": {"code": "Refused", "message": "Too late ‹at>Bo‹/at>"},
    }  # fmt: skip
    task = adaptive.dialog("Reject", form)["task"]
    assert (task["type"], task["value"]["card"]["content"]) == ("continue", form)
    assert task["value"]["card"] == adaptive.attachment(form)
    assert adaptive.closing("Counted.") == {"task": {"type": "message", "value": "Counted."}}
