"""The only place that enters a graph: begin, carry on, or answer exactly one pause, in LangGraph's strict mode.

Measured on langgraph 1.2.22: a bare answer, or one for a pause that is over, is given to the *next* gate unless the
answer names its interrupt and strict mode is on. Strict mode has only a private name there; it stands here and
nowhere else, and a test fails when an upgrade drops it.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from ..approvals.action import Json
from ..approvals.verdict import ThreadId
from .checkpoint_codec import FENCE_KEY
from .schema import Answer, checked_answer
from .thread_lock import Fence

#: LangGraph's private switch for refusing answers to anything that is not pending.
STRICT = "__pregel_strict_resume"

Graph = CompiledStateGraph[Any, Any, Any, Any]


class LeftOpen(GraphBubbleUp):
    """A governed tool could not end: no tool node may swallow it, and no other tool of the same step is stopped for it.

    Attributes:
        why: What was raised, as the runner knows it.
    """

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why) or type(why).__name__)
        self.why = why


def config_of(thread: ThreadId, fence: Fence) -> RunnableConfig:
    """The thread's configuration; never with a checkpoint id, which would replay an old answer."""
    return {"configurable": {"thread_id": thread, FENCE_KEY: int(fence)}}


async def begin(graph: Graph, config: RunnableConfig, given: Any) -> None:
    """Run a thread from its start; it must have no checkpoint."""
    await _enter(graph, given, config)


async def carry_on(graph: Graph, config: RunnableConfig) -> None:
    """Run what is left of a thread that was interrupted by a crash; answers nothing."""
    await _enter(graph, None, config)


async def answer_pause(graph: Graph, config: RunnableConfig, interrupt: str, answer: Answer) -> None:
    """Answer exactly this pause.

    Raises:
        ValidationError: The answer is none; nothing was sent.
        UnknownInterruptError: The pause is not pending; nothing was done.
    """
    await answer_foreign(graph, config, interrupt, checked_answer(answer))


async def answer_foreign(graph: Graph, config: RunnableConfig, interrupt: str, answer: Json) -> None:
    """Answer exactly this pause in the words of its own dialect, which were checked before.

    Raises: UnknownInterruptError: The pause is not pending; nothing was done.
    """
    strict: RunnableConfig = {"configurable": {**config["configurable"], STRICT: True}}
    command: Command[Any] = Command(resume={interrupt: answer})
    await _enter(graph, command, strict)


async def raise_anew(graph: Graph, config: RunnableConfig) -> None:
    """Have the newest step raise its pauses once more, with new ids, without any answer that was given to it.

    Everything else in that step runs anew as well: only for a step with one node.
    """
    newest = await graph.aget_state(config)
    here = newest.config["configurable"]["checkpoint_id"]
    pinned: RunnableConfig = {"configurable": {**config["configurable"], "checkpoint_id": here}}
    await _enter(graph, None, pinned)


async def _enter(graph: Graph, given: Any, config: RunnableConfig) -> None:
    try:
        await graph.ainvoke(given, config, durability="sync")
    except LeftOpen as error:
        raise error.why from None
