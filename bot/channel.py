"""The port to one platform where people see cards, and what can go wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from ..approvals.errors import SaysoError
from ..approvals.people import Place
from ..approvals.store import MessageRef
from ..approvals.verdict import RequestId
from ..cards.card import Card
from ..cards.spans import Row


class ChannelError(SaysoError):
    """A message could not be brought where it belongs."""


class Gone(ChannelError):
    """The message (or the thread it belongs to) is not there any more, or cannot be edited."""


class Dead(ChannelError):
    """This place takes no messages, and trying again will not help; the message says why."""


class RetryLater(ChannelError):
    """Nothing was sent; try again after `after`."""

    def __init__(self, after: timedelta) -> None:
        super().__init__()
        self.after = after


class NotYet(RetryLater):
    """It is not its turn: nobody was asked, and nothing is wrong."""


class Unclear(ChannelError):
    """The answer was lost: it may have been sent."""


class Channel(Protocol):
    """One platform. No verb waits for its turn: what cannot be sent now raises RetryLater or NotYet.

    Every verb raises Dead, RetryLater or Unclear; those that follow up on a message raise Gone as well.
    """

    async def post_card(self, place: Place, card: Card) -> MessageRef:
        """Post a card in a channel or thread."""
        ...

    async def update_card(self, ref: MessageRef, card: Card) -> None:
        """Redraw a card; safe to repeat."""
        ...

    async def find_card(self, place: Place, request: RequestId) -> MessageRef | None:
        """A card of this request that stands in `place` already: asked after a post whose answer was lost.

        `facts["digest"]` says what it shows, where the platform keeps that for us.
        """
        ...

    async def say(self, place: Place, words: Sequence[Row]) -> MessageRef:
        """Say something in a channel or thread."""
        ...

    async def direct(self, account: str) -> Place:
        """The direct conversation with an account."""
        ...

    async def link(self, ref: MessageRef) -> str:
        """The https address of a message, for people to open it."""
        ...
