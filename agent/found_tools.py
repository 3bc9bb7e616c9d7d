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

#: How an agent is run.
_RUN = frozenset({"ainvoke", "invoke", "astream", "stream"})


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
    for function in _functions(tool):
        if not inspect.isfunction(function):
            continue
        seen = inspect.getclosurevars(function)
        for _, value in sorted({**seen.globals, **seen.nonlocals}.items(), key=lambda one: one[0]):
            if hasattr(value, "builder") and hasattr(value, "aget_state"):
                yield value


def hides_agent(tool: BaseTool) -> bool:
    """Whether its function runs something that may be an agent and cannot be seen from here, such as one it makes itself."""
    codes = [one.__code__ for one in _functions(tool) if inspect.isfunction(one)]
    return any(_RUN & set(code.co_names) for code in codes) and not any(graphs_called(tool))


def _functions(tool: BaseTool) -> Iterator[object]:
    """Its author's own, also of one that stands behind a gate."""
    gate = getattr(tool, "gate", None)
    for one in gate.tools.values() if gate else [tool]:
        own = getattr(one, "tool", one)
        yield from (getattr(own, name, None) for name in ("coroutine", "func", "function"))
