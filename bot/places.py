"""From a place of the record to a platform and a place on it; a person's place is their direct conversation."""

from __future__ import annotations

from collections.abc import Mapping

from ..approvals.people import Directory, PersonId, Place
from ..approvals.unreachable import PERSON
from .channel import Channel, Dead

__all__ = ["PERSON", "conversation_of", "reach"]


def conversation_of(place: Place) -> Place:
    """The channel or chat a place is in, whatever the thread."""
    return Place(place.partition("/")[0])


async def reach(
    place: Place, *, channels: Mapping[str, Channel], directory: Directory
) -> tuple[Channel, Place]:
    """The channel that serves a place, and the place as that platform knows it.

    Raises: Dead, when no platform serves it or the person has no account; RetryLater, Unclear.
    """
    platform, _, rest = place.partition(":")
    if not place.startswith(PERSON):
        if platform not in channels:
            raise Dead(f"no channel {platform!r} is set up")
        return channels[platform], place
    person = directory.known(PersonId(rest))
    for name, channel in channels.items():
        if person is not None and (account := person.accounts.get(name, "")):
            return channel, await channel.direct(account)
    raise Dead("this person has no account where sayso could write to")
