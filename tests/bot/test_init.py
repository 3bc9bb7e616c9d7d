"""`sayso init`: a few questions, and settings that load at once; no secret, nothing written over, no half a file."""

from __future__ import annotations

import os
import resource
import tomllib
from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.cli.check import check
from sayso.bot.cli.commands import app
from sayso.bot.settings import Settings, load_settings
from settings_files import sayso
from typer.testing import CliRunner, Result

CHANNEL = "https://app.slack.com/client/T0WORKPLACE/C0SUPPORT"
APP, TENANT = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
ACCOUNT = "AAAAAAAA-2222-4333-8444-555555555555"
TEAMS_ID = "19:0123456789abcdef0123456789abcdef@thread.tacv2"
LINK = (
    "https://teams.microsoft.com/l/channel/19%3A0123456789abcdef0123456789abcdef%40thread.tacv2/Finance"
    f"?groupId={APP}&tenantId={TENANT}"
)
SLACK = ("--slack", CHANNEL)
PEOPLE = ("--approver", "Bo Berg=U0BO", "--requester", "Alex Asker=U0ALEX")
GATED = """
from langgraph.graph import START, StateGraph
from sayso import Gate, GateState, effect

@effect(category="financial_transaction", irreversibility="high", blast_radius="low")
def pay(order: int) -> str:
    return "Paid."

@effect(category="deletion", name="crm.forget")
def forget(customer: int) -> str:
    return "Gone."

graph = StateGraph(GateState)
graph.add_node("plan", lambda state: {})
graph.add_node("report", lambda state: {})
graph.add_edge(START, "plan")
graph.add_edge("plan", "gate")
Gate(pay, forget).add_to(graph)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to write in, and no secret in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "SLACK_SIGNING_SECRET",
        "TEAMS_CLIENT_SECRET",
        "REDIS_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def init(*arguments: str, answers: tuple[str, ...] | None = None) -> Result:
    """The command without a word, or with these answers to its questions."""
    more = ["--yes"] if answers is None else []
    typed = "".join(f"{one}\n" for one in answers or ())
    return CliRunner().invoke(app, ["init", *arguments, *more], input=typed)


def written(*arguments: str, answers: tuple[str, ...] | None = None) -> Settings:
    """What was written, as the bot reads it."""
    ran = init(*arguments, answers=answers)
    assert ran.exception is None, ran.output
    return load_settings(Path("sayso.toml"), {})


def test_questions_lead_to_settings_that_pass_their_check_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the sample agent; of the check only the secrets are missing, and then nothing."""
    settings = written(answers=("slack", CHANNEL, "Bo Berg", "U0BO", "", "Alex Asker", "U0ALEX", "", ""))
    assert (settings.policy.route(settings.policy.of("issue_refund").route).places, settings.sets["approvers"].people) == (
        ("slack:C0SUPPORT",), ("bo",),
    )  # fmt: skip
    assert settings.slack is not None
    assert (settings.slack.team, settings.slack.socket_mode) == ("T0WORKPLACE", True)
    assert settings.people["alex"].slack == "U0ALEX"
    assert check(None, offline=True) == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]
    assert [line.split()[1] for line in wrong] == ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"]
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-0")
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-0")
    assert check(None, offline=True) == 0
    assert "WARN" not in capsys.readouterr().out


def test_a_wrong_answer_is_asked_for_again_with_what_would_fit() -> None:
    """Nobody starts over because of one slip."""
    ran = init(answers=(
        "irc", "slack", "#support", CHANNEL, " ", "Bo Berg", "@bo", ACCOUNT, "U0BO", "", "Al\tex", "Alex", "U0BO",
        "Alex", "", "", "nowhere.py:graph", "",
    ))  # fmt: skip
    assert ran.exception is None, ran.output
    for words in (
        "write slack, teams or both", "open it in a browser and copy the address", "somebody is needed here",
        "a Slack member id begins with U or W", "that is an account of Teams", "at most 80 printable characters",
        "U0BO is Bo Berg's account already; once more", "nowhere.py:graph: there is no file",
    ):  # fmt: skip
        assert words in ran.output
    people = load_settings(Path("sayso.toml"), {}).people
    assert {id: one.accounts for id, one in people.items()} == {"bo": {"slack": "U0BO"}, "alex": {}}


def test_teams_and_both_at_once() -> None:
    """A link says channel and tenant; ids may be in capitals; one person has both accounts."""
    settings = written(answers=(
        "both", CHANNEL, LINK, APP.upper(), "Bo Berg", "U0BO", ACCOUNT, "", "Alex", "", "", "", "",
    ))  # fmt: skip
    assert settings.teams is not None
    assert (settings.teams.app_id, settings.teams.tenant) == (APP, TENANT)
    assert settings.policy.route(settings.policy.of("issue_refund").route).places == (
        "slack:C0SUPPORT",
        f"teams:{TEAMS_ID}",
    )
    assert settings.people["bo"].accounts == {"slack": "U0BO", "teams": ACCOUNT.lower()}
    names = [line for line in Path("sayso.env.example").read_text().splitlines() if line.endswith("=")]
    assert names == ["SLACK_BOT_TOKEN=", "SLACK_APP_TOKEN=", "TEAMS_CLIENT_SECRET="]


def test_an_empty_answer_is_told_what_would_fit() -> None:
    """Enter alone, where somebody is needed, is not met with the same words again."""
    ran = init(answers=("", "", CHANNEL, "", "Bo", "", "U0BO", "", "", "Alex", "", "", ""))
    assert ran.exception is None, ran.output
    for words in (
        "That does not fit: the channel",
        "somebody is needed here",
        "whoever approves needs an account",
    ):
        assert words in ran.output


def test_each_platform_has_somebody_who_can_answer_there() -> None:
    """Cards in both, and the only approver is in Slack: refused before anything is written."""
    both = (*SLACK, "--teams", LINK, "--teams-app", APP)
    ran = init(*both, *PEOPLE)
    assert "cards stand in Teams too, where no approver has an account" in str(ran.exception)
    assert not Path("sayso.toml").exists()
    assert init(*both, "--approver", f"Bo=U0BO,{ACCOUNT}", "--requester", "Alex").exception is None


def test_options_say_the_same_without_questions() -> None:
    """Teams alone, by ids; the last line says how to go on there."""
    ran = init("--teams", TEAMS_ID, "--teams-app", APP, "--teams-tenant", TENANT,
               "--approver", f"Bo={ACCOUNT}", "--requester", "Alex")  # fmt: skip
    assert ran.exception is None
    assert "sayso manifest teams" in ran.output
    settings = load_settings(Path("sayso.toml"), {})
    assert settings.slack is None
    assert settings.people["bo"].accounts == {"teams": ACCOUNT.lower()}


def test_what_options_say_is_not_asked() -> None:
    """A script may leave some questions to people."""
    settings = written(*SLACK, "--approver", "Bo=U0BO", answers=("Alex", "", "", ""))
    assert set(settings.people) == {"bo", "alex"}


GOVERNED = """
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from sayso import govern

class Model(FakeListChatModel):
    def bind_tools(self, tools, **_):
        return self

def look_up(order: int) -> str:
    "Look an order up."
    return str(order)

graph = create_agent(Model(responses=["Done."]), govern([look_up]))
"""


def test_ones_own_graph_brings_its_tools(folder: Path) -> None:
    """As their authors declared them, and the worst where they did not; a dot in a name makes no table."""
    (folder / "agent.py").write_text(GATED)
    settings = written(*SLACK, *PEOPLE, "--graph", "agent.py:graph")
    assert settings.graphs == {"agent": "agent.py:graph"}
    levels = {
        name: [getattr(tool, one).level.name for one in ("irreversibility", "blast_radius", "compliance")]
        for name, tool in settings.policy.tools.items()
    }
    assert levels == {"pay": ["HIGH", "LOW", "HIGH"], "crm.forget": ["HIGH", "HIGH", "HIGH"]}


def test_tools_that_say_nothing_of_themselves_are_there_to_be_rated(folder: Path) -> None:
    """A `create_agent` with plain functions: what is written loads as it is, and uncommented too."""
    (folder / "agent.py").write_text(GOVERNED)
    settings = written(*SLACK, *PEOPLE, "--graph", "agent.py:graph")
    assert dict(settings.policy.tools) == {}
    text = settings.file.read_text()
    lines = text.partition("# [tools.look_up]")[2].partition("\n\n")[0].splitlines()
    settings.file.write_text(text.replace("# [tools.look_up]", "[tools.look_up]"))
    for line in lines[1:]:
        settings.file.write_text(settings.file.read_text().replace(line, line.removeprefix("# "), 1))
    rated = load_settings(settings.file, {}).policy.of("look_up")
    assert rated.known
    assert (rated.irreversibility.level.name, rated.category) == ("HIGH", "internal_change")


def test_names_in_any_script_get_ids_of_their_own() -> None:
    """What people are called stands beside it as they write it, quotes included."""
    settings = written(
        *SLACK, "--approver", "Zoë Ångström=U0A", "--approver", "Zoe=U0B", "--approver", '山田 "T" 太郎=U0C'
    )
    assert {id: one.name for id, one in settings.people.items()} == {
        "zoe": "Zoë Ångström", "zoe2": "Zoe", "person": '山田 "T" 太郎',
    }  # fmt: skip


def test_no_secret_is_written_and_the_template_is_for_its_reader_alone(folder: Path) -> None:
    """Its copy, with the secrets in it, has the same mode."""
    ran = init(*SLACK, *PEOPLE)
    template = folder / "sayso.env.example"
    assert template.stat().st_mode & 0o777 == 0o600
    assert all(
        line.startswith("#") or line.endswith("=") for line in template.read_text().splitlines() if line
    )
    assert ".gitignore" in ran.output
    assert sorted(one.name for one in folder.iterdir()) == [
        "sayso.env.example", "sayso.schema.json", "sayso.toml",
    ]  # fmt: skip


@pytest.mark.parametrize("there", ["sayso.toml", "sayso.env.example", "sayso.schema.json"])
def test_nothing_is_written_over(folder: Path, there: str) -> None:
    """Not even half of it: refused before the first question."""
    (folder / there).write_text("mine")
    for answers in (None, ()):
        ran = init(*SLACK, *PEOPLE, answers=answers)
        assert isinstance(ran.exception, BadSetting)
        assert f"{there} is there already" in str(ran.exception)
    assert [(one.name, one.read_text()) for one in folder.iterdir()] == [(there, "mine")]


def test_a_full_disk_leaves_nothing_behind(folder: Path) -> None:
    """Half a file would be in the way of the next try."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        ran = init(*SLACK, *PEOPLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "sayso.toml cannot be written" in str(ran.exception)
    assert list(folder.iterdir()) == []


def test_who_keeps_files_to_themselves_gets_them_so(folder: Path) -> None:
    """The settings name people; the umask says who may read that."""
    before = os.umask(0o077)
    try:
        init(*SLACK, *PEOPLE)
    finally:
        os.umask(before)
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}


def test_who_stops_answering_leaves_nothing_behind(folder: Path) -> None:
    """Ctrl-D in the middle."""
    ran = init(answers=("slack", CHANNEL, "Bo"))
    assert ran.exit_code == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (PEOPLE, "Say with --slack or --teams where people answer"),
        (("--slack", "#support", *PEOPLE), "--slack: the channel: open it in a browser"),
        ((*SLACK,), "--approver: somebody has to answer"),
        ((*SLACK, "--approver", "Bo=U0BO"), "--requester: whoever asks never approves it, so somebody beside Bo"),
        ((*SLACK, "--approver", "Bo", "--requester", "Alex"), "--approver: Bo needs an account to answer with"),
        ((*SLACK, "--approver", "Bo=bo", "--requester", "A"), "--approver: slack: a Slack member id begins with U"),
        ((*SLACK, "--approver", "Bo=U1A,U2B", "--requester", "A"), "--approver: write a name and accounts"),
        ((*SLACK, "--approver", "=U0BO", "--requester", "A"), "--approver: write a name and accounts"),
        ((*SLACK, "--approver", "Bo=U0BO", "--requester", "Al=U0BO"), "--requester: U0BO is Bo's account already"),
        ((*SLACK, *PEOPLE, "--graph", "no.py:graph"), "--graph: no.py:graph: there is no file"),
        (("--teams", f"https://[{TEAMS_ID}", *PEOPLE), "--teams: the channel: its menu in Teams"),
        (("--teams", TEAMS_ID, *PEOPLE), "--teams: --teams-app is needed too"),
        (("--teams", TEAMS_ID, "--teams-app", APP, *PEOPLE), "--teams: --teams-tenant is needed too"),
        ((*SLACK, *PEOPLE, "--folder", "nowhere"), "sayso.toml cannot be written"),
    ],
)  # fmt: skip
def test_each_wrong_option_is_one_sentence_that_names_it(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    """And nothing is left behind."""
    ran = init(*arguments)
    assert isinstance(ran.exception, BadSetting)
    assert words in str(ran.exception)
    assert list(folder.iterdir()) == []


def test_as_a_process_a_refusal_is_one_sentence(folder: Path) -> None:
    """Exit 1; and what is written can be read by any reader of TOML."""
    refused = sayso("init", "--yes", folder=folder)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("sayso: Say with --slack or --teams")
    init(*SLACK, *PEOPLE)
    assert tomllib.loads((folder / "sayso.toml").read_text())["default_route"] == "approvals"
