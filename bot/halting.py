"""Pausing all of sayso, or one agent: who may, what is then on record, and what ends it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..agent.table_forms import Duration
from ..approvals import canonical
from ..approvals.change import AuditEntry, Event
from ..approvals.errors import AnswerRefused, Halted
from ..approvals.halt import HALTS, WHY, Halt
from ..approvals.people import PersonId
from ..approvals.request import Run
from ..approvals.store import Store
from ..cards.escape import cut, line


class NotOperator(AnswerRefused):
    """Only an operator may pause sayso or end a pause; nothing was changed."""


class NoReason(AnswerRefused):
    """Say why: people who wait for an agent read it."""


class NoSpan(AnswerRefused):
    """For how long is written like "30m", "2h" or "1h30m", at most 90 days; nothing was changed."""


class PausedLonger(AnswerRefused):
    """It is paused for longer than that already; end that pause first if it should end sooner."""


class NothingPaused(AnswerRefused):
    """Nothing of that is paused."""


def span_of(text: str) -> timedelta | None:
    """How long "2h" is; None for an empty text. Raises: NoSpan."""
    if not text:
        return None
    try:
        span: timedelta = canonical.adapter(Duration).validate_python(text)
    except ValueError:
        raise NoSpan from None
    return span


@dataclass(frozen=True, slots=True, kw_only=True)
class Halting:
    """Pauses, and ends pauses. `operators` are the people who may say so in chat."""

    store: Store
    operators: Collection[PersonId]

    async def permit(self, person: PersonId, what: str) -> None:
        """Raises: NotOperator, which is then on record."""
        if person not in self.operators:
            words = f"Not done: {person} is no operator and wanted to {what}"
            await self.store.note(
                AuditEntry(event=Event.REFUSED_ANSWER, by=person, words=words), thread=HALTS
            )
            raise NotOperator

    async def pause(self, graph: str, span: timedelta | None, why: str, *, by: str) -> Halt:
        """Nothing of this graph ("" for all) starts, resumes or acts from now on; whoever asks was permitted.

        Raises: NoReason, PausedLonger, StoreDown (then it may hold for some runs only: say it again).
        """
        said = cut(line(why).strip(), WHY)
        if not said:
            raise NoReason
        now = await self.store.now()
        halt = Halt(graph=graph, by=by, why=said, since=now, until=now + span if span else None)
        if any(_ends_later(one, halt) for one in await self.standing() if one.graph == graph):
            raise PausedLonger
        until = f" until {halt.until:%Y-%m-%d %H:%M:%S} UTC" if halt.until else ""
        entry = AuditEntry(event=Event.HALTED, by=by, words=f"Paused {_what(graph)}{until}: {said}"[:300])
        await self.store.halt(halt, entry)
        return halt

    async def unpause(self, graph: str, why: str, *, by: str) -> Sequence[Halt]:
        """End the pause of this graph, or with "" every pause; what was ended. Raises: NothingPaused, StoreDown."""
        ending = [one for one in await self.standing() if graph in ("", one.graph)]
        if not ending:
            raise NothingPaused
        said = cut(line(why).strip(), WHY)
        for one in ending:
            words = f"Ended the pause of {_what(one.graph)}" + (f": {said}" if said else "")
            await self.store.unhalt(one.graph, AuditEntry(event=Event.UNHALTED, by=by, words=words[:300]))
        return ending

    async def standing(self) -> Sequence[Halt]:
        """What is paused now."""
        now = await self.store.now()
        return [one for one in await self.store.halts() if one.holds(now)]

    async def of(self, run: Run) -> Halt | None:
        """What this run waits for, if anything that can be read."""
        try:
            await self.store.unhalted(run)
        except Halted as halted:
            return halted.halt
        return None

    async def end_by_itself(self) -> None:
        """Put away the pauses whose time is over; any number of processes may do it."""
        now: datetime = await self.store.now()
        for one in await self.store.halts():
            if not one.holds(now):
                words = f"The pause of {_what(one.graph)} ended by itself"
                await self.store.unhalt_ended(one.graph, AuditEntry(event=Event.UNHALTED, words=words))


def _what(graph: str) -> str:
    return f"the agent {graph}" if graph else "everything"


def _ends_later(one: Halt, other: Halt) -> bool:
    return other.until is not None and (one.until is None or one.until > other.until)
