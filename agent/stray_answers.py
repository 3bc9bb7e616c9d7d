"""Answers that lie in a thread's checkpoint without having gone on: LangGraph gives each again instead of any later one.

Measured on langgraph 1.2.22: once a node has failed after its `interrupt` returned, whatever it is answered later is
ignored and the first answer is replayed, by id and in strict mode as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Interrupt

from .resume import Graph
from .standing import Pause

#: Under what LangGraph's checkpoints hold answers, and the task of one that names no interrupt.
RESUME, NOBODY = "__resume__", "00000000-0000-0000-0000-000000000000"


async def held_answers(graph: Graph, config: RunnableConfig, pauses: Iterable[Pause]) -> Mapping[str, Any]:
    """Interrupt -> the answer that would be given to it, of those that hold one already."""
    writes, found = {"": await _writes(graph, config, "")}, dict[str, Any]()
    bare = [value for task, channel, value in writes[""] if (task, channel) == (NOBODY, RESUME)]
    for pause in pauses:
        if pause.namespace not in writes:
            writes[pause.namespace] = await _writes(graph, config, pause.namespace)
        here = writes[pause.namespace]
        to_it: list[Any] = next(
            (value for task, channel, value in here if (task, channel) == (pause.task, RESUME)), []
        )
        slot = _slot(pause, len(to_it))
        if slot < len(to_it):
            found[pause.interrupt] = to_it[slot]
        elif bare:
            found[pause.interrupt] = bare[-1]
    return found


async def _writes(graph: Graph, config: RunnableConfig, namespace: str) -> list[tuple[str, str, Any]]:
    here: RunnableConfig = {"configurable": {**config["configurable"], "checkpoint_ns": namespace}}
    assert graph.checkpointer is not None
    assert not isinstance(graph.checkpointer, bool)
    kept = await graph.checkpointer.aget_tuple(here)
    return list(kept.pending_writes or ()) if kept else []


def _slot(pause: Pause, given: int) -> int:
    """Which answer of its node this pause waits for; the first where its id does not say (then none may be there)."""
    name = pause.path.rpartition("|")[2]
    around = f"{pause.namespace}|{name}:{pause.task}" if pause.namespace else f"{name}:{pause.task}"
    for slot in range(1, given + 1):
        if Interrupt.from_ns(None, f"{around}|{slot}").id == pause.interrupt:
            return slot
    return 0
