"""Answers typed as a reply in a thread: they count only where it is certain what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo

from ...approvals.errors import SaysoError
from ...approvals.people import Place
from ...approvals.request import Request, State
from ...approvals.store import MessageRef, Store, Target, TargetKind, Told
from ...approvals.verdict import Approve, Modify, Reject, RequestId
from ...approvals.watched import can_be_undone
from ...cards.answers import coerce_changes, half_an_answer, typed_answer
from ...cards.spans import Spans, Text
from ...cards.words import answered, refusal
from ..channel import Channel, ChannelError
from ..desk import Desk
from ..hearing import Heard

#: What a typed answer says.
Answer = Approve | Reject | Modify


class TypedAnswers:
    """Counts a typed answer if exactly one open request stands in the thread, drawn before the message."""

    def __init__(self, *, desk: Desk, store: Store, channel: Channel, tz: tzinfo = UTC) -> None:
        self._desk = desk
        self._store = store
        self._channel = channel
        self._tz = tz

    async def hear(self, heard: Heard) -> Spans:
        """Words for whoever typed an answer; empty for everything else, and where nothing of ours stands.

        Raises: StoreDown.
        """
        verdict = typed_answer(heard.text)
        if not heard.is_reply or (verdict is None and not half_an_answer(heard.text)):
            return ()
        found = [await self._desk.request(id) for id in await self._store.standing_in(heard.thread)]
        standing = [request for request in found if not can_be_undone(request)]
        waiting = [request for request in standing if request.state is State.OPEN]
        if verdict is None:
            return (Text(half_an_answer(heard.text, waiting)),) if waiting else ()
        if not waiting:
            return await self._too_late(heard, verdict)
        return (Text(await self._answered(waiting, heard, verdict)),)

    async def _too_late(self, heard: Heard, verdict: Answer) -> Spans:
        """For a settled request: the newest that stood there before the message.

        The desk puts it on record, and knows an answer that was counted and is only delivered again.
        """
        known = [await self._desk.request(id) for id in await self._store.stood_in(heard.thread)]
        seen = [
            request for request in known
            if request.asked and request.state is not State.OPEN and any(
                _stood_before(told, heard.message) for told in await self._cards(request, heard.thread)
            )
        ]  # fmt: skip
        if not seen:
            return ()
        newest = max(seen, key=lambda request: request.ask.opened_at)
        return (Text(await self._count(newest, heard, verdict, shown="")),)

    async def _answered(self, waiting: Sequence[Request], heard: Heard, verdict: Answer) -> str:
        drawn = [(request, told) for request in waiting for told in await self._cards(request, heard.thread)]
        if len(drawn) == 1 and _was_shown(*drawn[0], heard.message):
            card = await self._card_there(heard.thread, drawn[0][0].id)
            if card is not None:
                return await self._count(drawn[0][0], heard, verdict, shown=card.facts.get("digest", ""))
        links = [await self._link(told) for _, told in drawn]
        where = ", ".join(link for link in links if link) or "the card above"
        return f"I cannot be sure which card you mean, so nothing was counted. Please answer on the card: {where}"

    async def _card_there(self, thread: Place, id: RequestId) -> MessageRef | None:
        """The card as Slack has it: what it shows is not for the store to say."""
        try:
            return await self._channel.find_card(thread, id)
        except ChannelError:
            return None

    async def _count(self, request: Request, heard: Heard, verdict: Answer, *, shown: str) -> str:
        try:
            if isinstance(verdict, Modify) and request.state is State.OPEN:
                raw = {name: str(value) for name, value in verdict.changes.items()}
                verdict = replace(verdict, changes=coerce_changes(request.ask.schema, raw))
            done = await self._desk.answer(
                request.id, request.revision, verdict, heard.who, token=heard.token, shown=shown
            )
        except SaysoError as error:
            now = await self._desk.request(request.id)
            return refusal(error, name=self._desk.name, request=now, tz=self._tz)
        return answered(done.request, verdict, self._desk.waits(done))

    async def _cards(self, request: Request, thread: Place) -> list[Told]:
        told = await self._store.all_told(request.id)
        return [
            one for text, one in told.items()
            if Target.parse(text).kind is TargetKind.CARD and one.ref is not None
            and f"{one.ref.platform}:{one.ref.channel}/{one.ref.thread or one.ref.message}" == thread
        ]  # fmt: skip

    async def _link(self, told: Told) -> str:
        assert told.ref is not None
        try:
            return await self._channel.link(told.ref)
        except ChannelError:
            return ""


def _was_shown(request: Request, told: Told, ts: str) -> bool:
    """Whether this revision stood there before the message was sent."""
    said_at = datetime.fromtimestamp(float(ts), UTC)
    return (
        told.revision == request.revision
        and _stood_before(told, ts)
        and told.at is not None and told.at < said_at
    )  # fmt: skip


def _stood_before(told: Told, ts: str) -> bool:
    assert told.ref is not None
    return float(told.ref.message) < float(ts)
