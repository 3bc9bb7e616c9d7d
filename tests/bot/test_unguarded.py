"""A graph whose model could do without asking what the policy has people decide is not served, and `check` says so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from foreign import Scripted
from gated import LOW, Ledger
from governed import POLICY, mailer, reader
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from sayso import govern
from sayso.agent.policy_file import read_policy
from sayso.agent.unguarded import Unguarded, check_guarded
from sayso.approvals.errors import BadSetting
from sayso.bot.agents import open_graphs
from sayso.bot.cli.check import check
from sayso.bot.settings import load_settings
from settings_files import write_settings

TOOLS = [mailer(Ledger()), reader(Ledger())]

AGENT = """
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel

class Model(FakeListChatModel):
    def bind_tools(self, tools, **_):
        return self

def wipe_disk(name: str) -> str:
    "Wipe a disk."
    return name

graph = create_agent(Model(responses=["Done."]), [wipe_disk])
"""


def an_agent(tools: Sequence[Any], **options: Any) -> Any:
    return create_agent(Scripted(turns=[]), list(tools), **options)


def called_by(inner: Any, around: Any = list) -> Any:
    """An agent that calls this one as a harmless tool; `around` is `govern`, where it is governed."""

    @tool
    async def ask_billing(question: str) -> str:
        """Ask billing."""
        return str(await inner.ainvoke({"messages": [question]}))

    return an_agent(around([ask_billing]))


def in_a_node(inner: Any) -> Any:
    """A graph with this one as a node."""
    builder = StateGraph(MessagesState)
    builder.add_node("billing", inner)
    builder.add_node("own", ToolNode([reader(Ledger())]))
    builder.add_edge(START, "billing")
    return builder.compile()


def wrapped(how: str) -> Any:
    """A hand-written graph whose tool node stands in something else."""
    node: Any = ToolNode(TOOLS)
    ways: dict[str, Any] = {
        "bound": node.with_config(tags=["mine"]),
        "in steps": RunnableLambda(lambda state: state) | node,
    }
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ways[how])
    builder.add_edge(START, "tools")
    return builder.compile()


def middleware(mode: Any, *tools: str) -> dict[str, Any]:
    return {
        "middleware": [HumanInTheLoopMiddleware(dict.fromkeys(tools, True), interrupt_mode=mode)],
    }


@pytest.mark.parametrize(
    "graph",
    [
        an_agent(TOOLS),
        an_agent([*govern(TOOLS[1:]), TOOLS[0]]),
        an_agent(TOOLS, **middleware("batched", "look_up")),
        called_by(an_agent(TOOLS)),
        called_by(an_agent(TOOLS), govern),
        in_a_node(an_agent(TOOLS)),
        wrapped("bound"),
        wrapped("in steps"),
    ],
)
def test_a_tool_that_nothing_stands_in_front_of_is_named(graph: Any) -> None:
    """Wherever in the graph its model can call it; what is harmless needs nobody."""
    with pytest.raises(Unguarded) as caught:
        check_guarded(graph, read_policy(POLICY))
    assert caught.value.tools == ("send_mail",)


@pytest.mark.parametrize(
    "graph",
    [
        an_agent(govern(TOOLS)),
        an_agent(TOOLS, **middleware("batched", "send_mail")),
        an_agent(TOOLS, **middleware("per_call", "send_mail")),
        an_agent(TOOLS[1:]),
        called_by(an_agent(govern(TOOLS))),
        in_a_node(an_agent(govern(TOOLS))),
    ],
)
def test_what_is_governed_or_behind_middleware_may_run(graph: Any) -> None:
    """One of them is enough."""
    check_guarded(graph, read_policy(POLICY))


@pytest.mark.parametrize(
    ("rated", "guards"),
    [
        ({**LOW, "irreversibility": "high", "compliance": "high"}, True),
        ({**LOW, "category": "external_communication"}, True),
        ({**LOW, "irreversibility": "high"}, True),
        ({**LOW, "irreversibility": "medium"}, True),
        (LOW, False),
        ({**LOW, "irreversibility": [{"if": "question == 'wipe'", "level": "high"}, "low"]}, False),
    ],
    ids=["high in two", "leaves the company", "high in one", "medium", "harmless", "mostly harmless"],
)
def test_a_governed_tool_guards_the_agent_in_it_where_people_are_always_asked(
    rated: dict[str, Any], guards: bool
) -> None:
    """Whoever approved the call of the outer tool let its agent do what it does; what runs by itself has asked nobody."""
    outer = {"category": "internal_change", **rated}
    policy = read_policy({**POLICY, "tools": {**POLICY["tools"], "ask_billing": outer}})
    graph = called_by(an_agent(TOOLS), govern)
    with nullcontext() if guards else pytest.raises(Unguarded, match="send_mail"):
        check_guarded(graph, policy)


def settings_with(folder: Path, graph: str) -> Path:
    (folder / "wiper.py").write_text(AGENT)
    return write_settings(folder, ('ops = "little_graph.py:graph"', graph))


async def test_serve_leaves_such_a_graph_out(tmp_path: Path) -> None:
    """S1: a tool that no policy knows is at its worst; one sentence names graph, tools and the ways on."""
    settings = load_settings(settings_with(tmp_path, 'wiper = "wiper.py:graph"'), {})
    with pytest.raises(
        BadSetting, match=r"^graphs\.wiper: its model can call wipe_disk without asking anybody"
    ):
        async with open_graphs(settings, InMemorySaver()):
            pass


async def test_a_graph_may_say_that_it_is_unguarded(tmp_path: Path) -> None:
    """Then it runs, and the settings say so for everybody to read."""
    said = 'wiper = { graph = "wiper.py:graph", unguarded = true }'
    settings = load_settings(settings_with(tmp_path, said), {})
    async with open_graphs(settings, InMemorySaver()) as graphs:
        assert set(graphs) == {"wiper"}


def test_check_says_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is served."""
    monkeypatch.delenv("COLUMNS", raising=False)
    check(settings_with(tmp_path, 'wiper = "wiper.py:graph"'), offline=True)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "graphs.wiper" in one]
    assert line.startswith("WRONG")
    assert "wipe_disk" in line
    check(settings_with(tmp_path, 'wiper = { graph = "wiper.py:graph", unguarded = true }'), offline=True)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "graphs.wiper" in one]
    assert line.startswith("ok")
    assert "without asking" in line
