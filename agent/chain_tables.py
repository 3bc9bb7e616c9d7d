"""The tables of time in a policy: what each class of urgency means, and chains that are written out step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, time, timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ..approvals.deadline import Chain, Planned, StepKind
from ..approvals.hours import Hours
from .setting_words import NAME, NAME_WORDS, listed, written
from .table_forms import LONGEST, Duration, Strict

#: A chain that does more than this is a mistake in its numbers; a page wakes somebody each time.
MOST_STEPS, MOST_PAGES = 40, 10
#: Two steps nearer than this leave nobody time to act.
APART = timedelta(seconds=30)

#: Empty where there is none.
MaybeName = Annotated[str, written(rf"({NAME.pattern})?", NAME_WORDS)]
Share = Annotated[float, Field(gt=0, lt=1)]
#: 0 means never.
ShareOrNever = Annotated[float, Field(ge=0, lt=1)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'there is no time zone "{name[:40]}"; write one like "Europe/Berlin"') from None
    return name


def _clock_time(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return time.fromisoformat(value)
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError('a time of day is written like "09:00"')


#: "Europe/Berlin".
Zone = Annotated[str, AfterValidator(_zone)]
#: "09:00", on the wall clock of a zone.
ClockTime = Annotated[
    time,
    BeforeValidator(
        _clock_time, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-2][0-9]:[0-5][0-9]$")]
    ),
]

_KINDS = {
    "remind": StepKind.REMIND,
    "widen": StepKind.WIDEN,
    "page": StepKind.PAGE,
    "cancel": StepKind.EXPIRE,
}


class ChainTable(Strict):
    """`[ttl.sensitive]`: how long approvers have and what happens meanwhile; what is not said keeps its default.

    Attributes:
        ttl: The approvers' time.
        remind: Shares of it after which they are reminded.
        second_line: The share after which the second line is told; 0 is never.
        supervisor: The share after which the supervisor is told; 0 is never.
        pages: Whether on-call is paged at the end.
        grace: How long on-call has then.
        chain: A name of [chains], which says all of that instead.
    """

    ttl: Duration | None = None
    remind: tuple[Share, ...] | None = None
    second_line: ShareOrNever | None = None
    supervisor: ShareOrNever | None = None
    pages: bool | None = None
    grace: Duration | None = None
    chain: MaybeName = ""

    def chain_from(self, default: Chain) -> Chain:
        said = {
            name: value
            for name in type(self).model_fields
            if name != "chain" and (value := getattr(self, name)) is not None
        }
        chain = replace(default, **said)
        return chain if chain.pages else replace(chain, grace=timedelta(0))


class ChainsTable(Strict):
    """`[ttl]`: what each class of urgency means.

    Attributes:
        routine: What can wait: a week unless you say otherwise.
        sensitive: What should not wait: a day, and an hour after the page.
        urgent: Where minutes count: half an hour, and ten minutes after the page.
    """

    routine: ChainTable = ChainTable()
    sensitive: ChainTable = ChainTable()
    urgent: ChainTable = ChainTable()


class StepTable(Strict):
    """One step of a chain, like `{ after = "4h", do = "remind", every = "1h", times = 3 }`.

    Attributes:
        after: Time since people were asked.
        do: Remind those who have not voted, let a wider circle decide, page on-call, or cancel.
        to: Whom a wider circle or a page adds: a set, or the route's own "second_line", "supervisor" or "on_call".
        every: Do it again after this pause.
        times: How often altogether.
    """

    after: Duration
    do: Literal["remind", "widen", "page", "cancel"]
    to: MaybeName = ""
    every: Duration | None = None
    times: Annotated[int, Field(ge=2, le=20)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.every is None) != (self.times is None):
            raise ValueError(
                "what is done again needs both: every, the pause, and times, how often altogether"
            )
        if self.every and self.do not in ("remind", "page"):
            raise ValueError(f"only remind and page can be done again, not {self.do}")
        if self.do == "widen" and not self.to:
            raise ValueError('say whom: to = "second_line", or the name of a set')
        if self.to and self.do not in ("widen", "page"):
            raise ValueError(f"{self.do} adds nobody, so it has no “to”")
        return self

    def planned(self) -> Iterator[Planned]:
        to = self.to or ("on_call" if self.do == "page" else "")
        for count in range(self.times or 1):
            yield Planned(after=self.after + (self.every or timedelta()) * count, kind=_KINDS[self.do], to=to)


class WrittenTable(Strict):
    """`[chains.payments]`: what happens while nobody answers, written out.

    Attributes:
        steps: In order of time; the last one cancels, and everything else comes before it.
    """

    steps: Annotated[tuple[StepTable, ...], listed('steps, like { after = "1h", do = "remind" }')] = Field(
        min_length=1
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for number, (one, following) in enumerate(pairwise(self.steps), 2):
            if following.after < one.after:
                raise ValueError(f"step {number} comes before step {number - 1}: write them in order of time")
        if self.steps[-1].do != "cancel" or any(step.do == "cancel" for step in self.steps[:-1]):
            raise ValueError('the last step, and only that one, is { after = "…", do = "cancel" }')
        self._before_the_end([step for table in self.steps[:-1] for step in table.planned()])
        return self

    def _before_the_end(self, planned: list[Planned]) -> None:
        """Raises: ValueError, where something would come too late or too often."""
        ends = self.steps[-1].after
        if ends > LONGEST:
            raise ValueError(f"it cancels after more than {LONGEST.days} days")
        for number, table in enumerate(self.steps[:-1], 1):
            if max(step.after for step in table.planned()) + APART > ends:
                raise ValueError(
                    f"step {number} does not come {APART.seconds} s before it cancels, so nobody could act"
                )
        pages = sorted(step.after for step in planned if step.kind is StepKind.PAGE)
        if len(planned) > MOST_STEPS or len(pages) > MOST_PAGES:
            raise ValueError(f"it has more than {MOST_STEPS} steps, or {MOST_PAGES} pages")
        if any(later - one < APART for one, later in pairwise(pages)):
            raise ValueError(f"two of its pages come within {APART.seconds} s")

    def chain(self, name: str) -> Chain:
        steps = sorted(
            (step for table in self.steps for step in table.planned()), key=lambda step: step.after
        )
        return Chain.written(name, tuple(steps))


class HoursTable(Strict):
    """`[hours.berlin]`: when people are at work. Reminders wait for it; pages and deadlines never do.

    Attributes:
        zone: Whose wall clock, like "Europe/Berlin".
        days: Working days.
        opens: Local time at which they begin.
        closes: Local time at which they end.
        holidays: Days without work.
    """

    zone: Zone
    days: Annotated[tuple[Day, ...], listed('days, like ["mon", "tue"]')] = Field(
        default=_DAYS[:5], min_length=1
    )
    opens: ClockTime = time(9)
    closes: ClockTime = time(17)
    holidays: Annotated[tuple[date, ...], listed("dates, like [2026-12-25]")] = ()

    @model_validator(mode="after")
    def _opens_first(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("it must open before it closes, on the same day")
        return self

    def hours(self, name: str) -> Hours:
        days = tuple(sorted({_DAYS.index(day) for day in self.days}))
        return Hours(
            name=name, zone=self.zone, days=days, opens=self.opens, closes=self.closes,
            holidays=tuple(sorted(set(self.holidays))),
        )  # fmt: skip
