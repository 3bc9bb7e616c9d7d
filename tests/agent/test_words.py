"""Agents take their words in different ways: as a goal, as a conversation, as the only thing they know."""

from __future__ import annotations

from typing import Any

import pytest
from gated import World
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from sayso.agent.goals import goal_of
from sayso.agent.words import given_to, report_of
from typing_extensions import TypedDict


class Asked(TypedDict):
    question: str


class Both(MessagesState):
    goal: str


def a_graph(state: Any) -> Any:
    """Of this state."""
    builder = StateGraph(state)
    builder.add_node("plan", lambda state: {})
    builder.add_edge(START, "plan")
    return builder.compile()


@entrypoint()
async def functional(given: dict[str, str]) -> str:
    """LangGraph's functional form says nothing about its input."""
    return given["goal"]


@pytest.mark.parametrize(
    ("graph", "given"),
    [
        (a_graph(MessagesState), {"messages": [{"role": "user", "content": "Refund it."}]}),
        (create_agent(FakeListChatModel(responses=["Done."]), []), {"messages": [{"role": "user", "content": "Refund it."}]}),
        (a_graph(Asked), {"question": "Refund it."}), (a_graph(Both), {"goal": "Refund it."}), (functional, {"goal": "Refund it."}),
    ],
)  # fmt: skip
def test_a_graph_is_given_its_words_as_it_takes_them(graph: Any, given: dict[str, Any]) -> None:
    """By what its input declares."""
    assert given_to(graph, "Refund it.") == given


async def test_an_agent_of_langchains_is_asked_and_reports_its_last_message() -> None:
    """As it comes from `create_agent`, without anything of ours in it."""
    world = World(graph=create_agent(FakeListChatModel(responses=["Nothing to refund."]), []).builder)
    await world.ask("Refund it.")
    messages = (await world.state())["messages"]
    assert [one.text for one in messages] == ["Refund it.", "Nothing to refund."]
    assert await world.reports() == ["Nothing to refund."]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"report": "Done.", "messages": [AIMessage("No.")]}, "Done."),
        ({"messages": [AIMessage([{"type": "text", "text": "Done."}])]}, "Done."),
        ({"messages": [AIMessage("Shall I?"), HumanMessage("Yes.")]}, ""), ({"messages": []}, ""), ({"report": 7}, ""),
    ],
)  # fmt: skip
def test_the_last_words_are_the_agents_own(state: dict[str, Any], words: str) -> None:
    """A report goes first; what a person said last is none."""
    assert report_of(state) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("Refund it.", "Refund it."), ({"goal": "Refund it."}, "Refund it."), (7, ""), ({"order": 1}, ""),
        ({"messages": [{"role": "user", "content": "Refund it."}]}, "Refund it."),
        ({"messages": [HumanMessage("Refund it.")]}, "Refund it."), ({"goal": " ", "messages": []}, ""),
    ],
)  # fmt: skip
def test_what_a_run_is_for_is_read_from_its_input(given: object, words: str) -> None:
    """As far as there are words in it."""
    assert goal_of(given) == words
