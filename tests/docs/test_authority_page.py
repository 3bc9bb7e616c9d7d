"""docs/authority.md works as it is written: its tables load, its commands have these options, its phrases are understood."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
from sayso.agent.policy_file import read_policy
from sayso.bot.cli.commands import app
from sayso.bot.hearing import _GLASS, _HAND_OVER, _PAUSE, _UNPAUSE
from sayso.bot.tables import BreakGlassTable, SetTable

PAGE = (Path(__file__).resolve().parents[2] / "docs/authority.md").read_text(encoding="utf-8")
TABLES = tomllib.loads("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)))
COMMANDS = re.findall(r"^sayso .*$", PAGE, re.MULTILINE)


def test_its_tables_load() -> None:
    """Two of finance and one of security, and somebody who may break the glass."""
    route = TABLES["routes"]["payments"]
    policy = read_policy(
        {"default_route": "payments", "routes": {"payments": {**route, "on_call": "security"}}}
    )
    assert [(one.approvers, one.needed) for one in policy.route("payments").rule.seats] == [
        ("finance", 2), ("security", 1)
    ]  # fmt: skip
    assert SetTable.model_validate(TABLES["sets"]["finance"]).groups == ("slack:S0FINANCE",)
    assert BreakGlassTable.model_validate(TABLES["break_glass"]).people == ("kim",)


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_are_commands(line: str) -> None:
    """Each option is known, and none that is needed is missing."""
    _, name, *arguments = shlex.split(line)
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments)


@pytest.mark.parametrize(
    ("phrase", "known"),
    [
        ("pause for 2h: why", _PAUSE), ("pause mails: why", _PAUSE), ("unpause", _UNPAUSE),
        ("break glass: the shop is down and Bo is on a plane", _GLASS),
        ("hand over to kim for 3d: on leave", _HAND_OVER), ("hand over to nobody", _HAND_OVER),
        ("hand over to kim from 2030-01-02 until 2030-01-05: on leave", _HAND_OVER),
    ],
)  # fmt: skip
def test_its_phrases_are_understood(phrase: str, known: re.Pattern[str]) -> None:
    """As they stand there."""
    assert phrase in PAGE
    assert known.fullmatch(phrase)
