"""How risky an action is and how much a person has to do with it: the words; `agent.risk` does the scoring."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How much risk; higher is worse."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class Dimension(StrEnum):
    """The four things risk is made of; confidence is inverted: low confidence is high risk."""

    IRREVERSIBILITY = "irreversibility"
    BLAST_RADIUS = "blast radius"
    COMPLIANCE = "compliance exposure"
    CONFIDENCE = "confidence"


class Oversight(StrEnum):
    """How much a person has to do with an action."""

    GATE = "gate"  #: a person decides first
    WATCH = "watch"  #: it runs, people can undo it
    FREE = "free"  #: it runs and is audited


@dataclass(frozen=True, slots=True)
class Finding:
    """One dimension's level, and the sentence that says why."""

    dimension: Dimension
    level: Level
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskAssessment:
    """The four findings and what follows from them.

    Attributes:
        findings: One per dimension, in the order of `Dimension`.
        oversight: gate, watch or free.
        reasons: Why that oversight, one sentence each; never empty.
        flags: What a hurried reader must see first ("Cannot be undone"), at most 40 characters each.
        policy: Version of the tool catalog that was applied.
    """

    findings: tuple[Finding, ...]
    oversight: Oversight
    reasons: tuple[str, ...]
    flags: tuple[str, ...] = ()
    policy: str = ""

    def level(self, dimension: Dimension) -> Level:
        """The level of one dimension; HIGH when it was not assessed."""
        return next((f.level for f in self.findings if f.dimension is dimension), Level.HIGH)
