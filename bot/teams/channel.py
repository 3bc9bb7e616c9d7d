"""Teams as a channel: cards and words go out, failures come back by name; nothing here waits for its turn."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from ...approvals.people import PersonId, Place
from ...approvals.store import MessageRef
from ...approvals.verdict import RequestId
from ...cards import adaptive
from ...cards.adaptive import Account, AdaptiveMessage, Mentioned
from ...cards.adaptive_text import no_account
from ...cards.card import Card
from ...cards.spans import Circle, Row, Who
from ..channel import Dead, Gone, RetryLater, Unclear
from ..fresh import Fresh
from .failures import SOON, SlowDown
from .pace import Pace
from .port import PLATFORM, Conversation, Transport

log = logging.getLogger(__name__)

#: How long we believe to know who reads along in a conversation.
_READERS_FRESH = timedelta(minutes=5)
_LINKS = "https://teams.microsoft.com/l"

#: The people of an approver set as it is now: bots in Teams can mention people, but no groups. Raises nothing.
Circles = Callable[[str], Awaitable[Sequence[Mentioned]]]


async def nobody(_: str) -> tuple[Mentioned, ...]:
    """Approver sets are named, and nobody is called."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readers:
    """Who reads along in a conversation: the object ids of our tenant, and whether people of another one do."""

    ours: frozenset[str]
    outsiders: bool


class TeamsChannel:
    """A `Channel` over a transport."""

    def __init__(
        self, transport: Transport, *, tenant: str, account: Account = no_account, circle: Circles = nobody,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Take `account`, a person's Entra object id, and `circle`, whom a mention of an approver set calls.

        Args:
            tenant: Whose people may read cards; a channel where others read along gets none.
        """
        self._transport = transport
        self._tenant = tenant
        self._account = account
        self._circle = circle
        self._pace = Pace(monotonic)
        self._readers = Fresh(self._ask_readers, max_age=_READERS_FRESH, monotonic=monotonic)
        self._direct: dict[str, Place] = {}

    async def post_card(self, place: Place, card: Card) -> MessageRef:
        """Post a card. Raises: Dead (where people of another tenant may read along, too), Gone, RetryLater, Unclear."""
        where = _split(place)
        if not where.is_personal and (await self._readers.get(where.channel)).outsiders:
            raise Dead("it is shared with people of another tenant")
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
        """Say something; whoever cannot read it there is named, and not called. Raises: Gone, Dead, RetryLater, Unclear."""
        spans = [span for row in words for span in row.spans]
        if not any(isinstance(span, Who | Circle) for span in spans):
            return await self._post(place, adaptive.say(words))
        try:
            here = (await self._readers.get(_split(place).channel)).ours
        except Dead:
            log.warning("teams.no_roster place=%s", place)
            here = frozenset()
        called = {
            name: [one for one in await self._circle(name) if one.id in here]
            for name in sorted({span.name for span in spans if isinstance(span, Circle)})
        }

        def account(person: PersonId) -> str:
            id = self._account(person)
            return id if id in here else ""

        return await self._post(place, adaptive.say(words, account=account, members=called.__getitem__))

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

    async def _ask_readers(self, channel: str) -> _Readers:
        """Whoever reads along. Raises: Dead where Teams does not let us ask, RetryLater."""
        try:
            async with self._in_turn(f"members {channel}"):
                members = await self._transport.members(Conversation(channel=channel))
        except Gone as gone:
            raise _nowhere(gone) from gone
        except Unclear as lost:
            raise RetryLater(SOON) from lost  # nothing has been said yet
        ours = [one for one in members if not one.tenant or one.tenant.lower() == self._tenant.lower()]
        return _Readers(
            ours=frozenset(one.object_id for one in ours if one.object_id), outsiders=len(ours) < len(members)
        )

    async def _post(self, place: Place, message: AdaptiveMessage) -> MessageRef:
        """Raises: ChannelError."""
        where = _split(place)
        async with self._in_turn(where.channel):
            if not where.is_channel:
                return await self._reply(where, message)
            try:
                return await self._transport.post_root(where.channel, message)
            except Gone as gone:
                raise _nowhere(gone) from gone

    async def _reply(self, where: Conversation, message: AdaptiveMessage) -> MessageRef:
        """A chat that is gone is asked for anew the next time. Raises: ChannelError."""
        try:
            return await self._transport.reply(where, message)
        except Gone:
            chats = self._direct.items()
            self._direct = {one: chat for one, chat in chats if _split(chat).channel != where.channel}
            raise

    @asynccontextmanager
    async def _in_turn(self, conversation: str) -> AsyncIterator[None]:
        """One call that counts. Raises: RetryLater."""
        self._pace.take(conversation)
        try:
            yield
        except SlowDown as slow:
            self._pace.block(conversation, slow.after)
            raise


def _nowhere(gone: Gone) -> Dead:
    return Dead(f"the channel does not exist or sayso cannot see it ({gone})")


def _split(place: Place) -> Conversation:
    channel, _, root = place.partition(":")[2].partition("/")
    return Conversation.at(channel, root)
