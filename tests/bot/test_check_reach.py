"""`sayso check` between people and places: cards that stand where whoever may answer has no account."""

from __future__ import annotations

from pathlib import Path

import pytest
from sayso.bot.cli.check import check
from settings_files import write_settings


@pytest.fixture(autouse=True)
def _wide_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def test_who_may_answer_needs_an_account_where_the_cards_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bo is in Teams only and the cards stand in Slack: it may be meant, but Bo will see no button."""
    bo = f'bo = {{ name = "Bo Berg", teams = "{"0" * 8}-0000-4000-8000-{"0" * 12}" }}'
    file = write_settings(tmp_path, ('bo = { name = "Bo Berg", slack = "U0BO" }', bo))
    check(file, offline=True)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("WARN"))
    assert "routes.finance" in line
    assert "bo has no account in Slack, where its cards stand" in line


def test_cards_that_stand_where_no_approver_is_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cards in Slack and in Teams, and whoever may answer is in Slack alone."""
    channel = f"19:{'0' * 32}@thread.tacv2"
    teams = f'[teams]\ntenant = "{"9" * 8}-0000-4000-8000-{"0" * 12}"\napp_id = "{"1" * 8}-0000-4000-8000-{"0" * 12}"'
    places = ('"slack:C0FINANCE"', f'"slack:C0FINANCE", "teams:{channel}"')
    file = write_settings(tmp_path, places, ("[slack]", f"{teams}\n\n[slack]"))
    check(file, offline=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if "where its cards stand" in line]
    assert len(lines) == 1
    assert "no account in Teams" in lines[0]
