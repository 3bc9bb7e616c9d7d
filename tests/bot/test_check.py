"""`sayso check`: every setting, secret, token, channel, account and group is looked at, and each wrong one named once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sayso.bot import opening
from sayso.bot.cli.check import check
from sayso.bot.slack.checks import missing_scopes
from sayso.bot.slack.manifest import GROUP_SCOPE, SCOPES
from sayso.sandbox.workplace import ThreadedWorkplace, Workplace
from settings_files import sayso, write_settings

ROUTING_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def workplace() -> Iterator[ThreadedWorkplace]:
    """One workplace for all checks: they change nothing there."""
    with Workplace.in_thread() as running:
        yield running


@pytest.fixture
def secrets(
    workplace: ThreadedWorkplace, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Everything in the environment is as it should be, and the terminal is a wide pipe."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "SLACK_BOT_TOKEN": workplace.slack.bot_token, "SLACK_SIGNING_SECRET": workplace.slack.signing_secret,
        "PAGER_KEY": ROUTING_KEY, "ENTRA_SECRET": workplace.tokens.client_secret, "REDIS_URL": redis_url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def a_settings_file(folder: Path, workplace: ThreadedWorkplace, *edits: tuple[str, str]) -> Path:
    """The right settings over this workplace, made wrong in places."""
    slack, tokens = workplace.slack, workplace.tokens
    return write_settings(
        folder,
        ('team = "T0WORKPLACE"', f'team = "T0WORKPLACE"\napi = "{slack.api_url}"'),
        ('"https://127.0.0.1:1/tenant"', f'"{tokens.authority}"\nca_file = "{tokens.ca_file}"'),
        ('client_id = "sayso"', f'client_id = "{tokens.client_id}"'), *edits,
    )  # fmt: skip


def wrong_lines(file: Path, capsys: pytest.CaptureFixture[str], *, offline: bool = False) -> list[str]:
    """What is wrong, a line each; the exit code fits."""
    status = check(file, offline=offline)
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]
    assert status == (1 if wrong else 0)
    return wrong


@pytest.mark.usefixtures("secrets")
def test_all_is_well(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each thing, the bot's public key for workers elsewhere, and no secret."""
    assert check(a_settings_file(tmp_path, workplace), offline=False) == 0
    out = capsys.readouterr().out
    for part in (
        "SLACK_BOT_TOKEN", "PAGER_KEY", "graphs.ops", "REDIS_URL: fit, 0 open requests", "#finance-approvals",
        "people.bo: U0BO", "credentials.entra", "ops-agent gets a token until",
    ):  # fmt: skip
        assert part in out
    assert re.search(r"SAYSO_VERIFY_KEYS for workers elsewhere: [A-Za-z0-9+/]{43}=", out)
    assert re.search(r"All \d+ checks are ok\.", out)
    known = (
        ROUTING_KEY,
        workplace.slack.bot_token,
        workplace.slack.signing_secret,
        workplace.tokens.client_secret,
    )
    for secret in (*known, *(one.token for one in workplace.tokens.issued)):
        assert secret not in out


@pytest.mark.usefixtures("secrets")
def test_each_wrong_channel_is_named_once(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown, archived, shared outside, not joined, not visible: all looked at although the first is wrong."""
    places = '"slack:C0NOPE", "slack:C0OLD", "slack:C0PARTNERS", "slack:C0RANDOM", "slack:C0BOARD"'
    file = a_settings_file(tmp_path, workplace, ('"slack:C0FINANCE"', places))
    wrong = wrong_lines(file, capsys)
    assert all("routes.finance" in line for line in wrong)
    for id, words in {
        "C0NOPE": "does not exist or sayso cannot see it", "C0OLD": "#old-project is archived",
        "C0PARTNERS": "#partners is shared with people outside", "C0RANDOM": "not a member of #random: invite it",
        "C0BOARD": "does not exist or sayso cannot see it",
    }.items():  # fmt: skip
        assert [words in line for line in wrong if id in line] == [True]
    assert len(wrong) == 5


@pytest.mark.usefixtures("secrets")
def test_each_wrong_account_and_group_is_named_once(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who can never decide should not be waited for."""
    sets = {"a": "S0NOBODY", "b": "S0RETIRED", "c": "S0ONCALL"}
    groups = "".join(f'{name} = {{ slack_group = "{id}" }}\n' for name, id in sets.items()) + "seniors = {"
    file = a_settings_file(
        tmp_path, workplace, ('"U0ALEX"', '"U0GIL"'), ('"U0BO"', '"U0DEE"'), ('"U0CY"', '"U0NOBODY"'),
        ('"U0SUE"', '"U0ROBO"'),
        ("seniors = {", groups),
    )  # fmt: skip
    wrong = wrong_lines(file, capsys)
    for id, words in {
        "U0GIL": "Guests cannot decide.", "U0DEE": "This account is deactivated.", "U0NOBODY": "there is no such account.",
        "U0ROBO": "Bots cannot decide.", "S0NOBODY": "the user group is empty", "S0RETIRED": "or it is disabled",
        "S0ONCALL": "nobody in this user group is listed under [people]",
    }.items():  # fmt: skip
        assert [words in line for line in wrong if id in line] == [True]
    assert len(wrong) == 7


@pytest.mark.usefixtures("secrets")
def test_slack_that_does_not_let_us_in_is_one_line(
    workplace: ThreadedWorkplace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The channels are not wrong because of it."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-of-somebody-else")
    (line,) = wrong_lines(a_settings_file(tmp_path, workplace), capsys)
    assert "SLACK_BOT_TOKEN: sayso's Slack token is not valid" in line
    assert [str(one) for one in workplace.violations.take()] == ["slack auth.test: invalid_auth"]


@pytest.mark.usefixtures("secrets")
def test_another_workspaces_token_is_named(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise every click would be refused as foreign."""
    (line,) = wrong_lines(a_settings_file(tmp_path, workplace, ('"T0WORKPLACE"', '"T0OTHER"')), capsys)
    assert "slack.team is T0OTHER, but SLACK_BOT_TOKEN belongs to T0WORKPLACE" in line


@pytest.mark.usefixtures("secrets")
def test_everything_that_cannot_be_reached_is_named_and_the_rest_still_looked_at(
    workplace: ThreadedWorkplace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Store, Slack and token service down at once: three lines, each naming its setting."""
    monkeypatch.setattr(opening, "PATIENCE", 0.5)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    wrong = wrong_lines(write_settings(tmp_path, ("[slack]", '[slack]\napi = "http://127.0.0.1:1/"')), capsys)
    store, slack, credentials = wrong
    assert "REDIS_URL: the Redis server" in store
    assert "Slack cannot be reached at http://127.0.0.1:1/" in slack
    assert "credentials.entra" in credentials


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SLACK_BOT_TOKEN", None, "SLACK_BOT_TOKEN is not set in the environment"),
        ("SLACK_BOT_TOKEN", "xoxp-a-person", "is not a bot token"),
        ("SLACK_SIGNING_SECRET", None, "SLACK_SIGNING_SECRET is not set in the environment"),
        ("PAGER_KEY", None, "PAGER_KEY is not set in the environment; pagers.primary needs it"),
        ("PAGER_KEY", "too-short", "PAGER_KEY: a PagerDuty routing key has 32 characters"),
        ("ENTRA_SECRET", None, "ENTRA_SECRET is not set in the environment; credentials.entra needs it"),
        ("SAYSO_SIGNING_KEY", "nonsense", "SAYSO_SIGNING_KEY must be 32 bytes in base64"),
        ("SAYSO_VERIFY_KEYS", "nonsense", "SAYSO_VERIFY_KEYS must be 32 bytes in base64"),
    ],
)
@pytest.mark.usefixtures("secrets")
def test_each_wrong_secret_is_one_line_that_names_the_variable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *,
    variable: str, value: str | None, words: str,
) -> None:  # fmt: skip
    """And never what it holds."""
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    (line,) = wrong_lines(write_settings(tmp_path), capsys, offline=True)
    assert words in line
    assert value is None or value not in line


@pytest.mark.usefixtures("secrets")
def test_workers_that_would_trust_no_vote_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public key that is not the signing key's makes every approval worthless."""
    monkeypatch.setenv("SAYSO_SIGNING_KEY", "A" * 43 + "=")
    monkeypatch.setenv("SAYSO_VERIFY_KEYS", "B" * 42 + "A=")
    (line,) = wrong_lines(write_settings(tmp_path), capsys, offline=True)
    assert "SAYSO_VERIFY_KEYS lacks the public key of SAYSO_SIGNING_KEY" in line


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("little_graph.py", "names no graph: write"), ("none.py:graph", "/none.py (paths begin beside the file that names them)"),
        ("little_graph.py:grph", "has no 'grph'"), ("little_graph.py:__name__", "is a str, not a LangGraph graph"),
        ("no_such_package.ops:graph", "there is no module 'no_such_package' here"),
        ("broken.py:graph", "cannot be imported: ZeroDivisionError"),
        ("broken_factory.py:make", "could not make its graph: KeyError"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("secrets")
def test_a_graph_that_does_not_load_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spec: str, words: str
) -> None:
    """The agent's own code may break in any way; the line says which graph and why."""
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "broken_factory.py").write_text("def make():\n    return {}['graph']\n")
    (line,) = wrong_lines(write_settings(tmp_path, ("little_graph.py:graph", spec)), capsys, offline=True)
    assert "graphs.ops" in line
    assert spec in line
    assert words in line


GATED = """
from langgraph.graph import START, StateGraph
from sayso import Gate, GateState, effect

@effect(category="financial_transaction")
def {tool}(order: int) -> str:
    return "Refunded."

graph = StateGraph(GateState)
graph.add_node("plan", lambda state: {{}})
graph.add_node("report", lambda state: {{}})
graph.add_edge(START, "plan")
graph.add_edge("plan", "gate")
Gate({tool}, on_modify="{on_modify}").add_to(graph)
"""


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (('"plan", "gate"', '"plan", "gaet"'), "Found edge ending at unknown node `gaet`"),
        (('on_modify="plan"', 'on_modify="plann"'), "unknown target 'plann'"),
        (("financial_transaction", "infra"), "category is read, internal_change, "),
    ],
)
@pytest.mark.usefixtures("secrets")
def test_a_graph_that_does_not_compile_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], break_it: tuple[str, str], words: str
) -> None:
    """Found here, and not by the first run."""
    file = write_settings(tmp_path)
    text = GATED.format(tool="issue_refund", on_modify="plan")
    assert break_it[0] in text
    (tmp_path / "little_graph.py").write_text(text.replace(*break_it))
    (line,) = wrong_lines(file, capsys, offline=True)
    assert "graphs.ops" in line
    assert words in line


@pytest.mark.usefixtures("secrets")
def test_tools_that_only_one_side_knows_are_doubted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt tool is asked about as the worst there is: that works, and is hardly meant."""
    file = write_settings(tmp_path)
    (tmp_path / "little_graph.py").write_text(GATED.format(tool="issue_refnd", on_modify="plan"))
    assert check(file, offline=True) == 0
    out = capsys.readouterr().out
    first, second = (line for line in out.splitlines() if line.startswith("WARN"))
    assert "tools.issue_refnd" in first
    assert "there is no [tools.issue_refnd]; did you mean issue_refund?" in first
    assert "tools.issue_refund" in second
    assert "no graph here has this tool" in second
    assert "checks are ok. 2 have warnings." in out
    (tmp_path / "little_graph.py").write_text(GATED.format(tool="issue_refund", on_modify="plan"))
    assert check(file, offline=True) == 0
    assert "WARN" not in capsys.readouterr().out


@pytest.mark.usefixtures("secrets")
def test_a_graphs_path_begins_beside_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file is found wherever the command is typed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert wrong_lines(write_settings(tmp_path), capsys, offline=True) == []


@pytest.mark.usefixtures("secrets")
def test_looking_offline_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No key, no store: a check may be made anywhere, before anything is decided."""
    file = write_settings(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert check(file, offline=True) == 0
    assert [one for one in sorted(tmp_path.iterdir()) if one.name != "__pycache__"] == before
    assert "will be made in" in capsys.readouterr().out


@pytest.mark.usefixtures("secrets")
def test_one_wrong_check_is_counted_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is wrong, two are."""
    monkeypatch.delenv("PAGER_KEY")
    assert check(write_settings(tmp_path), offline=True) == 1
    assert re.search(r"^1 of \d+ checks is wrong\.$", capsys.readouterr().out, re.MULTILINE)
    monkeypatch.delenv("ENTRA_SECRET")
    assert check(write_settings(tmp_path), offline=True) == 1
    assert re.search(r"^2 of \d+ checks are wrong\.$", capsys.readouterr().out, re.MULTILINE)


def test_missing_scopes_are_named() -> None:
    """Slack lists what the app may do with every answer; user groups are only wanted where sets use them."""
    has = ", ".join(scope for scope in SCOPES if scope != "chat:write")
    assert missing_scopes({"x-oauth-scopes": has}, groups=False) == ["chat:write"]
    assert missing_scopes({"x-oauth-scopes": f"{has},chat:write"}, groups=True) == [GROUP_SCOPE]
    assert missing_scopes({}, groups=True) == []


def test_as_a_process_it_exits_with_its_status(tmp_path: Path) -> None:
    """In 80 columns, without colours in a pipe; a wrong file is one sentence on standard error."""
    write_settings(tmp_path)
    ran = sayso("check", "--offline", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert "\x1b" not in ran.stdout
    assert "4 of" in ran.stdout
    write_settings(tmp_path, ('["bo", "cy"]', '["bo", "dan"]'))
    refused = sayso("check", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "sayso: sayso.toml: line 15, sets.finance: there is no [people.dan]\n"


@pytest.mark.usefixtures("secrets")
def test_who_keeps_a_graphs_state_is_said(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ours, ours instead of one that forgets, and an author's own with what sayso does not do for it."""
    (tmp_path / "kept.py").write_text(KEPT)
    graphs = "\n".join(f'{name} = "kept.py:{name}"' for name in ("nobody", "memory", "own"))
    file = a_settings_file(tmp_path, workplace, ('ops = "little_graph.py:graph"', graphs))
    assert check(file, offline=True) == 0
    out = capsys.readouterr().out
    for name, words in {
        "nobody": "its state is kept in sayso's checkpoints",
        "memory": "its InMemorySaver would have forgotten everything at the end of the process",
        "own": "it keeps its state in its own AsyncSqliteSaver: sayso neither fences its writes, nor looks for tokens",
    }.items():
        assert re.search(rf"^ok +graphs.{name} +kept.py:{name}: .*{words}", out, re.MULTILINE)
    (tmp_path / "agent.db").write_text("This is a letter, and no database.\n" * 100)
    (line,) = wrong_lines(file, capsys)
    assert "graphs.own" in line
    assert "its own AsyncSqliteSaver cannot be read: DatabaseError" in line


KEPT = """
from contextlib import asynccontextmanager
from pathlib import Path
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph

builder = StateGraph(dict)
builder.add_node("plan", lambda state: {})
builder.add_edge(START, "plan")
nobody = builder
memory = builder.compile(checkpointer=InMemorySaver())

@asynccontextmanager
async def own(config):
    async with AsyncSqliteSaver.from_conn_string(str(Path(__file__).with_name("agent.db"))) as saver:
        yield builder.compile(checkpointer=saver)
"""
