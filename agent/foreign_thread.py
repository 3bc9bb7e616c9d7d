"""Brings back an agent that paused in its own words: every answer of a pause at once, once, or its run is ended there.

What the agent then does is its own. The record is burnt before it is let go on, so an answer is sent at most once;
where nobody can say whether it arrived, people settle that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from ..approvals import machine
from ..approvals.action import Json
from ..approvals.change import AuditEntry, Change, Event
from ..approvals.crash import crash_point
from ..approvals.effects import ordered_again
from ..approvals.errors import AlreadySettled, BadVote
from ..approvals.request import EffectState, OutcomeKind, Request, State
from ..approvals.verdict import RequestId
from .acting import note_forgery
from .checkpoints import forget_later
from .dialects.asked import ENDS_AT_GATE, Refused, Responded, Settled
from .dialects.reading import NoSuchAnswer, Reading, answer_of
from .ending import end_run
from .foreign import read
from .foreign_words import ELSEWHERE, as_ended, as_past, closed_words
from .handled import Handled, report_notices
from .letting_go import LettingGo, by_hand
from .not_now import OutcomeUnknown, StillRunning
from .remote.graph import remote_of
from .remote.server import Became
from .resume import answer_foreign, carry_on, raise_anew
from .runtime import running
from .settling import settled_by
from .standing import Pause, Standing
from .stray_answers import held_answers

if TYPE_CHECKING:
    from .held_thread import HeldThread

_NO_ANSWER = (
    "Nothing that could be sent to this agent is certainly a no, so its run was ended where it stood."
)
_NOT_KNOWN = "It is not known whether the agent acted on the answer, so its run was ended where it stood."
_ANSWERED_ELSEWHERE = "Somebody answered this agent past sayso."
_CANNOT_BE_ASKED = f"{_ANSWERED_ELSEWHERE} It cannot be asked anew, so its run was ended where it stood."


class ForeignThread:
    """One held thread at a pause that is no gate of ours."""

    def __init__(self, held: HeldThread) -> None:
        self._held = held
        self._runtime = held.runtime
        self._store = held.runtime.store
        self._letting_go = LettingGo(held)
        self._remote = remote_of(held.graph)

    async def bring_back(self, pause: Pause, standing: Standing) -> Handled:
        """Answer a pause once everything that it asks about is settled."""
        requests = await self._requests(pause)
        if await self._ask_again(requests, pause):
            asked = await self._requests(pause)
            await self._wait(asked, sum(one.state is State.OPEN for one in asked))
            return Handled.DONE
        if others := sum(one.state is State.OPEN for one in requests):
            await self._wait(requests, others)
            return Handled.DONE
        if not any(one.live for one in requests) and not await self._held.goes_on():
            return Handled.DONE
        if any(one.state is State.CLOSED and _may_have_happened(one) for one in requests):
            return await self.end(requests, _NOT_KNOWN)
        await self._ordered(requests)
        await self._letting_go.neighbours_settled(standing, requests)
        return await self._answer(requests, pause, standing)

    async def past(self, request: Request, standing: Standing) -> Handled:
        """The answer was taken before: never a second one, only what is left to run."""
        requests = await self._same_pause(request)
        if self._remote is not None:
            match await self._remote.became(self._held.run.thread, request.ask.key.interrupt):
                case Became.ENDED if not standing.pauses:
                    return await self._ended(requests, _NO_ANSWER)
                case Became.ENDED | Became.ELSEWHERE as became:
                    return await self._lost(requests, standing, became)
        if standing.unfinished:
            await self._ordered(requests)
            if any(by_hand(one) for one in requests):
                return await self._ended(requests, _NOT_KNOWN)
            again = [one for one in requests if one.live and one.effect is not None]
            await self._letting_go.neighbours_settled(standing, requests)
            burnt = await self._letting_go.burn_all([(one, one.ask.first.frozen) for one in again])
            if burnt or self._remote is None:  # what else runs at a server is not ours to go on with
                await self._letting_go.run(self._carry_on, burnt, standing)
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
            if others and one.state in (State.DECIDED, State.EXPIRED):
                await self._store.change(one.id, lambda record, _: machine.waiting(record, others))

    async def _ordered(self, requests: Sequence[Request]) -> None:
        """Raises: StillRunning, OutcomeUnknown while it is not known whether an earlier answer arrived."""
        begun = [one for one in requests if one.live and one.effect is not None]
        await self._letting_go.put_to_people(begun)
        if not all(ordered_again(one) for one in begun if one.id not in self._letting_go.unsent):
            raise OutcomeUnknown

    # ---- the answer

    async def _answer(self, requests: Sequence[Request], pause: Pause, standing: Standing) -> Handled:
        reading = read(self._held.graph, pause)
        settled = [await self._settled(one, pause, reading) for one in requests]
        try:
            answer = answer_of(reading, settled)
        except NoSuchAnswer as error:
            return await self.end(requests, f"{error} Its run was ended where it stood.")
        if answer is ENDS_AT_GATE:
            return await self.end(requests, _NO_ANSWER)
        acts = [one.id for one, how in zip(requests, settled, strict=True) if _may_act(how, reading)]
        if self._remote is None:
            held = await held_answers(self._held.graph, self._held.config, standing.pauses)
            if any((one, said) != (pause.interrupt, answer) for one, said in held.given.items()):
                return await self._answered_elsewhere(requests, pause, standing)
            anew = not held.given and not held.earlier
        else:
            anew = not standing.unfinished  # what it holds of earlier answers, only its server knows
        await self._held.entering()
        if acts and anew and not await self._still_asks(requests, pause):
            return await self._bring_back_again(requests[0])
        return await self._send(requests, acts, pause, standing, answer)

    async def _send(
        self, requests: Sequence[Request], acts: Sequence[RequestId], pause: Pause, standing: Standing, answer: Json
    ) -> Handled:  # fmt: skip
        reading = read(self._held.graph, pause)
        claimed = [await self._claimed(one) for one in requests]
        if [one.live for one in claimed] != [one.live for one in requests]:
            return Handled.LEFT  # one was taken back meanwhile
        burnt = await self._burnt([one for one in claimed if one.id in acts], pause, reading)
        if burnt is None:
            return Handled.LEFT
        crash_point("resume-before-graph")

        async def resume() -> None:
            await answer_foreign(self._held.graph, self._held.config, pause.interrupt, answer)

        after = await self._letting_go.run(resume, burnt, standing, pause, reading)
        for one in claimed:
            await self._close_past(one)
        crash_point("resume-after-close")
        await self._held.settle(after)
        return Handled.DONE

    async def _bring_back_again(self, request: Request) -> Handled:
        """Where the agent stands by now."""
        standing = await self._held.standing()
        pause = standing.pause(request.ask.key.interrupt)
        return await (self.bring_back(pause, standing) if pause else self.past(request, standing))

    async def _still_asks(self, requests: Sequence[Request], pause: Pause) -> bool:
        """Run the agent to its question once more, unanswered: what it asks today is what a yes would allow.

        LangGraph runs the node again with every answer, whatever was shown before. Not done where an answered question
        stands before this one in its node: what lies between them would run again.
        """
        with running(self._runtime), suppress(OutcomeUnknown, StillRunning):  # a neighbouring gate's own
            await (
                self._carry_on()
                if self._remote is not None
                else carry_on(self._held.graph, self._held.config)
            )
        today = (await self._held.standing()).pause(pause.interrupt)
        return today is not None and not any(
            self._held.pauses.misfit(self._held.graph, one, today) for one in requests if one.live
        )

    async def _burnt(
        self, requests: Sequence[Request], pause: Pause, reading: Reading
    ) -> Sequence[Request] | None:
        """All of them, or none. Raises: HeldBack."""
        frozen = [(one, self._frozen(one, pause, reading)) for one in requests]
        try:
            return await self._letting_go.burn_all(frozen)
        except (AlreadySettled, BadVote):
            return None

    async def _answered_elsewhere(
        self, requests: Sequence[Request], pause: Pause, standing: Standing
    ) -> Handled:
        """LangGraph would replay that answer, whatever is sent: the agent is asked anew, or its run is ended."""
        begun = any(one.effect is not None for one in requests)
        if begun or len(standing.pauses) > 1 or standing.tasks > 1 or not pause.outermost:
            return await self.end(requests, _NOT_KNOWN if begun else _CANNOT_BE_ASKED)
        await self._held.entering()
        with running(self._runtime):
            await raise_anew(self._held.graph, self._held.config)
        for one in requests:
            await self._change(one, lambda record, now: machine.invalidated(record, _ANSWERED_ELSEWHERE, now))
        await self._held.settle()
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
            voted = self._letting_go.as_voted(request)
            return settled_by(voted, self._runtime, self._frozen(request, pause, reading), now)
        except BadVote as error:
            await note_forgery(self._runtime, request, error)
            words = str(error)
            if request.effect is not None:
                raise OutcomeUnknown(words) from None

            def step(record: Request, now: datetime) -> Change:
                if record.effect is not None:
                    raise StillRunning  # another worker has let the agent go on with it since
                return machine.disbelieved(record, words, now)

            await self._change(request, step)
            return Refused("Nobody who may decide has allowed it.")

    def _frozen(self, request: Request, pause: Pause, reading: Reading) -> str:
        return self._held.pauses.frozen(reading, self._held.run, pause, request)

    async def _carry_on(self) -> None:
        if self._remote is None:
            await self._held.carry_on()
        else:
            await self._remote.carry_on(self._held.run.thread)

    # ---- the end

    async def end(self, requests: Sequence[Request], why: str) -> Handled:
        """End the run where it stands: nothing is sent to its agent, and everybody concerned reads why."""
        if self._remote is not None and requests:
            await self._remote.end(self._held.run.thread, requests[0].ask.key.interrupt)
            crash_point("remote-ended")
        return await self._ended(requests, why)

    async def _ended(self, requests: Sequence[Request], why: str) -> Handled:
        here = {one.id for one in requests}
        for one in await self._store.live():
            if one.ask.run.thread == self._held.run.thread and not one.ask.undoes:
                kind, words = as_ended(await self._store.get(one.id), why, here=one.id in here)
                await self._close(one, kind, words)
        crash_point("report-before-told")
        entry = AuditEntry(
            event=Event.RUN_FAILED, by=self._runtime.worker, words=f"Ended at its gate: {why}"[:300]
        )
        text = f"The agent was stopped before it acted. {why} Nothing more will be done for this."
        text = f"The agent was stopped. {why}" if why == _NOT_KNOWN else text
        run = self._held.run
        await end_run(self._store, run, entry, words=why, notices=report_notices(run, text))
        await forget_later(self._held.graph.checkpointer, self._held.run.thread)
        return Handled.DONE

    async def _lost(self, requests: Sequence[Request], standing: Standing, became: Became) -> Handled:
        """At the agent's server this pause is over, and no answer of ours ended it."""
        for one in requests:
            lost = (OutcomeKind.INVALIDATED, ELSEWHERE)
            kind, words = as_ended(one, _NO_ANSWER, here=True) if became is Became.ENDED else lost
            await self._close(one, kind, words)
        await self._held.settle(standing)
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


def _may_act(settled: Settled, reading: Reading) -> bool:
    """Whether the agent may act on being told so."""
    return not isinstance(settled, Refused) and (not isinstance(settled, Responded) or not reading.certain)


def _may_have_happened(request: Request) -> bool:
    return request.effect is not None and request.effect.state is not EffectState.FAILED
