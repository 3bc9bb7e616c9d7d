"""`@effect`: arguments that people can judge, in both directions, and nothing they cannot."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from contextlib import nullcontext
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.tools import tool
from pydantic import AfterValidator, Field
from sayso import govern
from sayso.agent.effect import effect
from sayso.approvals.editing import check_arguments
from sayso.approvals.errors import BadChange
from sayso.approvals.risk import Level
from sayso.cards.fields import shape_of

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2)


@effect(category="financial_transaction", irreversibility="high", undo=None)
async def transfer(
    amount: Decimal, to: str, on: date | None = None, days: Annotated[int, Field(ge=1)] = 30
) -> str:
    return f"{amount} to {to}"


@given(AMOUNTS, st.text(max_size=20).filter(str.isprintable), st.none() | st.dates(), st.integers(1, 90))
@settings(max_examples=60, deadline=None)
def test_arguments_survive_being_frozen(amount: Decimal, to: str, on: date | None, days: int) -> None:
    """What runs is what was asked for, type and all, and the frozen form fits its own schema."""
    frozen = transfer.freeze({"amount": amount, "to": to, "on": on, "days": days})
    assert json.loads(json.dumps(frozen)) == frozen
    check_arguments(transfer.schema, frozen)
    assert transfer.thaw(frozen) == {"amount": amount, "to": to, "on": on, "days": days}
    assert isinstance(transfer.thaw(frozen)["amount"], Decimal)


def test_defaults_are_shown_and_the_order_is_the_signature_s() -> None:
    """People judge the whole call, not only what the agent spelled out."""
    assert list(transfer.freeze({"to": "dana", "amount": 5}).items()) == [
        ("amount", "5"), ("to", "dana"), ("on", None), ("days", 30),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"to": "x"}, {"amount"}),
        ({"amount": "much", "to": "x"}, {"amount"}),
        ({"amount": 1, "to": "x", "days": 0, "bcc": "y"}, {"days", "bcc"}),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], names: set[str]) -> None:
    """Missing, unfit and unknown ones alike."""
    with pytest.raises(BadChange) as caught:
        transfer.freeze(arguments)
    assert set(caught.value.problems) == names


def test_a_form_refuses_an_amount_that_is_no_number() -> None:
    """The schema says what a Decimal's text looks like."""
    for text in ("12.5", "-3", "0"):
        check_arguments(transfer.schema, {"amount": text, "to": "x"})
    for text in ("12,5", "ten", "", "1e5", "NaN"):
        with pytest.raises(BadChange):
            check_arguments(transfer.schema, {"amount": text, "to": "x"})


@effect()
def in_cents(
    amount: Annotated[int, AfterValidator(lambda euros: euros * 100)], to: frozenset[str] = frozenset()
) -> None:
    """A tool whose validator changes what was validated before."""


def test_what_changes_with_each_reading_is_not_frozen() -> None:
    """What is frozen is read again to be run: people would see 500 and 50000 would go out."""
    with pytest.raises(BadChange) as caught:
        in_cents.freeze({"amount": 5})
    assert set(caught.value.problems) == {"amount"}
    with pytest.raises(BadChange):
        in_cents.thaw({"amount": 500, "to": []})
    assert in_cents.freeze({"amount": 0, "to": {"a", "b", "c"}})["amount"] == 0


async def never_negative(price: Annotated[Decimal, Field(gt=0, decimal_places=2)]) -> None:
    """A tool that takes only what is above zero."""


@pytest.mark.parametrize(("text", "fits"), [("0.01", True), ("-5", False), ("0.00", False), ("1.999", False)])
def test_a_bound_of_zero_stands_in_the_form(text: str, fits: bool) -> None:
    """Whoever edits is told before anything is decided, and not by a tool that fails."""
    tool = effect(category="financial_transaction", irreversibility="high")(never_negative)
    try:
        check_arguments(tool.schema, {"price": text})
    except BadChange:
        assert not fits
    else:
        assert fits


async def within(price: Annotated[Decimal, Field(ge=Decimal("0.10"), lt=500)]) -> None:
    """A tool with a lower and an upper bound."""


@pytest.mark.parametrize(
    ("text", "why"),
    [("0.10", ""), ("499.99", ""), ("0.09", "at least 0.1"), ("500.0", "below 500"), ("1e2", "plain number")],
)
def test_bounds_of_money_are_told_to_whoever_edits(text: str, why: str) -> None:
    """To the digit, although money is written as text; the form says them beforehand."""
    tool = effect(category="financial_transaction", irreversibility="high")(within)
    assert shape_of(tool.schema, "price", "1.00").hint == "Takes at least 0.1, less than 500."
    with pytest.raises(BadChange, match=why) if why else nullcontext():
        check_arguments(tool.schema, {"price": text})


def test_what_people_cannot_judge_is_no_tool() -> None:
    """Open-ended parameters, unknown levels and categories are refused where they are declared."""
    with pytest.raises(TypeError, match="options"):

        @effect()
        def loose(**options: str) -> None: ...

    with pytest.raises(ValueError, match="irreversibility is low, medium or high, not 'worst'"):
        effect(irreversibility="worst")
    with pytest.raises(ValueError, match=r"category is read, internal_change, .*, not 'infra'"):
        effect(category="infra")
    with pytest.raises(ValueError, match="limit"):
        effect(limit=timedelta(0))


def test_calling_it_runs_the_raw_function() -> None:
    """A tool stays an ordinary function for its own tests."""
    assert asyncio.run(transfer(Decimal(5), "dana")) == "5 to dana"
    assert (transfer.name, transfer.levels) == ("transfer", {"irreversibility": Level.HIGH})


async def test_a_tool_that_is_not_async_never_stops_the_loop() -> None:
    """It runs in a thread of its own."""

    @effect()
    def slow() -> str:
        return threading.current_thread().name

    assert await slow.run({}) != threading.main_thread().name


def test_a_tool_cannot_slip_into_a_state() -> None:
    """Code is no state: it would be pickled, and run as it is tomorrow."""
    with pytest.raises(TypeError, match="cannot be kept in a state"):
        pickle.dumps(transfer)


def test_over_a_tool_of_langchains_it_declares_its_function() -> None:
    """In the wrong order it means the same, also when it is governed."""

    @effect(category="financial_transaction", irreversibility="high")
    @tool("pay")
    async def pays(amount: Decimal) -> str:
        """Pay."""
        return f"Paid {amount}."

    assert (pays.name, pays.category, pays.is_async) == ("pay", "financial_transaction", True)
    assert asyncio.run(pays(Decimal(5))) == "Paid 5."
    (governed,) = govern([pays])
    assert governed.name == "pay"


def test_what_can_only_be_governed_is_refused_elsewhere_in_one_sentence() -> None:
    """`@tool` over it and `create_agent` would run it without asking: both say what to do instead."""

    @effect(category="deletion")
    def wipe(name: str) -> str:
        """Wipe."""
        return name

    with pytest.raises(TypeError, match=r"hand it to govern\(\[\.\.\.\]\).*without @tool"):
        tool(wipe)
    with pytest.raises(TypeError, match="wipe is declared with @effect: hand it to govern"):
        create_agent(FakeListChatModel(responses=["Done."]), [wipe])
    with pytest.raises(TypeError, match="wipe is declared already"):
        effect()(wipe)
    with pytest.raises(TypeError, match="declares a function, not a int"):
        effect()(7)  # type: ignore[arg-type] # that is the mistake
