"""Looks at the Agent Servers: which of their threads wait for people, and which that were asked about wait no more."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage

from ...approvals import canonical
from ...approvals.people import PersonId
from ...approvals.request import Run
from ...approvals.verdict import ThreadId
from ..dialects.asked import plain
from ..goals import goal_of
from ..pauses import Pauses
from ..resume import Graph
from .graph import RemoteGraph, as_graph, remote_id, snapshot_of, thread_of, why_not
from .server import ASKED_BY, AgentServer, PausedThread, ServerAway, ServerSpec, ThreadGone

if TYPE_CHECKING:
    from ..reconcile import Reconciler
    from ..runner import Runner

_log = logging.getLogger(__name__)

#: How often each worker looks at each server.
WATCH_EVERY = timedelta(seconds=2)
#: Longest goal of a run, characters.
_GOAL = 2000


def graphs_at(servers: Iterable[AgentServer]) -> Mapping[str, Graph]:
    """Every watched graph, by the name that its runs have."""
    graphs = [RemoteGraph(server, graph) for server in servers for graph in server.spec.graphs]
    return {graph.name: as_graph(graph) for graph in graphs}


class Watcher:
    """Any number of them may look at once: a thread is taken up by one, and asked about under its lock."""

    def __init__(self, runner: Runner, reconciler: Reconciler, servers: Iterable[AgentServer]) -> None:
        self.servers = tuple(servers)
        self._runner = runner
        self._reconciler = reconciler
        self._pauses = Pauses(runner.store, runner.policy, runner.broker)
        self._seen: dict[ThreadId, str] = {}  # what each waiting thread asked when it was last looked at
        self._away: set[str] = set()

    async def look(self) -> None:
        """Look at every server once; one that is away hides no other."""
        for server in self.servers:
            try:
                await self._look(server)
            except ServerAway as error:
                if server.spec.name not in self._away:
                    _log.warning("server.away", extra={"server": server.spec.name, "words": str(error)})
                self._away.add(server.spec.name)
            else:
                self._away.discard(server.spec.name)

    async def _look(self, server: AgentServer) -> None:
        name = server.spec.name
        there = {thread_of(name, one.id): one for one in await server.paused()}
        for thread in [one for one in self._seen if one.startswith(f"{name}/") and one not in there]:
            del self._seen[thread]
        for thread, one in there.items():
            shown = canonical.digest(canonical.encode(plain(one.pauses)).decode())
            if self._seen.get(thread) != shown:
                await self._take_up(server, thread, one)
                self._seen[thread] = shown
        for run in await self._runner.store.unfinished():
            if run.graph in {f"{name}/{graph}" for graph in server.spec.graphs} and run.thread not in there:
                await self._moved(server, run)

    async def _take_up(self, server: AgentServer, thread: ThreadId, one: PausedThread) -> None:
        """Have everything asked that it waits for; nothing is asked twice."""
        if words := why_not(one.pauses):
            _log.error("server.cannot_ask", extra={"run": thread, "words": words})
            return
        before = await self._runner.store.run(thread)
        asked = [await self._pauses.newest(thread, interrupt) for interrupt in one.pauses]
        if None in asked:
            try:
                values = snapshot_of(await server.state(one.id)).values
            except ThreadGone:
                return  # meanwhile
            if await self._runner.store.start_again(_run_of(server.spec, thread, one, values)):
                return
        if before is not None:
            await self._reconciler.reconcile_run(before)

    async def _moved(self, server: AgentServer, run: Run) -> None:
        """A run that waits for nobody there: it ended, goes on, was deleted, or was answered by somebody else."""
        try:
            if (await server.thread(remote_id(run.thread)))["status"] == "busy":
                return
        except ThreadGone:
            pass  # said where its thread is held
        await self._reconciler.reconcile_run(run)


def _run_of(spec: ServerSpec, thread: ThreadId, one: PausedThread, values: Any) -> Run:
    asked_by, owner = requesters(spec, one.metadata)
    return Run(
        thread=thread, graph=f"{spec.name}/{one.graph}", asked_by=asked_by, owner=owner,
        goal=_goal(values)[:_GOAL],
    )  # fmt: skip


def requesters(spec: ServerSpec, metadata: Mapping[str, Any]) -> tuple[PersonId | None, PersonId | None]:
    """Who asked, and who answers for the agent. Where a name is given that nobody has, nobody known stands behind it."""
    said = metadata.get(ASKED_BY)
    if said is None:
        return spec.asked_by, spec.owner
    if said in spec.people:
        return PersonId(said), spec.owner
    _log.warning("server.unknown_person", extra={"server": spec.name})
    return None, None


def _goal(values: Any) -> str:
    """What a person last wanted of it; empty where that cannot be read."""
    if not isinstance(values, Mapping):
        return ""
    messages = values.get("messages")
    said = [one for one in messages if isinstance(one, HumanMessage)] if isinstance(messages, list) else []
    return goal_of({**values, "messages": said[-1:]})
