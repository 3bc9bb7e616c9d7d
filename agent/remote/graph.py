"""A graph that lives on an Agent Server, seen as the graphs that live here: its state, one answer, and what it is drawn as.

LangGraph's own `RemoteGraph` would do the reading. It resumes by a stream that has to stay open as long as the agent
works, leaves what else runs on the thread to a queue, and cannot say later whether an answer had been taken.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from langchain_core.messages import convert_to_messages
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt, PregelTask, StateSnapshot

from ...approvals.errors import SaysoError
from ...approvals.verdict import ThreadId
from ..foreign import READS
from ..resume import STRICT, Graph
from ..schema import OURS
from .server import AgentServer, Became, ThreadBusy

#: How long a busy thread is waited for before its work is left for later, seconds.
REST = 2.0


class NotBegunHere(SaysoError):
    """Runs of an agent at a server are begun at that server."""


class NotAskedHere(SaysoError):
    """This pause cannot be answered from here."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Nodes and edges as the server draws them; what a node runs is not known here."""

    nodes: Mapping[str, Any] = field(default_factory=dict)
    edges: frozenset[tuple[str, str]] = frozenset()
    branches: Mapping[str, Any] = field(default_factory=dict)


class RemoteGraph:
    """One watched graph of one server; what the runner asks of a graph, and what only a server can be asked."""

    checkpointer = None

    def __init__(self, server: AgentServer, graph: str) -> None:
        self.server = server
        self.graph = graph
        self.name = f"{server.spec.name}/{graph}"
        self.config = {"metadata": {READS: server.spec.reads}}
        self.builder = Drawn()

    @property
    def nodes(self) -> Mapping[str, Any]:
        """As the server draws them."""
        return self.builder.nodes

    def get_subgraphs(self) -> tuple[()]:
        """What lies inside a node is not drawn."""
        return ()

    async def aget_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """How the thread stands, and with it how the graph is drawn now.

        Raises:
            ThreadBusy: It is being run there, so whatever it says will not last.
            NotAskedHere: It waits for something that cannot be answered from here.
            ThreadGone, ServerAway.
        """
        thread = _id_of(config)
        await self._at_rest(thread)
        self.builder = drawn(await self.server.drawing(self.graph))
        snapshot = snapshot_of(await self.server.state(thread))
        if words := why_not({one.id: one.value for one in snapshot.interrupts}):
            raise NotAskedHere(words)
        return snapshot

    async def _at_rest(self, thread: str) -> None:
        """Wait a moment for a run that is just coming to its end. Raises: ThreadBusy, ThreadGone, ServerAway."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + REST
        while (await self.server.thread(thread))["status"] == "busy":
            if loop.time() > ends:
                raise ThreadBusy
            await asyncio.sleep(0.1)

    async def ainvoke(self, given: Any, config: RunnableConfig, **_: Any) -> None:
        """Answer one pause there. What is left to run without an answer is the server's own.

        Raises: what `AgentServer.answer` does.
        """
        if given is None:
            return
        if not isinstance(given, Command):
            raise NotBegunHere
        assert config["configurable"][STRICT] is True
        ((interrupt, answer),) = cast("dict[str, Any]", given.resume).items()
        await self.server.answer(_id_of(config), interrupt, answer)

    async def sent(self, thread: ThreadId, interrupt: str) -> bool:
        """Whether an answer of ours ever reached the server. Raises: ThreadGone, ServerAway."""
        return await self.server.sent(remote_id(thread), interrupt)

    async def became(self, thread: ThreadId, interrupt: str) -> Became:
        """What became of a pause that waits no more. Raises: ThreadGone, ServerAway."""
        return await self.server.became(remote_id(thread), interrupt)

    async def carry_on(self, thread: ThreadId) -> None:
        """Run what an earlier run left undone there: only where people have ordered it. Raises: as `ainvoke`."""
        await self.server.carry_on(remote_id(thread))

    async def end(self, thread: ThreadId, interrupt: str) -> None:
        """End its run at this pause. Raises: ThreadGone, ThreadBusy, ServerAway."""
        await self.server.end(remote_id(thread), interrupt)


def why_not(pauses: Mapping[str, Any]) -> str:
    """Why people are not asked about what a thread waits for; empty when they are."""
    for interrupt, value in pauses.items():
        said = value.get("schema") if isinstance(value, Mapping) else None
        if isinstance(said, str) and said.startswith(OURS):
            return "It waits at a gate of sayso, which acts only in a sayso worker: name its graph under [graphs]."
        if not re.fullmatch(r"[0-9a-f]{32}", interrupt):
            return "Its pause has no id of LangGraph's own, so an answer could reach another one."
    return ""


def as_graph(graph: RemoteGraph) -> Graph:
    """For the runner, which knows graphs by what it asks of them."""
    return cast("Graph", graph)


def remote_of(graph: object) -> RemoteGraph | None:
    """The graph as one of a server; None when it lives here."""
    return graph if isinstance(graph, RemoteGraph) else None


def thread_of(server: str, id: str) -> ThreadId:
    """Our name for a server's thread: two servers may hold the same one."""
    return ThreadId(f"{server}/{id}")


def remote_id(thread: ThreadId) -> str:
    """The thread's own id at its server."""
    return thread.partition("/")[2]


def _id_of(config: RunnableConfig) -> str:
    return remote_id(ThreadId(config["configurable"]["thread_id"]))


def drawn(said: Mapping[str, Any]) -> Drawn:
    """What the server draws."""
    return Drawn(
        nodes={str(node["id"]): SimpleNamespace(runnable=None) for node in said["nodes"]},
        edges=frozenset((str(edge["source"]), str(edge["target"])) for edge in said["edges"]),
    )


def snapshot_of(said: Mapping[str, Any]) -> StateSnapshot:
    """A thread's state as the server says it, in LangGraph's own words."""
    tasks = tuple(
        PregelTask(
            id=task["id"], name=task["name"], path=tuple(task.get("path") or ("",)), error=Exception(str(task["error"])) if task.get("error") else None,
            interrupts=tuple(
                Interrupt(value=one.get("value"), id=one["id"], response_schema=one.get("response_schema"))
                for one in task.get("interrupts") or ()
            ),
            state=snapshot_of(task["state"]) if task.get("state") else None, result=task.get("result"),
        )
        for task in said.get("tasks") or ()
    )  # fmt: skip
    return StateSnapshot(
        values=_with_messages(said.get("values")), next=tuple(said.get("next") or ()), config={"configurable": {"checkpoint_ns": (said.get("checkpoint") or {}).get("checkpoint_ns", "")}},
        metadata=cast("Any", said.get("metadata") or {}), created_at=said.get("created_at"), parent_config=None,
        tasks=tasks, interrupts=tuple(one for task in tasks for one in task.interrupts),
    )  # fmt: skip


def _with_messages(values: Any) -> Any:
    """Its conversation as messages, where it is one: they say why a tool is called."""
    said = values.get("messages") if isinstance(values, Mapping) else None
    if not isinstance(said, list):
        return values
    try:
        return {**values, "messages": convert_to_messages(said)}
    except (KeyError, TypeError, ValueError, NotImplementedError):
        return values  # somebody's own kind of message: it is not needed to ask
