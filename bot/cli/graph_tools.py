"""Loads a graph to see its tools, and lets go of it: nothing is run and nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...agent.seen_tools import SeenTool


async def tools_of_graph(spec: str, folder: Path) -> Mapping[str, SeenTool]:
    """Every tool of the graph, by name. Raises: BadSetting, when it does not load or compile."""
    # LangGraph takes half a second to load: not before it is needed.
    from langgraph.checkpoint.memory import InMemorySaver

    from ...agent.seen_tools import seen_tools
    from ..graphs import GraphLoader

    async with GraphLoader(folder).opened(spec, InMemorySaver(), try_own=False) as kept:
        return seen_tools(kept.graph)
