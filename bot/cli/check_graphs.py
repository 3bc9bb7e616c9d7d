"""What `sayso check` sees in the graphs: that they compile, and whether their tools and the catalog know each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...agent.setting_words import did_you_mean
from ..langgraph_version import check_langgraph
from ..settings import Settings
from .looks import Doubtful, Look

if TYPE_CHECKING:
    from ..graphs import GraphLoader


class GatedTools:
    """The tools behind the gates of all graphs, gathered while they are loaded.

    Args:
        offline: Call nobody: what keeps a graph's state is named, and not tried.
    """

    def __init__(self, settings: Settings, *, offline: bool) -> None:
        self._settings = settings
        self._offline = offline
        self._loader: GraphLoader | None = None
        self._graphs: dict[str, list[str]] = {}  # tool -> the graphs that have it
        self._callable: set[str] = set()
        self._seen: set[str] = set()

    def look(self, name: str) -> Look:
        """Load and compile this graph; its settings' words, and who keeps its state, when it does."""

        async def look() -> str:
            check_langgraph()
            return f"{self._settings.graphs[name]}: {await self._load(name)}"

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
        if self._seen == set(self._settings.graphs) and not self._settings.servers:
            for tool in catalog:
                if tool not in self._graphs and tool not in self._callable:
                    yield f"tools.{tool}", _doubt("no graph here has this tool")

    async def _load(self, name: str) -> str:
        # LangGraph takes half a second to load: not before it is needed.
        from langgraph.checkpoint.memory import InMemorySaver

        from ...agent.fingerprint import gates_of
        from ...agent.seen_tools import seen_tools
        from ...agent.unguarded import check_guarded, tools_of
        from ..graphs import GraphLoader

        self._loader = self._loader or GraphLoader(self._settings.file.parent)
        spec = self._settings.graphs[name]
        async with self._loader.opened(spec, InMemorySaver(), try_own=not self._offline) as kept:
            if hasattr(kept.graph, "builder"):  # else nobody can look into it
                for gate in gates_of(kept.graph).values():
                    for tool in gate.tools:
                        self._graphs.setdefault(tool, []).append(name)
                self._callable |= set(tools_of(kept.graph))
                if not any(one.hides_agent for one in seen_tools(kept.graph).values()):
                    self._seen.add(name)
            if name in self._settings.unguarded:
                return f"{kept.words}; its model may call any tool without asking"
            check_guarded(kept.graph, self._settings.policy)
            return kept.words


def _doubt(words: str) -> Look:
    async def look() -> str:
        raise Doubtful(f"{words}.")

    return look
