"""When what happens if nobody answers: TTL classes, chains of steps, and the plan made from them (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from .hours import Hours
from .people import PersonId


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
class Looking:
    """Somebody is on it: one step waits for them.

    Attributes:
        since, until: UTC.
        step: Which one waits, as an index of the deadline's steps.
    """

    person: PersonId
    since: datetime
    until: datetime
    step: int


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


def fires_at(deadline: Deadline, fired: int, looking: Looking | None) -> datetime:
    """When the step after `fired` ones comes: at its time, or a little later where somebody is on it."""
    if fired >= len(deadline.steps):
        return deadline.expires_at
    at = deadline.steps[fired].at
    return max(at, looking.until) if looking and looking.step == fired else at


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One step of a chain that somebody wrote out.

    Attributes:
        after: Time since the request opened; more than zero.
        to: The approver set that a wider circle or a page adds, or one of `ROLES`, which means the route's own.
    """

    after: timedelta
    kind: StepKind
    to: str = ""


#: What a chain may call the circles of whatever route a request takes.
ROLES = ("second_line", "supervisor", "on_call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a TTL class means, or what a tool's own chain says.

    Attributes:
        ttl: The approvers' time; more than zero.
        remind: Fractions of the TTL at which approvers are reminded, each above 0 and below 1.
        second_line, supervisor: Fractions at which wider circles are told; 0 means never.
        pages: Whether on-call is paged when the TTL ends.
        grace: How long after that; zero when `pages` is false.
        steps: Written out, in order of time, the last one EXPIRE; they replace `remind`, `second_line` and `supervisor`.
        name: Of a chain that is written out; else empty.
    """

    ttl: timedelta
    remind: tuple[float, ...] = (0.5,)
    second_line: float = 0.75
    supervisor: float = 0.9
    pages: bool = False
    grace: timedelta = timedelta(0)
    steps: tuple[Planned, ...] = ()
    name: str = ""

    @classmethod
    def written(cls, name: str, steps: tuple[Planned, ...]) -> Chain:
        """A chain of these steps, the last of them EXPIRE; the approvers' time is over with the first page."""
        ends = next((step.after for step in steps if step.kind is StepKind.PAGE), steps[-1].after)
        grace = steps[-1].after - ends
        return cls(
            ttl=ends,
            remind=(),
            second_line=0,
            supervisor=0,
            pages=bool(grace),
            grace=grace,
            steps=steps,
            name=name,
        )

    @property
    def sets(self) -> tuple[str, ...]:
        """Approver sets that it names itself, beside those of the route."""
        return tuple(dict.fromkeys(step.to for step in self.steps if step.to and step.to not in ROLES))

    @property
    def asked_roles(self) -> tuple[str, ...]:
        """Circles of the route that it lets decide; a page goes out also where the paged person may not."""
        steps = (step for step in self.steps if step.kind is StepKind.WIDEN and step.to in ROLES)
        return tuple(dict.fromkeys(step.to for step in steps))


#: A week for what can wait, a day for what should not, half an hour where each minute counts; the policy may change it.
#: Whoever is paged has to wake up and read before it is cancelled: that is the grace.
CHAINS: dict[TtlClass, Chain] = {
    TtlClass.ROUTINE: Chain(ttl=timedelta(days=7)),
    TtlClass.SENSITIVE: Chain(ttl=timedelta(hours=24), pages=True, grace=timedelta(hours=1)),
    TtlClass.URGENT: Chain(ttl=timedelta(minutes=30), pages=True, grace=timedelta(minutes=10)),
}


def plan(
    chain: Chain, opened_at: datetime, *,
    second_line: str = "", supervisor: str = "", on_call: str = "", hours: Hours | None = None,
) -> Deadline:  # fmt: skip
    """The fixed times of one request. A circle without a name is left out; a page is not (it tells people).

    Args:
        on_call: The set that may decide once paged; empty when the paged person may not.
        hours: Reminders wait for these; nothing else does. One that would come too late is left out.
    """
    circles = {"second_line": second_line, "supervisor": supervisor, "on_call": on_call}
    ends_at = opened_at + chain.ttl
    expires_at = ends_at + (chain.grace if chain.pages else timedelta(0))
    steps = [
        Step(at=opened_at + step.after, kind=step.kind, adds=circles.get(step.to, step.to))
        for step in chain.steps[:-1] or _usual(chain)
    ]
    steps = [step for step in steps if step.adds or step.kind is not StepKind.WIDEN]
    if hours:
        steps = [_in_hours(step, hours) for step in steps]
    steps = sorted(dict.fromkeys(step for step in steps if step.at < expires_at), key=lambda step: step.at)
    steps.append(Step(at=expires_at, kind=StepKind.EXPIRE))
    return Deadline(ends_at=ends_at, expires_at=expires_at, steps=tuple(steps))


def _in_hours(step: Step, hours: Hours) -> Step:
    return replace(step, at=hours.next_open(step.at)) if step.kind is StepKind.REMIND else step


def _usual(chain: Chain) -> Iterator[Planned]:
    """The steps of a TTL class that says shares of its time."""
    for share in chain.remind:
        yield Planned(after=chain.ttl * share, kind=StepKind.REMIND)
    for share, role in ((chain.second_line, "second_line"), (chain.supervisor, "supervisor")):
        if share:
            yield Planned(after=chain.ttl * share, kind=StepKind.WIDEN, to=role)
    if chain.pages:
        yield Planned(after=chain.ttl, kind=StepKind.PAGE, to="on_call")
