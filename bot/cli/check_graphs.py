"""What `sayso check` sees in the graphs: that they compile, and whether their tools and the catalog know each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ...agent.setting_words import did_you_mean
from ..settings import Settings
from .looks import Doubtful, Look


class GatedTools:
    """The tools behind the gates of all graphs, gathered while they are loaded."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._graphs: dict[str, list[str]] = {}  # tool -> the graphs that have it
        self._seen: set[str] = set()

    def look(self, name: str) -> Look:
        """Load and compile this graph; its settings' words when it does."""

        async def look() -> str:
            await asyncio.to_thread(self._load, name)
            return self._settings.graphs[name]

        return look

    def compared(self) -> Iterator[tuple[str, Look]]:
        """A doubt for each tool that only one side knows; of a graph that was not seen nothing is concluded."""
        catalog = self._settings.policy.tools
        for tool, graphs in self._graphs.items():
            if tool not in catalog:
                unused = [name for name in catalog if name not in self._graphs]
                yield f"tools.{tool}", _doubt(
                    f"graphs.{graphs[0]} has this tool, but there is no [tools.{tool}]"
                    f"{did_you_mean(tool, unused) or ';'} it is taken at its worst and always asked about"
                )  # fmt: skip
        if self._seen == set(self._settings.graphs):
            for tool in catalog:
                if tool not in self._graphs:
                    yield f"tools.{tool}", _doubt("no graph here has this tool behind a gate")

    def _load(self, name: str) -> None:
        # LangGraph takes half a second to load: not before it is needed.
        from langgraph.checkpoint.memory import InMemorySaver

        from ...agent.fingerprint import gates_of
        from ..graphs import compiled_graph

        folder = self._settings.file.parent
        graph = compiled_graph(self._settings.graphs[name], folder, InMemorySaver())
        if not hasattr(graph, "builder"):
            return  # no graph of LangGraph's own, so nobody can look into it
        for gate in gates_of(graph).values():
            for tool in gate.tools:
                self._graphs.setdefault(tool, []).append(name)
        self._seen.add(name)


def _doubt(words: str) -> Look:
    async def look() -> str:
        raise Doubtful(f"{words}.")

    return look
