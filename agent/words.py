"""A run's words as each graph takes and leaves them: what people asked for goes in, the agent's last words come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage

from .goals import GOAL, MESSAGES
from .resume import Graph


def given_to(graph: Graph, goal: str) -> Mapping[str, Any]:
    """The input of a graph that is asked for something in words: as `goal`, as a message, or in the only field it has."""
    builder: Any = getattr(graph, "builder", None)
    fields = list(getattr(builder, "schemas", {}).get(getattr(builder, "input_schema", None), ()))
    if GOAL not in fields and MESSAGES in fields:
        return {MESSAGES: [{"role": "user", "content": goal}]}
    return {fields[0] if len(fields) == 1 else GOAL: goal}


def report_of(state: Mapping[str, Any]) -> str:
    """The agent's last words: its `report`, or else the last thing it said in a conversation; empty when there is none."""
    report = state.get("report")
    if isinstance(report, str):
        return report
    messages = state.get(MESSAGES)
    last = messages[-1] if isinstance(messages, list) and messages else None
    return str(last.text) if isinstance(last, AIMessage) else ""
