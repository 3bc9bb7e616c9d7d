"""Teams as a channel: cards and words go out, failures come back by name; nothing here waits for its turn."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

from ...approvals.people import Place
from ...approvals.store import MessageRef
from ...approvals.verdict import RequestId
from ...cards import adaptive
from ...cards.adaptive import Account, AdaptiveMessage, Mentioned
from ...cards.adaptive_text import no_account
from ...cards.card import Card
from ...cards.spans import Circle, Row
from ..channel import Dead, Gone
from .failures import SlowDown
from .pace import Pace
from .port import PLATFORM, Conversation, Transport

_LINKS = "https://teams.microsoft.com/l"

#: The people of an approver set as it is now: bots in Teams can mention people, but no groups. Raises nothing.
Circles = Callable[[str], Awaitable[Sequence[Mentioned]]]


async def nobody(_: str) -> tuple[Mentioned, ...]:
    """Approver sets are named, and nobody is called."""
    return ()


class TeamsChannel:
    """A `Channel` over a transport."""

    def __init__(
        self, transport: Transport, *, account: Account = no_account, circle: Circles = nobody,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Take `account`, a person's Entra object id, and `circle`, whom a mention of an approver set calls."""
        self._transport = transport
        self._account = account
        self._circle = circle
        self._pace = Pace(monotonic)
        self._direct: dict[str, Place] = {}

    async def post_card(self, place: Place, card: Card) -> MessageRef:
        """Post a card. Raises: Gone, Dead, RetryLater, Unclear."""
        return await self._post(place, adaptive.message(card))

    async def update_card(self, ref: MessageRef, card: Card) -> None:
        """Redraw a card. Raises: Gone, Dead, RetryLater, Unclear."""
        drawn = adaptive.message(card)
        async with self._in_turn(f"update {ref.channel}"):
            await self._transport.update(ref, drawn)

    async def find_card(self, place: Place, request: RequestId) -> MessageRef | None:
        """None, always: bots cannot read back what they wrote. A second card becomes known when it is pressed."""
        return None

    async def say(self, place: Place, words: Sequence[Row]) -> MessageRef:
        """Say something. Raises: Gone, Dead, RetryLater, Unclear."""
        names = {span.name for row in words for span in row.spans if isinstance(span, Circle)}
        called = {name: await self._circle(name) for name in sorted(names)}
        return await self._post(place, adaptive.say(words, account=self._account, members=called.__getitem__))

    async def direct(self, account: str) -> Place:
        """The personal chat with an Entra object id. Raises: Dead, RetryLater, Unclear."""
        if account not in self._direct:
            async with self._in_turn(account):
                try:
                    chat = await self._transport.direct(account)
                except Gone as gone:
                    raise Dead(f"Teams knows no such person: {gone}") from gone
            self._direct[account] = Place(f"{PLATFORM}:{chat.channel}")
        return self._direct[account]

    async def link(self, ref: MessageRef) -> str:
        """The https address of a message; of the bot's chat, for the messages in it have none."""
        where = Conversation.at(ref.channel, ref.thread)
        if not where.root:
            return f"{_LINKS}/chat/0/0?{urlencode({'users': ref.facts['bot_id']})}"
        asked = urlencode({"tenantId": ref.facts["tenant"], "parentMessageId": where.root})
        return f"{_LINKS}/message/{quote(where.channel, safe='')}/{ref.message}?{asked}"

    # ---- inside

    async def _post(self, place: Place, message: AdaptiveMessage) -> MessageRef:
        """Raises: ChannelError."""
        channel, _, root = place.partition(":")[2].partition("/")
        where = Conversation.at(channel, root)
        async with self._in_turn(channel):
            if not where.is_channel:
                return await self._transport.reply(where, message)
            try:
                return await self._transport.post_root(channel, message)
            except Gone as gone:
                raise Dead(f"the channel does not exist or sayso cannot see it ({gone})") from gone

    @asynccontextmanager
    async def _in_turn(self, conversation: str) -> AsyncIterator[None]:
        """One call that counts. Raises: RetryLater."""
        self._pace.take(conversation)
        try:
            yield
        except SlowDown as slow:
            self._pace.block(conversation, slow.after)
            raise
