"""A run's words as each graph takes and leaves them: what people asked for goes in, the agent's last words come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage

from .resume import Graph

#: Where a graph takes the words it is started with, the first that it has; a conversation takes them as a message.
_GOAL, _MESSAGES = "goal", "messages"


def given_to(graph: Graph, goal: str) -> Mapping[str, Any]:
    """The input of a graph that is asked for something in words: as `goal`, as a message, or in the only field it has."""
    builder: Any = getattr(graph, "builder", None)
    fields = list(getattr(builder, "schemas", {}).get(getattr(builder, "input_schema", None), ()))
    if _GOAL not in fields and _MESSAGES in fields:
        return {_MESSAGES: [{"role": "user", "content": goal}]}
    return {fields[0] if len(fields) == 1 else _GOAL: goal}


def report_of(state: Mapping[str, Any]) -> str:
    """The agent's last words: its `report`, or else the last thing it said in a conversation; empty when there is none."""
    report = state.get("report")
    if isinstance(report, str):
        return report
    messages = state.get(_MESSAGES)
    last = messages[-1] if isinstance(messages, list) and messages else None
    return str(last.text) if isinstance(last, AIMessage) else ""


def goal_of(given: object) -> str:
    """In words, what a run was started for; empty where its input has none."""
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        return ""
    messages = given.get(_MESSAGES)
    last = messages[-1] if isinstance(messages, list) and messages else None
    for words in (given.get(_GOAL), getattr(last, "content", None), last.get("content") if isinstance(last, Mapping) else None):  # fmt: skip
        if isinstance(words, str) and words.strip():
            return words
    return ""
