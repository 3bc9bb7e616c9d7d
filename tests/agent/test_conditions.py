"""The policy's conditions: what they see, what they may cost, and that none is ever guessed at."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso.agent.conditions import LONGEST, WALKED, CannotTell, Circumstances, checked
from sayso.approvals.action import Action, Entity, Evidence
from sayso.approvals.errors import BadSetting


def an_action(**arguments: Any) -> Action:
    return Action(
        tool="send_mail", category="external_communication", arguments=arguments, goal="g", summary="s", reasoning="r",
        confidence=0.9, evidence=(Evidence("the order"),),
        targets=(Entity("customer", "c-7", name="Dana", facts={"lifetime": "4310", "city": "Bonn"}),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("amount > 500", True),
        ("amount > 500.5", True),
        ("amount == '600.00'", True),
        ("order == '0042'", True),
        ("amount == 600", True),
        ("600.0 != amount", False),
        ("args['amount'] == 600 && tool == 'send_mail'", True),
        ("amount in [500, 600]", True),
        ("targets.exists(t, t.facts.lifetime == 4310)", True),
        ("size(recipients) == 2 && order == '0042'", True),
        ("evidence == 1 && order == '0042'", True),
        ("double(amount) > 500.0 && order == '0042'", True),
        ("amount > 500 && order != currency", True),
        ("args.amount < 500 || currency == 'USD'", True),
        ("size(recipients) > 2", False),
        ("recipients.exists(one, one.endsWith('@example.com'))", True),
        ("recipients.all(one, one.endsWith('@our.example'))", False),
        ("has(args.note)", False),
        ("targets.exists(t, t.kind == 'customer' && t.facts.lifetime > 4000)", True),
        ("confidence < 0.8 || evidence == 0", False),
        ("tool == 'send_mail' && category == 'external_communication'", True),
        ("note_of_nobody == 1 || true", True),
        ("'size(a.map(x, y))' == currency", False),
    ],
)  # fmt: skip
def test_a_condition_sees_the_action(condition: str, holds: bool) -> None:
    """Amounts are text in a frozen action; a condition that needs a number reads them as one."""
    action = an_action(
        amount="600.00", currency="USD", order="0042", recipients=["dana@example.com", "bo@our.example"]
    )
    assert Circumstances(action).hold(checked(condition)) is holds


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("amuont > 500", "amuont"),
        ("args.amuont > 500", "there is no amuont"),
        ("currency > 500", "[Nn]o such overload"),
        ("amount / 0 > 1", "division by zero"),
        ("currency", "neither true nor false"),
        ("targets[3].kind == 'x'", "[Ii]ndex"),
        ("price == 600 && order == '42'", r"say double\(…\) where a number is meant"),
        ("price > 500 && order == '42'", r"say double\(…\) where a number is meant"),
    ],
)
def test_what_has_no_answer_says_so(condition: str, why: str) -> None:
    """Neither yes nor no: whoever asks decides what that means."""
    with pytest.raises(CannotTell, match=why):
        Circumstances(an_action(amount=600, price="600.00", order="42", currency="USD")).hold(
            checked(condition)
        )


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("amount >", "no condition in CEL"),
        ("", "no condition in CEL"),
        ("true" + " || true" * 99, f"at most {LONGEST} characters"),
        ("recipients.map(a, a).size() > 1", r"map\(\) builds a list"),
        ("recipients . filter (a, a != '').size() > 1", r"filter\(\) builds a list"),
        ("a.//\nmap(x, x).size() > 1", "takes no comments"),
        ("r'\\' == '' && a.map(x, x) == [] && '' == ''", r"map\(\) builds a list"),
        ("note.matches(pattern)", r"matches\(\) looks for a text in quotes"),
        ("note.matches('a' + pattern)", r"matches\(\) looks for a text in quotes"),
        ("a.exists(x, b.exists(y, x == y))", "one list is walked through inside another"),
    ],
)
def test_what_could_run_for_ever_is_no_condition(condition: str, words: str) -> None:
    """It is refused when the policy is read, not when an agent waits."""
    with pytest.raises(BadSetting, match=words):
        checked(condition)


def test_a_long_list_is_not_walked_through() -> None:
    """Its length alone may still be asked for."""
    seen = Circumstances(an_action(recipients=["a@example.com"] * (WALKED + 1)))
    assert seen.hold("size(recipients) > 1000")
    with pytest.raises(CannotTell, match=f"a list of {WALKED + 1} is too long"):
        seen.hold("recipients.exists(one, one == 'b')")


def test_many_conditions_on_long_lists_end_soon() -> None:
    """Every process gives up at the same one, because the cost follows from the action alone."""
    walk = "recipients.exists(one, one.matches('^(x+x+)+y$'))"
    action = an_action(recipients=["x" * 100] * WALKED)
    begun = time.process_time()
    for _ in range(2):
        seen, answers = Circumstances(action), []
        for _ in range(100):
            try:
                answers.append(seen.hold(walk))
            except CannotTell:
                break
        assert len(answers) == 5
    assert time.process_time() - begun < 20


def test_what_cannot_be_read_has_no_answer() -> None:
    """Half a character, in an argument that the condition is not about."""
    with pytest.raises(CannotTell):
        Circumstances(an_action(amount=1, note="half \ud83d of a sign")).hold("amount < 5")


names = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, values, max_size=4))
def test_hostile_arguments_are_answered_or_have_no_answer(arguments: dict[str, Any]) -> None:
    """Names that CEL keeps for itself, huge numbers, anything nested: never another error."""
    seen = Circumstances(an_action(**{"amount": 1, **{f"{n}": v for n, v in arguments.items() if n}}))
    for condition in ("amount > 500", "args.exists(k, args[k] == 'x')", "confidence > 0.5"):
        try:
            assert seen.hold(condition) in (True, False)
        except CannotTell:
            continue
