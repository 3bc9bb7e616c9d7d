"""`sayso check` for Slack speaks in the names people know: the app's, the channels', the accounts' and the groups'."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.cli.check import check
from sayso.sandbox.workplace import ThreadedWorkplace, Workplace
from settings_files import write_settings

Out = pytest.CaptureFixture[str]
NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture(scope="module")
def workplace() -> Iterator[ThreadedWorkplace]:
    """One workplace for all checks: they change nothing there."""
    with Workplace.in_thread() as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(
    workplace: ThreadedWorkplace, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slack's secrets are set, and the terminal is a wide pipe."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SLACK_BOT_TOKEN", workplace.slack.bot_token)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", workplace.slack.signing_secret)


def a_settings_file(
    folder: Path, workplace: ThreadedWorkplace, *edits: tuple[str, str], api: str = ""
) -> Path:
    """Settings over this workplace, with these places, people or groups changed."""
    there = f'team = "T0WORKPLACE"\napi = "{api or workplace.slack.api_url}"'
    return write_settings(folder, ('team = "T0WORKPLACE"', there), *edits)


def lines_of(file: Path, capsys: Out) -> list[str]:
    """Everything that was printed."""
    check(file, offline=False)
    return capsys.readouterr().out.splitlines()


def refused(file: Path, *, offline: bool = False) -> list[str]:
    """The lines of the refusal, after the first, which names the file."""
    with pytest.raises(BadSetting) as caught:
        check(file, offline=offline)
    return str(caught.value).splitlines()[1:]


def test_everything_is_named_as_people_know_it(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out
) -> None:
    """Ids are in the settings; names beside them show that the right ones are."""
    file = a_settings_file(tmp_path, workplace, ('["bo", "cy"]', '{ slack_group = "S0FINANCE" }'))
    lines = lines_of(file, capsys)
    for id, name in {
        "slack ": "Workplace, where sayso is @sayso", "C0FINANCE": "#finance-approvals",
        "U0BO": "@bo (Bo Berg)", "S0FINANCE": "@finance-approvers, 2 of its 2 members are listed",
    }.items():  # fmt: skip
        (line,) = [one for one in lines if id in one]
        assert name in line
        assert line.startswith("ok")


def test_a_channels_name_where_an_id_belongs_is_answered_with_the_id(
    workplace: ThreadedWorkplace, tmp_path: Path
) -> None:
    """Every way to write a name, in places and as a fallback; a misspelt one gets a guess with its id."""
    names = '"slack:#finance-approvals", "slack:support", "slack:#finance-aprovals", "slack:#zzz"'
    file = a_settings_file(
        tmp_path, workplace, ('"slack:C0FINANCE"]', f'{names}]\nfallback = "#ops-approvals"')
    )
    said = [line.strip() for line in refused(file)]
    assert '"slack:#finance-approvals": #finance-approvals is "slack:C0FINANCE"' in said
    assert '"slack:support": #support is "slack:C0SUPPORT"' in said
    assert '"#ops-approvals": #ops-approvals is "slack:C0OPS"' in said
    (misspelt,) = [line for line in said if "aprovals" in line and "sees no" in line]
    assert 'did you mean #finance-approvals, "slack:C0FINANCE"?' in misspelt
    assert '"slack:#zzz": sayso sees no channel #zzz' in said


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_token_or_offline_nobody_is_asked(
    workplace: ThreadedWorkplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, offline: bool
) -> None:
    """The refusal still says what belongs there."""
    if not offline:
        monkeypatch.delenv("SLACK_BOT_TOKEN")
    file = a_settings_file(tmp_path, workplace, ("slack:C0FINANCE", "slack:#support"), api=NOWHERE)
    with pytest.raises(BadSetting) as caught:
        check(file, offline=offline)
    assert str(caught.value).endswith("from the channel's details in Slack")


def test_a_slack_that_does_not_answer_hides_no_mistake(tmp_path: Path, workplace: ThreadedWorkplace) -> None:
    """The file's own mistake comes first, then why there is no id."""
    file = a_settings_file(tmp_path, workplace, ("slack:C0FINANCE", "slack:#support"), api=NOWHERE)
    with pytest.raises(BadSetting) as caught:
        check(file, offline=False)
    first, second = str(caught.value).splitlines()
    assert '"slack:#support" is not a place' in first
    assert (
        f"Slack did not say which ids the names belong to: slack.api: Slack cannot be reached at {NOWHERE}"
        in second
    )


def test_in_socket_mode_the_app_token_is_wanted_and_the_signing_secret_is_not(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, or of the wrong kind: the line says where it is found."""
    monkeypatch.delenv("SLACK_SIGNING_SECRET")
    file = a_settings_file(tmp_path, workplace, ("[slack]", "[slack]\nsocket_mode = true"))

    def said() -> str:
        check(file, offline=True)
        (line,) = [one for one in capsys.readouterr().out.splitlines() if re.search("SLACK_(APP|SIG)", one)]
        return line

    assert "SLACK_APP_TOKEN is not set in the environment" in said()
    monkeypatch.setenv("SLACK_APP_TOKEN", "xoxb-the-other-one")
    line = said()
    assert line.startswith("WRONG")
    assert "begin with xapp-" in line
    assert "the-other-one" not in line
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1-A0SAYSOAPP-0")
    assert said().startswith("ok")


def test_slack_says_whether_the_app_gets_its_connections(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for, and none is opened: it would take events away from a bot that runs."""
    file = a_settings_file(tmp_path, workplace, ("[slack]", "[slack]\nsocket_mode = true"))
    for token, mark, words in (
        (workplace.slack.links.app_token, "ok", "Slack gives connections to this app"),
        ("xapp-1-A0SAYSOAPP-of-yesterday", "WRONG", "SLACK_APP_TOKEN: "),
    ):
        monkeypatch.setenv("SLACK_APP_TOKEN", token)
        (line,) = [one for one in lines_of(file, capsys) if "slack.socket_mode " in one]
        assert line.startswith(mark)
        assert words in line
        assert "SLACK_BOT_TOKEN" not in line
    assert workplace.slack.links.history == []
    assert [str(one) for one in workplace.violations.take()] == ["slack apps.connections.open: invalid_auth"]


def test_another_apps_token_is_named(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two apps in one workspace, and the tokens of both mixed up: no press would ever come."""
    monkeypatch.setattr("sayso.sandbox.slack.socket.APP_ID", "A0ANOTHER")
    monkeypatch.setenv("SLACK_APP_TOKEN", workplace.slack.links.app_token)
    file = a_settings_file(tmp_path, workplace, ("[slack]", "[slack]\nsocket_mode = true"))
    (line,) = [one for one in lines_of(file, capsys) if "slack.socket_mode " in one]
    assert "SLACK_APP_TOKEN is of the app A0ANOTHER, but SLACK_BOT_TOKEN is of A0SAYSOAPP" in line
