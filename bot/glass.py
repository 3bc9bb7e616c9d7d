"""Breaking the glass from the chat: who may, what they saw, and the signed vote that decides alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ..approvals import glass, machine
from ..approvals.authority import Glass
from ..approvals.change import AuditEntry, Change, Event
from ..approvals.errors import AnswerRefused, NotAllowed, WhyNot
from ..approvals.people import Person, PersonId
from ..approvals.request import Request
from ..approvals.signing import Signer
from ..approvals.store import Store, Target, TargetKind
from ..approvals.verdict import Approve, RequestId, Vote
from ..cards.escape import cut, line

#: Longest reason, characters.
WHY = 300


class MayNotBreakGlass(AnswerRefused):
    """You are not among those who may break the glass; nothing was decided."""


class NotShownYet(AnswerRefused):
    """No card shows yet what would be approved; look at it first, then say it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBreaker:
    """Decides by one vote of somebody who may."""

    store: Store
    signer: Signer
    glass: Glass
    denied: Collection[PersonId]

    async def by_person(self, id: RequestId, why: str, person: Person, via: str, *, token: str) -> Request:
        """Approve it alone. The same `token` again changes nothing; what is refused is on record.

        Raises: MayNotBreakGlass, NotShownYet, RequestNotFound, StoreDown, and what `glass.break_glass` raises.
        """
        request, said = await self.store.get(id), cut(line(why).strip(), WHY)
        try:
            if person.id not in self.glass.people:
                raise MayNotBreakGlass
            if person.id in self.denied:
                raise NotAllowed(WhyNot.DENIED)
            if not await self._is_shown(request):
                raise NotShownYet

            def step(record: Request, now: datetime) -> Change:
                if record.revision != request.revision:
                    raise NotShownYet
                vote = self._vote(record, person.id, said, via, now)
                return glass.break_glass(record, vote, self.glass.tell, now)

            applied = await self.store.change(id, step, token=token)
        except AnswerRefused as error:
            words = f"Glass not broken: {error}"[:300]
            entry = AuditEntry(event=Event.REFUSED_ANSWER, by=person.id, words=words, facts={"via": via})
            thread, once = request.ask.run.thread, f"refused-{token}" if token else ""
            await self.store.note(entry, thread=thread, request=id, token=once)
            raise
        return applied.request

    async def _is_shown(self, request: Request) -> bool:
        """Whether some card shows what would be approved."""
        told = await self.store.all_told(request.id)
        return any(
            one.ref is not None and one.revision == request.revision
            for text, one in told.items()
            if Target.parse(text).kind is TargetKind.CARD
        )

    def _vote(self, request: Request, person: PersonId, why: str, via: str, now: datetime) -> Vote:
        vote = Vote(
            request=request.id, thread=request.ask.run.thread, revision=request.revision,
            digest=request.current.digest, person=person, verdict=Approve(), at=now,
            expires=machine.votes_expire_at(request), rule=request.ask.rule, glass=why, via=via,
        )  # fmt: skip
        return self.signer.sign(vote)
