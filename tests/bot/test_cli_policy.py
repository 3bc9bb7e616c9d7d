"""`sayso policy`: what it would do with a call, told before an agent does it; a file of cases for CI."""

from __future__ import annotations

from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.cli.commands import app
from settings_files import write_settings
from typer.testing import CliRunner, Result

RULES = """
[[rules]]
name = "large refunds"
if = "amount > 500"
flag = "Large amount"
ttl_class = "routine"
reason = "More than five hundred."

[[rules]]
name = "foreign money"
if = "currency != 'USD'"
flag = "Foreign money"

[server]
"""
CASES = """
[[cases]]
name = "a large one"
tool = "issue_refund"
args = { amount = "900.00", currency = "USD" }
confidence = 0.95
expect = { oversight = "gate", route = "finance", ttl_class = "routine", irreversibility = "high", flags = ["Large amount"] }

[[cases]]
tool = "issue_refund"
args = { amount = "9.00", currency = "USD" }
expect = { EXPECT }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_settings(tmp_path, ("[server]\n", RULES))


def policy(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments], env={"COLUMNS": "300"})


def explained(file: Path, args: str, *more: str) -> str:
    ran = policy("explain", "issue_refund", "--args", args, "-s", str(file), *more)
    assert ran.exception is None, ran.output
    return " ".join(ran.output.split())


def test_a_call_is_explained(file: Path) -> None:
    """Levels and why, each rule, who is asked, when what happens (S1)."""
    said = explained(file, '{"amount": "900.00", "currency": "USD"}', "--confidence", "0.95")
    for words in (
        "gate: people decide first", "[!] Large amount", "irreversibility high", "confidence low The agent is 95 % sure",
        "because Moving money is always put to people", "applies large refunds amount > 500", "- foreign money",
        "Asked on finance: 1 of finance, in slack:C0FINANCE", "after 3 d 12 h approvers are reminded", "it is cancelled",
    ):  # fmt: skip
        assert words in said
    assert "Large amount" not in explained(file, '{"amount": "1.00", "currency": "USD"}')


def test_a_rule_that_cannot_be_answered_says_why(file: Path) -> None:
    """The currency is missing."""
    assert "unclear foreign money there is no currency" in explained(file, '{"amount": "1.00"}')


def test_an_unknown_tool_is_explained_too(file: Path) -> None:
    """At its worst."""
    ran = policy("explain", "wipe_disk", "-s", str(file))
    assert "The policy does not know this tool." in ran.output


@pytest.mark.parametrize("args", ["{", "[1]", "7"])
def test_arguments_that_are_none_are_refused(file: Path, args: str) -> None:
    """With an example."""
    ran = policy("explain", "issue_refund", "--args", args, "-s", str(file))
    assert isinstance(ran.exception, BadSetting)
    assert "--args" in str(ran.exception)


def cases(folder: Path, expect: str) -> str:
    path = folder / "cases.toml"
    path.write_text(CASES.replace("EXPECT", expect))
    return str(path)


def test_cases_that_hold_are_counted(file: Path, tmp_path: Path) -> None:
    """For CI: exit 0."""
    ran = policy("test", cases(tmp_path, 'oversight = "gate", flags = ["Money"]'), "-s", str(file))
    assert ran.exit_code == 0
    assert "All 2 cases are as expected" in ran.output
    assert "ok     a large one" in ran.output


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ('oversight = "free"', "oversight is gate, not free: Moving money is always put to people."),
        ('blast_radius = "high"', "blast_radius is low, not high"),
        ('route = "ops"', "route is finance, not ops"),
        ('ttl_class = "routine"', "ttl_class is sensitive, not routine"),
        ('flags = ["Large amount"]', "the flag 'Large amount' is not there"),
    ],
)
def test_a_case_that_turns_out_otherwise_is_told_and_fails(
    file: Path, tmp_path: Path, expect: str, words: str
) -> None:
    """With the policy's own reasons."""
    ran = policy("test", cases(tmp_path, expect), "-s", str(file))
    assert ran.exit_code == 1
    assert words in ran.output
    assert "1 of 2 cases turned out otherwise" in ran.output


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (
            'oversihgt = "gate"',
            "line 12, cases.2.expect.oversihgt: there is no such setting; did you mean oversight?",
        ),
        ('route = "fin', "is not TOML"),
    ],
)
def test_a_case_that_cannot_be_read_is_named(file: Path, tmp_path: Path, expect: str, words: str) -> None:
    """A misspelt expectation must not pass for one."""
    ran = policy("test", cases(tmp_path, expect), "-s", str(file))
    assert isinstance(ran.exception, BadSetting)
    assert words in str(ran.exception).replace("are not TOML", "is not TOML")


def test_a_harmless_call_behind_govern_is_told_apart(tmp_path: Path) -> None:
    """A model cannot say how sure it is; a hand-written agent that does not say is another matter."""
    harmless = '[tools.look_up]\ncategory = "read"\nirreversibility = "low"\nblast_radius = "low"\ncompliance = "low"\n\n[server]\n'
    file = write_settings(tmp_path, ("[server]\n", harmless))
    ran = policy("explain", "look_up", "--args", "{}", "-s", str(file))
    assert ran.exception is None, ran.output
    said = " ".join(ran.output.split())
    assert said.startswith("watch: ")
    assert "free behind govern, where nobody expects a model to say how sure it is: it runs by itself" in said
