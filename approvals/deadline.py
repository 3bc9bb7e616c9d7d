"""When what happens if nobody answers: TTL classes, chains of steps, and the plan made from them (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class TtlClass(StrEnum):
    """How long approvers have, by urgency."""

    ROUTINE = "routine"
    SENSITIVE = "sensitive"
    URGENT = "urgent"


class StepKind(StrEnum):
    """What a step does when its time comes."""

    REMIND = "remind"  #: say again where the cards stand
    WIDEN = "widen"  #: another approver set is told and may decide from now on
    PAGE = "page"  #: on-call is paged
    EXPIRE = "expire"  #: the request is cancelled aloud


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens at a fixed time.

    Attributes:
        at: UTC.
        kind: What happens.
        adds: Approver set that may decide from this step on; empty when the step adds nobody.
    """

    at: datetime
    kind: StepKind
    adds: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The clock of one request, fixed when it opens.

    Attributes:
        ends_at: UTC; the approvers' time is over, the grace begins (equal to `expires_at` without one).
        expires_at: UTC; from this instant on nobody can decide.
        steps: In order of time; the last one is EXPIRE at `expires_at`.
    """

    ends_at: datetime
    expires_at: datetime
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a TTL class means.

    Attributes:
        ttl: The approvers' time; more than zero.
        remind: Fractions of the TTL at which approvers are reminded, each above 0 and below 1.
        second_line, supervisor: Fractions at which wider circles are told; 0 means never.
        pages: Whether on-call is paged when the TTL ends.
        grace: How long after that; zero when `pages` is false.
    """

    ttl: timedelta
    remind: tuple[float, ...] = (0.5,)
    second_line: float = 0.75
    supervisor: float = 0.9
    pages: bool = False
    grace: timedelta = timedelta(0)


#: A week for what can wait, a day for what should not, half an hour where each minute counts; the policy may change it.
#: Whoever is paged has to wake up and read before it is cancelled: that is the grace.
CHAINS: dict[TtlClass, Chain] = {
    TtlClass.ROUTINE: Chain(ttl=timedelta(days=7)),
    TtlClass.SENSITIVE: Chain(ttl=timedelta(hours=24), pages=True, grace=timedelta(hours=1)),
    TtlClass.URGENT: Chain(ttl=timedelta(minutes=30), pages=True, grace=timedelta(minutes=10)),
}


def plan(
    chain: Chain, opened_at: datetime, *, second_line: str = "", supervisor: str = "", on_call: str = ""
) -> Deadline:
    """The fixed times of one request. A circle without a name is left out; a page is not (it tells people).

    `on_call` names the set that may decide once paged; empty when the paged person may not.
    """
    ends_at = opened_at + chain.ttl
    expires_at = ends_at + (chain.grace if chain.pages else timedelta(0))
    steps = [Step(at=opened_at + chain.ttl * share, kind=StepKind.REMIND) for share in chain.remind]
    for share, circle in ((chain.second_line, second_line), (chain.supervisor, supervisor)):
        if share and circle:
            steps.append(Step(at=opened_at + chain.ttl * share, kind=StepKind.WIDEN, adds=circle))
    if chain.pages:
        steps.append(Step(at=ends_at, kind=StepKind.PAGE, adds=on_call))
    steps.sort(key=lambda step: step.at)
    steps.append(Step(at=expires_at, kind=StepKind.EXPIRE))
    return Deadline(ends_at=ends_at, expires_at=expires_at, steps=tuple(steps))
