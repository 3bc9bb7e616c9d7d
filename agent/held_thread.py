"""One agent thread while this worker holds its lock: begin, answer, carry on, and settle what follows from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.errors import UnknownInterruptError

from ..approvals import machine
from ..approvals.change import AuditEntry, Change, Event
from ..approvals.crash import crash_point
from ..approvals.errors import AlreadySettled, Halted
from ..approvals.request import EffectState, OutcomeKind, Request, Run, State
from ..approvals.verdict import Undo
from .checkpoints import forget_later
from .ending import end_run
from .foreign_thread import ForeignThread
from .gate import CODE_CHANGED
from .handled import Breakpoint, GateHeld, Handled, report_notices
from .letting_go import LettingGo
from .not_now import HeldBack, OutcomeUnknown, StillRunning
from .outcome import closing
from .pauses import Pauses
from .resume import Graph, answer_pause, begin, carry_on
from .runtime import Runtime, running
from .schema import Answer
from .standing import Pause, Standing, standing_of
from .words import report_of

#: How long a worker whose code does not fit leaves a decision to one whose code does: a rolling deployment takes minutes.
ROLLING = timedelta(minutes=10)
NODE_GONE = "Its code has changed, and what it waited at is not there any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldThread:
    """One thread, its graph, and everything around it.

    Attributes:
        config: Thread id and fence; nothing else.
        given: The graph's input for a run.
        entering: Called each time before graph code runs; raises when that was too often, or while sayso is paused.
    """

    runtime: Runtime
    graph: Graph
    config: RunnableConfig
    given: Callable[[Graph, Run], Any]
    entering: Callable[[], Awaitable[None]]

    @property
    def run(self) -> Run:
        return self.runtime.run

    @property
    def pauses(self) -> Pauses:
        return Pauses(self.runtime.store, self.runtime.policy, self.runtime.broker)

    async def standing(self) -> Standing:
        return await standing_of(self.graph, self.config)

    async def start(self) -> Handled:
        """Start the run, or go on where an earlier start was cut off."""
        crash_point("start-taken")
        standing = await self.standing()
        if not standing.began:
            await self.entering()
            crash_point("start-before-graph")
            with running(self.runtime):
                await begin(self.graph, self.config, self.given(self.graph, self.run))
        elif standing.unfinished:
            if settled := await LettingGo(self).settled_by_hand():
                return await self.resume(settled)
            await LettingGo(self).neighbours_settled(standing, ())
            await self.carry_on()
        await self.settle()
        return Handled.DONE

    async def resume(self, request: Request) -> Handled:
        """Bring the agent back for one request that people, or the clock, have decided."""
        handled = await self._resume(request)
        if handled is Handled.DONE and request.ask.dialect and request.effect is not None:
            for one in await self.runtime.store.live():  # what had to wait until people knew what happened
                if one.ask.run.thread == self.run.thread and one.waits_for:
                    await self.resume(one)
        return handled

    async def _resume(self, request: Request) -> Handled:
        crash_point("resume-taken")
        standing = await self.standing()
        if not standing.began or await self._asks_nothing_of_us(request):
            return Handled.DONE
        if await self._belongs_elsewhere(request):
            return Handled.LEFT
        pause = standing.pause(request.ask.key.interrupt)
        if (
            standing.ended
            and request.state is not State.CLOSED
            and not self.pauses.knows(self.graph, request)
        ):
            await self.invalidate(request, None, CODE_CHANGED)
            return await ForeignThread(self).end((), NODE_GONE)
        if request.ask.dialect:
            foreign = ForeignThread(self)
            return await (foreign.bring_back(pause, standing) if pause else foreign.past(request, standing))
        if pause is None:
            return await self._past_its_gate(request, standing)
        if request.state is State.CLOSED:
            return await self._let_go(request, pause)
        misfit = self.pauses.misfit(self.graph, request, pause)
        if misfit:
            await self.invalidate(request, pause, misfit)
            return Handled.DONE
        await LettingGo(self).neighbours_settled(standing, [request])
        claimed = await self.claim(request)
        if claimed is None:
            return Handled.DONE
        try:
            after = await self._answer(pause, {"type": _answer_of(claimed), "request": claimed.id})
        except (OutcomeUnknown, StillRunning):
            await self._put_off(claimed, pause)
            raise
        await self._close(claimed)
        crash_point("resume-after-close")
        await self.settle(after)
        return Handled.DONE

    async def _asks_nothing_of_us(self, request: Request) -> bool:
        """Whether people have it, or its run was given up, and who asked has read that nothing more will be done."""
        return request.state is State.OPEN or (request.state is State.CLOSED and not await self.goes_on())

    async def goes_on(self) -> bool:
        """Whether the run has not ended yet."""
        return any(run.thread == self.run.thread for run in await self.runtime.store.unfinished())

    async def settle(self, standing: Standing | None = None) -> None:
        """After graph code has run: every pause gets its request, and a graph that has ended reports."""
        standing = standing or await self.standing()
        crash_point("pause-before-open")
        await self.pauses.open_all(self.graph, self.run, standing)
        crash_point("pause-after-open")
        if standing.ended:
            await self._report(standing)
        elif standing.unfinished and not standing.pauses:
            raise Breakpoint

    async def invalidate(self, request: Request, pause: Pause | None, why: str) -> None:
        """End a request that no longer fits; where nobody can be asked again, the agent is told."""
        again = await self.pauses.invalidate(self.graph, request, pause, why)
        if again is None and pause is not None:
            await self._let_go(await self.runtime.store.get(request.id), pause)

    async def _past_its_gate(self, request: Request, standing: Standing) -> Handled:
        """The answer was taken before: never a second one, only what is left to run."""
        asked = request.asked
        if standing.unfinished:
            await LettingGo(self).neighbours_settled(standing, [request])
        if request.state is not State.CLOSED and not self.pauses.knows(self.graph, request):
            await self.invalidate(request, None, CODE_CHANGED)
        elif request.state is not State.CLOSED:
            request = await self.claim(request) or request
            if asked and closing(request) is not None:
                await self._close(request)
        if standing.unfinished:
            await self.carry_on()
        if asked:
            await self._close(request)
        await self.settle()
        return Handled.DONE

    async def _let_go(self, request: Request, pause: Pause) -> Handled:
        """A closed request whose agent still waits: it is told, unless a later round is being asked."""
        if request.ask.dialect:
            return await ForeignThread(self).bring_back(pause, await self.standing())
        newest = await self.pauses.newest(self.run.thread, pause.interrupt)
        if newest is not None and newest.state is not State.CLOSED:
            return Handled.DONE
        await LettingGo(self).neighbours_settled(await self.standing(), [request])
        await self.settle(await self._answer(pause, {"type": "closed", "request": request.id}))
        return Handled.DONE

    async def _answer(self, pause: Pause, answer: Answer) -> Standing:
        """Answer one pause and see where the thread stands then. Raises: GateHeld when the gate did not let go."""
        await self.entering()
        crash_point("resume-before-graph")
        try:
            with running(self.runtime):
                await answer_pause(self.graph, self.config, pause.interrupt, answer)
        except UnknownInterruptError:
            raise GateHeld("The pause was gone when it was answered.") from None
        crash_point("resume-after-graph")
        after = await self.standing()
        if after.pause(pause.interrupt) is not None:
            raise GateHeld
        return after

    async def _put_off(self, request: Request, pause: Pause) -> None:
        """A tool in this thread waits for people or its own worker: everything else is where it belongs."""
        standing = await self.standing()
        if pause.interrupt not in standing.interrupts and closing(request) is not None:
            await self._close(request)
        await self.pauses.open_all(self.graph, self.run, standing)

    async def carry_on(self) -> None:
        """Run what is left of the thread; answers nothing."""
        await self.entering()
        with running(self.runtime):
            await carry_on(self.graph, self.config)

    async def claim(self, request: Request) -> Request | None:
        """Take the request for this worker; None when it was ended meanwhile. Raises: HeldBack."""
        try:
            applied = await self.runtime.store.change(
                request.id, lambda record, now: machine.resuming(record, self.runtime.worker, now)
            )
        except AlreadySettled:
            return None
        except Halted as halted:
            raise HeldBack(str(halted)) from None
        crash_point("resume-claimed")
        return applied.request

    async def _close(self, request: Request) -> None:
        """Close a request whose gate has cleared without an effect; the tool's own end closes all others."""

        def step(record: Request, now: datetime) -> Change | None:
            if record.state is not State.RESUMING or record.effect is not None:
                return None
            nothing = (OutcomeKind.FAILED, "The agent went on without acting; nothing was done.")
            kind, words = closing(record) or nothing
            return machine.closed(record, kind, words, now, by=self.runtime.worker)

        await self.runtime.store.change(request.id, step)

    async def _belongs_elsewhere(self, request: Request) -> bool:
        """Whether another worker runs its tool now, or may have the code that people were asked about."""
        effect = request.effect
        if effect is not None and effect.state is EffectState.STARTED:
            return await self.runtime.store.lease_held(request.id)
        if request.state is State.CLOSED or self.pauses.knows(self.graph, request):
            return False
        return await self.runtime.store.now() < _decided_at(request) + ROLLING

    async def _report(self, standing: Standing) -> None:
        crash_point("report-before-told")
        entry = AuditEntry(event=Event.RUN_FINISHED, by=self.runtime.worker, words="The agent has finished")
        words = self.runtime.broker.live.withheld(report_of(standing.values))
        notices = report_notices(self.run, words)
        await end_run(self.runtime.store, self.run, entry, words=words, notices=notices)
        crash_point("report-after-told")
        await forget_later(self.graph.checkpointer, self.run.thread)


def _answer_of(request: Request) -> Literal["approve", "reject", "modify", "respond", "expired"]:
    """What the gate is told; no gate of ours takes an undo."""
    said = request.decision.verdict if request.decision else None
    return "expired" if said is None or isinstance(said, Undo) else said.type


def _decided_at(request: Request) -> datetime:
    return request.decision.at if request.decision else request.ask.deadline.expires_at
