"""The fingerprint of a pause: the code between gate and act, and nothing else.

A deployment that changes other nodes disturbs no open request; one that changes what an approval would run has it
asked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..approvals import canonical
from .found_tools import graphs_called, tools_at
from .gate import Gate, GateGraph
from .govern import Governed
from .resume import Graph


def gates_of(graph: Graph) -> dict[str, Gate]:
    """Every gate in a graph by its path, outer names first, joined by |.

    Two agents that one node calls may have a tool of one name; which of them asks is then not known from outside.
    """
    found, doubled = dict[str, Gate](), set[str]()
    for path, gate in _gates(graph, ""):
        if path in found and [one.code for one in found[path].tools.values()] != [
            one.code for one in gate.tools.values()
        ]:
            doubled.add(path)
        found[path] = gate
    return {path: gate for path, gate in found.items() if path not in doubled}


def fingerprint(graph: Graph, path: str, tool: str) -> str:
    """64 hex digits; empty when the graph has no such gate in front of such a tool (any more).

    Of a gate in a graph that nobody sees before a node calls it, only that node is known: the gate itself compares
    its code before it acts.
    """
    gate = gates_of(graph).get(path)
    if gate is None and "|" in path:
        return fingerprint_of_node(graph, path)
    if gate is None or tool not in gate.tools:
        return ""
    effect = gate.tools[tool]
    return canonical.digest(
        canonical.encode(
            {
                "gate": path,
                "inside": sorted(gate.graph.builder.nodes),
                "then": _successors(graph, path),
                "tool": tool,
                "arguments": effect.schema,
                "version": effect.version,
            }
        )
    )


def fingerprint_of_node(graph: Graph, path: str) -> str:
    """Of a pause that is no gate of ours: the node it is raised in and what may follow it directly; 64 hex digits.

    Of a graph that is called within a node, only that node is known before it runs. Empty when there is none.
    """
    known = ""
    for part in path.split("|"):
        inner = f"{known}|{part}" if known else part
        if inner not in set(_nodes(graph, "")):
            break
        known = inner
    if not known:
        return ""
    return canonical.digest(canonical.encode({"node": known, "then": _successors(graph, known)}))


def fingerprints(graph: Graph) -> frozenset[str]:
    """Those of every tool behind every gate, and of every node: what this code can bring back."""
    gates = gates_of(graph)
    of_gates = {fingerprint(graph, path, tool) for path, gate in gates.items() for tool in gate.tools}
    return frozenset(of_gates | {fingerprint_of_node(graph, path) for path in _nodes(graph, "")})


def _gates(graph: Graph, prefix: str, around: tuple[Graph, ...] = ()) -> Iterator[tuple[str, Gate]]:
    """Agents may call each other in a ring: each is looked into once on the way."""
    builder: object = getattr(graph, "builder", None)  # LangGraph's functional form has none
    if isinstance(builder, GateGraph):
        yield prefix, builder.gate
        return
    for name, inner in graph.get_subgraphs():
        if hasattr(inner, "builder"):
            yield from _gates(inner, f"{prefix}|{name}" if prefix else name, around)  # type: ignore[arg-type]
    for name, node in getattr(builder, "nodes", {}).items():
        path = f"{prefix}|{name}" if prefix else name
        for tool in tools_at(node):
            if isinstance(tool, Governed):
                yield f"{path}|{tool.name}", tool.gate
            for called in graphs_called(tool):
                if not any(called is one for one in (*around, graph)):
                    yield from _gates(called, path, (*around, graph))


def _nodes(graph: Graph, prefix: str) -> Iterator[str]:
    """The path of every node, also within graphs that are nodes."""
    builder: object = getattr(graph, "builder", None)
    for name in getattr(builder, "nodes", graph.nodes):  # LangGraph's functional form has no builder
        yield f"{prefix}|{name}" if prefix else name
    for name, inner in graph.get_subgraphs():
        if hasattr(inner, "builder"):
            yield from _nodes(inner, f"{prefix}|{name}" if prefix else name)  # type: ignore[arg-type]


def _successors(graph: Graph, path: str) -> list[str]:
    """Names of the nodes that may directly follow the gate in the graph around it."""
    *outer, name = path.split("|")
    around = graph
    for step in outer:
        inside = dict(around.get_subgraphs()).get(step)
        if inside is None:
            return []  # within a tool node: what follows a tool is the model
        around = inside  # type: ignore[assignment]
    builder: Any = getattr(around, "builder", None)
    if builder is None or isinstance(builder, GateGraph):
        return []
    ends = {end for start, end in builder.edges if start == name}
    for branch in builder.branches.get(name, {}).values():
        ends |= set((branch.ends or {}).values())
    return sorted(ends)
