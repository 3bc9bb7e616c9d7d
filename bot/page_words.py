"""The words of a page: what the person on call reads, with a link to every copy of the card."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from ..approvals.people import PersonId, Place
from ..approvals.request import Request
from ..approvals.store import Outbox, Target, TargetKind
from ..cards.page_words import page_details, page_summary
from ..cards.spans import place_words
from ..scheduler.pager import Link
from ..scheduler.paging import PageWords
from .channel import Channel, ChannelError

log = logging.getLogger(__name__)

#: A page does not wait longer than this for its links.
LINKS_SECONDS = 2.0


class PageWriter:
    """Writes pages; a link that cannot be had is left out, the page goes out all the same."""

    def __init__(
        self, *, store: Outbox, channels: Mapping[str, Channel], name: Callable[[PersonId], str]
    ) -> None:
        """Take channels by platform, and how people call a person."""
        self._store = store
        self._channels = channels
        self._name = name

    async def __call__(self, request: Request) -> PageWords:
        """Summary, details and links. Raises: StoreDown."""
        links = await self._links(request)
        return PageWords(
            summary=page_summary(request),
            details=page_details(request, name=self._name, links=links),
            links=tuple(Link(href=url, text=f"Open the card ({where})") for where, url in links.items()),
        )

    def _called(self, place: Place) -> str:
        """A place for whoever is on call, who can open a direct message only if it is their own."""
        kind, _, person = place.partition(":")
        return (
            f"a direct message to {self._name(PersonId(person))}" if kind == "person" else place_words(place)
        )

    async def _links(self, request: Request) -> Mapping[str, str]:
        found: dict[str, str] = {}
        try:
            async with asyncio.timeout(LINKS_SECONDS):
                await self._look_up(request, found)
        except TimeoutError:
            log.warning("page.links_cut_short request=%s", request.id)
        return found

    async def _look_up(self, request: Request, found: dict[str, str]) -> None:
        for text, told in (await self._store.all_told(request.id)).items():
            target = Target.parse(text)
            channel = self._channels.get(told.ref.platform) if told.ref else None
            if target.kind is not TargetKind.CARD or told.ref is None or channel is None:
                continue
            try:
                link = await channel.link(told.ref)
            except ChannelError:
                log.warning("page.no_link request=%s place=%s", request.id, target.where)
                continue
            where = self._called(Place(target.where))
            alike = sum(one.startswith(where) for one in found)
            found[f"{where} ({alike + 1})" if alike else where] = link
