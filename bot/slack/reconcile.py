"""Looks at the cards of all live requests again: what was pressed or deleted while nobody listened left no word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from ...approvals.change import Change
from ...approvals.errors import RequestNotFound
from ...approvals.people import Place
from ...approvals.request import Request, State
from ...approvals.store import Store, Target, TargetKind, Told
from ..channel import Channel, ChannelError, Gone, RetryLater

log = logging.getLogger(__name__)

#: So many cards are looked at at once; then one every `LOOK_EVERY`, which leaves room for what people wait for.
BURST = 20
LOOK_EVERY = timedelta(seconds=2)
#: When Slack does not say for how long it wants to be left alone.
_TRIES = 3


async def _wait_for(span: timedelta) -> None:
    await asyncio.sleep(span.total_seconds())


class Reconciler:
    """Has every card redrawn that does not show its record."""

    def __init__(
        self, *, store: Store, channel: Channel, wait: Callable[[timedelta], Awaitable[None]] = _wait_for
    ) -> None:
        self._store = store
        self._channel = channel
        self._wait = wait
        self._seen = 0

    async def __call__(self) -> None:
        """Look at all of them once. Raises: StoreDown."""
        self._seen, redrawn, requests = 0, 0, await self._store.live()
        for request in requests:
            async for target, told in self._standing(request):
                if not await self._shows(request, told):
                    log.info("card.behind request=%s place=%s", request.id, target.where)
                    await self._redraw(request)
                    redrawn += 1
                    break  # all of them are
        log.info(
            "slack.reconciled requests=%s cards=%s requests_redrawn=%s", len(requests), self._seen, redrawn
        )

    async def _standing(self, request: Request) -> AsyncIterator[tuple[Target, Told]]:
        """Its cards in Slack, as far as they are believed to be up to date: of the others delivery takes care."""
        for text, told in (await self._store.all_told(request.id)).items():
            target = Target.parse(text)
            here = told.ref is not None and told.ref.platform == "slack"
            if target.kind is TargetKind.CARD and here and told.version >= request.version:
                yield target, told

    async def _shows(self, request: Request, told: Told) -> bool:
        """Whether the card stands there and shows what is asked; true as well where Slack does not say."""
        assert told.ref is not None
        self._seen += 1
        if self._seen > BURST:
            await self._wait(LOOK_EVERY)
        thread = Place(f"slack:{told.ref.channel}/{told.ref.thread or told.ref.message}")
        for _ in range(_TRIES):
            try:
                card = await self._channel.find_card(thread, request.id)
            except Gone:
                return False
            except RetryLater as later:
                await self._wait(later.after)
            except ChannelError:
                break
            else:
                shown = card.facts.get("digest") if card and card.message == told.ref.message else ""
                return shown == request.question
        log.warning("card.not_looked_at request=%s channel=%s", request.id, told.ref.channel)
        return True

    async def _redraw(self, request: Request) -> None:
        """A step that changes nothing marks all cards; what else happens to them meanwhile is not overwritten."""
        try:
            await self._store.change(
                request.id, lambda r, _: None if r.state is State.CLOSED else Change(request=r)
            )
        except RequestNotFound:
            log.info("card.gone request=%s", request.id)
