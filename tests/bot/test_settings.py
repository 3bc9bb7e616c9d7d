"""The settings: read once, and whatever is wrong is refused in one sentence that names it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.settings import load_settings
from settings_files import write_settings


def refused(file: Path) -> str:
    """The sentence that these settings are refused with."""
    with pytest.raises(BadSetting) as caught:
        load_settings(file, {})
    return str(caught.value)


def test_what_is_not_said_has_a_sensible_value(tmp_path: Path) -> None:
    """A file without [store] and [worker] keeps its data beside itself and gives a worker half a minute."""
    settings = load_settings(write_settings(tmp_path), {})
    assert settings.data_dir == tmp_path / ".sayso"
    assert settings.worker.lease == timedelta(seconds=30)
    assert settings.redis_url is None
    assert not settings.demo
    assert settings.operators == {"sue"}


def test_the_environment_names_the_file_and_the_store(tmp_path: Path) -> None:
    """Without --settings the variable counts, and REDIS_URL replaces the embedded store."""
    file = write_settings(tmp_path)
    settings = load_settings(None, {"SAYSO_SETTINGS": str(file), "REDIS_URL": "redis://127.0.0.1:6379/0"})
    assert settings.file == file
    assert settings.redis_url == "redis://127.0.0.1:6379/0"


def test_no_secret_is_shown_with_the_settings(tmp_path: Path) -> None:
    """What ends up in a log or a traceback holds no token."""
    settings = load_settings(write_settings(tmp_path), {"SLACK_BOT_TOKEN": "canary-bot-token"})
    assert "canary" not in repr(settings)


@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_missing_or_blank_secret_is_named(tmp_path: Path, value: str | None) -> None:
    """Set to nothing is not set."""
    settings = load_settings(write_settings(tmp_path), {} if value is None else {"PAGER_KEY": value})
    with pytest.raises(BadSetting, match=r"^PAGER_KEY is not set in the environment; the pager needs it$"):
        settings.secret("PAGER_KEY", "the pager needs it")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[graphs]\nops", "[graph]\nops", "graphs: it is missing"),
        ('team = "T0WORKPLACE"', "", "slack.team: it is missing"),
        ('team = "T0WORKPLACE"', 'team = "Workplace"', "slack.team: String should match"),
        ("[server]\nport = 0", "[server]\nprot = 0", "server.prot: there is no such setting"),
        ("[server]\nport = 0", "[server]\nport = 70000", "server.port: Input should be less than or equal to 65535"),
        ("[server]", '[worker]\nlease = "fast"\n[server]', "worker.lease: a time is written like"),
        ("[server]", '[worker]\nlease = "0s"\n[server]', "worker.lease: a time is more than zero"),
        ('"U0ALEX"', '"@alex"', "people.alex.slack: String should match"),
        ('"U0ALEX"', '"U0BO"', "people: the Slack account U0BO is listed for more than one person"),
        ('["bo", "cy"]', '["bo", "dan"]', "sets.finance: there is no [people.dan]"),
        ('["bo", "cy"]', "[]", "sets.finance: it has neither people nor a slack_group"),
        ('operators = ["sue"]', 'operators = ["dan"]', "operators: there is no [people.dan]"),
        ('operators = ["sue"]', 'denied = ["dan"]', "denied: there is no [people.dan]"),
        ('approvers = ["finance"]', 'approvers = ["money"]', "there is no sets.money"),
        ('pager = "primary"', 'pager = "second"', "routes.finance.pager: there is no [pagers.second]"),
        ('second_line = "seniors"', "needed = 3", "needed: 3 approvals are needed but its approver sets have 2 people"),
        ('operators = ["sue"]', 'denied = ["bo", "cy"]', "needed: 1 approvals are needed but its approver sets have 0"),
        ('"slack:C0FINANCE"', '"slack:#finance"', "routes.finance.places: slack:#finance is no channel id"),
        ('"slack:C0FINANCE"', '"teams:19:abc"', "routes.finance.places: teams:19:abc: Microsoft Teams is not"),
        ('"slack:C0FINANCE"', '"person:dan"', "routes.finance.places: person:dan: there is no [people.dan]"),
        ('[slack]\nteam = "T0WORKPLACE"', "", "routes.finance.places: slack:C0FINANCE needs a [slack] table"),
        ('routing_key = "PAGER_KEY"', 'routing_key = "key"', "pagers.primary.routing_key: String should match"),
        ('"https://127.0.0.1:1/tenant"', '"http://127.0.0.1"', "credentials.entra.authority: String should match"),
        ('default_route = "finance"', 'default_route = "ops"', "default_route: there is no [routes.ops]"),
        ('irreversibility = "high"', 'irreversibility = "huge"', "tools.issue_refund.irreversibility"),
        ("[graphs]", "[graphs", "are not TOML"),
    ],
)  # fmt: skip
def test_each_wrong_setting_is_one_sentence_that_names_it(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    """One line, led by the file, holding the key."""
    said = refused(write_settings(tmp_path, (old, new)))
    assert sentence in said
    assert str(tmp_path / "sayso.toml") in said
    assert "\n" not in said


def test_a_person_without_an_account_is_no_place(tmp_path: Path) -> None:
    """A direct message needs somebody to send it to."""
    edits = (('"slack:C0FINANCE"', '"person:sue"'), (', slack = "U0SUE"', ""))
    assert "people.sue has no Slack account" in refused(write_settings(tmp_path, *edits))


def test_a_group_of_slack_needs_slack(tmp_path: Path) -> None:
    """A set that is only a user group would be empty for ever."""
    edits = (
        ('{ people = ["sue"] }', '{ slack_group = "S0SUPERV" }'),
        ('"slack:C0FINANCE"', '"person:sue"'), ('[slack]\nteam = "T0WORKPLACE"', ""),
    )  # fmt: skip
    assert "sets.seniors.slack_group: S0SUPERV needs a [slack] table" in refused(
        write_settings(tmp_path, *edits)
    )


@pytest.mark.parametrize(
    ("name", "words"), [("none.toml", "There are no settings at"), (".", "cannot be read")]
)
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str, words: str) -> None:
    """With what to do about it, or the system's reason."""
    assert words in refused(tmp_path / name)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Not a traceback about code points."""
    (tmp_path / "sayso.toml").write_bytes(b"\xff\xfe\x00")
    assert "are not TOML" in refused(tmp_path / "sayso.toml")
