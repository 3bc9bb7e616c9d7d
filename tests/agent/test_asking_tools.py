"""Tools that ask from within themselves: each answer reaches the tool that people read about, or nothing is asked."""

from __future__ import annotations

from typing import Any

import pytest
from foreign import Scripted, by_summary, foreign_world, open_requests, says
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt


def asking_tools(done: list[str], *names: str, sends: bool = False) -> Any:
    """A hand-written agent whose model wants to mail these people, and whose mailer asks by itself."""

    def confirmed(question: str) -> bool:
        return bool(interrupt(question) == "yes")

    @tool
    def mail(to: str) -> str:
        """Send a mail."""
        if confirmed(f"Mail {to}?"):
            done.append(to)
        return "Done."

    @tool
    def look_up(to: str) -> str:
        """Look somebody up."""
        return to

    calls = [
        {"name": "mail" if name != "nobody" else "look_up", "args": {"to": name}, "id": name}
        for name in names
    ]
    turn = says("Mail them.", *calls)
    if sends:
        return create_agent(Scripted(turns=[turn]), [mail, look_up])
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [turn]})
    builder.add_node("tools", ToolNode([mail, look_up]))
    builder.add_edge(START, "model")
    builder.add_edge("model", "tools")
    return builder


async def test_two_tools_that_ask_in_one_node_are_not_asked_about() -> None:
    """Measured: the approval of one mail sent the other one in every third run. So the run ends, and says why."""
    done: list[str] = []
    world = foreign_world(asking_tools(done, "ann", "ben"))
    await world.ask()
    assert await world.store.live() == []
    assert done == []
    assert "CannotAsk" in (await world.reports())[0]


@pytest.mark.parametrize("sends", [False, True])
async def test_a_tool_that_asks_beside_one_that_does_not_is_asked_about(sends: bool) -> None:
    """Its question is the only one there."""
    done: list[str] = []
    world = foreign_world(asking_tools(done, "ann", "nobody", sends=sends))
    await world.ask()
    await world.answer((await open_requests(world))[0])
    await world.work()
    assert done == ["ann"]


async def test_tools_that_ask_in_tasks_of_their_own_are_each_asked_about() -> None:
    """`create_agent` gives each call its own."""
    done: list[str] = []
    world = foreign_world(asking_tools(done, "ann", "ben", sends=True))
    await world.ask()
    ann, ben = await by_summary(world)
    await world.answer(ben)
    await world.work()
    assert done == ["ben"]
    await world.answer(ann)
    await world.work()
    assert done == ["ben", "ann"]
