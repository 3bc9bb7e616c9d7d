"""Who is on call by a calendar: repetition, exceptions, overrides, both changes of the clock, gaps, and files that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.approvals.people import Person, PersonId
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.rotations import RotationFile

BO, CY, KIM = PersonId("bo"), PersonId("cy"), PersonId("kim")
NAMES = {"bo": "Bo", "cy": "Cy Young", "kim": "Kim"}
HEAD = ("VERSION:2.0", "PRODID:-//rota//EN", "X-WR-TIMEZONE:Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def event(who: str, starts: str, ends: str, *more: str, zone: str = ";TZID=Europe/Berlin") -> str:
    uid = f"UID:{who}-{starts}"
    said = (uid, f"SUMMARY:{who}", f"DTSTART{zone}:{starts}", f"DTEND{zone}:{ends}", *more)
    return "\r\n".join(("BEGIN:VEVENT", *said, "END:VEVENT"))


def calendar(tmp_path: Path, *events: str, head: tuple[str, ...] = HEAD) -> RotationFile:
    file = tmp_path / "oncall.ics"
    file.write_text("\r\n".join(("BEGIN:VCALENDAR", *head, *events, "END:VCALENDAR", "")), newline="")
    return RotationFile(file, NAMES)


EVERY_OTHER = "RRULE:FREQ=WEEKLY;INTERVAL=2"
BOTH = (
    event("bo", "20300107T090000", "20300114T090000", EVERY_OTHER),
    event("Cy Young", "20300114T090000", "20300121T090000", EVERY_OTHER),
)


def test_two_who_take_turns_by_id_and_by_name(tmp_path: Path) -> None:
    """Nine in Berlin is eight in UTC; before the first turn nobody is on call; the next one is known."""
    turns = calendar(tmp_path, *BOTH).rotation
    assert turns.on_call(utc(2030, 1, 7, 7, 59)) is None
    assert turns.on_call(utc(2030, 1, 7, 8)) == BO
    shift = turns.shift(utc(2030, 1, 9))
    assert (shift.who, shift.until) == (BO, utc(2030, 1, 14, 8))
    assert turns.on_call(utc(2030, 1, 14, 8)) == CY
    assert turns.on_call(utc(2035, 6, 1)) in (BO, CY)  # years ahead, and back again
    assert turns.on_call(utc(2030, 1, 7, 8)) == BO


@pytest.mark.parametrize(
    ("zone", "first", "handover"),
    [
        ("Europe/Berlin", "20300325T090000", utc(2030, 4, 1, 7)),  # forward on 31 March
        ("Europe/Berlin", "20301021T090000", utc(2030, 10, 28, 8)),  # back on 27 October
        ("America/New_York", "20300304T090000", utc(2030, 3, 11, 13)),  # forward on 10 March
        ("America/New_York", "20301028T090000", utc(2030, 11, 4, 14)),  # back on 3 November
    ],
)
def test_the_handover_stays_at_nine_when_the_clock_is_changed(
    tmp_path: Path, zone: str, first: str, handover: datetime
) -> None:
    """A week over the change has an hour more or less, and neither a gap nor two on call."""
    ends = f"{handover:%Y%m%d}T090000"
    after = event("cy", ends, f"{handover:%Y%m}{handover.day + 1:02}T090000", zone=f";TZID={zone}")
    turns = calendar(tmp_path, event("bo", first, ends, zone=f";TZID={zone}"), after).rotation
    shift = turns.shift(handover - timedelta(hours=9))
    assert (shift.who, shift.until) == (BO, handover)
    assert turns.on_call(handover) == CY


@pytest.mark.parametrize(
    "handover", [utc(2030, 4, 1, 7), utc(2030, 10, 28, 8)], ids=["forward on 31 March", "back on 27 October"]
)
def test_a_repeated_week_over_the_change_has_no_gap(tmp_path: Path, handover: datetime) -> None:
    """What the rule repeats is the wall clock, not a number of seconds."""
    turns = calendar(tmp_path, *BOTH).rotation
    assert turns.shift(handover - timedelta(hours=9)).until == handover
    assert {turns.on_call(handover - timedelta(minutes=1)), turns.on_call(handover)} == {BO, CY}


def test_an_override_an_exception_and_a_gap(tmp_path: Path) -> None:
    """Whoever began last counts; a date that is taken out is a gap, and so is an event that names nobody."""
    bo = event(
        "bo", "20300107T090000", "20300114T090000", EVERY_OTHER, "EXDATE;TZID=Europe/Berlin:20300121T090000"
    )
    moved = event(
        "kim", "20300204T090000", "20300211T090000", "RECURRENCE-ID;TZID=Europe/Berlin:20300204T090000"
    )
    moved = moved.replace("UID:kim-20300204T090000", "UID:bo-20300107T090000")
    turns = calendar(
        tmp_path, bo, BOTH[1], moved,
        event("kim", "20300109T120000", "20300110T120000"), event("", "20300110T090000", "20300110T100000"),
    ).rotation  # fmt: skip
    at = [
        utc(2030, 1, 9, 10),
        utc(2030, 1, 9, 11),
        utc(2030, 1, 10, 8),
        utc(2030, 1, 10, 9),
        utc(2030, 1, 10, 11),
    ]
    assert [turns.on_call(one) for one in at] == [BO, KIM, None, KIM, BO]
    assert turns.on_call(utc(2030, 1, 22)) is None
    assert turns.on_call(utc(2030, 2, 5)) == KIM


def test_whole_days_and_times_without_a_zone_are_local(tmp_path: Path) -> None:
    """Midnight in Berlin, not in Greenwich."""
    day = event("bo", "20300107", "20300108", zone=";VALUE=DATE")
    floating = event("cy", "20300108T000000", "20300108T120000", zone="")
    turns = calendar(tmp_path, day, floating).rotation
    assert turns.on_call(utc(2030, 1, 6, 22, 59)) is None
    assert turns.on_call(utc(2030, 1, 6, 23)) == BO
    assert turns.shift(utc(2030, 1, 7)).until == utc(2030, 1, 7, 23)
    assert turns.on_call(utc(2030, 1, 8, 10, 59)) == CY


async def test_a_gap_asks_the_fallback_and_only_who_is_on_call_counts(tmp_path: Path) -> None:
    """The same as with a table: a set like any other."""
    clock = [utc(2030, 1, 1)]

    async def now() -> datetime:
        return clock[0]

    directory = ConfiguredDirectory(
        people=[Person(id=PersonId(id), name=name, accounts={}) for id, name in NAMES.items()],
        sets={
            "on-call": ApproverSet(rotation=calendar(tmp_path, *BOTH), fallback="seniors"),
            "seniors": ApproverSet(people=(KIM,)),
        },
        platforms={}, now=now,
    )  # fmt: skip
    seen = []
    for clock[0] in (utc(2030, 1, 1), utc(2030, 1, 8), utc(2030, 1, 15)):
        seen.append(set(await directory.members("on-call")))
    assert seen == [{KIM}, {BO}, {CY}]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((event("sue", "20300107T090000", "20300114T090000"),), "event 1 .sue.: SUMMARY names nobody"),
        ((event("bo", "tomorrow", "20300114T090000"),), "DTSTART cannot be read"),
        ((event("bo", "20300107T090000", "20300107T090500", "RRULE:FREQ=SECONDLY"),), "nobody hands over that often"),
        ((event("bo", "20300107T090000", "20300114T090000", "RRULE:FREQ=OFTEN"),), "cannot be read|is no calendar"),
        (("BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:bo\r\nDTSTART:20300107T090000Z\r\nEND:VEVENT",), "no DTEND"),
        (("no calendar at all",), "it is no calendar"),
    ],
)  # fmt: skip
def test_a_calendar_that_is_wrong_is_refused(tmp_path: Path, events: tuple[str, ...], said: str) -> None:
    """With the file and the event."""
    with pytest.raises(BadSetting, match=f"oncall.ics: .*({said})"):
        calendar(tmp_path, *events)


def test_local_times_need_a_place(tmp_path: Path) -> None:
    """Nobody guesses whose nine o'clock it is."""
    with pytest.raises(BadSetting, match="no X-WR-TIMEZONE says where"):
        calendar(tmp_path, event("bo", "20300107T090000", "20300114T090000", zone=""), head=HEAD[:2])
    with pytest.raises(BadSetting, match="there is no time zone"):
        calendar(tmp_path, *BOTH, head=(*HEAD[:2], "X-WR-TIMEZONE:Europe/Berlim"))
