"""When people are at work (pure): business hours of one place, for reminders only; no page and no deadline waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: Looked ahead so far for the next working day; hours that never come hold nothing back.
_DAYS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Working hours on the wall clock of a place, which summer time moves.

    Attributes:
        name: As in the settings.
        zone: IANA name, like "Europe/Berlin".
        days: Weekdays, Monday is 0.
        opens, closes: Local time; `closes` is later on the same day.
        holidays: Local dates on which nobody works.
    """

    name: str
    zone: str
    days: tuple[int, ...]
    opens: time
    closes: time
    holidays: tuple[date, ...] = ()

    def next_open(self, at: datetime) -> datetime:
        """`at` itself during working hours, else the next opening, in UTC."""
        zone = ZoneInfo(self.zone)
        today = at.astimezone(zone).date()
        for ahead in range(_DAYS):
            day = today + timedelta(days=ahead)
            if day.weekday() not in self.days or day in self.holidays:
                continue
            opens = datetime.combine(day, self.opens, zone).astimezone(UTC)
            closes = datetime.combine(day, self.closes.replace(fold=1), zone).astimezone(UTC)
            if at < closes:
                return max(at, opens)
        return at
