"""Where a thread stands, as its checkpoints say: what it waits for, what is left to run, whether it has ended."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Interrupt, PregelTask, StateSnapshot

from .resume import Graph
from .schema import OURS, is_ours

#: How LangGraph's path of a task begins that was made by `Send`.
_PUSH = "__pregel_push"
#: LangGraph's name for what a task raised to pause, in a checkpoint.
_RAISED = "__interrupt__"


@dataclass(frozen=True, slots=True)
class Pause:
    """One interrupt that waits for an answer: LangGraph's id, and what it shows.

    Attributes:
        schema: The JSON Schema that it says an answer has; None when it says nothing.
        path: Names of the nodes it is raised in, outermost first, joined by |.
        state: Of the innermost graph that paused, as far as it can be read.
        task: LangGraph's id of the node's run that raised it.
        namespace: Of the checkpoint that holds that run; empty for the outermost graph.
        sent: Whether that run got an input of its own (`Send`) instead of the graph's state.
    """

    interrupt: str
    value: Any
    schema: Any = None
    path: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    task: str = ""
    namespace: str = ""
    sent: bool = False

    @property
    def ours(self) -> bool:
        """Whether a gate of ours raised it, of whatever version."""
        said = self.value.get("schema") if isinstance(self.value, dict) else None
        return isinstance(said, str) and said.startswith(OURS)

    @property
    def outermost(self) -> bool:
        return "|" not in self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One thread at one moment.

    Attributes:
        began: Whether it has a checkpoint at all.
        pauses: What waits for an answer, in the graph's order.
        unfinished: Whether something is left to run that waits for nobody.
        values: The state of the graph.
        step: How many rounds of nodes it has finished.
        tasks: How many nodes of the outermost graph are in this round.
        left: LangGraph's ids of what is left to run.
    """

    began: bool
    pauses: tuple[Pause, ...] = ()
    unfinished: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    tasks: int = 0
    left: frozenset[str] = frozenset()

    @property
    def ended(self) -> bool:
        return self.began and not self.pauses and not self.unfinished

    @property
    def interrupts(self) -> frozenset[str]:
        """LangGraph's ids of everything that waits."""
        return frozenset(pause.interrupt for pause in self.pauses)

    def pause(self, interrupt: str) -> Pause | None:
        """The pause with this id, while it waits."""
        return next((pause for pause in self.pauses if pause.interrupt == interrupt), None)


async def standing_of(graph: Graph, config: RunnableConfig) -> Standing:
    """Read the thread, down to its innermost graphs.

    The outermost snapshot alone is not enough: it goes on listing an interrupt that was answered whenever a later
    node of the same subgraph failed. Nor is the innermost: a worker that dies while a pause is being kept leaves it
    in the inner graph alone, and the outer one, which takes the answers, knows of it only after it has gone on.
    """
    snapshot = await graph.aget_state(config, subgraphs=True)
    outermost = {i.id for task in snapshot.tasks for i in task.interrupts}
    leaves = [await _seen_inside(graph, config, leaf.known_to(outermost)) for leaf in _leaves(snapshot)]
    left = frozenset(leaf.task.id for leaf in leaves if leaf.unfinished)
    return Standing(
        began=snapshot.created_at is not None,
        pauses=tuple(
            Pause(i.id, i.value, schema=i.response_schema, path=leaf.path, state=leaf.state,
                  task=leaf.task.id, namespace=leaf.namespace, sent=leaf.task.path[0] == _PUSH)
            for leaf in leaves for i in leaf.task.interrupts
        ),
        unfinished=bool(left), left=left,
        values=_values(snapshot), step=int((snapshot.metadata or {}).get("step", 0)), tasks=len(snapshot.tasks),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Leaf:
    task: PregelTask
    path: str
    state: Mapping[str, Any]
    namespace: str = ""
    answered: bool = False

    def known_to(self, outermost: Collection[str]) -> _Leaf:
        """Only with the pauses that the outermost graph takes answers to."""
        known = tuple(one for one in self.task.interrupts if one.id in outermost)
        return replace(self, task=self.task._replace(interrupts=known))

    @property
    def unfinished(self) -> bool:
        return self.answered or (not self.task.interrupts and self.task.result is None)


def _leaves(snapshot: StateSnapshot, outer: str = "") -> Iterator[_Leaf]:
    """The tasks that are graphs no further, or whose graph has ended without the outer one knowing."""
    for task in snapshot.tasks:
        inner, path = task.state, f"{outer}|{task.name}" if outer else task.name
        if isinstance(inner, StateSnapshot) and inner.tasks:
            yield from _leaves(inner, path)
        elif isinstance(inner, StateSnapshot):
            yield _Leaf(task._replace(interrupts=()), path, {})
        else:
            yield _Leaf(task, path, _values(snapshot), _namespace(snapshot))


def _namespace(snapshot: StateSnapshot) -> str:
    return str((snapshot.config.get("configurable") or {}).get("checkpoint_ns", ""))


async def _seen_inside(graph: Graph, config: RunnableConfig, leaf: _Leaf) -> _Leaf:
    """The leaf without those pauses of gates within it that were answered, where the task around them goes on later.

    LangGraph cannot look into a graph that a tool calls, so the gate's own checkpoint is asked.
    """
    waits = tuple([one for one in leaf.task.interrupts if await _waits(graph, config, leaf, one)])
    answered = len(waits) < len(leaf.task.interrupts)
    return replace(leaf, task=leaf.task._replace(interrupts=waits), answered=answered)


async def _waits(graph: Graph, config: RunnableConfig, leaf: _Leaf, interrupt: Interrupt) -> bool:
    value = interrupt.value
    if not is_ours(value) or not value.get("namespace") or leaf.path == f"{value['gate']}|review":
        return True
    at: RunnableConfig = {
        "configurable": {
            "thread_id": config["configurable"]["thread_id"],
            "checkpoint_ns": value["namespace"],
        }
    }
    assert isinstance(graph.checkpointer, BaseCheckpointSaver)
    found = await graph.checkpointer.aget_tuple(at)
    raised = [one for _, channel, one in (found.pending_writes or ()) if channel == _RAISED] if found else []
    return found is None or any(interrupt.id == one.id for some in raised for one in some)


def _values(snapshot: StateSnapshot) -> Mapping[str, Any]:
    return snapshot.values if isinstance(snapshot.values, Mapping) else {}
