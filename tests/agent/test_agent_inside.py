"""A governed tool that is itself an agent: where that one asks people, it is refused in words, and nothing of it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from foreign import Scripted
from gated import LOW, Ledger, World
from governed import POLICY, call, governed_world, mailer, open_requests, reader, says, told
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.types import interrupt
from sayso import govern
from sayso.agent.policy_file import read_policy
from sayso.agent.seen_tools import seen_tools
from sayso.agent.unguarded import check_asks_outside
from sayso.approvals.errors import BadSetting
from sayso.approvals.request import OutcomeKind
from sayso.bot.cli.check import check
from sayso.bot.cli.policy_lint import run_lint
from settings_files import write_settings

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "write to Dana"}]}
OUTER = says("Billing knows.", {"name": "ask_billing", "args": {"question": "?"}, "id": "outer-1"})
REFUSAL = "ask_billing asks people itself, from within: give it to create_agent as it is"


def boss(how: str, ledger: Ledger) -> Any:
    """An agent whose one tool is governed, and an agent itself."""

    def clerk() -> Any:
        turns = [says("", call(1, "look_up", order=7), call(2))]
        tools = [reader(ledger), mailer(ledger)]
        if how == "behind middleware":
            ask = HumanInTheLoopMiddleware({"send_mail": True, "look_up": True})
            return create_agent(Scripted(turns=turns), tools, middleware=[ask])
        return create_agent(Scripted(turns=turns), govern(tools))

    made = clerk()

    async def at_hand(question: str) -> str:
        """Ask billing."""
        return str((await made.ainvoke(ASKED))["messages"][-1].content)

    async def made_inside(question: str) -> str:
        """Ask billing."""
        return str((await clerk().ainvoke(ASKED))["messages"][-1].content)

    def in_a_thread(question: str) -> str:
        """Ask billing."""
        return str(clerk().invoke(ASKED)["messages"][-1].content)

    async def by_itself(question: str) -> str:
        """Ask billing."""
        return str(interrupt("Which one?"))

    ways = {"made inside": made_inside, "in a thread": in_a_thread, "by itself": by_itself}
    ask = tool("ask_billing")(ways.get(how, at_hand))
    return create_agent(Scripted(turns=[OUTER]), govern([ask]))


@pytest.mark.parametrize("how", ["at hand", "made inside", "in a thread", "behind middleware", "by itself"])
async def test_an_agent_inside_a_governed_tool_that_asks_is_refused_in_words(how: str) -> None:
    """Nobody says that it is not known whether it was done; the model reads how its author mends it; the run ends."""
    ledger = Ledger()
    world = governed_world(graph=boss(how, ledger), ledger=ledger)
    await world.ask()
    assert await world.store.live() == []
    assert ledger.done == []
    ((status, words),) = await told(world)
    assert status == "error"
    assert words.startswith(REFUSAL)
    events = await world.events()
    assert "effect unknown" not in events
    assert events[-1] == "run finished"


async def test_also_where_people_allowed_the_tool_itself() -> None:
    """Its card says so; it claims neither that it was done nor that nothing was."""
    ledger = Ledger()
    asked = {**POLICY, "tools": {**POLICY["tools"], "ask_billing": {"category": "deletion", **LOW}}}
    world = World(graph=boss("made inside", ledger), ledger=ledger, policy=read_policy(asked))
    await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request)
    await world.work()
    ended = await world.request(request)
    assert ended.outcome is not None
    assert (ended.outcome.kind, ended.says_failed) == (OutcomeKind.FAILED, True)
    assert ended.outcome.words.startswith(REFUSAL)
    assert ledger.done == []


@pytest.mark.parametrize("how", ["at hand", "behind middleware"])
def test_where_it_can_be_seen_it_is_not_served(how: str) -> None:
    """Before anything runs; the tools of the agent inside are seen as well."""
    graph = boss(how, Ledger())
    with pytest.raises(BadSetting, match=REFUSAL):
        check_asks_outside(graph)
    assert set(seen_tools(graph)) == {"ask_billing", "look_up", "send_mail"}


def test_an_agent_as_a_tool_that_nothing_governs_is_as_it_should_be() -> None:
    """And so is a governed one whose agent asks nobody."""
    ledger = Ledger()
    asks: Any = create_agent(Scripted(turns=[]), govern([mailer(ledger)]))
    quiet: Any = create_agent(Scripted(turns=[]), [reader(ledger)])

    async def ask_clerk(question: str) -> str:
        """Ask a clerk."""
        return str(await asks.ainvoke(ASKED))

    async def ask_reader(question: str) -> str:
        """Ask a reader."""
        return str(await quiet.ainvoke(ASKED))

    check_asks_outside(create_agent(Scripted(turns=[]), [tool(ask_clerk), *govern([tool(ask_reader)])]))


AGENT = """
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from sayso import govern

class Model(FakeListChatModel):
    def bind_tools(self, tools, **_):
        return self

def send_mail(to: str) -> str:
    "Send a mail."
    return to

clerk = create_agent(Model(responses=["Done."]), govern([send_mail]))

async def ask_clerk(question: str) -> str:
    "Ask the clerk."
    return str(await clerk.ainvoke({"messages": [question]}))

graph = create_agent(Model(responses=["Done."]), govern([ask_clerk]))
"""


def test_check_and_lint_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence each that names the tool and the way on; no tool is said to be nowhere."""
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "boss.py").write_text(AGENT)
    file = write_settings(tmp_path, ('ops = "little_graph.py:graph"', 'boss = "boss.py:graph"'))
    said = "graphs.boss: boss.py:graph: ask_clerk asks people itself, from within"
    check(file, offline=True)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "graphs.boss" in one]
    assert line.startswith("WRONG")
    assert said.removeprefix("graphs.boss: ") in line
    assert run_lint(file) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "no graph here" not in out


UNSEEN = """
async def ask_clerk(question: str) -> str:
    "Ask the clerk."
    clerk = create_agent(Model(responses=["Done."]), govern([send_mail]))
    return str(await clerk.ainvoke({"messages": [question]}))

graph = create_agent(Model(responses=["Done."]), [ask_clerk])
"""


def test_of_an_agent_that_a_tool_makes_itself_nothing_is_concluded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tools cannot be seen, so nobody says that no graph has them."""
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "boss.py").write_text(AGENT.partition("clerk = ")[0] + UNSEEN)
    file = write_settings(tmp_path, ('ops = "little_graph.py:graph"', 'boss = "boss.py:graph"'))
    check(file, offline=True)
    run_lint(file)
    assert "no graph here" not in capsys.readouterr().out
