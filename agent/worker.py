"""The worker: takes work from the store and has the runner do it, several pieces at a time, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from ..approvals.change import AuditEntry, Event, WorkKind
from ..approvals.connection import AWAY, is_away
from ..approvals.crash import crash_point
from ..approvals.errors import StoreDown
from ..approvals.naming import OWN
from ..approvals.signing import Verifier
from ..approvals.store import Store, WorkItem
from .checkpoint_steps import StaleFence
from .credentials import Broker, CredentialSourceDown
from .faults import facts_of, place_of, said_of, told_of
from .handled import Handled
from .keeper import Keeper, Locks
from .policy import Policy
from .reconcile import Reconciler
from .remote.gone import end_gone
from .remote.server import AgentServer, ServerAway, ThreadGone
from .remote.watch import WATCH_EVERY, Watcher, graphs_at
from .resume import Graph
from .runner import TRIES, GivenUp, Runner, ThreadLost, WorkLost
from .runtime import LEASE
from .serializer import TokenInState

_log = logging.getLogger(__name__)

#: Seconds before each try of one piece of work.
BACKOFF: tuple[float, ...] = (0, 1, 2, 4, 8)
#: Work whose worker was silent for this long is handed on.
IDLE = timedelta(seconds=15)
#: How often record and threads are compared.
RECONCILE_EVERY = timedelta(minutes=1)

#: The store is not there: nothing is wrong with the work, it is taken again later.
_STORE_AWAY = (StoreDown, *AWAY)
#: Somebody else has the work or its thread.
_NOT_OURS = (WorkLost, ThreadLost, StaleFence)


def worker_name(label: str = "worker") -> str:
    """A name that no other process, before or after, has."""
    return f"{label}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


class Worker:
    """Runs agents. `name` must be new for every process: it says who started a tool."""

    def __init__(
        self, store: Store, graphs: Mapping[str, Graph], *, locks: Locks, policy: Policy, verifier: Verifier,
        broker: Broker, name: str = "", concurrency: int = 8, lease: timedelta = LEASE,
        idle: timedelta = IDLE, wait: timedelta = timedelta(seconds=1), backoff: Sequence[float] = BACKOFF,
        servers: Sequence[AgentServer] = (),
    ) -> None:  # fmt: skip
        self.name = name or worker_name()
        self._store = store
        self._concurrency = concurrency
        self._idle, self._wait, self._backoff = idle, wait, tuple(backoff)
        self._stopped = asyncio.Event()
        self._keeper = Keeper(store, locks, worker=self.name, lease=lease)
        self.runner = Runner(
            store=store, graphs={**graphs, **graphs_at(servers)}, locks=locks, keeper=self._keeper, policy=policy, verifier=verifier,
            broker=broker, worker=self.name, lease=lease,
        )  # fmt: skip
        self._reconciler = Reconciler(self.runner)
        self._watcher = Watcher(self.runner, self._reconciler, servers)

    async def run_forever(self) -> None:
        """Work until `stop`; returns when everything that was taken has been done."""
        self._keeper.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._reconcile(), name="reconcile")
                if self._watcher.servers:
                    tasks.create_task(self._watch(), name="watch")
                for number in range(self._concurrency):
                    tasks.create_task(self._serve(), name=f"worker {number}")
        finally:
            self._keeper.stop()

    def stop(self) -> None:
        """Take no more work."""
        self._stopped.set()

    async def work_once(self) -> bool:
        """Take and do one piece of work; False when there was none."""
        item = await self._store.take(self.name, idle=self._idle, wait=self._wait)
        if item is None:
            return False
        async with self._kept(item):
            if await self._carry(item):
                crash_point("before-ack")
                await self._store.finish(item, self.name)
        return True

    async def reconcile_once(self) -> None:
        """Compare record and threads now."""
        await self._reconciler.reconcile()

    async def watch_once(self) -> None:
        """Look at every Agent Server now."""
        await self._watcher.look()

    async def _watch(self) -> None:
        while not self._stopped.is_set():
            try:
                await self.watch_once()
            except Exception as error:  # noqa: BLE001 the outermost edge: looked at again in a moment
                _log.error("worker.watch_failed", extra=facts_of(error))
            await self._pause(WATCH_EVERY.total_seconds())

    async def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                await self.work_once()
            except _STORE_AWAY as error:
                _log.warning("worker.store_away", extra={"error": type(error).__name__})
                await self._pause(1)
            except Exception as error:  # noqa: BLE001 the outermost edge: the item is taken again later
                _log.error("worker.failed", extra=facts_of(error))
                await self._pause(1)

    async def _reconcile(self) -> None:
        while not self._stopped.is_set():
            try:
                await self.reconcile_once()
            except Exception as error:  # noqa: BLE001 the outermost edge: compared again in a minute
                _log.error("worker.reconcile_failed", extra=facts_of(error))
            await self._pause(RECONCILE_EVERY.total_seconds())

    async def _carry(self, item: WorkItem) -> bool:
        """Do a piece of work, again after failures; True when nothing is left to do for it."""
        run, broke, last = item.work.run, "it was tried too often", None
        if run.graph not in self.runner.graphs:
            return run.graph.startswith(OWN) or await self._not_taken(item)
        for failures, seconds in enumerate(self._backoff, start=1):
            await self._pause(seconds)
            if self._stopped.is_set() and seconds:
                return False
            try:
                return await self.runner.handle(item) is Handled.DONE
            except _NOT_OURS as error:
                _log.warning("work.not_ours", extra={"run": run.thread, "error": type(error).__name__})
                return False
            except ServerAway as error:
                _log.warning("work.server_away", extra={"run": run.thread, "words": str(error)})
                return False
            except ThreadGone:
                await end_gone(self._store, run, self.name)
                return True
            except GivenUp:
                break
            except _STORE_AWAY:
                raise
            except Exception as error:
                if is_away(error):
                    raise
                _log.error(
                    "work.failed", extra={"run": run.thread, "request": item.work.request, **told_of(error)}
                )
                broke, last = said_of(error), error
                final = isinstance(error, TokenInState)  # the same node would put the same into it again
                waits = () if final else self._backoff[failures:]
                await self._note_failure(item, item.tries + failures, waits, error)
                if final:
                    break
        await self._give_up(item, broke, last)
        return True

    async def _give_up(self, item: WorkItem, broke: str, last: Exception | None) -> None:
        """End a run that cannot go on; not where its own clock tells people and has it tried again."""
        if isinstance(last, CredentialSourceDown) and await self.runner.put_off(item.work.request, last):
            return
        if item.work.kind is not WorkKind.UNDO:
            await self.runner.give_up(item.work.run, broke)

    async def _not_taken(self, item: WorkItem) -> bool:
        """Leave it to a worker that has its graph, and say so to whoever follows the run; never done here."""
        run = item.work.run
        _log.warning("work.no_such_graph", extra={"run": run.thread, "graph": run.graph})
        words = f"Not taken by {self.name}, which cannot run {run.graph}; it is left for another worker"
        entry = AuditEntry(event=Event.NOT_TAKEN, by=self.name, words=words[:300])
        await self._store.note(entry, thread=run.thread, token=f"not-taken-{run.thread}-{self.name}")
        return False

    async def _note_failure(
        self, item: WorkItem, attempt: int, waits: Sequence[float], error: Exception
    ) -> None:
        """Tell whoever follows the run, so that nobody looks at silence: what broke where, and what comes next."""
        again = f"trying again in {waits[0]:.0f} s" if waits and attempt < TRIES else "this was the last"
        words = f"The agent broke off ({place_of(error)}), attempt {attempt} of {TRIES}; {again}"
        entry = AuditEntry(event=Event.BROKE_OFF, by=self.name, words=words[:300])
        token = f"broke-{item.id}-{attempt}"
        await self._store.note(entry, thread=item.work.run.thread, request=item.work.request, token=token)

    @asynccontextmanager
    async def _kept(self, item: WorkItem) -> AsyncIterator[None]:
        """Say every few seconds that the item is being worked on."""
        beats = asyncio.create_task(self._beat(item))
        try:
            yield
        finally:
            beats.cancel()
            await asyncio.wait({beats})

    async def _beat(self, item: WorkItem) -> None:
        while True:
            await asyncio.sleep(self._idle.total_seconds() / 4)
            try:
                if not await self._store.keep(item, self.name):
                    return
            except _STORE_AWAY as error:
                _log.warning("worker.no_heartbeat", extra={"error": type(error).__name__})

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until `stop`."""
        if not seconds:
            return
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return
