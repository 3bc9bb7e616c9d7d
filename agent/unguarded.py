"""Finds what a graph could do without asking although the policy has people decide it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.tools import BaseTool

from ..approvals.action import Action
from ..approvals.errors import BadSetting
from ..approvals.risk import Oversight
from .effect import asks_itself
from .fingerprint import gates_of
from .found_tools import graphs_called, tools_at
from .gate import GateGraph
from .govern import Governed
from .policy import Policy
from .resume import Graph
from .risk import NO_REASONING, always_asked, assess_call, needs_people

#: Where LangChain's own middleware is defined; an installation without LangChain's agents has none.
_MIDDLEWARE = "langchain.agents.middleware.human_in_the_loop"


class Unguarded(BadSetting):
    """A graph has tools that people would have to decide about, and nothing there asks them."""

    def __init__(self, tools: Collection[str]) -> None:
        named = ", ".join(tools)
        super().__init__(
            f"its model can call {named} without asking anybody: put govern([...]) around its tools or "
            "HumanInTheLoopMiddleware in front of them, rate them as harmless in the policy, or say "
            "unguarded = true for this graph"
        )
        self.tools = tuple(tools)


def check_guarded(graph: Graph, policy: Policy) -> None:
    """Raises: Unguarded."""
    guarded = tools_of(graph, lambda around: _always_asks(around, policy))
    found = [tool for tool, is_guarded in guarded.items() if not is_guarded and _asks(tool, policy)]
    if found:
        raise Unguarded(found)


def check_asks_outside(graph: Graph) -> None:
    """Whether no governed tool is itself an agent that asks people, as far as that can be seen. Raises: BadSetting."""
    for tool in callable_tools(graph).values():
        if isinstance(tool, Governed) and any(map(_may_pause, graphs_called(tool))):
            raise BadSetting(asks_itself(tool.name))


def _may_pause(graph: Graph) -> bool:
    return bool(gates_of(graph)) or any(guarded for _, guarded in _tools(graph, (), lambda _: True))


def tools_of(graph: Graph, asks: Callable[[str], bool] = lambda _: True) -> Mapping[str, bool]:
    """Every tool that a model can call in a graph and in those within it, and whether something there asks first.

    Args:
        asks: Whether people are asked about a governed tool whatever it is called with: only then they have been asked
            before an agent within it calls anything.
    """
    found = dict[str, bool]()
    for tool, guarded in _tools(graph, (), asks):
        found[tool.name] = guarded and found.get(tool.name, True)
    return found


def callable_tools(graph: Graph) -> Mapping[str, BaseTool]:
    """The same tools themselves, by name."""
    return {tool.name: tool for tool, _ in _tools(graph, (), lambda _: True)}


def _asks(tool: str, policy: Policy) -> bool:
    """Whether a call of it would be put to people, if it were governed."""
    return needs_people(assess_call(_bare_call(tool), policy).oversight)


def _always_asks(tool: str, policy: Policy) -> bool:
    """Whether each call of it is put to people, whatever it is called with: no case and no condition decides."""
    rated = policy.of(tool)
    cases = (*rated.irreversibility.cases, *rated.blast_radius.cases, *rated.compliance.cases)
    call, rules = _bare_call(tool), tuple(one for one in policy.rules if not one.when)
    gated = assess_call(call, replace(policy, rules=rules)).oversight is Oversight.GATE
    return bool(always_asked(call, rated)) or (gated and not cases)


def _bare_call(tool: str) -> Action:
    return Action(tool=tool, arguments={}, goal="-", summary="-", reasoning=NO_REASONING)


def _tools(
    graph: Graph, around: tuple[Graph, ...], asks: Callable[[str], bool]
) -> Iterator[tuple[BaseTool, bool]]:
    builder: Any = getattr(graph, "builder", None)  # LangGraph's functional form has none
    if builder is None or isinstance(builder, GateGraph) or any(graph is one for one in around):
        return
    asked = {name for node in builder.nodes.values() for name in _asked_by_middleware(node)}
    tools = [tool for node in builder.nodes.values() for tool in tools_at(node)]
    for tool in tools:
        yield tool, isinstance(tool, Governed) or tool.name in asked
    called = [
        (inner, isinstance(tool, Governed) and asks(tool.name))
        for tool in tools
        for inner in graphs_called(tool)
    ]
    for inner, governed in [*((inner, False) for _, inner in graph.get_subgraphs()), *called]:
        for tool, guarded in _tools(inner, (*around, graph), asks):  # type: ignore[arg-type]
            yield tool, guarded or governed


def _asked_by_middleware(node: Any) -> Collection[str]:
    """The tools that LangChain's middleware asks about, if that is what runs at this node."""
    middleware = getattr(getattr(node.runnable, "func", None), "__self__", None)
    known = any(one.__module__ == _MIDDLEWARE for one in type(middleware).__mro__)
    return getattr(middleware, "interrupt_on", ()) if known else ()
