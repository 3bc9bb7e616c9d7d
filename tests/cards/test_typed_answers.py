"""What people type under a card: which texts are answers, which nearly are, and which are talk."""

from __future__ import annotations

from typing import Any

import pytest
from sayso.approvals.verdict import Approve, Modify, Reject
from sayso.cards import answers
from scenes import a_request, an_action


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("approve", Approve()), (" Approve ", Approve()), ("reject wrong order", Reject("wrong order")),
        ("modify amount=100.00", Modify({"amount": "100.00"})),
        ('modify amount=100.00, currency="E U R"', Modify({"amount": "100.00", "currency": "E U R"})),
        ("modify note=“two words” order=7", Modify({"note": "two words", "order": "7"})),
        ("modify name=O'Brien", Modify({"name": "O'Brien"})), ('modify note=""', Modify({"note": ""})),
    ],
)  # fmt: skip
def test_a_typed_answer_is_read(text: str, verdict: object) -> None:
    """Exactly `approve`, `reject <reason>` or `modify key=value ...`."""
    assert answers.typed_answer(text) == verdict


@pytest.mark.parametrize(
    "text",
    ["", "approved", "approve it", "approve.", "I approve", "please approve", "don't approve", "reject", "reject  ", "modify",
     "modify make it smaller", "modify amount=1 and be quick", "modify amount=1 amount=2", "ok", "approve\nreject no", "modify =1"],
)  # fmt: skip
def test_anything_else_typed_is_no_answer(text: str) -> None:
    """Talk in the thread decides nothing."""
    assert answers.typed_answer(text) is None


@pytest.mark.parametrize(
    "text", ["Approve!", "approved, thanks", "“approve”", "yes please", "reject: wrong", "approve it", "approve size=m",
             "modify", "modify 3", "modify: count=3"],
)  # fmt: skip
def test_what_nearly_is_an_answer_is_hinted_at_and_never_one(text: str) -> None:
    """Whoever wrote it would wait for nothing otherwise."""
    assert answers.typed_answer(text) is None
    assert answers.half_an_answer(text).startswith("Nothing was counted")


@pytest.mark.parametrize(
    "text", ["", "I approve of that", "please approve", "Rejected orders pile up", "yes, I saw that order too", "why?", "approval is Bo's",
             "approve", "reject wrong order", "modify count=3"],
)  # fmt: skip
def test_talk_and_whole_answers_get_no_hint(text: str) -> None:
    """A remark in the thread is no answer, and an answer lacks nothing."""
    assert answers.half_an_answer(text) == ""


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        ({"note": "hello", "count": 3}, "modify count=3"), ({"before": "2024-01-01", "count": 3}, "modify before=2024-01-01"),
        ({"note": "hello there"}, "modify note=…"), ({"a b": 1}, "modify name=value"),
    ],
)  # fmt: skip
def test_the_example_of_a_change_is_of_that_card(arguments: dict[str, Any], example: str) -> None:
    """A plain value where there is one; words of others are not repeated."""
    assert f"like “{example}”" in answers.half_an_answer(
        "modify", [a_request(action=an_action(arguments=arguments))]
    )
