"""Finds what cannot be meant in a policy that is otherwise right: conditions without an answer, what never counts; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..approvals.action import Action
from ..approvals.risk import Dimension, Level, Oversight
from .conditions import OWN_NAMES, CannotTell, Circumstances, names_in
from .policy import MANDATORY, Category, Policy, PolicyRule, Rating, ToolPolicy
from .risk import HINTS, weigh
from .sample_calls import sample_calls
from .seen_tools import SeenTool
from .setting_words import did_you_mean

#: A reminder before this time is over reminds nobody of anything.
SOONEST = timedelta(minutes=1)
_STRICTER = (Oversight.FREE, Oversight.WATCH, Oversight.GATE)


@dataclass(frozen=True, slots=True)
class Lint:
    """Something in the policy that cannot be meant.

    Attributes:
        key: Where it stands, like "rules.2.if" or "tools.look_up".
        words: What is wrong and what to do, one sentence.
        wrong: Whether it certainly is; else it may be meant.
    """

    key: str
    words: str
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the tools beside the policy.

    Attributes:
        tools: Those of the graphs that were loaded.
        whole: Whether every graph was; else a tool may be somewhere else.
    """

    tools: Mapping[str, SeenTool]
    whole: bool


def lint(policy: Policy, sight: Sight) -> Iterator[Lint]:
    """Everything that is found, in the order of the file."""
    for name, tool in policy.tools.items():
        for what in ("irreversibility", "blast_radius", "compliance"):
            yield from _of_cases(f"tools.{name}.{what}", getattr(tool, what), tool, sight)
        yield from _of_hints(tool, sight)
        if sight.whole and name not in sight.tools:
            yield Lint(f"tools.{name}", "no graph here has this tool")
    for name, seen in sight.tools.items():
        if name not in policy.tools:
            unused = [one for one in policy.tools if one not in sight.tools]
            hint = did_you_mean(name, unused) or "; `sayso policy scaffold` writes a first table for it"
            worst = (
                "it is taken at its worst and always asked about"
                if seen.asks
                else "nothing asks before it runs"
            )
            yield Lint(
                f"tools.{name}", f"a graph has this tool and the policy does not know it: {worst}{hint}"
            )
    for at, rule in enumerate(policy.rules, 1):
        yield from _of_rule(f"rules.{at}", rule, policy, sight)
    yield from _of_clocks(policy)


# ---- conditions


def _of_cases(key: str, rating: Rating, tool: ToolPolicy, sight: Sight) -> Iterator[Lint]:
    always, before = False, set[str]()
    for at, case in enumerate(rating.cases):
        which = f"case {at + 1} ({case.when})"
        if always or case.when in before:
            yield Lint(key, f"{which} is never asked: one before it holds whenever it would", wrong=True)
            continue
        constant = _constant(case.when)
        if constant is not None:
            yield Lint(
                key, f"{which} is {'always' if constant else 'never'} true, whatever the call", wrong=True
            )
            always = constant
        yield from _unanswered(key, which, case.when, [tool.name], sight)
        before.add(case.when)
        if constant is None and {rating.level, *(one.level for one in rating.cases[at + 1 :])} == {
            case.level
        }:
            yield Lint(key, f"{which} changes no level: without it the same would follow")


def _of_rule(key: str, rule: PolicyRule, policy: Policy, sight: Sight) -> Iterator[Lint]:
    about = [
        name for name in dict.fromkeys((*policy.tools, *sight.tools)) if _concerns(rule, name, policy, sight)
    ]
    if rule.categories and not about:
        where = f"none of {', '.join(rule.tools)}" if rule.tools else "no tool"
        words = f"it never applies: {where} is {' or '.join(rule.categories)}"
        yield Lint(key, words, wrong=sight.whole)
        return
    if rule.when:
        constant = _constant(rule.when)
        if constant is not None:
            so = "leave it out" if constant else "the rule never applies"
            yield Lint(
                f"{key}.if", f"it is {'always' if constant else 'never'} true: {so}", wrong=not constant
            )
        elif names_in(rule.when) == {"tool"} and not any(_holds(rule.when, name) for name in about):
            yield Lint(
                f"{key}.if", "it is true of no tool here, so the rule never applies", wrong=sight.whole
            )
        yield from _unanswered(f"{key}.if", "it", rule.when, about, sight, policy=policy)
    if (
        about
        and not (rule.flag or rule.route or rule.ttl_class)
        and all(_raises_nothing(rule, policy.of(name), sight) for name in about)
    ):
        yield Lint(key, "it changes nothing: what it is about is at least so strict without it")


def _unanswered(
    key: str, what: str, condition: str, about: Sequence[str], sight: Sight, *, policy: Policy | None = None
) -> Iterator[Lint]:
    """Arguments that no tool has, or not every tool: then the worst is assumed, each time."""
    schemas = {name: schema for name in about if name in sight.tools and (schema := sight.tools[name].schema)}
    if not schemas or (len(schemas) < len(about) and not sight.whole):
        return
    arguments = {name for schema in schemas.values() for name in schema.get("properties", {})}
    if missing := sorted(names_in(condition) - OWN_NAMES - arguments):
        named = did_you_mean(missing[0], arguments)
        whose = f"tools.{about[0]} has no" if len(about) == 1 else "no tool that it is about has an"
        yield Lint(
            key, f"{what} asks about {missing[0]}, but {whose} argument of this name{named}", wrong=True
        )
        return
    doubts = {name: doubt for name, schema in schemas.items() if (doubt := _doubt(condition, name, schema))}
    harmed = [name for name in doubts if policy is None or not _asked_anyway(name, policy)]
    if harmed:
        doubt = doubts[harmed[0]]
        yield Lint(
            key,
            f"{what} can never be answered for {', '.join(harmed)} ({doubt}), so every call is taken at its worst: "
            f"name the tools it is about, or begin with has(args.…)",
            wrong=len(doubts) == len(about),
        )


def _doubt(condition: str, tool: str, schema: Mapping[str, object]) -> str:
    """Why no call of this tool gets an answer; empty when one does."""
    doubt = ""
    for action in sample_calls(tool, schema):
        try:
            Circumstances(action).hold(condition)
        except CannotTell as error:
            doubt = doubt or str(error)
        else:
            return ""
    return doubt


def _constant(condition: str) -> bool | None:
    """Its answer, if it asks about nothing of the call."""
    if names_in(condition):
        return None
    try:
        return _holds(condition, "-")
    except CannotTell:
        return None


def _holds(condition: str, tool: str) -> bool:
    return Circumstances(_bare(tool)).hold(condition)


def _bare(tool: str) -> Action:
    return Action(tool=tool, arguments={}, goal="-", summary="-", reasoning="-", confidence=1.0)


# ---- what counts


def _concerns(rule: PolicyRule, name: str, policy: Policy, sight: Sight) -> bool:
    kinds = set(map(str, _kinds(policy.of(name), sight)))
    return (not rule.tools or name in rule.tools) and (
        not rule.categories or bool(kinds & set(map(str, rule.categories)))
    )


def _kinds(tool: ToolPolicy, sight: Sight) -> Iterator[Category | str]:
    """Its category in the policy and the one that its code declares."""
    if tool.category:
        yield tool.category
    if tool.name in sight.tools and sight.tools[tool.name].category:
        yield sight.tools[tool.name].category


def _raises_nothing(rule: PolicyRule, tool: ToolPolicy, sight: Sight) -> bool:
    """Whether even the least bad call of this tool is treated so strictly already."""
    floor = _floor(tool)
    always = not tool.known or any(kind in set(MANDATORY) for kind in _kinds(tool, sight))
    least = Oversight.GATE if always else weigh(floor)
    raised = any(level > floor[dimension] for dimension, level in rule.at_least.items())
    if rule.log_only and not always and not tool.log_only:
        return False
    return not raised and (
        rule.oversight is None or _STRICTER.index(rule.oversight) <= _STRICTER.index(least)
    )


def _floor(tool: ToolPolicy) -> Mapping[Dimension, Level]:
    """The lowest levels that any call of it can have."""
    ratings = (
        (Dimension.IRREVERSIBILITY, tool.irreversibility), (Dimension.BLAST_RADIUS, tool.blast_radius),
        (Dimension.COMPLIANCE, tool.compliance),
    )  # fmt: skip
    floor = {one: min((rating.level, *(case.level for case in rating.cases))) for one, rating in ratings}
    for hint, (dimension, least, _) in HINTS.items():
        if tool.hints.get(hint):
            floor[dimension] = max(floor[dimension], least)
    return {**floor, Dimension.CONFIDENCE: Level.LOW}


def _asked_anyway(name: str, policy: Policy) -> bool:
    tool = policy.of(name)
    return not tool.known or tool.category in MANDATORY or weigh(_floor(tool)) is Oversight.GATE


# ---- hints and clocks


def _of_hints(tool: ToolPolicy, sight: Sight) -> Iterator[Lint]:
    key, reads = f"tools.{tool.name}.mcp", tool.category is Category.READ
    if tool.hints.get("readOnlyHint") and not reads:
        yield Lint(key, f"its server says that it only reads, and its category is {tool.category}")
    if reads and (tool.hints.get("readOnlyHint") is False or tool.hints.get("destructiveHint")):
        yield Lint(key, "its server says that it changes something, and its category is read", wrong=True)
    said = sight.tools[tool.name].hints if tool.name in sight.tools else {}
    for hint in HINTS:
        if said.get(hint) and not tool.hints.get(hint):
            yield Lint(f"tools.{tool.name}", f"its server says {hint} = true, and its mcp table does not")


def _of_clocks(policy: Policy) -> Iterator[Lint]:
    for kind, chain in policy.chains.items():
        if 0 < chain.supervisor <= chain.second_line:
            yield Lint(f"ttl.{kind}.supervisor", "the supervisor is told no later than the second line")
    for key, ttl, remind in _reminders(policy):
        if remind and ttl * min(remind) < SOONEST:
            seconds = (ttl * min(remind)).total_seconds()
            yield Lint(
                key, f"approvers are reminded {seconds:.0f} s after they were asked: leave that reminder out"
            )


def _reminders(policy: Policy) -> Iterable[tuple[str, timedelta, tuple[float, ...]]]:
    for kind, chain in policy.chains.items():
        yield f"ttl.{kind}.remind", chain.ttl, chain.remind
    for name, tool in policy.tools.items():
        if tool.ttl:
            yield f"tools.{name}.ttl", tool.ttl, policy.chains[tool.ttl_class].remind
