"""What people say to sayso in Teams: from what arrived to what they typed, and back into their thread or chat."""

from __future__ import annotations

import asyncio
import html
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, tzinfo

from ...approvals.errors import AnswerRefused
from ...approvals.people import Identity, Place
from ...approvals.request import Request, State
from ...approvals.store import MessageRef, Store, Target, TargetKind
from ...approvals.verdict import Approve, Modify, ThreadId
from ...approvals.watched import can_be_undone
from ...cards import adaptive
from ...cards.answers import half_an_answer, typed_answer
from ...cards.spans import Link, Row, Spans, Text
from ...cards.words import refusal
from .. import hearing
from ..channel import Channel, ChannelError, Dead, Gone
from ..delivery import Revive
from ..desk import Desk
from ..hearing import Audience, Ear, Heard, Reply, Waiting, Words
from .port import PLATFORM, Added, Conversation, Removed, Said, Transport

log = logging.getLogger(__name__)

#: How long Teams' delivery waits, in seconds, while we say something back; it gives up after fifteen.
PATIENCE = 5.0
#: So many conversations are remembered as greeted.
MOST_GREETED = 1_000

HELP = f"{hearing.HELP}Cards are answered with their own buttons."
GREETING = (
    "I am sayso, and nothing consequential happens without someone's say-so: mention me and say what you need done, "
    "or “help”."
)
_NOBODY = "Teams does not tell me whose account this message comes from, so I do nothing about it."
_CANNOT_SAY = "cannot write to you alone: the app has to be added to a chat of your own. "
_NOT_LISTED = f"What waits for you is for you alone, and I {_CANNOT_SAY}Then ask me there."
_NOT_COUNTED = (
    "Nothing was counted: in Teams a card is answered with its own buttons. Please press one on the card"
)

_NOTHING_WAITS = (
    "Nothing in this chat waits for an answer any more, so nothing was counted and nothing was begun."
)

_MENTION = re.compile(r"<at(?:\s[^<>]*)?>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li)>|\r\n?", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:at|a|b|blockquote|code|div|em|i|li|ol|p|pre|s|span|strong|u|ul)(?:\s[^<>]*)?>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)
_GAP = re.compile(r"(?<=\S)[ \t\xa0]+")


class TeamsHearing:
    """Hears messages, and coming and going."""

    def __init__(
        self, *, desk: Desk, store: Store, channel: Channel, transport: Transport,
        revive: Revive, tz: tzinfo = UTC,
    ) -> None:  # fmt: skip
        """Take `revive`, which tries once more what was dead in some conversations."""
        self._desk = desk
        self._store = store
        self._channel = channel
        self._transport = transport
        self._revive = revive
        self._tz = tz
        self._ear = Ear(desk=desk, answering=self._answering, help=HELP, tz=tz)
        self._greeted: dict[str, None] = {}

    async def hear(self, said: Said) -> None:
        """Do what somebody asks us for. Raises: StoreDown (Teams tries again)."""
        is_bot = said.sender.id.startswith("28:")
        if not said.to_bot or is_bot or not said.ref.message:
            return
        if not said.sender.object_id:  # anonymous guests of a meeting
            await self._say_back(said, hearing.words(_NOBODY, Audience.THREAD))
            return
        reply = await self._ear.mentioned(_heard(said))
        if reply is not None:
            await self._say_back(said, reply)

    async def added(self, added: Added) -> None:
        """We may write here again: bring what was dead, and say once who we are. Raises: StoreDown."""
        place = Place(f"{PLATFORM}:{added.ref.channel}")
        # Put into a team we hear of its first channel only: any other one may be in that team.
        here = Conversation.parse(added.ref.channel).in_team
        revived = await self._revive(_in_a_team if here else place.__eq__)
        log.info("teams.added place=%s revived=%d", place, revived)
        if added.ref.channel not in self._greeted:
            self._greeted[added.ref.channel] = None
            if len(self._greeted) > MOST_GREETED:
                del self._greeted[next(iter(self._greeted))]
            await self._attempt(place, self._channel.say(place, [Row("", (Text(GREETING),))]))

    async def removed(self, removed: Removed) -> None:
        """We may not write here any more; each card notices by itself."""
        log.warning("teams.removed place=%s:%s", PLATFORM, removed.ref.channel)

    # ---- answers that were typed

    async def _answering(self, heard: Heard) -> Spans:
        """Where the card is, for somebody who typed an answer to it."""
        # Never counted: Teams lets no bot read its card back, so nothing but the store, which is not trusted with
        # it, could say what stood there when this was typed. A button carries that itself.
        if typed_answer(heard.text) is None and not half_an_answer(heard.text):
            return ()
        where = _conversation(heard.thread)
        standing = [(one, ref) for one in await self._near(where) for ref in await self._cards(one, where)]
        waiting = [ref for request, ref in standing if request.state is State.OPEN]
        if not waiting:
            settled = [one for one, _ in standing]
            if not where.root and not settled and isinstance(typed_answer(heard.text), Approve | Modify):
                return (Text(_NOTHING_WAITS),)  # closed cards of a chat have no address to be found by
            if where.root and typed_answer(heard.text) is not None:
                ids = await self._store.stood_in(_place(where))
                settled = [one for id in ids if (one := await self._desk.request(id)).asked]
            return await self._too_late(settled, heard)
        if not where.root:  # messages of a chat have no address
            return (Text(f"{_NOT_COUNTED} above."),)
        links = [Link(await self._channel.link(ref)) for ref in waiting]
        spans = [span for link in links for span in (Text(", "), link)][1:]
        return (Text(f"{_NOT_COUNTED}: "), *spans)

    async def _too_late(self, settled: Sequence[Request], heard: Heard) -> Spans:
        """Who was faster, and the refusal on record: of several the newest is meant."""
        if not settled:
            return ()
        newest = max(settled, key=lambda request: request.ask.opened_at)
        try:
            await self._desk.still_asked(newest.id, newest.revision, heard.who, token=heard.token)
        except AnswerRefused as error:
            return (Text(refusal(error, name=self._desk.name, request=newest, tz=self._tz)),)
        return ()

    async def _near(self, where: Conversation) -> list[Request]:
        """Requests, not closed, of which a card may stand there; a chat is one long thread."""
        if not where.root:
            return [one for one in await self._store.live() if not can_be_undone(one)]
        ids = await self._store.standing_in(_place(where))
        found = [await self._desk.request(id) for id in ids]
        return [one for one in found if not can_be_undone(one)]

    async def _cards(self, request: Request, where: Conversation) -> list[MessageRef]:
        told = await self._store.all_told(request.id)
        cards = [one.ref for text, one in told.items() if Target.parse(text).kind is TargetKind.CARD]
        return [
            ref for ref in cards
            if ref is not None and ref.platform == PLATFORM and Conversation.at(ref.channel, ref.thread) == where
        ]  # fmt: skip

    # ---- saying something back

    async def _say_back(self, said: Said, reply: Reply) -> None:
        """In the thread, or where only whoever spoke can read it."""
        here = _thread(said.ref)
        match reply:
            case Words(spans, Audience.ALONE):
                await self._attempt(here, self._alone(said, lambda chat: self._says(chat, spans), spans))
            case Words(spans):
                await self._attempt(here, self._says(here, spans))
            case Waiting(requests):
                listed = await asyncio.to_thread(
                    adaptive.pending, requests, name=self._desk.name, tz=self._tz
                )

                async def lists(chat: Place) -> None:
                    await self._transport.reply(_conversation(chat), listed)

                await self._attempt(here, self._alone(said, lists, (Text(_NOT_LISTED),)))

    async def _alone(self, said: Said, say: Callable[[Place], Awaitable[None]], instead: Spans) -> None:
        """In the personal chat; where there is none, `instead` stands in the thread. Raises: ChannelError."""
        here = _thread(said.ref)
        if _conversation(here).is_personal:  # this is it
            return await say(here)
        try:
            await say(await self._channel.direct(said.sender.object_id))
        except (Dead, Gone):
            await self._says(here, instead)

    async def _says(self, place: Place, spans: Spans) -> None:
        await self._channel.say(place, [Row("", spans)])

    async def _attempt(self, place: Place, saying: Awaitable[object]) -> None:
        """What is done is done, whether or not it can be said."""
        try:
            async with asyncio.timeout(PATIENCE):
                await saying
        except (ChannelError, TimeoutError):
            log.warning("teams.not_said place=%s", place, exc_info=True)


def typed(text: str) -> str:
    """What the person typed: Teams' own markup of paragraphs, mentions and characters taken off again."""
    bare = _TAG.sub("", _BREAK.sub("\n", _MENTION.sub("@", text)))
    plain = _ENTITY.sub(lambda found: html.unescape(found[0]), bare).replace("\xa0", " ")
    return "\n".join(_GAP.sub(" ", line).rstrip() for line in plain.split("\n")).strip()


def _heard(said: Said) -> Heard:
    ref = said.ref
    tenant = ref.facts["tenant"]
    return Heard(
        text=typed(said.text), thread=_thread(ref), message=ref.message, is_reply=ref.thread != ref.message,
        run=ThreadId(f"{PLATFORM}:{tenant}:{ref.channel}:{ref.message}"),
        who=Identity(platform=PLATFORM, tenant=tenant, user=said.sender.object_id), token=said.token,
    )  # fmt: skip


def _thread(ref: MessageRef) -> Place:
    return Place(f"{PLATFORM}:{ref.channel}/{ref.thread}")


def _conversation(place: Place) -> Conversation:
    channel, _, root = place.partition(":")[2].partition("/")
    return Conversation.at(channel, root)


def _place(where: Conversation) -> Place:
    return Place(f"{PLATFORM}:{where.channel}/{where.root}")


def _in_a_team(place: Place) -> bool:
    platform, _, channel = place.partition(":")
    return platform == PLATFORM and Conversation.parse(channel).in_team
