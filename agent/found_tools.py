"""What stands in a graph's tool nodes, also in agents that a tool calls, as far as it can be seen without running it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from langchain_core.runnables import RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode

from .resume import Graph


def tools_at(node: Any) -> Iterator[BaseTool]:
    """The tools of a node of a builder, also where its tool node is wrapped or one of several steps."""
    left = [getattr(node, "runnable", None)]
    while left:
        runnable = left.pop()
        if isinstance(runnable, ToolNode):
            yield from runnable.tools_by_name.values()
        left += [getattr(runnable, "bound", None)] if isinstance(runnable, RunnableBindingBase) else []
        left += runnable.steps if isinstance(runnable, RunnableSequence) else []


def graphs_called(tool: BaseTool) -> Iterator[Graph]:
    """Graphs that the tool's own function names, in the order of their names: an agent that is called as a tool."""
    for function in (getattr(tool, "coroutine", None), getattr(tool, "func", None)):
        if function is None or not inspect.isfunction(function):
            continue
        seen = inspect.getclosurevars(function)
        for _, value in sorted({**seen.globals, **seen.nonlocals}.items()):
            if hasattr(value, "builder") and hasattr(value, "aget_state"):
                yield value
