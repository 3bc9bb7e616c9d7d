"""`sayso policy scaffold`: a first catalog from a graph's tools, which loads at once and lets nothing pass."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from sayso.agent.policy import Policy
from sayso.agent.policy_file import read_policy
from sayso.agent.risk import assess
from sayso.agent.seen_tools import SeenTool
from sayso.approvals.action import Action
from sayso.approvals.errors import BadSetting
from sayso.approvals.risk import Level, Oversight
from sayso.bot.cli.commands import app
from sayso.bot.cli.policy_scaffold import scaffold
from sayso.bot.settings import load_settings
from settings_files import write_settings
from typer.testing import CliRunner, Result

#: A tool behind a gate, a governed one, and one of an MCP server in a bare tool node.
MIXED = '''
from langchain_core.tools import StructuredTool, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from sayso import Gate, GateState, effect, govern

@effect(category="financial_transaction", irreversibility="high", compliance="medium")
def issue_refund(order: int, amount: str) -> str:
    """Pay money back.

    More about it."""
    return "Paid."

@tool
def add_note(order: int, words: str) -> str:
    """Write a note at an order."""
    return "Noted."

async def of_server(query: str) -> str:
    return ""

search = StructuredTool.from_function(
    coroutine=of_server, name="search", description="Search the web.",
    metadata={"title": "Search", "readOnlyHint": True, "openWorldHint": True, "destructiveHint": None},
)

inner = StateGraph(MessagesState)
inner.add_node("say", lambda state: {})
inner.add_edge(START, "say")
inner = inner.compile()

@tool
async def ask_billing(task: str) -> str:
    """Ask the agent of billing."""
    return str(await inner.ainvoke({"messages": [task]}))

class State(GateState, MessagesState):
    pass

graph = StateGraph(State)
graph.add_node("plan", lambda state: {})
graph.add_node("report", lambda state: {})
graph.add_node("tools", ToolNode([*govern([add_note]), search, ask_billing]))
graph.add_edge(START, "plan")
graph.add_edge("plan", "gate")
graph.add_edge("report", "tools")
Gate(issue_refund).add_to(graph)
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.py").write_text(MIXED)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", "scaffold", *arguments])


def asked_about(tool: str, policy: Policy) -> bool:
    sure = Action(tool=tool, arguments={}, goal="-", summary="-", reasoning="-", confidence=1.0)
    return assess(sure, policy).oversight is Oversight.GATE


def test_a_graph_becomes_a_policy_that_loads_at_once() -> None:
    """What its code declares, what its server says, and the worst where nobody has said anything."""
    ran = run("agent.py:graph")
    assert ran.exception is None, ran.output
    policy = read_policy(tomllib.loads(ran.output))
    refund, note, search = (policy.tools[name] for name in ("issue_refund", "add_note", "search"))
    assert (refund.category, refund.irreversibility.level, refund.compliance.level) == (
        "financial_transaction", Level.HIGH, Level.MEDIUM,
    )  # fmt: skip
    assert refund.blast_radius.level is Level.HIGH
    assert note.irreversibility.reason == "Not rated yet: Write a note at an order."
    assert search.hints == {"readOnlyHint": True, "openWorldHint": True}
    assert all(asked_about(name, policy) for name in policy.tools)


def test_it_says_what_is_to_be_rated(folder: Path) -> None:
    """Arguments, suggestions of the server beside the worst, and what nothing asks about."""
    said = run("agent.py:graph").output
    assert "# Pay money back.\n# Arguments: amount, order\n[tools.issue_refund]\n" in said
    assert "More about it" not in said
    assert 'category = "internal_change" # which of: read, says its server?' in said
    assert '# its server suggests "low"' in said
    assert '# its server suggests "medium" or more' in said
    assert said.count("# Nothing asks before it runs") == 1
    assert (
        "# It runs an agent whose tools stand here too: rate what it does beside that.\n[tools.ask_billing]"
        in said
    )


def test_below_settings_stand_only_the_tools_that_they_do_not_know(folder: Path) -> None:
    """Appended to them they load, and a second time nothing is left to write."""
    file = write_settings(folder, ('"little_graph.py:graph"', '"agent.py:graph"'))
    ran = run("ops", "-s", str(file))
    assert ran.exception is None, ran.output
    assert "[tools.issue_refund]" not in ran.output
    file.write_text(file.read_text() + ran.output)
    assert set(load_settings(file).policy.tools) == {"issue_refund", "add_note", "search", "ask_billing"}
    assert "# The policy knows every tool of ops already." in run("ops", "-s", str(file)).output


def test_hostile_words_and_names_stay_words() -> None:
    """A server's description can end no line, no text and no table; a name that the policy cannot hold is told."""
    tools = {
        "a": SeenTool(name="a", words='x"\n]\u2028[tools.b]\x7f\x00 ' + "y" * 900),
        "crm.note": SeenTool(name="crm.note", words="", asks=True),
        "a b]": SeenTool(name="a b]"),
    }
    text = scaffold(tools, "agent", whole=True)
    assert set(read_policy(tomllib.loads(text)).tools) == {"a", "crm.note"}
    assert "The policy cannot name 'a b]'" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.py:graph", "there is no file"),
        ("opps", "there is no graph 'opps' in .*did you mean ops"),
        ("ops", "ops shows no tool"),
    ],
)
def test_a_graph_that_shows_nothing_is_one_sentence(folder: Path, name: str, words: str) -> None:
    """And what to do."""
    file = write_settings(folder)
    ran = run(name, "-s", str(file))
    assert isinstance(ran.exception, BadSetting)
    with pytest.raises(BadSetting, match=words):
        raise ran.exception
