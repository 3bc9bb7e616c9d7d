"""`sayso demo --graph`: an agent that nobody has rated yet is let in, and the demo says what it may do unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.demo.own_agent import own_line, own_tables, own_words, unasked_tools
from sayso.bot.settings import load_settings
from settings_files import write_settings

HEAD = """
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import FakeListChatModel
from sayso import govern

class Model(FakeListChatModel):
    def bind_tools(self, tools, **_):
        return self

def send_money(to: str) -> str:
    "Send money."
    return to

def look_up(order: int) -> str:
    "Look up."
    return "paid"

def agent(tools, **options):
    return create_agent(Model(responses=["Done."]), tools, **options)
"""
SUPERVISOR = """
clerk = agent(govern([send_money]))

async def ask_clerk(question: str) -> str:
    "Ask the clerk."
    return str(await clerk.ainvoke({"messages": [question]}))

graph = agent([ask_clerk])
"""
MIDDLEWARE = (
    "graph = agent([send_money, look_up], middleware=[HumanInTheLoopMiddleware({'send_money': True})])"
)
GOVERNED = "graph = agent(govern([send_money, look_up]))"


@pytest.mark.parametrize(
    ("code", "unasked"), [(SUPERVISOR, "ask_clerk"), (MIDDLEWARE, "look_up"), (GOVERNED, "")]
)
def test_an_ordinary_agent_is_let_in_and_what_it_may_do_unasked_is_said(
    code: str, unasked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor and an agent behind middleware have tools that nothing stands in front of: named in one line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(HEAD + code)
    place, _ = own_tables("mine.py:graph", ())
    ops = ('ops = "little_graph.py:graph"', own_line(place))
    settings = load_settings(write_settings(tmp_path, ops), {})
    found = unasked_tools(settings)
    assert ", ".join(found) == unasked
    assert "“@sayso yours: …”" in own_words(found)
    assert (f"its model can call {unasked} without asking anybody" in own_words(found)) is bool(unasked)
    again = load_settings(write_settings(tmp_path, (ops[0], own_line(place, found))), {})
    assert unasked_tools(again) == ()
    assert (again.unguarded == {"yours"}) is bool(unasked)


def test_one_that_no_worker_would_run_still_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of `sayso check`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        HEAD + SUPERVISOR.replace("agent([ask_clerk])", "agent(govern([ask_clerk]))")
    )
    with pytest.raises(BadSetting, match="ask_clerk asks people itself"):
        own_tables("mine.py:graph", ())
