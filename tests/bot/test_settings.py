"""The settings: read once, and whatever is wrong is refused in one sentence that names it."""

from __future__ import annotations

import re
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


def test_a_graph_may_say_what_it_reads_as_a_no(tmp_path: Path) -> None:
    """Any JSON, also what is false; a graph without such words keeps its dialect's."""
    file = write_settings(tmp_path)
    file.write_text(
        f'{file.read_text()}\n[graphs.mails]\ngraph = "mails:graph"\nanswers.reject = false\n'
        'answers.expired = { type = "timeout", tries = [1] }\n'
    )
    settings = load_settings(file, {})
    assert settings.graphs["mails"] == "mails:graph"
    assert settings.answers["mails"] == {"reject": False, "expired": {"type": "timeout", "tries": [1]}}
    assert settings.answers["ops"] == {}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("graph = 'm:g'\nanswers.reject = 2030-01-01", "graphs.mails.answers.reject: an agent is told JSON"),
        ("graph = 'm:g'\nanswers.expired = nan", "graphs.mails.answers.expired: an agent is told JSON"),
        ("graph = 'm:g'\nanswers.rejct = 1", "there is no such setting; did you mean reject?"),
        ("answers.reject = 1", "graphs.mails.graph: it is missing"),
    ],
)
def test_what_no_agent_could_be_told_is_refused_at_load(tmp_path: Path, table: str, sentence: str) -> None:
    """Not when somebody has said no already."""
    file = write_settings(tmp_path)
    file.write_text(f"{file.read_text()}\n[graphs.mails]\n{table}\n")
    assert sentence in refused(file)


@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_missing_or_blank_secret_is_named(tmp_path: Path, value: str | None) -> None:
    """Set to nothing is not set."""
    settings = load_settings(write_settings(tmp_path), {} if value is None else {"PAGER_KEY": value})
    with pytest.raises(BadSetting, match=r"^PAGER_KEY is not set in the environment; the pager needs it$"):
        settings.secret("PAGER_KEY", "the pager needs it")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[graphs]\nops", "[graph]\nops", "graph: there is no such section; did you mean graphs?"),
        ('team = "T0WORKPLACE"', "", "slack.team: it is missing"),
        ('team = "T0WORKPLACE"', 'team = "Workplace"', "slack.team: a Slack workspace's id begins with T"),
        ("[server]\nport = 0", "[server]\nprot = 0", "server.prot: there is no such setting; did you mean port?"),
        ("[server]\nport = 0", "[server]\nport = 70000", "server.port: it must be at most 65535"),
        ("[server]", '[worker]\nlease = "fast"\n[server]', "worker.lease: a time is written like"),
        ("[server]", '[worker]\nlease = "0s"\n[server]', "worker.lease: a time is more than zero"),
        ('"U0ALEX"', '"@alex"', "people.alex.slack: a Slack member id begins with U or W, from the profile's menu"),
        ('"U0ALEX"', '"U0BO"', "people: the Slack account U0BO is listed for more than one person"),
        ('["bo", "cy"]', '["bo", "dan"]', "sets.finance: there is no [people.dan]"),
        ('["bo", "cy"]', "[]", "sets.finance: it has neither people nor a slack_group nor an entra_group"),
        ('operators = ["sue"]', 'operators = ["dan"]', "operators: there is no [people.dan]"),
        ("[server]", "[daily.routes.financ]\nhour = 8\n[server]", "daily.routes.financ: there is no such route; did you mean finance?"),
        ('operators = ["sue"]', 'denied = ["dan"]', "denied: there is no [people.dan]"),
        ('approvers = ["finance"]', 'approvers = ["money"]', "routes.finance.approvers: there is no sets.money"),
        ('pager = "primary"', 'pager = "second"', "routes.finance.pager: there is no [pagers.second]"),
        ('second_line = "seniors"', "needed = 3", "needed: 3 approvals are needed but its approver sets have 2 people"),
        ('operators = ["sue"]', 'denied = ["bo", "cy"]', "needed: 1 approvals are needed but its approver sets have 0"),
        ('"slack:C0FINANCE"', '"slack:#finance"', 'routes.finance.places: "slack:#finance" is not a place; write "slack:" and'),
        ('"slack:C0FINANCE"', '"teams:19:abc@thread.tacv2"', "teams:19:abc@thread.tacv2 needs a [teams] table"),
        ('slack = "U0BO"', 'teams = "Bo Berg"', "people.bo.teams: a Teams account is its object id in Entra"),
        ('{ people = ["sue"] }', '{ entra_group = "seniors" }', "seniors.entra_group: a group is its object id in Entra"),
        ('pager = "primary"', 'pager = "primary"\nfallback = "person:dan"', "routes.finance.fallback: person:dan: there is no"),
        ('"slack:C0FINANCE"', '"person:dan"', "routes.finance.places: person:dan: there is no [people.dan]"),
        ('[slack]\nteam = "T0WORKPLACE"', "", "routes.finance.places: slack:C0FINANCE needs a [slack] table"),
        ('routing_key = "PAGER_KEY"', 'routing_key = "key"', "routing_key: names the environment variable that holds the key, like PAGER_ROUTING_KEY; do not"),
        ('"https://127.0.0.1:1/tenant"', '"http://127.0.0.1"', "credentials.entra.authority: it must begin with https://"),
        ('default_route = "finance"', 'default_route = "ops"', "default_route: there is no [routes.ops]"),
        ('irreversibility = "high"', 'irreversibility = "huge"', "tools.issue_refund.irreversibility"),
        ("[graphs]", "[graphs", "are not TOML"),
        ('["slack:C0FINANCE"]', '["#finance"]', 'routes.finance.places: "#finance" is not a place; write "slack:" and'),
        ('["bo", "cy"]', '"bo"', 'sets.finance: write a list of people like ["bo", "cy"]'),
        ('["bo", "cy"]', '["bo", "cyy"]', "sets.finance: there is no [people.cyy]; did you mean cy?"),
        ('approvers = ["finance"]', 'approvers = ["finanse"]', "there is no sets.finanse; did you mean finance?"),
        ('second_line = "seniors"', 'second_line = "senior"', "routes.finance.second_line: there is no sets.senior; did"),
        ("[server]", '[store]\nurl = "127.0.0.1"\n[server]', "store.url: it must begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"),
        ("[server]", '[store]\naccepts = ["luck"]\n[server]', "store.accepts: it must be 'maxmemory-policy', 'appendonly', 'min-replicas-to-write' or 'replica-appendonly', not 'luck'"),
        ("[server]", '[store]\naccepts = "appendonly"\n[server]', "store.accepts: it must be a list of names of the server's settings"),
        ("[server]", '[store]\ndemo = "perhaps"\n[server]', "store.demo: write true or false"),
        ("[server]", "[store]\ndata_dir = 7\n[server]", "store.data_dir: write a path in quotes"),
        ('operators = ["sue"]', 'worker = "x"', "worker: it must be a table: [worker], or { key = value }"),
        ('operators = ["sue"]', 'operators = "sue"', "operators: it must be a list of people's ids"),
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
    for jargon in ("pattern", "tuple", "instance", "dictionary", "Input", "^"):
        assert jargon not in said


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """First how many, then a line for each with where it stands, policy and tables alike."""
    edits = (
        ('"U0ALEX"', '"@alex"'),
        ("[server]\nport", "[server]\nprot"),
        ('"slack:C0FINANCE"', '"#finance"'),
    )
    first, *rest = refused(write_settings(tmp_path, *edits)).splitlines()
    assert first == f"{tmp_path / 'sayso.toml'}: 3 settings are wrong."
    assert [re.sub("[0-9]+", "N", line.partition(":")[0].strip()) for line in rest] == [
        "line N, routes.finance.places", "line N, people.alex.slack", "line N, server.prot",
    ]  # fmt: skip


def test_a_key_that_stands_in_the_file_is_not_quoted(tmp_path: Path) -> None:
    """Whoever has written the secret itself must not find it in a log too."""
    assert "canary" not in refused(write_settings(tmp_path, ('"PAGER_KEY"', '"canary-routing-key"')))


def test_the_file_may_name_the_store_and_the_environment_wins(tmp_path: Path) -> None:
    """So that a demo's file is enough to look into its store; a password in the address is not shown."""
    said = '[store]\nurl = "redis://:canary@127.0.0.1:1/0"\ndemo = true\n[server]'
    file = write_settings(tmp_path, ("[server]", said))
    settings = load_settings(file, {})
    assert (settings.redis_url, settings.demo) == ("redis://:canary@127.0.0.1:1/0", True)
    assert "canary" not in repr(settings)
    settings = load_settings(file, {"REDIS_URL": "unix:///run/canary.sock", "SAYSO_DEMO": "0"})
    assert (settings.redis_url, settings.demo) == ("unix:///run/canary.sock", False)
    assert "canary" not in repr(settings)
    assert load_settings(write_settings(tmp_path), {"SAYSO_DEMO": "1"}).demo


def test_a_wrong_redis_url_is_one_sentence(tmp_path: Path) -> None:
    """It says how one begins, not that pieces of it are missing; and shows nothing of it."""
    with pytest.raises(
        BadSetting,
        match=r"^REDIS_URL must begin with redis://, rediss://, unix://, redis\+sentinel:// or redis\+cluster://$",
    ):
        load_settings(write_settings(tmp_path), {"REDIS_URL": "canary"})


def test_a_person_without_an_account_is_no_place(tmp_path: Path) -> None:
    """A direct message needs somebody to send it to."""
    edits = (('"slack:C0FINANCE"', '"person:sue"'), (', slack = "U0SUE"', ""))
    assert "people.sue has no account to write to" in refused(write_settings(tmp_path, *edits))


def test_a_group_of_slack_needs_slack(tmp_path: Path) -> None:
    """A set that is only a user group would be empty for ever."""
    edits = (
        ('{ people = ["sue"] }', '{ slack_group = "S0SUPERV" }'),
        ('"slack:C0FINANCE"', '"person:sue"'), ('[slack]\nteam = "T0WORKPLACE"', ""),
    )  # fmt: skip
    assert "sets.seniors.slack_group: S0SUPERV needs a [slack] table" in refused(
        write_settings(tmp_path, *edits)
    )


BO, SUE, GROUP = (f"0000000{n}-0000-4000-8000-00000000abcd" for n in (1, 2, 3))
TEAMS = f"""
[teams]
app_id = "{GROUP.upper()}"
tenant = "{SUE}"
"""


def test_teams_beside_slack(tmp_path: Path) -> None:
    """One person has an account on each; what is Microsoft's own address needs no setting."""
    edits = (
        ('slack = "U0BO"', f'slack = "U0BO", teams = "{BO.upper()}"'), ('{ people = ["sue"] }', f'{{ entra_group = "{GROUP}" }}'),
        ('["slack:C0FINANCE"]', '["slack:C0FINANCE", "teams:19:abc@thread.tacv2"]'), ("[server]", f"{TEAMS}[server]"),
    )  # fmt: skip
    settings = load_settings(write_settings(tmp_path, *edits), {})
    assert settings.people["bo"].accounts == {"slack": "U0BO", "teams": BO}
    assert settings.sets["seniors"].groups == (f"teams:{GROUP}",)
    assert settings.teams is not None
    assert settings.teams.token_authority == f"https://login.microsoftonline.com/{SUE}"
    assert settings.teams.registration.issuer == "https://api.botframework.com"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("app_id", "appid", "teams.appid: there is no such setting; did you mean app_id?"),
        (f'tenant = "{SUE}"', 'tenant = "contoso"', "teams.tenant: it is the Directory (tenant) ID"),
        ("[teams]", '[teams]\nsdk = "new"', "teams.sdk: it must be 'botbuilder' or 'agents'"),
        ("@thread.tacv2", "%40thread.tacv2", 'is not a place; write "teams:" and the channel'),
        ("U0CY", f'U0CY", teams = "{BO}', f"people: the Teams account {BO} is listed for more than one person"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_teams_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """It says where Microsoft shows the right one."""
    edits = (
        ('slack = "U0BO"', f'teams = "{BO}"'), ("slack:C0FINANCE", "teams:19:abc@thread.tacv2"),
        ("[server]", f"{TEAMS}[server]"), (old, new),
    )  # fmt: skip
    assert sentence in refused(write_settings(tmp_path, *edits))


def test_a_group_of_entra_needs_teams(tmp_path: Path) -> None:
    """Nobody would be in it."""
    edit = ('{ people = ["sue"] }', f'{{ entra_group = "{GROUP}" }}')
    assert f"sets.seniors.entra_group: {GROUP} needs a [teams] table" in refused(
        write_settings(tmp_path, edit)
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
