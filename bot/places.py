"""From a place of the record to a platform and a place on it; a person's place is a direct conversation of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from ..approvals.people import Directory, PersonId, Place
from ..approvals.unreachable import PERSON
from .channel import Channel, ChannelError, Dead, Gone, Unclear

T = TypeVar("T")

#: Seconds for all that is asked of a platform to write once; less than a claim lasts, or another process would write too.
PATIENCE = 15.0


class Places:
    """Every place that sayso can write to."""

    def __init__(self, channels: Mapping[str, Channel], directory: Directory) -> None:
        """Take channels by platform; a person is written to on the first one that takes it."""
        self._channels = channels
        self._directory = directory

    async def at(self, place: Place, use: Callable[[Channel, Place], Awaitable[T]]) -> T:
        """What `use` makes of the platform and the place there; of a person's next account where one is dead.

        Raises: Dead, when no platform serves it or all are dead; Unclear, when it takes too long; and whatever else `use`
        raises.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._at(place, use)
        except TimeoutError as slow:
            raise Unclear from slow

    async def _at(self, place: Place, use: Callable[[Channel, Place], Awaitable[T]]) -> T:
        """Raises: as `at`."""
        if not place.startswith(PERSON):
            return await use(self.channel(place.partition(":")[0]), place)
        found = Dead("this person has no account where sayso could write to")
        for channel, account in self._accounts(place):
            try:
                return await use(channel, await channel.direct(account))
            except Dead as dead:
                found = dead
            except Gone as gone:
                found = Dead(f"this person's chat is gone ({gone})")
        raise found

    def channel(self, platform: str) -> Channel:
        """Raises: Dead."""
        if platform not in self._channels:
            raise Dead(f"no channel {platform!r} is set up")
        return self._channels[platform]

    async def conversations(self, place: Place) -> frozenset[Place]:
        """The channel or chat it is in, whatever the thread; a person may have one on each platform."""
        if not place.startswith(PERSON):
            return frozenset({conversation_of(place)})
        found = set()
        for channel, account in self._accounts(place):
            try:
                found.add(conversation_of(await channel.direct(account)))
            except ChannelError:
                continue  # where they cannot be written to they have none
        return frozenset(found)

    def _accounts(self, place: Place) -> list[tuple[Channel, str]]:
        person = self._directory.known(PersonId(place.removeprefix(PERSON)))
        accounts = person.accounts if person else {}
        return [(channel, accounts[name]) for name, channel in self._channels.items() if accounts.get(name)]


def conversation_of(place: Place) -> Place:
    """The channel or chat of a thread."""
    return Place(place.partition("/")[0])
