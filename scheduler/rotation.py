"""Who is on call by a rotation (pure): shifts on the wall clock of a place, what replaces them, and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from ..approvals.people import PersonId

#: Looked ahead so many changes for the next one that puts somebody else on call.
_LOOK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Somebody else for a while.

    Attributes:
        who: None leaves a gap.
        starts, ends: Local time of the rotation's place, without a zone.
    """

    who: PersonId | None
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Who is on call, and until when (UTC); None without anybody, or for ever."""

    who: PersonId | None
    until: datetime | None


class Turns(Protocol):
    """Whose turn it is, from whatever says so."""

    @property
    def zone(self) -> str: ...
    @property
    def people(self) -> tuple[PersonId, ...]:
        """Whoever has a turn at some time."""
        ...

    def on_call(self, at: datetime) -> PersonId | None:
        """Who it is at this instant; None in a gap."""
        ...

    def shift(self, at: datetime) -> Shift:
        """Who it is, and until when it is them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """People who take turns.

    Attributes:
        zone: IANA name; handovers stay at their time of day when summer time begins or ends.
        people: In the order of their turns.
        starts: The first handover, local time without a zone; before it nobody is on call.
        length: Of one turn, on the wall clock.
        overrides: Of several that cover an instant the last one counts.
    """

    zone: str
    people: tuple[PersonId, ...]
    starts: datetime
    length: timedelta
    overrides: tuple[Override, ...] = ()

    def on_call(self, at: datetime) -> PersonId | None:
        """Who it is at this instant; None in a gap."""
        for override in reversed(self.overrides):
            if self._instant(override.starts) <= at < self._instant(override.ends):
                return override.who
        number = self._turn(at)
        return self.people[number % len(self.people)] if number >= 0 else None

    def shift(self, at: datetime) -> Shift:
        """Who it is, and until when it is them."""
        who, moment = self.on_call(at), at
        for _ in range(_LOOK):
            moment = self._next_change(moment)
            if self.on_call(moment) != who:
                return Shift(who=who, until=moment)
            if len(self.people) == 1 and not any(moment < self._instant(one.ends) for one in self.overrides):
                break
        return Shift(who=who, until=None)

    def _next_change(self, at: datetime) -> datetime:
        """The next instant at which a turn, or what replaces one, begins or ends."""
        edges = (edge for one in self.overrides for edge in (one.starts, one.ends))
        coming = [instant for edge in edges if (instant := self._instant(edge)) > at]
        return min([self._handover(max(self._turn(at) + 1, 0)), *coming])

    def _turn(self, at: datetime) -> int:
        """Number of the turn at this instant; below 0 before the first."""
        local = at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        number = (local - self.starts) // self.length
        while self._handover(number + 1) <= at:  # around the night when the clock is changed
            number += 1
        while self._handover(number) > at:
            number -= 1
        return number

    def _handover(self, number: int) -> datetime:
        return self._instant(self.starts + self.length * number)

    def _instant(self, local: datetime) -> datetime:
        """In UTC; of an hour that comes twice the first, and an hour that is left out counts as the one after it."""
        return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
