"""Taking a request back before anything was done: who may, and what is then on record. It never moves an action."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..approvals import machine
from ..approvals.change import AuditEntry, Event
from ..approvals.errors import AlreadySettled, AnswerRefused
from ..approvals.people import PersonId
from ..approvals.request import Request
from ..approvals.store import RequestStore
from ..approvals.verdict import RequestId
from ..cards.escape import cut, line

#: Longest reason, UTF-16 units.
REASON = 300


class NotTheirs(AnswerRefused):
    """Only who asked for it, who answers for that, or an operator can take it back."""


class TooLate(AnswerRefused):
    """It can no longer be taken back: it has ended, or its action has begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawals:
    """Takes requests back. `operators` may do so with every one."""

    store: RequestStore
    operators: Collection[PersonId]

    async def by_person(self, id: RequestId, person: PersonId, name: str, why: str, *, token: str) -> Request:
        """For somebody who asked for it, their owner, or an operator; the same `token` again changes nothing.

        Raises: NotTheirs, TooLate, RequestNotFound, StoreDown.
        """
        request = await self.store.get(id)
        if person not in request.requesters and person not in self.operators:
            words = str(NotTheirs())
            entry = AuditEntry(event=Event.REFUSED_ANSWER, by=person, words=f"Not taken back: {words}")
            await self.store.note(
                entry, thread=request.ask.run.thread, request=id, token=f"refused-{token}" if token else ""
            )
            raise NotTheirs
        return await self.unasked(request, by=person, name=name, why=why, token=token)

    async def unasked(self, request: Request, *, by: str, name: str, why: str, token: str = "") -> Request:
        """Take it back for somebody who was found to be allowed. Raises: TooLate, RequestNotFound, StoreDown."""
        said = cut(line(why), REASON)
        words = f"{name} took it back: {said}" if said else f"{name} took it back."
        try:
            applied = await self.store.change(
                request.id, lambda record, now: machine.withdrawn(record, by, words, now), token=token
            )
        except AlreadySettled:
            raise TooLate from None
        return applied.request
