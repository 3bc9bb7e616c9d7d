"""Levels and rules that depend on what is done: what they change, that they only make things stricter, what they refuse."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from statistics import median
from typing import Any

import pytest
from gated import POLICY, World
from hypothesis import given
from hypothesis import strategies as st
from sayso.agent.asking import ask_of
from sayso.agent.policy import Policy, PolicyRule
from sayso.agent.policy_file import read_policy
from sayso.agent.risk import assess, assess_call
from sayso.agent.setting_words import BadSettings
from sayso.approvals import canonical
from sayso.approvals.action import Action, Entity
from sayso.approvals.deadline import TtlClass
from sayso.approvals.naming import PauseKey
from sayso.approvals.request import Proposal
from sayso.approvals.risk import Dimension, Level, Oversight, RiskAssessment
from scenes import NOON, a_run

GATE, WATCH, FREE = Oversight.GATE, Oversight.WATCH, Oversight.FREE


def a_policy(*rules: dict[str, Any], **tool: Any) -> Policy:
    """One harmless tool, `move`, unless said otherwise, and these rules."""
    harmless = {
        "category": "internal_change", "irreversibility": "low", "blast_radius": "low", "compliance": "low",
        "ttl_class": "routine",
    }  # fmt: skip
    return read_policy(
        {
            "default_route": "ops",
            "routes": {
                "ops": {"places": ["slack:C0OPS"], "approvers": ["ops"], "on_call": "sre"},
                "quiet": {"places": ["slack:C0Q"], "approvers": ["ops"]},
                "finance": {
                    "places": ["slack:C0FIN"],
                    "approvers": ["finance"],
                    "needed": 2,
                    "on_call": "sre",
                },
            },
            "tools": {"move": harmless | tool, "other": harmless},
            "rules": list(rules),
        }
    )


def moving(policy: Policy, **arguments: Any) -> RiskAssessment:
    return assess(an_action(**arguments), policy)


def an_action(tool: str = "move", **arguments: Any) -> Action:
    return Action(
        tool=tool, arguments=arguments, goal="g", summary="s", reasoning="r", confidence=0.95,
        targets=(Entity("customer", "c-7", facts={"lifetime": "12000"}),),
    )  # fmt: skip


def level(found: RiskAssessment, dimension: Dimension) -> Level:
    return next(one.level for one in found.findings if one.dimension is dimension)


def test_a_level_follows_from_the_arguments() -> None:
    """The first case that holds counts, else the last line; the card says which (S1, S5)."""
    policy = a_policy(blast_radius=[
        {"if": "size(ids) > 100", "level": "high", "reason": "More than a hundred at once."},
        {"if": "size(ids) > 10", "level": "medium"},
        "low",
    ])  # fmt: skip
    for count, expected in ((3, Level.LOW), (11, Level.MEDIUM), (101, Level.HIGH)):
        found = moving(policy, ids=list(range(count)))
        assert level(found, Dimension.BLAST_RADIUS) is expected
    assert (
        next(one.reason for one in found.findings if one.level is Level.HIGH)
        == "More than a hundred at once."
    )


def test_a_condition_that_has_no_answer_counts_as_high_and_says_so() -> None:
    """A misspelt name never lowers anything."""
    policy = a_policy(irreversibility=[{"if": "amuont < 500", "level": "low"}, "low"])
    found = moving(policy, amount=Decimal("10.00"))
    assert level(found, Dimension.IRREVERSIBILITY) is Level.HIGH
    said = next(one.reason for one in found.findings if one.dimension is Dimension.IRREVERSIBILITY)
    assert "'amuont < 500' holds cannot be told" in said
    assert found.oversight is WATCH


@pytest.mark.parametrize(
    ("rule", "oversight"),
    [
        ({"oversight": "gate"}, GATE),
        ({"oversight": "watch"}, WATCH),
        ({"irreversibility": "high", "confidence": "high"}, GATE),
        ({"irreversibility": "high"}, WATCH),
        ({"flag": "High-value customer"}, FREE),
        ({"if": "amount > 100", "oversight": "gate"}, GATE),
        ({"if": "amount > 1000", "oversight": "gate"}, FREE),
        ({"if": "no_such > 1", "flag": "Odd"}, GATE),
        ({"tools": ["other"], "oversight": "gate"}, FREE),
        ({"categories": ["internal_change"], "oversight": "gate"}, GATE),
        ({"categories": ["deletion"], "oversight": "gate"}, FREE),
        ({"if": "targets.exists(t, t.facts.lifetime > 10000)", "oversight": "gate", "flag": "High-value customer"}, GATE),
    ],
)  # fmt: skip
def test_a_rule_makes_things_stricter(rule: dict[str, Any], oversight: Oversight) -> None:
    """For the tools and categories it names, where its condition holds or cannot be answered (S5, S19)."""
    found = moving(a_policy({"name": "a rule of ours"} | rule), amount="129.90")
    assert found.oversight is oversight
    if oversight is not FREE:
        assert any("rule" in one for one in (*found.reasons, *(f.reason for f in found.findings)))
    assert (rule.get("flag") in found.flags) == ("flag" in rule)


@given(
    st.lists(st.sampled_from(["gate", "watch"]), max_size=3),
    st.lists(st.sampled_from(["low", "medium", "high"]), max_size=4),
)
def test_rules_never_lower_the_oversight(oversights: list[str], levels: list[str]) -> None:
    """Whatever is added, the action is watched at least as closely as without."""
    rules = [{"name": f"r{n}", "oversight": one} for n, one in enumerate(oversights)]
    rules += [{"name": f"l{n}", "compliance": one} for n, one in enumerate(levels)]
    order = (GATE, WATCH, FREE)
    seen = [
        order.index(moving(a_policy(*rules[:n], compliance="medium")).oversight)
        for n in range(len(rules) + 1)
    ]
    assert seen == sorted(seen, reverse=True)


def test_a_rule_sends_what_is_large_to_others() -> None:
    """Route and urgency follow from the arguments, and today's route is found again from the action alone."""
    policy = a_policy(
        {
            "name": "large",
            "if": "amount > 500",
            "route": "finance",
            "ttl_class": "urgent",
            "oversight": "gate",
        }
    )
    small, large = an_action(amount="10.00"), an_action(amount="900.00")
    assert (policy.route_for(small).name, policy.ttl_class_for(small)) == ("ops", TtlClass.ROUTINE)
    assert (policy.route_for(large).name, policy.chain_for(large)) == (
        "finance",
        policy.chain(TtlClass.URGENT),
    )
    frozen = canonical.encode(
        Proposal(action=large, assessment=assess(large, policy), thread=a_run().thread)
    ).decode()
    ask = ask_of(
        a_run(), frozen, key=PauseKey(thread=a_run().thread, interrupt="i", round=1), policy=policy, now=NOON, schema="{}"
    )  # fmt: skip
    assert (ask.rule.needed, ask.ttl_class) == (2, TtlClass.URGENT)


def test_a_rule_in_doubt_asks_no_fewer_people() -> None:
    """Whoever writes an argument that no rule can judge does not choose who decides by it."""
    many = {"name": "large", "if": "args.amount > 500", "route": "finance"}
    few = {"name": "small", "if": "args.amount < 50", "route": "ops"}
    policy = a_policy(many, few)
    routes = [policy.route_for(an_action(amount=amount)).name for amount in (900, 5, "9e2")]
    assert routes == ["finance", "ops", "finance"]
    assert a_policy(few, many).route_for(an_action(amount="9e2")).name == "finance"


def test_of_rules_in_doubt_the_stricter_one_counts_in_any_order() -> None:
    """As many people on both routes: neither more sets of them, nor runs of nobody, nor more time, by what no rule can judge."""
    policy = a_policy()
    wide = replace(policy.routes["ops"], name="wide", second_line="finance")
    open_door = replace(policy.routes["ops"], name="open", unattended=True)
    routes = {**policy.routes, "wide": wide, "open": open_door}
    doubtful = {
        name: PolicyRule(name=name, reason=name, when="args.amount > 500", route=name) for name in ("wide", "open", "quiet")
    }  # fmt: skip
    slow, fast = (
        PolicyRule(name=one, reason=one, when="args.amount > 500", ttl_class=one)
        for one in (TtlClass.SENSITIVE, TtlClass.URGENT)
    )
    for names in permutations(doubtful):
        rules = tuple(doubtful[name] for name in names)
        ruled = replace(policy, routes=routes, rules=rules)
        assert ruled.route_for(an_action(amount="9e2")).name == "quiet"
        assert ruled.route_for(an_action(amount=900)).name == names[-1]
    for rules in ((slow, fast), (fast, slow)):
        ruled = replace(policy, rules=rules)
        assert ruled.ttl_class_for(an_action(amount="9e2")) is TtlClass.URGENT
        assert ruled.ttl_class_for(an_action(amount=900)) is rules[-1].ttl_class
    routine = replace(slow, ttl_class=TtlClass.ROUTINE)
    hasty = replace(policy, rules=(fast, routine))
    assert hasty.ttl_class_for(an_action(amount="9e2")) is TtlClass.URGENT


async def test_a_rules_urgency_is_the_requests_clock() -> None:
    """Not only a word in the record: people are asked for as long as it says."""
    urgent = {"name": "large", "if": "args.amount > 500", "ttl_class": "urgent"}
    policy = read_policy({**POLICY, "rules": [urgent]})
    for goal, lasts in (
        ("129.90", policy.chains[TtlClass.SENSITIVE]),
        ("900.00", policy.chains[TtlClass.URGENT]),
    ):
        world = World(policy=policy)
        await world.ask(goal)
        ask = (await world.open_request()).ask
        assert ask.deadline.expires_at - ask.opened_at == lasts.ttl + lasts.grace


def test_a_rule_about_confidence_counts_for_a_models_bare_call() -> None:
    """Which has no words for how sure it is: that alone asks nobody, and a rule that says so does."""
    rule = {"name": "never sure", "if": "args.amount > 500", "confidence": "high"}
    calls = [an_action(amount=amount) for amount in (5, 900)]
    judged = [assess_call(replace(one, confidence=None), a_policy(rule)).oversight for one in calls]
    assert judged == [FREE, WATCH]


@pytest.mark.parametrize(
    ("hints", "dimension", "expected"),
    [
        ({"destructiveHint": True}, Dimension.IRREVERSIBILITY, Level.MEDIUM),
        ({"openWorldHint": True}, Dimension.BLAST_RADIUS, Level.MEDIUM),
        ({"destructiveHint": False, "readOnlyHint": True}, Dimension.IRREVERSIBILITY, Level.LOW),
    ],
)
def test_what_an_mcp_server_says_can_only_raise(
    hints: dict[str, bool], dimension: Dimension, expected: Level
) -> None:
    """Nobody vouches for a server's own words."""
    assert level(moving(a_policy(mcp=hints)), dimension) is expected
    strict = moving(a_policy(mcp=hints, irreversibility="high", blast_radius="high"))
    assert level(strict, dimension) is Level.HIGH


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rules": [{"name": "x", "if": "amount >", "flag": "F"}]}, r"rules\.1\.if: it is no condition in CEL"),
        ({"rules": [{"name": "x"}]}, r"rules\.1: it changes nothing"),
        ({"rules": [{"name": "x", "tools": ["mvoe"], "flag": "F"}]}, "did you mean move"),
        ({"rules": [{"name": "x", "route": "finanec"}]}, "did you mean finance"),
        ({"rules": [{"name": "x", "route": "quiet", "ttl_class": "urgent"}]}, r"rules\.1: unanswered requests page on-call"),
        ({"rules": [{"name": "x", "oversight": "free"}]}, r"rules\.1\.oversight"),
        ({"tool": {"blast_radius": [{"if": "true", "level": "low"}]}}, "the last one of a list"),
        ({"tool": {"blast_radius": [{"level": "low"}, "high"]}}, r"cases\.1\.if: it is missing"),
        ({"tool": {"blast_radius": [{"if": "size(a", "level": "low"}, "high"]}}, "no condition in CEL"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_by_its_key(change: dict[str, Any], words: str) -> None:
    """When the policy is read."""
    with pytest.raises(BadSettings, match=words):
        a_policy(*change.get("rules", ()), **change.get("tool", {}))


def test_a_policy_that_changes_has_another_version() -> None:
    """A condition is part of it."""
    versions = {a_policy({"name": "x", "if": f"amount > {n}", "flag": "F"}).version for n in range(3)}
    assert len(versions) == 3


def test_five_hundred_rules_take_their_time_once() -> None:
    """Conditions are compiled once; the bench measures how long weighing takes."""
    policy = a_policy(
        *({"name": f"r{n}", "if": f"amount > {n} && size(ids) > {n}", "flag": "F"} for n in range(500))
    )
    action = an_action(amount="250.00", ids=list(range(300)))
    assert "F" in assess(action, policy).flags
    took = list[float]()
    for _ in range(5):
        begun = time.process_time()
        assess(action, policy)
        took.append(time.process_time() - begun)
    assert median(took) < 0.5
