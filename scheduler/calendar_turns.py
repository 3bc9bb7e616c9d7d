"""Who is on call by an iCalendar file (RFC 5545, pure): each event is a turn, and its SUMMARY says whose.

Imported only where a rotation is a calendar: repetition, exceptions and time zones are the libraries' business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import recurring_ical_events
from icalendar import Calendar, Component

from ..approvals.errors import BadSetting
from ..approvals.people import PersonId
from .rotation import Shift

#: Looked ahead so far for the next change, and laid out at once.
AHEAD = timedelta(days=120)
#: A calendar with more turns in that time is no rotation; a mistyped repetition would never end.
MOST_TURNS = 5_000
#: How often nobody hands over.
_TOO_OFTEN = frozenset(["SECONDLY", "MINUTELY"])


@dataclass(frozen=True, slots=True, order=True)
class _Turn:
    """From `starts` to `ends` (UTC) it is `who`; nobody where that is empty."""

    starts: datetime
    ends: datetime
    who: str


@dataclass(slots=True, kw_only=True)
class CalendarTurns:
    """Turns of a calendar. Of several that cover an instant the one that began last counts.

    Attributes:
        zone: IANA name; where all-day events and times without a zone belong, and what `sayso oncall` speaks in.
        calendar: As it was read.
        names: What may stand in a SUMMARY, in lower case -> the person.
    """

    zone: str
    calendar: Calendar
    names: Mapping[str, PersonId]
    _from: datetime | None = field(default=None)
    _turns: tuple[_Turn, ...] = field(default=())

    @property
    def people(self) -> tuple[PersonId, ...]:
        """Whoever has a turn at some time."""
        said = (str(event.get("SUMMARY", "")).strip().casefold() for event in self.calendar.walk("VEVENT"))
        return tuple(sorted({self.names[one] for one in said if one}))

    def on_call(self, at: datetime) -> PersonId | None:
        """Who it is at this instant; None in a gap."""
        covering = [one for one in self._around(at) if one.starts <= at < one.ends]
        who = max(covering).who if covering else ""
        return PersonId(who) if who else None

    def shift(self, at: datetime) -> Shift:
        """Who it is, and until when it is them; None where nothing changes within `AHEAD`."""
        who = self.on_call(at)
        edges = sorted({edge for one in self._around(at) for edge in (one.starts, one.ends) if edge > at})
        return Shift(who=who, until=next((edge for edge in edges if self.on_call(edge) != who), None))

    def _around(self, at: datetime) -> tuple[_Turn, ...]:
        """What is laid out around this instant, `AHEAD` from it and more."""
        if self._from is None or not self._from <= at < self._from + AHEAD:
            begins = at - timedelta(days=1)
            self._turns, self._from = tuple(self._laid_out(begins)), begins
        return self._turns

    def _laid_out(self, begins: datetime) -> Iterator[_Turn]:
        found = recurring_ical_events.of(self.calendar).between(begins, begins + 2 * AHEAD)
        if len(found) > MOST_TURNS:
            raise BadSetting(f"it has {len(found)} turns in {2 * AHEAD.days} days, more than {MOST_TURNS}")
        for event in found:
            said = str(event.get("SUMMARY", "")).strip()
            starts, ends = self._instant(event["DTSTART"].dt), self._instant(event["DTEND"].dt)
            yield _Turn(starts, ends, self.names[said.casefold()] if said else "")

    def _instant(self, said: Any) -> datetime:
        """In UTC; a bare date is midnight, and a time without a zone is local, in `zone`."""
        if not isinstance(said, datetime):
            said = datetime(said.year, said.month, said.day)  # noqa: DTZ001 local, below
        here: datetime = said if said.tzinfo else said.replace(tzinfo=ZoneInfo(self.zone))
        return here.astimezone(UTC)


def read_turns(text: str, names: Mapping[str, PersonId], at: datetime) -> CalendarTurns:
    """The turns that a calendar describes, tried out around `at`.

    Raises: BadSetting, without the file's name.
    """
    try:
        calendar = Calendar.from_ical(text)
        if not isinstance(calendar, Calendar):
            raise BadSetting("it is no calendar: it does not begin with BEGIN:VCALENDAR")
        zone = str(calendar.get("X-WR-TIMEZONE", ""))
        if zone:
            ZoneInfo(zone)
        for number, event in enumerate(calendar.walk("VEVENT"), start=1):
            _checked(event, number, zone, names)
        turns = CalendarTurns(zone=zone or "UTC", calendar=calendar, names=names)
        turns.on_call(at)
    except (ZoneInfoNotFoundError, OSError):
        raise BadSetting(f'X-WR-TIMEZONE: there is no time zone "{zone[:40]}"') from None
    except (
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
    ) as error:  # the libraries', on what they cannot read
        raise BadSetting(f"it is no calendar: {' '.join(str(error).split())[:200]}") from None
    return turns


def _checked(event: Component, number: int, zone: str, names: Mapping[str, PersonId]) -> None:
    """Raises: BadSetting, with which event is meant."""
    said, starts = str(event.get("SUMMARY", "")).strip(), cast("Any", event.get("DTSTART"))
    which = f"event {number} ({said[:40] or 'without SUMMARY'})"
    for name, words in islice(event.errors, 1):
        raise BadSetting(f"{which}: {name} cannot be read: {words}"[:300])
    if starts is None:
        raise BadSetting(f"{which} has no DTSTART")
    if "DTEND" not in event and "DURATION" not in event and isinstance(starts.dt, datetime):
        raise BadSetting(f"{which} has no DTEND and no DURATION, so it is over as it begins")
    if said and said.casefold() not in names:
        raise BadSetting(f"{which}: SUMMARY names nobody of [people]; write an id or a name from there")
    if not zone and getattr(starts.dt, "tzinfo", None) is None:
        raise BadSetting(f"{which} is local time, and no X-WR-TIMEZONE says where")
    rules = cast("Any", event.get("RRULE") or [])
    for rule in rules if isinstance(rules, list) else [rules]:
        if _TOO_OFTEN & {str(one).upper() for one in rule.get("FREQ", ())}:
            raise BadSetting(f"{which}: nobody hands over that often (RRULE)")
