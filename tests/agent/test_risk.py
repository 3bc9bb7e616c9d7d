"""What risk leads to: the table cell by cell, the rules above it, and what the card says about it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso.agent.policy import MANDATORY, Category, Policy
from sayso.agent.policy_file import read_policy
from sayso.agent.risk import NO_REASONING, OVERSIGHT, assess, needs_people, weigh
from sayso.approvals.action import Action
from sayso.approvals.risk import Dimension, Level, Oversight
from scenes import an_action

LOW, MEDIUM, HIGH = Level
GATE, WATCH, FREE = Oversight.GATE, Oversight.WATCH, Oversight.FREE
HARMLESS = [category for category in Category if category not in MANDATORY]

#: (irreversibility, blast radius, compliance, confidence as risk) -> oversight, one line per kind of cell.
CELLS = [
    ((LOW, LOW, LOW, LOW), FREE),
    ((MEDIUM, LOW, LOW, LOW), FREE),
    ((LOW, LOW, LOW, MEDIUM), FREE),
    ((MEDIUM, MEDIUM, LOW, LOW), WATCH),
    ((MEDIUM, MEDIUM, MEDIUM, MEDIUM), WATCH),
    ((LOW, LOW, MEDIUM, MEDIUM), WATCH),
    ((HIGH, LOW, LOW, LOW), WATCH),
    ((LOW, HIGH, MEDIUM, LOW), WATCH),
    ((LOW, MEDIUM, HIGH, MEDIUM), WATCH),
    ((LOW, LOW, LOW, HIGH), WATCH),
    ((HIGH, HIGH, LOW, LOW), GATE),
    ((HIGH, LOW, HIGH, MEDIUM), GATE),
    ((MEDIUM, HIGH, HIGH, MEDIUM), GATE),
    ((HIGH, HIGH, HIGH, HIGH), GATE),
    ((HIGH, LOW, LOW, HIGH), GATE),
    ((MEDIUM, LOW, LOW, HIGH), GATE),
    ((LOW, MEDIUM, MEDIUM, HIGH), GATE),
]

levels_of_all = st.tuples(*(st.sampled_from(Level) for _ in Dimension))


def a_policy(
    *, irreversibility: str = "low", blast_radius: str = "low", compliance: str = "low",
    category: Category = Category.READ, flags: tuple[str, ...] = (), low_confidence: float = 0.7,
) -> Policy:  # fmt: skip
    """A policy with the one tool `issue_refund`, harmless unless said otherwise."""
    tool = {
        "category": category, "irreversibility": irreversibility, "blast_radius": blast_radius,
        "compliance": compliance, "flags": flags,
    }  # fmt: skip
    return read_policy(
        {
            "default_route": "ops",
            "routes": {"ops": {"places": ["slack:C0OPS"], "approvers": ["ops"], "on_call": "sre"}},
            "tools": {"issue_refund": tool},
            "low_confidence": low_confidence,
        }
    )


def a_sure_action(**overrides: object) -> Action:
    """An action of `issue_refund` whose agent is certain and whose code states no category."""
    return an_action(**{"confidence": 1.0, "category": "", **overrides})


@pytest.mark.parametrize(("levels", "oversight"), CELLS)
def test_every_kind_of_cell(levels: tuple[Level, ...], oversight: Oversight) -> None:
    """S2: high on two or more gates, low on all runs by itself; one high or two medium are watched."""
    assert weigh(dict(zip(Dimension, levels, strict=True))) is oversight


def test_the_table_has_all_cells() -> None:
    """No combination of counts is left to chance."""
    reachable = {(high, medium) for high, medium in product(range(3), repeat=2)}
    assert set(OVERSIGHT) == reachable


@given(levels_of_all, st.sampled_from(Dimension), st.sampled_from(Level))
def test_more_risk_never_means_less_oversight(
    levels: tuple[Level, ...], raised: Dimension, to: Level
) -> None:
    """Raising one level never lowers the oversight."""
    before = dict(zip(Dimension, levels, strict=True))
    after = {**before, raised: max(before[raised], to)}
    strictness = [FREE, WATCH, GATE]
    assert strictness.index(weigh(after)) >= strictness.index(weigh(before))


@given(levels_of_all)
def test_a_dimension_nobody_assessed_counts_as_high(levels: tuple[Level, ...]) -> None:
    """Leaving one out is never better than any level of it."""
    whole = dict(zip(Dimension, levels, strict=True))
    for left_out in Dimension:
        rest = {d: level for d, level in whole.items() if d is not left_out}
        assert weigh(rest) is weigh({**rest, left_out: HIGH})


@given(
    st.sampled_from(["low", "medium", "high"]),
    st.sampled_from(["low", "medium", "high"]),
    st.sampled_from(["low", "medium", "high"]),
    st.sampled_from(sorted(MANDATORY)),
)
def test_some_categories_are_always_asked_about(
    irreversibility: str, blast_radius: str, compliance: str, category: Category
) -> None:
    """S4: outside communication, money, deletion, overwriting, access and regulated domains, at any level."""
    policy = a_policy(
        irreversibility=irreversibility, blast_radius=blast_radius, compliance=compliance, category=category
    )
    assessment = assess(a_sure_action(), policy)
    assert assessment.oversight is GATE
    assert MANDATORY[category].flag in assessment.flags
    assert MANDATORY[category].reason in assessment.reasons


@pytest.mark.parametrize("category", HARMLESS)
def test_what_is_harmless_runs_by_itself(category: Category) -> None:
    """S5: over-gating is a failure too; a sure, harmless action is free and says why."""
    assessment = assess(a_sure_action(), a_policy(category=category))
    assert assessment.oversight is FREE
    assert assessment.reasons == ("No risk is high and at most one is medium.",)
    assert assessment.flags == ()


def test_the_category_in_the_code_counts_too() -> None:
    """A policy that calls money a read does not free it."""
    assessment = assess(a_sure_action(category="financial_transaction"), a_policy())
    assert assessment.oversight is GATE
    assert "Money" in assessment.flags


def test_a_category_nobody_knows_is_asked_about() -> None:
    """A misspelt category in the code frees nothing."""
    assessment = assess(a_sure_action(category="finacial"), a_policy())
    assert assessment.oversight is GATE
    assert "Unknown category" in assessment.flags


def test_an_unknown_tool_is_the_worst() -> None:
    """S1: what nobody has rated is high on everything, however sure the agent is."""
    assessment = assess(a_sure_action(tool="format_disk"), a_policy())
    assert assessment.oversight is GATE
    assert [finding.level for finding in assessment.findings] == [HIGH, HIGH, HIGH, LOW]
    assert assessment.flags == ("Unknown tool",)


@pytest.mark.parametrize(
    ("confidence", "level", "flag"),
    [
        (None, HIGH, "No confidence stated"),
        (0.0, HIGH, "Confidence 0 % (gate below 70 %)"),
        (0.62, HIGH, "Confidence 62 % (gate below 70 %)"),
        (0.6999, HIGH, "Confidence 69 % (gate below 70 %)"),
        (0.7, MEDIUM, None),
        (0.84, MEDIUM, None),
        (0.85, LOW, None),
        (1.0, LOW, None),
    ],
)
def test_confidence_is_risk_turned_around(confidence: float | None, level: Level, flag: str | None) -> None:
    """No stated confidence is low confidence; the flag never claims that a threshold was reached."""
    assessment = assess(a_sure_action(confidence=confidence), a_policy())
    assert assessment.level(Dimension.CONFIDENCE) is level
    assert assessment.flags == ((flag,) if flag else ())


@pytest.mark.parametrize("dimension", ["irreversibility", "blast_radius", "compliance"])
def test_doubt_about_high_stakes_is_always_asked_about(dimension: str) -> None:
    """S3: low confidence on high-stakes data gates whatever the rest says."""
    policy = a_policy(**{dimension: "medium"})  # type: ignore[arg-type]
    assert assess(a_sure_action(confidence=0.69), policy).oversight is GATE
    assert assess(a_sure_action(confidence=0.9), policy).oversight is FREE


def test_the_threshold_is_a_setting() -> None:
    """A stricter policy distrusts more."""
    policy = a_policy(irreversibility="medium", low_confidence=0.95)
    assessment = assess(a_sure_action(confidence=0.9), policy)
    assert assessment.oversight is GATE
    assert "Confidence 90 % (gate below 95 %)" in assessment.flags


def test_no_reasoning_counts_as_low_confidence() -> None:
    """An agent that says it is sure but not why is not believed."""
    assessment = assess(a_sure_action(reasoning=NO_REASONING), a_policy(blast_radius="medium"))
    assert assessment.oversight is GATE
    assert "No reasoning given" in assessment.flags


def test_the_card_says_what_is_risky_first_and_once() -> None:
    """S19: flags stand in order of weight, none twice, each short enough for the top of a card."""
    policy = a_policy(
        irreversibility="high", blast_radius="high", category=Category.DELETION,
        flags=("Many records at once", "Cannot be undone"),
    )  # fmt: skip
    assessment = assess(a_sure_action(confidence=0.5, category="deletion"), policy)
    assert assessment.flags == (
        "Cannot be undone", "Deletes records", "Many records at once", "Wide reach",
        "Confidence 50 % (gate below 70 %)",
    )  # fmt: skip
    assert all(len(flag) <= 40 for flag in assessment.flags)
    assert assessment.reasons == (
        "Deleting records is always put to people.",
        "The agent does not say that it is sure, and what it touches is not harmless.",
        "Irreversibility, blast radius and uncertainty are high.",
    )
    assert assessment.policy == policy.version


def test_watched_actions_are_asked_about_until_they_can_be_undone() -> None:
    """The assessment says *watch*; the agent pauses all the same."""
    assessment = assess(a_sure_action(), a_policy(irreversibility="high"))
    assert assessment.oversight is WATCH
    assert assessment.reasons == ("Irreversibility is high.",)
    assert [needs_people(oversight) for oversight in (GATE, WATCH, FREE)] == [True, True, False]
