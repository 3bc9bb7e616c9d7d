"""Tools that ask from within themselves, several of them in one node: nobody's answer can be bound to one of them.

Measured on langgraph 1.2.22: a plain `ToolNode` runs the calls of a turn at the same time in one task, and an answer
goes to whichever of them asks first; the next answer then runs the one that was answered again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from .standing import Pause

#: How far a tool's helpers are looked into.
_DEPTH = 4


def ask_together(node: Any, pause: Pause) -> bool:
    """Whether more than one call of this turn may ask, in the one run of this node that paused."""
    if pause.sent or not isinstance(node, ToolNode):
        return False
    tools = node.tools_by_name
    calls = [str(call["name"]) for call in _calls(pause)]
    return sum(name in tools and _may_ask(tools[name]) for name in calls) > 1


def _calls(pause: Pause) -> Sequence[Any]:
    messages = pause.state.get("messages")
    said = [one for one in messages if isinstance(one, AIMessage)] if isinstance(messages, list) else []
    return said[-1].tool_calls if said else []


def _may_ask(tool: BaseTool) -> bool:
    """Whether `interrupt` is named in its code, or in a function of its own that it uses."""
    of_its_own = (getattr(tool, name, None) for name in ("func", "coroutine"))
    of_its_class = (getattr(type(tool), name) for name in ("_run", "_arun"))
    found = (*of_its_own, *of_its_class)
    return any(_names_it(one, _DEPTH) for one in found if isinstance(one, FunctionType))


def _names_it(function: FunctionType, depth: int) -> bool:
    if str(function.__module__).startswith(("langchain", "langgraph")):
        return False
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    if "interrupt" in names:
        return True
    used = [function.__globals__.get(name) for name in names]
    used += [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    return any(
        one is interrupt or (depth > 0 and isinstance(one, FunctionType) and _names_it(one, depth - 1))
        for one in used
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is bound later
        return False
