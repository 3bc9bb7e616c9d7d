"""Two tasks of one deliverer and the same card: the record moves on while the first is still writing down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from office import SIGNER, WatchedStore, office
from sayso.approvals import machine
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.people import PersonId
from sayso.approvals.request import Request
from sayso.approvals.verdict import RequestId, ThreadId
from sayso.bot.delivery import Deliverer
from scenes import a_vote


@dataclass
class MovesOn(WatchedStore):
    """Somebody approves, and another task claims the card, right before it is noted that the card was shown."""

    def __post_init__(self) -> None:
        super().__init__()
        self.deliverer: Deliverer | None = None
        self.second: asyncio.Task[int] | None = None

    async def note(
        self, entry: AuditEntry, *, thread: ThreadId, request: RequestId | None = None, token: str = ""
    ) -> None:
        if entry.event is Event.SHOWN and request is not None and self.deliverer is not None:
            deliverer, self.deliverer = self.deliverer, None
            await self._approved(await self.get(request))
            self.second = asyncio.create_task(deliverer.deliver_due())
            for _ in range(20):  # it runs until it has to wait
                await asyncio.sleep(0)
        await super().note(entry, thread=thread, request=request, token=token)

    async def _approved(self, request: Request) -> None:
        vote = a_vote(request, PersonId("bo"), signer=SIGNER)
        may = frozenset({PersonId("bo")})
        await self.change(request.id, lambda r, now: machine.vote(r, vote, may, 1, now))


async def test_a_card_claimed_while_it_is_written_down_is_drawn_at_once() -> None:
    """Not after the claim has run out: whoever pressed a button looks at the card."""
    store = MovesOn()
    async with office(store=store) as o:
        store.deliverer = o.deliverer
        await o.asks()
        assert store.second is not None
        await store.second
        for channel in ("#finance-approvals", "#support"):
            assert "Approved by" in o.card(channel).text_as_seen()
