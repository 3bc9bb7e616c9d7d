"""Lets somebody else's agent go on: its approvals are burnt before, and how far it came is put on record after.

Where nobody can say whether it acted, people settle that; until they have, nobody enters the thread past it, because
LangGraph would run the step that broke off once more.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

from langgraph.errors import UnknownInterruptError

from ..approvals import effects, machine
from ..approvals.change import Change, Event
from ..approvals.crash import crash_point
from ..approvals.errors import AlreadySettled, BadVote, Halted
from ..approvals.request import EffectState, Request, State
from ..approvals.verdict import RequestId
from .acting import before_this_attempt
from .dialects.middleware import BATCHED, PER_CALL
from .dialects.reading import Reading
from .faults import facts_of
from .foreign_words import as_told
from .handled import GateHeld
from .not_now import HeldBack, OutcomeUnknown, StillRunning
from .remote.graph import remote_of
from .remote.server import Undelivered
from .runtime import Runtime, running
from .settling import settled_by
from .standing import Pause, Standing
from .told_by_tools import broke_off

if TYPE_CHECKING:
    from .held_thread import HeldThread

_log = logging.getLogger(__name__)

_BROKE_OFF = "the agent broke off while it was going on with the answer"
_SILENT = "Its worker let the agent go on and never reported"
_GOING_ON = frozenset({Event.RESUMING, Event.EFFECT_STARTED, Event.CLOSED})
#: In how many steps of the graph LangChain's own agents have run what was approved.
_STEPS = {BATCHED.name: 2, PER_CALL.name: 1}


class LettingGo:
    """Everything between the last look at the votes and the record of how far the agent came."""

    def __init__(self, held: HeldThread) -> None:
        self._held = held
        self._runtime: Runtime = held.runtime
        self._store = held.runtime.store
        self._remote = remote_of(held.graph)
        #: Burnt requests whose answer certainly never reached the agent's server.
        self.unsent = set[RequestId]()

    async def neighbours_settled(self, standing: Standing, besides: Sequence[Request]) -> None:
        """Whoever enters the thread runs again whatever broke off in it.

        Raises: StillRunning, OutcomeUnknown while another request's agent may have acted and nobody has said so.
        """
        ours = {one.id for one in besides}
        begun = [
            one for one in await self._neighbours(standing) if one.id not in ours and _may_have_acted(one)
        ]
        if not begun:
            if standing.unfinished and await self.settled_by_hand() is not None:
                raise OutcomeUnknown("Its run is about to be ended where it stands.")
            return
        for one in besides:
            if one.state in (State.DECIDED, State.EXPIRED):
                await self._store.change(one.id, lambda record, _: machine.waiting(record, len(begun)))
        await self.put_to_people(begun)
        raise OutcomeUnknown("A neighbour's outcome is not known yet.")

    async def settled_by_hand(self) -> Request | None:
        """What this thread was let go on with last, if people have said since what became of it.

        Whatever is left to run then may be what they spoke of: it is not run again, and the run ends there.
        """
        for record in reversed(await self._store.trail(self._held.run.thread)):
            if record.request is None or record.entry.event not in _GOING_ON:
                continue
            request = await self._store.get(record.request)
            if request.ask.undoes:
                continue  # that is no matter of the agent's
            if record.entry.event is not Event.CLOSED:
                return None  # somebody was brought back since
            if request.ask.dialect and by_hand(request):
                return request
        return None

    async def put_to_people(self, begun: Sequence[Request]) -> None:
        """Those among them whose worker never reported. Raises: StillRunning while one of them lives."""
        silent = [one for one in begun if one.effect and one.effect.state is EffectState.STARTED]
        for one in silent:
            if await self._store.lease_held(one.id):
                raise StillRunning
            if await self._never_sent(one):
                self.unsent.add(one.id)
        await self._unknown([one for one in silent if one.id not in self.unsent], _SILENT)

    async def _never_sent(self, request: Request) -> bool:
        """Whether it is certain that the agent never got this answer; only a server can be asked."""
        key = request.ask.key
        return self._remote is not None and not await self._remote.sent(key.thread, key.interrupt)

    def as_voted(self, request: Request) -> Request:
        """What the votes are about: an answer that never arrived is still the same attempt."""
        return before_this_attempt(request) if request.id in self.unsent else request

    async def burn_all(self, frozen: Sequence[tuple[Request, str]]) -> Sequence[Request]:
        """Each of them with its frozen bytes, or none. Raises as `burn`."""
        burnt = list[Request]()
        try:
            for request, bytes_of_it in frozen:
                burnt.append(await self.burn(request, bytes_of_it))
        except (AlreadySettled, BadVote, HeldBack):
            await self.unburn(burnt)
            raise
        return burnt

    async def burn(self, request: Request, frozen: str) -> Request:
        """Put on record that the agent may act from here on; verified once more over what is burnt.

        Raises: AlreadySettled, BadVote, StillRunning, HeldBack.
        """

        def step(record: Request, now: datetime) -> Change:
            settled_by(self.as_voted(record), self._runtime, frozen, now)
            if record.current.digest != request.current.digest:
                raise BadVote("What was decided changed while the agent was brought back.")
            if record.id in self.unsent:
                return effects.taken_over(record, worker=self._runtime.worker, lease=self._runtime.lease)
            attempt = record.effect.attempt + 1 if record.effect else 1
            return effects.begin(
                record, attempt=attempt, worker=self._runtime.worker, lease=self._runtime.lease, now=now
            )

        try:
            applied = await self._store.change(request.id, step, token=f"burn-{uuid.uuid4().hex}")
        except effects.Burnt:
            raise StillRunning from None
        except Halted as halted:
            raise HeldBack(str(halted)) from None
        crash_point("after-burn")
        return applied.request

    async def unburn(self, burnt: Sequence[Request]) -> None:
        """Nothing was sent, and that is certain: the approvals stand."""
        for one in burnt:
            await self._change(one, lambda record, now: effects.taken_back(record, self._runtime.worker, now))

    async def run(
        self, go_on: Callable[[], Awaitable[None]], burnt: Sequence[Request], before: Standing,
        pause: Pause | None = None, reading: Reading | None = None,
    ) -> Standing:  # fmt: skip
        """Run the graph and see where it stands then.

        Args:
            pause, reading: What is answered; None where only the rest is run.

        Raises: OutcomeUnknown, GateHeld, whatever the graph raises.
        """
        with running(self._runtime), ExitStack() as leases:
            for one in burnt:
                leases.enter_context(self._runtime.keeper.effect(one.id))
            try:
                await go_on()
            except UnknownInterruptError:
                await self.unburn(burnt)
                raise GateHeld("The pause was gone when it was answered.") from None
            except Undelivered:
                raise  # whether it was taken is asked of the server, once it can be
            except Exception as error:  # other people's code: what it did before it broke is theirs to know
                await self._broke_off(burnt, before, pause, reading, error)
                raise
        crash_point("resume-after-graph")
        after = await self._held.standing()
        if pause is not None and after.pause(pause.interrupt) is not None:
            await self._unknown_now(burnt)
            raise GateHeld
        await self._told(burnt, before, after)
        return after

    async def _broke_off(
        self, burnt: Sequence[Request], before: Standing, pause: Pause | None, reading: Reading | None,
        error: Exception,
    ) -> None:  # fmt: skip
        """What broke was the step that acts, unless the agent is one whose steps are known. Raises: OutcomeUnknown."""
        after = await self._held.standing()
        if pause is not None and pause.interrupt not in after.interrupts and after.left <= before.left:
            await self._told(burnt, before, after)  # only a neighbour broke off
            return
        steps = _STEPS.get(reading.dialect.name) if reading is not None and reading.certain else None
        if steps is not None and after.step >= before.step + steps:
            await self._told(burnt, before, after)
            return
        how = broke_off(error, self._runtime.broker.live.withheld)
        for one in burnt:
            _log.error("agent.raised", extra={"request": one.id, "words": how, **facts_of(error)})
        await self._unknown_now(burnt, how)

    async def _told(self, burnt: Sequence[Request], before: Standing, after: Standing) -> None:
        worker, others = self._runtime.worker, len(before.interrupts & after.interrupts)
        for one in burnt:
            await self._change(
                one, lambda record, now: effects.told(record, worker, as_told(record, others), now)
            )

    async def _unknown_now(self, burnt: Sequence[Request], how: str = "") -> None:
        words = f"{_BROKE_OFF} ({how.removeprefix('broke off: ')})" if how else _BROKE_OFF
        await self._unknown(burnt, words, how)
        if burnt:
            raise OutcomeUnknown(_BROKE_OFF)

    async def _unknown(self, burnt: Sequence[Request], words: str, how: str = "") -> None:
        said = f"{words}; it may or may not have happened"
        for one in burnt:
            await self._change(one, lambda record, now: effects.unknown(record, now, said, how))

    async def _neighbours(self, standing: Standing) -> list[Request]:
        """Requests about whatever could be run again by entering the thread."""
        if standing.unfinished:
            thread = self._held.run.thread
            return [
                one for one in await self._store.live() if one.ask.run.thread == thread and not one.ask.undoes
            ]
        pauses, graph, run = self._held.pauses, self._held.graph, self._held.run
        found = [await pauses.all_newest(graph, run, pause) for pause in standing.pauses if not pause.ours]
        return [one for several in found for one in several if one is not None]

    async def _change(self, request: Request, step: Callable[[Request, datetime], Change]) -> None:
        try:
            await self._store.change(request.id, step)
        except (AlreadySettled, effects.Burnt):
            return  # it ended by itself meanwhile


def by_hand(request: Request) -> bool:
    """People said what became of it, and did not order that it goes on."""
    effect = request.effect
    return not request.live and effect is not None and effect.state in (EffectState.DONE, EffectState.UNKNOWN)


def _may_have_acted(request: Request) -> bool:
    """Whether the agent was let go on with it, and has not come back."""
    return bool(request.ask.dialect) and request.live and request.effect is not None
