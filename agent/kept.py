"""Who keeps a graph's state: its author's own durable checkpointer, or sayso's where there is none or one in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_type_hints

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from ..approvals.errors import SaysoError, StoreDown
from .checkpoints import RedisSaver
from .faults import told_of
from .resume import Graph
from .serializer import declared_in

OURS = "its state is kept in sayso's checkpoints"
#: What this saver does and another one does not: said wherever a graph keeps its own.
THEIRS = "sayso neither fences its writes, nor looks for tokens in them, nor clears them away"


class UnfitSaver(SaysoError):
    """A graph's own checkpointer cannot be used."""


class SaverDown(StoreDown):
    """A graph's own checkpointer does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A graph that is ready to run.

    Attributes:
        own: Its author's checkpointer; None when sayso's has taken its place.
        words: Who keeps its state, for whoever runs it.
    """

    graph: Graph
    own: BaseCheckpointSaver[Any] | None
    words: str


def compiled(graph: Graph | StateGraph[Any, Any, Any, Any], saver: BaseCheckpointSaver[Any]) -> Graph:
    """The graph, kept by this saver, which may then hold what the graph's state is declared to hold."""
    builder = getattr(graph, "builder", graph)
    if names := declared_in(_hints(builder)):
        saver = saver.with_allowlist(names)
    if isinstance(graph, Pregel):
        return graph.copy({"checkpointer": saver})
    return graph.compile(checkpointer=saver)


def kept(graph: Graph | StateGraph[Any, Any, Any, Any], saver: BaseCheckpointSaver[Any]) -> Kept:
    """The graph with its own durable checkpointer, or with this one."""
    has = getattr(graph, "checkpointer", None) if isinstance(graph, Pregel) else None
    if isinstance(has, InMemorySaver):
        words = f"{OURS}: its {type(has).__name__} would have forgotten everything at the end of the process"
        return Kept(graph=compiled(graph, saver), own=None, words=words)
    if isinstance(graph, Pregel) and isinstance(has, BaseCheckpointSaver):
        words = f"it keeps its state in its own {type(has).__name__}: {THEIRS}"
        return Kept(graph=graph, own=has, words=words)
    return Kept(graph=compiled(graph, saver), own=None, words=OURS)


async def check_saver(saver: BaseCheckpointSaver[Any]) -> None:
    """Read from it once, for a thread that nobody has. Raises: UnfitSaver, to be said after the graph's name."""
    name = type(saver).__name__
    try:
        await saver.aget_tuple({"configurable": {"thread_id": "sayso-check", "checkpoint_ns": ""}})
    except NotImplementedError:
        words = f"its own {name} cannot be used from async code, as sayso runs graphs: take its Async form"
        raise UnfitSaver(words) from None
    except Exception as error:  # other people's code may raise anything
        told = told_of(error)
        raise UnfitSaver(f"its own {name} cannot be read: {told['error']}: {told['words']}") from error


async def still_there(saver: object) -> None:
    """After a failure: whether a graph's own checkpointer answers, or its outage broke the run off. Raises: SaverDown."""
    if not isinstance(saver, BaseCheckpointSaver) or isinstance(saver, RedisSaver):
        return  # ours says by itself that it is away
    try:
        await check_saver(saver)
    except UnfitSaver as error:
        raise SaverDown from error


def _hints(builder: Any) -> list[Any]:
    """What the fields of a graph's schemas, and of the graphs inside it, are declared as."""
    found = list[Any]()
    for schema in getattr(builder, "schemas", {}):
        try:
            found += [schema, *get_type_hints(schema).values()]
        except (NameError, TypeError):
            continue  # what is not known as declared is refused aloud when it has to be kept
    for node in getattr(builder, "nodes", {}).values():
        inner = getattr(node, "runnable", None)
        if isinstance(inner, Pregel) and hasattr(inner, "builder"):
            found += _hints(inner.builder)
    return found
