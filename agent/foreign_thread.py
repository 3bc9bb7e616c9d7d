"""Brings back an agent that paused in its own words: every answer of a pause at once, once, or its run is ended there.

What the agent then does is its own. The record is burnt before it is let go on, so an answer is sent at most once;
where nobody can say whether it arrived, people settle that.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

from langgraph.errors import UnknownInterruptError

from ..approvals import effects, machine
from ..approvals.change import AuditEntry, Change, Event
from ..approvals.crash import crash_point
from ..approvals.errors import AlreadySettled, BadVote
from ..approvals.request import EffectState, OutcomeKind, Request, State
from .acting import OutcomeUnknown, StillRunning, note_forgery
from .checkpoints import forget_later
from .dialects.asked import ENDS_AT_GATE, Approved, Refused, Responded, Settled
from .dialects.reading import NoSuchAnswer, Reading, answer_of
from .foreign import read
from .foreign_words import as_ended, as_past, as_told, closed_words
from .handled import GateHeld, Handled, report_notices
from .resume import answer_foreign
from .runtime import running
from .settling import settled_by
from .standing import Pause, Standing

if TYPE_CHECKING:
    from .held_thread import HeldThread

_NO_ANSWER = (
    "Nothing that could be sent to this agent is certainly a no, so its run was ended where it stood."
)
_NOT_KNOWN = "It is not known whether the agent acted on the answer, so its run was ended where it stood."
_BROKE_OFF = "the agent broke off while it was going on with the answer"


class ForeignThread:
    """One held thread at a pause that is no gate of ours."""

    def __init__(self, held: HeldThread) -> None:
        self._held = held
        self._runtime = held.runtime
        self._store = held.runtime.store

    async def bring_back(self, pause: Pause, standing: Standing) -> Handled:
        """Answer a pause once everything that it asks about is settled."""
        requests = await self._requests(pause)
        if await self._ask_again(requests, pause):
            return Handled.DONE
        if others := sum(one.state is State.OPEN for one in requests):
            await self._wait(requests, others)
            return Handled.DONE
        if not any(one.live for one in requests) and not await self._run_goes_on():
            return Handled.DONE
        if any(one.state is State.CLOSED and one.effect is not None for one in requests):
            return await self.end(requests, _NOT_KNOWN)
        await self._settle_unknown(requests)
        return await self._answer(pause, standing, read(self._held.graph, pause))

    async def past(self, request: Request, standing: Standing) -> Handled:
        """The answer was taken before: never a second one, only what is left to run."""
        requests = await self._same_pause(request)
        if standing.unfinished:
            await self._settle_unknown(requests)
            if any(_settled_by_hand(one) for one in requests):
                return await self.end(requests, _NOT_KNOWN)
            again = [one for one in requests if one.live and one.effect is not None]
            burnt = [await self._burn(one, one.ask.first.frozen) for one in again]
            await self._let_go(self._carry_on, burnt, standing, None)
        for one in requests:
            await self._close_past(one)
        await self._held.settle()
        return Handled.DONE

    # ---- before an answer

    async def _requests(self, pause: Pause) -> list[Request]:
        found = await self._held.pauses.all_newest(self._held.graph, self._held.run, pause)
        return [one for one in found if one is not None]

    async def _same_pause(self, request: Request) -> list[Request]:
        key, found = request.ask.key, list[Request]()
        while one := await self._held.pauses.newest(key.thread, key.interrupt, len(found)):
            found.append(one)
        return found

    async def _ask_again(self, requests: Sequence[Request], pause: Pause) -> bool:
        """Whether something that was asked no longer fits; it is asked again, or its run ends."""
        misfits = [
            (one, why) for one in requests
            if one.live and one.effect is None and (why := self._held.pauses.misfit(self._held.graph, one, pause))
        ]  # fmt: skip
        for one, why in misfits:
            await self._held.invalidate(one, pause, why)
        return bool(misfits)

    async def _wait(self, requests: Sequence[Request], others: int) -> None:
        for one in requests:
            if one.state is not State.OPEN and one.live:
                await self._store.change(one.id, lambda record, _: machine.waiting(record, others))

    async def _run_goes_on(self) -> bool:
        return any(run.thread == self._held.run.thread for run in await self._store.unfinished())

    async def _settle_unknown(self, requests: Sequence[Request]) -> None:
        """Raises: StillRunning, OutcomeUnknown while it is not known whether an earlier answer arrived."""
        begun = [one for one in requests if one.live and one.effect is not None]
        silent = [one for one in begun if one.effect and one.effect.state is EffectState.STARTED]
        for one in silent:
            if await self._store.lease_held(one.id):
                raise StillRunning
        await self._unknown(silent, "Its worker let the agent go on and never reported")
        if not all(_ordered_again(one) for one in begun):
            raise OutcomeUnknown

    # ---- the answer

    async def _answer(self, pause: Pause, standing: Standing, reading: Reading) -> Handled:
        claimed = [await self._claimed(one) for one in await self._requests(pause)]
        settled = [await self._settled(one, pause, reading) for one in claimed]
        try:
            answer = answer_of(reading, settled)
        except NoSuchAnswer as error:
            return await self.end(claimed, f"{error} Its run was ended where it stood.")
        if answer is ENDS_AT_GATE:
            return await self.end(claimed, _NO_ANSWER)
        await self._held.entering()
        burnt = list[Request]()
        for one, how in zip(claimed, settled, strict=True):
            if isinstance(how, Approved) or (isinstance(how, Responded) and not reading.certain):
                try:
                    burnt.append(await self._burn(one, self._frozen(one, pause, reading)))
                except (AlreadySettled, BadVote):
                    await self._unburn(burnt)
                    return Handled.LEFT
        crash_point("resume-before-graph")

        async def resume() -> None:
            await answer_foreign(self._held.graph, self._held.config, pause.interrupt, answer)

        after = await self._let_go(resume, burnt, standing, pause)
        for one in claimed:
            await self._close_past(one)
        crash_point("resume-after-close")
        await self._held.settle(after)
        return Handled.DONE

    async def _claimed(self, request: Request) -> Request:
        return (await self._held.claim(request) if request.live else None) or await self._store.get(
            request.id
        )

    async def _settled(self, request: Request, pause: Pause, reading: Reading) -> Settled:
        if request.state is State.CLOSED:
            return Refused(closed_words(request))
        try:
            now = await self._store.now()
            return settled_by(request, self._runtime, self._frozen(request, pause, reading), now)
        except BadVote as error:
            await note_forgery(self._runtime, request, error)
            words = str(error)
            await self._change(request, lambda record, now: machine.disbelieved(record, words, now))
            return Refused("Nobody who may decide has allowed it.")

    def _frozen(self, request: Request, pause: Pause, reading: Reading) -> str:
        return self._held.pauses.frozen(reading, self._held.run, pause, request)

    async def _burn(self, request: Request, frozen: str) -> Request:
        """Put on record that the agent may act from here on; verified once more over what is burnt.

        Raises: AlreadySettled, BadVote, StillRunning.
        """

        def step(record: Request, now: datetime) -> Change:
            settled_by(record, self._runtime, frozen, now)
            if record.current.digest != request.current.digest:
                raise BadVote("What was decided changed while the agent was brought back.")
            attempt = record.effect.attempt + 1 if record.effect else 1
            return effects.begin(
                record, attempt=attempt, worker=self._runtime.worker, lease=self._runtime.lease, now=now
            )

        try:
            applied = await self._store.change(request.id, step, token=f"burn-{uuid.uuid4().hex}")
        except effects.Burnt:
            raise StillRunning from None
        crash_point("after-burn")
        return applied.request

    async def _unburn(self, burnt: Sequence[Request]) -> None:
        """Nothing was sent, and that is certain."""
        words = "The agent was not brought back with it; nothing was done."
        for one in burnt:
            await self._change(
                one, lambda record, now: effects.failed(record, self._runtime.worker, words, now)
            )

    async def _let_go(
        self, go_on: Callable[[], Awaitable[None]], burnt: Sequence[Request], before: Standing, pause: Pause | None
    ) -> Standing:  # fmt: skip
        """Run the graph and see where it stands then. Raises: OutcomeUnknown, GateHeld, whatever the graph raises."""
        with running(self._runtime), ExitStack() as leases:
            for one in burnt:
                leases.enter_context(self._runtime.keeper.effect(one.id))
            try:
                await go_on()
            except UnknownInterruptError:
                await self._unburn(burnt)
                raise GateHeld("The pause was gone when it was answered.") from None
            except Exception:  # other people's code: what it did before it broke is theirs to know
                await self._broke_off(burnt, before, pause)
                raise
        crash_point("resume-after-graph")
        after = await self._held.standing()
        if pause is not None and after.pause(pause.interrupt) is not None:
            await self._unknown(burnt, _BROKE_OFF)
            raise GateHeld
        for one in burnt:
            await self._change(
                one, lambda record, now: effects.told(record, self._runtime.worker, as_told(record), now)
            )
        return after

    async def _carry_on(self) -> None:
        await self._held.carry_on()

    async def _broke_off(self, burnt: Sequence[Request], before: Standing, pause: Pause | None) -> None:
        """Whether the step that acts is what broke: one step behind the pause nobody can say. Raises: OutcomeUnknown."""
        after = await self._held.standing()
        waits = pause is not None and after.pause(pause.interrupt) is not None
        if waits or (after.unfinished and after.step <= before.step + 1):
            await self._unknown(burnt, _BROKE_OFF)

    async def _unknown(self, burnt: Sequence[Request], words: str) -> None:
        """Put it to people. Raises: OutcomeUnknown, unless nothing was burnt."""
        said = f"{words}; it may or may not have happened"
        for one in burnt:
            await self._change(one, lambda record, now: effects.unknown(record, now, said))
        if burnt:
            raise OutcomeUnknown(said)

    # ---- the end

    async def end(self, requests: Sequence[Request], why: str) -> Handled:
        """End the run where it stands: nothing is sent to its agent, and everybody concerned reads why."""
        here = {one.id for one in requests}
        for one in await self._store.live():
            if one.ask.run.thread == self._held.run.thread:
                kind, words = as_ended(await self._store.get(one.id), why, here=one.id in here)
                await self._close(one, kind, words)
        crash_point("report-before-told")
        entry = AuditEntry(
            event=Event.RUN_FAILED, by=self._runtime.worker, words=f"Ended at its gate: {why}"[:300]
        )
        text = f"The agent was stopped before it acted. {why} Nothing more will be done for this."
        text = f"The agent was stopped. {why}" if why == _NOT_KNOWN else text
        await self._store.finish_run(self._held.run.thread, entry, report_notices(self._held.run, text))
        await forget_later(self._held.graph.checkpointer, self._held.run.thread)
        return Handled.DONE

    async def _close_past(self, request: Request) -> None:
        """Close one whose pause has cleared, unless letting go has closed it."""
        record = await self._store.get(request.id)
        if record.live:
            kind, words = as_past(record)
            await self._close(record, kind, words)

    async def _close(self, request: Request, kind: OutcomeKind, words: str) -> None:
        await self._change(
            request, lambda record, now: machine.closed(record, kind, words, now, by=self._runtime.worker)
        )

    async def _change(self, request: Request, step: Callable[[Request, datetime], Change]) -> None:
        try:
            await self._store.change(request.id, step)
        except AlreadySettled:
            return  # it ended by itself meanwhile


def _settled_by_hand(request: Request) -> bool:
    """People said what became of it, and did not order that it goes on."""
    effect = request.effect
    return not request.live and effect is not None and effect.state in (EffectState.DONE, EffectState.UNKNOWN)


def _ordered_again(request: Request) -> bool:
    """Whether enough people, not knowing whether it happened, want it to go on once more."""
    attempt = request.effect.attempt if request.effect else 0
    return len({vote.person for vote in request.votes if vote.attempt > attempt}) >= request.ask.rule.needed
