"""Who is on call: turns stay on the wall clock, overrides win, gaps ask the fallback, PagerDuty's schedules count as groups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from sayso.approvals.errors import BadSetting, DirectoryDown
from sayso.approvals.people import Person, PersonId
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.pagerduty_schedules import PagerDutySchedules
from sayso.bot.rotations import RotationFile, read_rotation
from sayso.sandbox.loopback import LoopbackServer
from sayso.scheduler.rotation import Override, Rotation

BO, CY, KIM = PersonId("bo"), PersonId("cy"), PersonId("kim")
NAMES = {"bo": "Bo", "cy": "Cy", "kim": "Kim"}


def local(text: str) -> datetime:
    """Time on a wall clock, as a rotation file says it."""
    return datetime.fromisoformat(text)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


WEEKLY = Rotation(
    zone="Europe/Berlin", people=(BO, CY, KIM), starts=local("2030-01-07T09:00"), length=timedelta(days=7)
)
FILE = """
zone = "Europe/Berlin"
people = ["bo", "cy"]
starts = 2030-01-07T09:00:00
length = "7d"
overrides = [{ who = "kim", from = 2030-01-08T09:00:00, to = 2030-01-09T09:00:00 }]
"""


def test_they_take_turns_and_the_next_one_is_known() -> None:
    """Nine o'clock in Berlin is eight in UTC in winter; before the first handover nobody is on call."""
    assert WEEKLY.on_call(utc(2030, 1, 7, 7, 59)) is None
    assert WEEKLY.on_call(utc(2030, 1, 7, 8)) == BO
    assert WEEKLY.on_call(utc(2030, 1, 14, 7, 59)) == BO
    shift = WEEKLY.shift(utc(2030, 1, 14, 8))
    assert (shift.who, shift.until) == (CY, utc(2030, 1, 21, 8))


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Europe/Berlin", utc(2030, 3, 25, 8), utc(2030, 4, 1, 7)),  # forward on 31 March
        ("Europe/Berlin", utc(2030, 10, 21, 7), utc(2030, 10, 28, 8)),  # back on 27 October
        ("America/New_York", utc(2030, 3, 4, 14), utc(2030, 3, 11, 13)),  # forward on 10 March
        ("America/New_York", utc(2030, 10, 28, 13), utc(2030, 11, 4, 14)),  # back on 3 November
    ],
)
def test_the_handover_stays_at_nine_when_the_clock_is_changed(
    zone: str, before: datetime, after: datetime
) -> None:
    """P25: The week with the change has an hour less or more; nobody is on call twice or not at all."""
    rotation = Rotation(
        zone=zone, people=(BO, CY), starts=local("2030-01-07T09:00"), length=timedelta(days=7)
    )
    first = rotation.on_call(before)
    assert rotation.shift(before).until == after
    assert rotation.on_call(after - timedelta(seconds=1)) == first != rotation.on_call(after)


@given(st.datetimes(local("2030-01-08"), local("2031-12-31")), st.sampled_from([1, 7, 12, 24, 168]))
def test_there_is_always_somebody_and_no_turn_is_left_out(at: datetime, hours: int) -> None:
    """Whatever the zone does at night: each instant belongs to one turn, and a turn is left for the next one."""
    rotation = Rotation(zone="Europe/Berlin", people=(BO, CY, KIM), starts=local("2030-01-07T02:30"), length=timedelta(hours=hours))  # fmt: skip
    shift = rotation.shift(at.replace(tzinfo=UTC))
    assert shift.who is not None
    assert shift.until is not None
    assert timedelta() < shift.until - at.replace(tzinfo=UTC) <= timedelta(hours=hours + 1)
    assert rotation.on_call(shift.until) != shift.who


def test_an_override_wins_and_nobody_is_a_gap() -> None:
    """P25: Kim stands in for a day, Christmas has nobody; of two overrides the later line counts."""
    day = Override(who=KIM, starts=local("2030-01-08T09:00"), ends=local("2030-01-09T09:00"))
    gap = Override(who=None, starts=local("2030-01-08T12:00"), ends=local("2030-01-08T13:00"))
    rotation = Rotation(zone="UTC", people=(BO, CY), starts=local("2030-01-07T09:00"), length=timedelta(days=7), overrides=(day, gap))  # fmt: skip
    assert [rotation.on_call(utc(2030, 1, 8, hour)) for hour in (8, 9, 12, 13)] == [BO, KIM, None, KIM]
    assert rotation.shift(utc(2030, 1, 8, 8)).until == utc(2030, 1, 8, 9)
    alone = Rotation(zone="UTC", people=(BO,), starts=local("2030-01-07T09:00"), length=timedelta(days=1))
    assert alone.shift(utc(2030, 2, 1)).until is None


async def test_a_set_with_a_rotation_has_one_member_and_a_gap_its_fallback(tmp_path: Path) -> None:
    """P25: Who may decide changes with the handover, by the store's time; in a gap the fallback's members may."""
    file = tmp_path / "oncall.toml"
    file.write_text(FILE)
    clock = [utc(2030, 1, 7, 8)]

    async def now() -> datetime:
        return clock[0]

    directory = ConfiguredDirectory(
        people=[Person(id=one, name=one.title(), accounts={"slack": f"U0{one.upper()}"}) for one in (BO, CY, KIM)],
        sets={
            "on-call": ApproverSet(rotation=RotationFile(file, NAMES), fallback="seniors"),
            "seniors": ApproverSet(people=(KIM,)),
        },
        platforms={}, now=now,
    )  # fmt: skip
    seen = []
    for at in (utc(2030, 1, 7, 7), utc(2030, 1, 7, 8), utc(2030, 1, 8, 8), utc(2030, 1, 14, 8)):
        clock[0] = at
        seen.append(set(await directory.members("on-call")))
    assert seen == [{KIM}, {BO}, {KIM}, {CY}]
    assert directory.mentions("slack")("on-call") == ("U0CY",)


def test_a_changed_file_counts_at_once_and_a_broken_one_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """P19: Somebody swaps a turn while sayso runs; a slip of the editor is logged and the last good turn holds."""
    path = tmp_path / "oncall.toml"
    path.write_text(FILE)
    file = RotationFile(path, NAMES)
    path.write_text(FILE.replace('["bo", "cy"]', '["cy", "bo"]'))
    assert file.rotation.on_call(utc(2030, 1, 9, 12)) == CY
    path.write_text("people = [")
    assert file.rotation.on_call(utc(2030, 1, 9, 12)) == CY
    assert "rotation.not_read" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"bo", "cy"', '"bo", "cyy"', r"line 3, people: there is no \[people\.cyy\]; did you mean cy\?"),
        ("Europe/Berlin", "Europe/Berlim", "line 2, zone: there is no time zone"),
        ("2030-01-07T09:00:00", "2030-01-07T09:00:00Z", "line 4, starts: write local time without an offset"),
        ('"7d"', '"7m"', "line 5, length: "),
        ("to = 2030-01-09", "to = 2030-01-07", "overrides.*: it ends before it begins"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """With the file, the line and the key."""
    path = tmp_path / "oncall.toml"
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(BadSetting, match=said):
        read_rotation(path, ("bo", "cy", "kim"))


# ---- PagerDuty's schedules


@pytest.fixture
async def duty() -> AsyncIterator[tuple[PagerDutySchedules, list[int]]]:
    """PagerDuty's `GET /oncalls` as documented; the list holds the statuses of the next answers."""
    statuses: list[int] = []

    async def oncalls(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Token token=t0ken"
        assert request.query.getall("schedule_ids[]") == ["PSCHED"]
        if statuses:
            return web.json_response({"error": {"code": 1}}, status=statuses.pop(0))
        user = {"id": "PKIM", "type": "user_reference", "summary": "Kim"}
        schedule = {"id": "PSCHED", "type": "schedule_reference"}
        here = {"user": user, "schedule": schedule, "escalation_level": 1, "start": None, "end": None}
        return web.json_response({"oncalls": [here, {**here, "escalation_level": 2}], "more": False})

    app = web.Application()
    app.router.add_get("/oncalls", oncalls)
    server = LoopbackServer(app, port=0)
    await server.start()
    async with httpx.AsyncClient(trust_env=False) as http:
        yield PagerDutySchedules(http, server.url, "t0ken"), statuses
    await server.stop()


async def test_a_schedule_of_pagerduty_says_who_is_in_the_set(
    duty: tuple[PagerDutySchedules, list[int]],
) -> None:
    """Its user is ours by the id in [people]; a stranger on call is nobody."""
    schedules, _ = duty
    kim = Person(id=KIM, name="Kim", accounts={"pagerduty": "PKIM"})
    sets = {"on-call": ApproverSet(groups=("pagerduty:PSCHED",))}
    directory = ConfiguredDirectory(people=[kim], sets=sets, platforms={"pagerduty": schedules})
    assert await directory.members("on-call") == {KIM}
    strangers = ConfiguredDirectory(people=[], sets=sets, platforms={"pagerduty": schedules})
    assert await strangers.members("on-call") == frozenset()


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_schedule_that_cannot_be_asked_is_no_empty_one(
    duty: tuple[PagerDutySchedules, list[int]], status: int
) -> None:
    """Fail closed: who cannot be looked up is not taken for nobody."""
    schedules, statuses = duty
    statuses.append(status)
    with pytest.raises(DirectoryDown, match=str(status)):
        await schedules.group("PSCHED")
