"""Answers that lie in a thread's checkpoint without having gone on: LangGraph gives each again instead of any later one.

Measured on langgraph 1.2.22: once a node has failed after its `interrupt` returned, whatever it is answered later is
ignored and the first answer is replayed, by id and in strict mode as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Interrupt

from .resume import Graph
from .standing import Pause

#: Under what LangGraph's checkpoints hold answers, and the task of one that names no interrupt.
RESUME, NOBODY = "__resume__", "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class HeldAnswers:
    """What LangGraph would give out by itself.

    Attributes:
        given: Interrupt -> the answer that it would get, of those that wait.
        earlier: Whether a node that waits had earlier questions, which are answered: what lies between them runs
            again each time.
    """

    given: Mapping[str, Any]
    earlier: bool


async def held_answers(graph: Graph, config: RunnableConfig, pauses: Iterable[Pause]) -> HeldAnswers:
    """What the checkpoint holds of answers to these pauses and their nodes."""
    writes, found, earlier = {"": await _writes(graph, config, "")}, dict[str, Any](), False
    bare = [value for task, channel, value in writes[""] if (task, channel) == (NOBODY, RESUME)]
    for pause in pauses:
        if pause.namespace not in writes:
            writes[pause.namespace] = await _writes(graph, config, pause.namespace)
        here = writes[pause.namespace]
        to_it: list[Any] = next(
            (value for task, channel, value in here if (task, channel) == (pause.task, RESUME)), []
        )
        slot = _slot(pause, len(to_it))
        earlier = earlier or slot > 0
        if slot < len(to_it):
            found[pause.interrupt] = to_it[slot]
        elif bare:
            found[pause.interrupt] = bare[-1]
    return HeldAnswers(found, earlier)


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
