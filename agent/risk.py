"""Scores one action on the four dimensions and says how much a person has to do with it; pure, a table and three rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..approvals.action import Action
from ..approvals.risk import Dimension, Finding, Level, Oversight, RiskAssessment
from .conditions import Circumstances
from .policy import MANDATORY, Applying, Category, Mandatory, Policy, Rating, ToolPolicy, graded

GATE, WATCH, FREE = Oversight.GATE, Oversight.WATCH, Oversight.FREE

#: (how many of the four dimensions are high, how many medium) -> oversight; counts are capped at 2.
OVERSIGHT: Mapping[tuple[int, int], Oversight] = {
    (2, 0): GATE,  (2, 1): GATE,  (2, 2): GATE,
    (1, 0): WATCH, (1, 1): WATCH, (1, 2): WATCH,
    (0, 2): WATCH, (0, 1): FREE,  (0, 0): FREE,
}  # fmt: skip

#: The reasoning of an action whose agent gave none; it counts as low confidence.
NO_REASONING = "no reasoning given"

_CATEGORIES = frozenset(category.value for category in Category)

#: How sure is sure: halfway between the threshold and certainty, confidence is neither low nor high.
_HALFWAY = 0.5

#: What an MCP server says of its tool -> the dimension it raises, how far, and why.
HINTS: Mapping[str, tuple[Dimension, Level, str]] = {
    "destructiveHint": (Dimension.IRREVERSIBILITY, Level.MEDIUM, "Its server says that it may destroy something."),
    "openWorldHint": (Dimension.BLAST_RADIUS, Level.MEDIUM, "Its server says that it reaches the world outside."),
}  # fmt: skip

_HARMLESS = ("Whatever it gets wrong does no harm.",)
_CANNOT_BE_UNDONE = "Cannot be undone"
_HIGH_FLAGS: Mapping[Dimension, str] = {
    Dimension.IRREVERSIBILITY: _CANNOT_BE_UNDONE,
    Dimension.BLAST_RADIUS: "Wide reach",
    Dimension.COMPLIANCE: "High compliance exposure",
}


def needs_people(oversight: Oversight) -> bool:
    """Whether the agent pauses for it. Watched actions pause too, for as long as nothing can undo them."""
    return oversight is not Oversight.FREE


def strictness(assessment: RiskAssessment) -> tuple[int, int]:
    """For comparing two: how much people have to do with it, then how high its levels are together."""
    asked = (FREE, WATCH, GATE).index(assessment.oversight)
    return asked, sum(finding.level for finding in assessment.findings)


def weigh(levels: Mapping[Dimension, Level]) -> Oversight:
    """What follows from the levels alone; a dimension that was not assessed counts as high."""
    if _uncertain_on_high_stakes(levels):
        return GATE
    high, medium = (len(_at(levels, level)) for level in (Level.HIGH, Level.MEDIUM))
    return OVERSIGHT[min(high, 2), min(medium, 2)]


def assess(action: Action, policy: Policy) -> RiskAssessment:
    """The four findings on this action under this policy, what follows from them, and why."""
    return _assessed(action, policy, weigh)


def assess_call(action: Action, policy: Policy) -> RiskAssessment:
    """The same for a model's bare call of a tool, which has no words for how sure it is.

    That alone asks nobody about what is harmless in every other way; of everything else it counts as low confidence.
    """
    return _assessed(action, policy, _weigh_call)


def _weigh_call(levels: Mapping[Dimension, Level]) -> Oversight:
    others = [levels.get(one, Level.HIGH) for one in Dimension if one is not Dimension.CONFIDENCE]
    return FREE if all(level is Level.LOW for level in others) else weigh(levels)


def _assessed(
    action: Action, policy: Policy, weighing: Callable[[Mapping[Dimension, Level]], Oversight]
) -> RiskAssessment:
    tool, seen = policy.of(action.tool), Circumstances(action)
    applying = policy.applying(action, seen)
    findings = tuple(
        _raised(finding, applying)
        for finding in (
            _rated(Dimension.IRREVERSIBILITY, tool.irreversibility, tool, seen),
            _rated(Dimension.BLAST_RADIUS, tool.blast_radius, tool, seen),
            _rated(Dimension.COMPLIANCE, tool.compliance, tool, seen),
            _confidence(action, policy.low_confidence),
        )
    )
    levels = {finding.dimension: finding.level for finding in findings}
    always = always_asked(action, tool)
    ruled = [(one, _oversight_of(one)) for one in applying]
    unsure = any(one.rule.at_least.get(Dimension.CONFIDENCE) for one in applying)
    weighed = weigh(levels) if unsure else weighing(levels)
    oversight = _strictest(GATE if always else weighed, *(least for _, least in ruled if least))
    reasons = (
        *(rule.reason for rule in always), *(_reasons(levels) if weighed is weigh(levels) else _HARMLESS),
        *(_reason_of(one) for one, least in ruled if least is oversight),
    )  # fmt: skip
    return RiskAssessment(
        findings=findings, oversight=oversight, reasons=tuple(dict.fromkeys(reasons)), policy=policy.version,
        flags=_flags(action, tool, levels, (*always, *_ruled_flags(applying)), policy.low_confidence),
    )  # fmt: skip


def _rated(dimension: Dimension, rating: Rating, tool: ToolPolicy, seen: Circumstances) -> Finding:
    """What the tool's table says of one dimension, raised by what its MCP server says of it."""
    level, reason = graded(rating, seen)
    for hint, (raised, least, words) in HINTS.items():
        if raised is dimension and tool.hints.get(hint) and level < least:
            level, reason = least, words
    return Finding(dimension, level, reason)


def _raised(finding: Finding, applying: Sequence[Applying]) -> Finding:
    for one in applying:
        least = one.rule.at_least.get(finding.dimension)
        if least is not None and least > finding.level:
            finding = Finding(finding.dimension, least, _reason_of(one))
    return finding


def _oversight_of(one: Applying) -> Oversight | None:
    """The least that a rule asks for; one that cannot be answered puts it to people."""
    return GATE if one.doubt else one.rule.oversight


def _reason_of(one: Applying) -> str:
    doubt = f" (Whether it applies cannot be told: {one.doubt}.)" if one.doubt else ""
    return f"{one.rule.reason}{doubt}"


def _ruled_flags(applying: Sequence[Applying]) -> tuple[Mandatory, ...]:
    return tuple(Mandatory(one.rule.flag, one.rule.reason) for one in applying if one.rule.flag)


def _strictest(*all: Oversight) -> Oversight:
    return min(all, key=(GATE, WATCH, FREE).index)


def _confidence(action: Action, threshold: float) -> Finding:
    stated = action.confidence
    if action.reasoning.strip().casefold() == NO_REASONING:
        return Finding(
            Dimension.CONFIDENCE, Level.HIGH, "The agent gave no reasoning, so it is not trusted to be sure."
        )
    if stated is None:
        return Finding(Dimension.CONFIDENCE, Level.HIGH, "The agent did not say how sure it is.")
    if stated < threshold:
        return Finding(
            Dimension.CONFIDENCE, Level.HIGH, f"{_percent(stated)} is below {_percent(threshold)}."
        )
    if stated < threshold + (1 - threshold) * _HALFWAY:
        return Finding(
            Dimension.CONFIDENCE,
            Level.MEDIUM,
            f"{_percent(stated)} is above {_percent(threshold)}, but not by far.",
        )
    return Finding(Dimension.CONFIDENCE, Level.LOW, f"The agent is {_percent(stated)} sure.")


def always_asked(action: Action, tool: ToolPolicy) -> tuple[Mandatory, ...]:
    """The rules that gate whatever the levels say: the policy's category and the one the code states both count."""
    rules = list[Mandatory]()
    if not tool.known:
        rules.append(Mandatory("Unknown tool", "The policy does not know this tool."))
    for name in dict.fromkeys((tool.category or "", action.category)):
        if name and name not in _CATEGORIES:
            rules.append(
                Mandatory("Unknown category", f"Nobody has said what the category {name[:60]!r} means.")
            )
        elif name and Category(name) in MANDATORY:
            rules.append(MANDATORY[Category(name)])
    return tuple(dict.fromkeys(rules))


def _reasons(levels: Mapping[Dimension, Level]) -> tuple[str, ...]:
    """Why the levels lead where they lead, one sentence per rule that applies; never empty."""
    high, medium = _at(levels, Level.HIGH), _at(levels, Level.MEDIUM)
    reasons = list[str]()
    if _uncertain_on_high_stakes(levels):
        reasons.append("The agent does not say that it is sure, and what it touches is not harmless.")
    if len(high) >= 2:
        reasons.append(f"{_list(high)} are high.".capitalize())
    elif high:
        reasons.append(f"{_list(high)} is high.".capitalize())
    elif len(medium) >= 2:
        reasons.append(f"{_list(medium)} are medium.".capitalize())
    return tuple(reasons) or ("No risk is high and at most one is medium.",)


def _flags(
    action: Action, tool: ToolPolicy, levels: Mapping[Dimension, Level], always: Sequence[Mandatory], threshold: float
) -> tuple[str, ...]:  # fmt: skip
    """Most telling first. An unknown tool is flagged as that: nobody knows whether it can be undone."""
    high = [flag for dimension, flag in _HIGH_FLAGS.items() if tool.known and levels[dimension] is Level.HIGH]
    undone = [flag for flag in high if flag == _CANNOT_BE_UNDONE]
    flags = [*undone, *(rule.flag for rule in always), *tool.flags, *high]
    if action.confidence is None:
        flags.append("No confidence stated")
    elif action.confidence < threshold:
        flags.append(f"Confidence {_percent(action.confidence)} (gate below {_percent(threshold)})")
    if action.reasoning.strip().casefold() == NO_REASONING:
        flags.append("No reasoning given")
    return tuple(dict.fromkeys(flags))


def _uncertain_on_high_stakes(levels: Mapping[Dimension, Level]) -> bool:
    """Low confidence on high-stakes data gates whatever the rest says."""
    others = [d for d in Dimension if d is not Dimension.CONFIDENCE]
    unsure = levels.get(Dimension.CONFIDENCE, Level.HIGH) is Level.HIGH
    return unsure and any(levels.get(d, Level.HIGH) >= Level.MEDIUM for d in others)


def _at(levels: Mapping[Dimension, Level], level: Level) -> tuple[Dimension, ...]:
    return tuple(d for d in Dimension if levels.get(d, Level.HIGH) is level)


def _list(dimensions: Sequence[Dimension]) -> str:
    words = ["uncertainty" if d is Dimension.CONFIDENCE else d.value for d in dimensions]
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _percent(share: float) -> str:
    """Rounded down, so that what is below a threshold never reads as if it had reached it."""
    return f"{int(share * 100 + 1e-9)} %"
