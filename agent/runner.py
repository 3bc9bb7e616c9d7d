"""Takes one piece of work to its thread: under the thread's lock, with a bound on tries, given up aloud.

Every step may be cut off by a crash and is then done again by another worker, which first reads where the thread
stands (`held_thread`). An item of work is finished only after every pause of its thread has its request.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..approvals import lacking, machine
from ..approvals.change import AuditEntry, Change, Event, WorkKind
from ..approvals.errors import AlreadySettled, Halted, RequestNotFound, SaysoError
from ..approvals.request import EffectState, OutcomeKind, Request, Run
from ..approvals.signing import Verifier
from ..approvals.store import Store, WorkItem
from ..approvals.verdict import RequestId
from .acting import unknown
from .checkpoints import forget_later
from .credentials import Broker, CredentialSourceDown
from .ending import end_run
from .handled import Handled, report_notices
from .held_thread import HeldThread
from .keeper import Keeper, Locks
from .kept import still_there
from .not_now import HeldBack, OutcomeUnknown, StillRunning
from .policy import Policy
from .resume import Graph, config_of
from .runtime import LEASE, Runtime
from .thread_lock import Fence
from .undoing import undo
from .words import given_to

#: How often graph code is entered for one piece of work before it is given up: what broke five times is no accident.
TRIES = 5


class GivenUp(SaysoError):
    """Graph code was entered too often for this piece of work."""


class WorkLost(SaysoError):
    """This piece of work was handed to another worker."""


class ThreadLost(SaysoError):
    """Another worker may have taken the thread, so this one stopped."""


def words_given(graph: Graph, run: Run) -> Mapping[str, Any]:
    """What the run was started with: an input as it was given, or words in the form that the graph takes."""
    given: Mapping[str, Any] = json.loads(run.input) if run.input else given_to(graph, run.goal)
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs the threads of the graphs it knows.

    Attributes:
        graphs: Compiled with a checkpoint saver, by the name that runs use.
        worker: Name of this process's worker; no other process, before or after, has the same.
        patience: How long it waits for a thread that is just being run for another piece of work.
        given: A graph's input for a run.
        late: Tools that outlived their limit and may still report.
    """

    store: Store
    graphs: Mapping[str, Graph]
    locks: Locks
    keeper: Keeper
    policy: Policy
    verifier: Verifier
    broker: Broker
    worker: str
    lease: timedelta = LEASE
    patience: timedelta = timedelta(seconds=10)
    given: Callable[[Graph, Run], Any] = words_given
    late: set[asyncio.Task[None]] = field(default_factory=set)

    async def handle(self, item: WorkItem) -> Handled:
        """Do one piece of work, whoever began it.

        Raises: GivenUp, WorkLost, ThreadLost, StoreDown, and whatever the graph's own code raises.
        """
        if item.work.kind is WorkKind.UNDO and item.work.request is not None:
            return await undo(
                self._runtime(item.work.run), self.graphs[item.work.run.graph], item.work.request
            )

        async def entering() -> None:
            tries = await self.store.entered(item, self.worker)
            if tries is None:
                raise WorkLost
            if tries > TRIES:
                raise GivenUp

        async with self.holding(item.work.run, entering, self.patience) as held:
            if held is None:
                return Handled.LEFT
            try:
                return await self._handle(held, item)
            except OutcomeUnknown:
                return Handled.DONE  # people settle it, and that queues new work
            except StillRunning:
                return Handled.LEFT

    async def _handle(self, held: HeldThread, item: WorkItem) -> Handled:
        if item.work.request is None:
            return await held.start()
        try:
            request = await self.store.get(item.work.request)
        except RequestNotFound:
            return Handled.DONE  # it was cleared away: nothing is left to resume
        if request.ask.run.thread != held.run.thread:
            return Handled.DONE  # no work of this thread
        return await held.resume(request)

    @asynccontextmanager
    async def holding(
        self, run: Run, entering: Callable[[], Any], patience: timedelta = timedelta(0)
    ) -> AsyncIterator[HeldThread | None]:
        """Hold a run's thread in this block; None when its graph is not known here or somebody else has it.

        Raises: ThreadLost, in the block; SaverDown in place of what broke off while the graph's own saver was away.
        """

        async def unless_paused() -> None:
            try:
                await self.store.unhalted(run)
            except Halted as halted:
                raise HeldBack(str(halted)) from None
            await entering()

        graph = self.graphs.get(run.graph)
        owner = f"{self.worker}/{uuid.uuid4().hex[:8]}"
        fence = await self._acquired(run, owner, patience) if graph is not None else None
        if graph is None or fence is None:
            yield None
            return
        try:
            async with self._kept(run, owner):
                yield HeldThread(
                    runtime=self._runtime(run), graph=graph, config=config_of(run.thread, fence),
                    given=self.given, entering=unless_paused,
                )  # fmt: skip
        except SaysoError:
            raise
        except Exception:
            await still_there(graph.checkpointer)
            raise
        finally:
            await self.locks.release(run.thread, owner)

    @asynccontextmanager
    async def _kept(self, run: Run, owner: str) -> AsyncIterator[None]:
        """Renew the lock; when it is lost, stop what runs here, because its writes would be refused anyway."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        lost, left = asyncio.Event(), asyncio.Event()

        def stop() -> None:
            if not left.is_set():  # the same task does other work by now
                lost.set()
                task.cancel()

        try:
            with self.keeper.thread(run.thread, owner, lambda: _soon(loop, stop)):
                yield
        except asyncio.CancelledError:
            if not lost.is_set():
                raise
            task.uncancel()
            raise ThreadLost from None
        finally:
            left.set()

    async def _acquired(self, run: Run, owner: str, patience: timedelta) -> Fence | None:
        """Wait a moment for a thread that is just being run for a sibling's answer."""
        loop = asyncio.get_running_loop()
        ends, pause = loop.time() + patience.total_seconds(), 0.02
        while True:
            fence = await self.locks.acquire(run.thread, owner, int(self.lease.total_seconds() * 1000))
            if fence is not None or loop.time() >= ends:
                return fence
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.5)

    async def give_up(self, run: Run, why: str) -> None:
        """End a run that does not come forward: its requests are closed, and whoever asked is told."""
        for request in await self.store.live():
            if request.ask.run.thread == run.thread and not request.ask.undoes:
                await self._close_broken(request, why)
        entry = AuditEntry(event=Event.RUN_FAILED, by=self.worker, words=f"Given up: {why}"[:300])
        text = f"The agent broke off and was given up ({why}). Nothing more will be done for this."
        await end_run(self.store, run, entry, words=why, notices=report_notices(run, text))
        if graph := self.graphs.get(run.graph):
            await forget_later(graph.checkpointer, run.thread)

    async def put_off(self, id: RequestId | None, why: CredentialSourceDown) -> bool:
        """Leave what people approved to its clock, since it gets no token for now; False where nobody approved it."""
        if id is None:
            return False
        words = self.broker.live.withheld(str(why))
        applied = await self.store.change(id, lambda record, now: lacking.delayed(record, words, now))
        return lacking.waits_for_token(applied.request)

    async def _close_broken(self, request: Request, why: str) -> None:
        def step(record: Request, now: datetime) -> Change | None:
            if record.effect is None:
                words = f"The agent broke off ({why}); nothing was done."
                return machine.closed(record, OutcomeKind.FAILED, words, now, by=self.worker)
            if record.effect.state is EffectState.STARTED:
                return unknown(record, now)
            return None

        try:
            await self.store.change(request.id, step)
        except AlreadySettled:
            return  # it ended by itself meanwhile

    def _runtime(self, run: Run) -> Runtime:
        return Runtime(
            store=self.store, policy=self.policy, verifier=self.verifier, broker=self.broker, keeper=self.keeper,
            run=run, worker=self.worker, lease=self.lease, late=self.late,
        )  # fmt: skip


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """From the keeper's thread; a loop that has ended has nothing left to stop."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
