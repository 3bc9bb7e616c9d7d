"""What a graph shows of its tools without being run: names, arguments, what their authors and servers say of them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.tools import BaseTool
from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from ..approvals.risk import Level
from .called import CalledTool
from .effect import Effect
from .fingerprint import gates_of
from .found_tools import graphs_called, hides_agent
from .govern import Governed
from .resume import Graph
from .unguarded import callable_tools, tools_of

#: The hints of an MCP server, which LangChain's adapter puts into a tool's metadata under their own names.
MCP_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTool:
    """One tool of a graph.

    Attributes:
        words: The first paragraph of what its author wrote about it; may be empty.
        schema: JSON Schema of its arguments; None where it cannot be told.
        category, levels: As declared with `@effect`; empty where nothing is.
        hints: What an MCP server says of it.
        asks: Whether something in the graph asks the policy before it runs.
        runs_agent: Whether it calls an agent, whose tools are among the graph's.
        hides_agent: Whether it may call one that cannot be seen, nor its tools.
    """

    name: str
    words: str = ""
    schema: Mapping[str, Any] | None = None
    category: str = ""
    levels: Mapping[str, Level] = field(default_factory=dict)
    hints: Mapping[str, bool] = field(default_factory=dict)
    asks: bool = False
    runs_agent: bool = False
    hides_agent: bool = False


def seen_tools(graph: Graph) -> Mapping[str, SeenTool]:
    """Every tool behind a gate or within a model's reach, by name; of LangGraph's functional form nothing is seen."""
    if not hasattr(graph, "builder"):
        return {}
    guarded = tools_of(graph)
    plain = {
        name: _of_tool(tool, asks=guarded[name])
        for name, tool in callable_tools(graph).items()
        if not isinstance(tool, Governed)
    }
    gated = {name: _of_effect(one) for gate in gates_of(graph).values() for name, one in gate.tools.items()}
    return {**plain, **gated}


def _of_effect(effect: Effect) -> SeenTool:
    tool = effect.tool if isinstance(effect, CalledTool) else None
    words = tool.description if tool else inspect.getdoc(effect.function) or ""
    return SeenTool(
        name=effect.name, words=_first(words), schema=json.loads(effect.schema), category=effect.category,
        levels=effect.levels, hints=_hints(tool), asks=True, hides_agent=tool is not None and hides_agent(tool),
    )  # fmt: skip


def _of_tool(tool: BaseTool, *, asks: bool) -> SeenTool:
    return SeenTool(
        name=tool.name, words=_first(tool.description), schema=_schema(tool), hints=_hints(tool), asks=asks,
        runs_agent=any(graphs_called(tool)), hides_agent=hides_agent(tool),
    )  # fmt: skip


def _schema(tool: BaseTool) -> Mapping[str, Any] | None:
    said: Any = tool.tool_call_schema
    if isinstance(said, dict):
        return said
    try:
        return said.model_json_schema() if issubclass(said, BaseModel) else None
    except PydanticUserError:  # an argument that JSON has no form for
        return None


def _hints(tool: BaseTool | None) -> Mapping[str, bool]:
    said = (tool.metadata or {}) if tool else {}
    return {hint: said[hint] for hint in MCP_HINTS if isinstance(said.get(hint), bool)}


def _first(words: str) -> str:
    return " ".join(words.strip().partition("\n\n")[0].split())
