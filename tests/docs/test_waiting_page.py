"""The page about waiting: what it shows loads, what it says of the defaults is so, and `sayso oncall` answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sayso.approvals.deadline import CHAINS, StepKind, TtlClass
from sayso.bot.cli.oncall import print_on_call
from sayso.bot.cli.policy_explained import print_explained
from sayso.bot.rotations import read_rotation
from sayso.bot.settings import Settings, load_settings
from settings_files import write_settings

PAGE = (Path(__file__).parents[2] / "docs" / "waiting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CHAIN, HOURS, SET, ROTATION, PAGERS, WATCHDOG, METRICS = BLOCKS
PEOPLE = 'kim = { name = "Kim Keller", slack = "U0KIM" }\nsue = {'


def with_the_page(folder: Path) -> Path:
    """The little settings with every block of the page in them."""
    (folder / "oncall.toml").write_text(ROTATION)
    primary, backup = PAGERS.split("\n\n")
    return write_settings(
        folder,
        ("sue = {", PEOPLE),
        ("[sets]", f'{SET}\n[sets.directors]\npeople = ["sue"]\n\n[sets]'),
        ('on_call = "seniors"', 'on_call = "on-call"\non_call_decides = true\nhours = "berlin"\nbackup_pagers = ["backup"]'),
        ('compliance = "medium"', f'compliance = "medium"\nchain = "payments"\n\n{CHAIN}\n{HOURS}'),
        ('[pagers.primary]\nrouting_key = "PAGER_KEY"\n', f"{primary}\n\n{backup}\n{WATCHDOG}\n{METRICS}"),
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(with_the_page(tmp_path), {})


def test_everything_it_shows_loads_together(settings: Settings) -> None:
    """Chain, hours, set, rotation and pagers in one file, as a reader would put them there."""
    route = settings.policy.routes["finance"]
    assert [step.kind for step in settings.policy.written["payments"].steps].count(StepKind.PAGE) == 2
    assert (route.hours and route.hours.zone, route.backup_pagers) == ("Europe/Berlin", ("backup",))
    assert settings.pagers["backup"].variables == ("WAKE_SECRET", "WAKE_SECRET_NEXT")


def test_its_rotation_has_the_gap_it_speaks_of(settings: Settings, tmp_path: Path) -> None:
    """On New Year's Eve nobody is on call, at Christmas it is Sue."""
    rotation = read_rotation(tmp_path / "oncall.toml", settings.people)
    assert rotation.on_call(datetime(2026, 12, 31, 20, tzinfo=UTC)) is None
    assert rotation.on_call(datetime(2026, 12, 25, tzinfo=UTC)) == "sue"


def test_its_table_of_classes_is_the_codes() -> None:
    """Times and pages of each class."""
    for kind, ttl, grace in (
        ("routine", "7 days", ""),
        ("sensitive", "24 hours", "1 hour"),
        ("urgent", "30 minutes", "10 minutes"),
    ):
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}`")]
        chain = CHAINS[TtlClass(kind)]
        number, unit = ttl.split()
        assert f"| {ttl} |" in row
        assert (
            chain.ttl.total_seconds() == int(number) * {"days": 86_400, "hours": 3_600, "minutes": 60}[unit]
        )
        assert chain.pages is bool(grace)
        assert grace in row


def test_the_terminal_says_who_is_on_call_and_what_the_clock_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Now and next, by name; and each step of the tool's chain."""
    file = with_the_page(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    assert print_on_call(file) == 0
    assert re.search(
        r"on-call +(Kim Keller|Sue Supervisor).* until .* Europe/Berlin, then ", capsys.readouterr().out
    )
    print_explained(file, "issue_refund", "{}", confidence=None, category="")
    explained = capsys.readouterr().out
    assert "chain payments" in explained
    assert "after 6 h          directors may decide too" in explained
    assert "reminders wait for hours.berlin" in explained


def test_its_calendar_loads_and_the_terminal_says_whose_week_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every other week nobody is on call by it, and the fallback stands in."""
    (written,) = re.findall(r"^```ics\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    file = with_the_page(tmp_path)
    (tmp_path / "oncall.ics").write_text(written)
    file.write_text(file.read_text().replace("oncall.toml", "oncall.ics"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    rotation = load_settings(file, {}).rotations["on-call"].rotation
    assert rotation.on_call(datetime(2026, 1, 5, 8, tzinfo=UTC)) == "kim"
    assert rotation.on_call(datetime(2026, 1, 12, 8, tzinfo=UTC)) is None
    print_on_call(file)
    said = capsys.readouterr().out
    assert re.search(
        r"on-call +(Kim Keller|.*nobody by the rotation; seniors stands in).* until Mon .* Europe/Berlin",
        said,
    )
