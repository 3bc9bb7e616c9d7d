"""Slack as a channel: cards and words go out, failures come back by name; nothing here waits for its turn."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from ...approvals.people import Place
from ...approvals.store import MessageRef
from ...approvals.verdict import RequestId
from ...cards import blockkit
from ...cards.card import Card
from ...cards.richtext import Account, Members, no_account, no_members
from ...cards.spans import Row
from ..channel import ChannelError, Dead
from ..fresh import Fresh
from .failures import SlowDown, failure
from .pace import Pace

#: How long we believe that a channel is not shared with outsiders.
_SHARED_FRESH = timedelta(minutes=1)


#: The SDK's client, for those who only hand it on.
SlackClient = AsyncWebClient


def slack_client(token: str, *, base_url: str = "https://slack.com/api/") -> SlackClient:
    """A client that tries once: a message repeated after a lost answer would stand there twice."""
    return AsyncWebClient(token=token, base_url=base_url, timeout=10, retry_handlers=[])


class SlackChannel:
    """A `Channel` over the Web API."""

    def __init__(
        self, client: AsyncWebClient, *, account: Account = no_account, members: Members = no_members,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Take `account`, a person's Slack user id, and `members`, the Slack ids of an approver set."""
        self._client = client
        self._account = account
        self._members = members
        self._pace = Pace(monotonic)
        self._shared = Fresh(self._ask_shared, max_age=_SHARED_FRESH, monotonic=monotonic)
        self._direct: dict[str, str] = {}

    async def post_card(self, place: Place, card: Card) -> MessageRef:
        """Post a card. Raises: Dead (in a channel shared with outsiders too), Gone, RetryLater, Unclear."""
        channel, _ = _split(place)
        if await self._shared.get(channel):
            raise Dead("the channel is shared with people outside this workspace")
        return await self._post(place, blockkit.message(card, account=self._account))

    async def update_card(self, ref: MessageRef, card: Card) -> None:
        """Redraw a card. Raises: Gone, Dead, RetryLater, Unclear."""
        drawn = blockkit.message(card, account=self._account)
        self._pace.take("chat.update", ref.message)
        await self._call(
            "chat.update",
            self._client.chat_update(
                channel=ref.channel, ts=ref.message, text=drawn.text, blocks=drawn.blocks,
                metadata=drawn.metadata, parse="none",
            ),
        )  # fmt: skip

    async def find_card(self, place: Place, request: RequestId) -> MessageRef | None:
        """The newest card of this request in a place. Raises: Dead, RetryLater, Unclear."""
        channel, thread = _split(place)
        if thread:
            method, call = "conversations.replies", self._client.conversations_replies(
                channel=channel, ts=thread, limit=200, include_all_metadata=True
            )  # fmt: skip
        else:
            method, call = "conversations.history", self._client.conversations_history(
                channel=channel, limit=100, include_all_metadata=True
            )  # fmt: skip
        found = [one for one in (await self._call(method, call)).get("messages", []) if _shows(one, request)]
        newest = max(found, key=lambda one: str(one["ts"]), default=None)
        return replace(_ref(channel, str(newest["ts"]), thread), facts=_shown(newest)) if newest else None

    async def say(self, place: Place, words: Sequence[Row]) -> MessageRef:
        """Say something. Raises: Gone, Dead, RetryLater, Unclear."""
        return await self._post(place, blockkit.say(words, account=self._account, members=self._members))

    async def direct(self, account: str) -> Place:
        """The direct conversation with an account. Raises: Dead, RetryLater, Unclear."""
        if account not in self._direct:
            call = self._client.conversations_open(users=account)
            answer = await self._call("conversations.open", call)
            self._direct[account] = str(answer["channel"]["id"])
        return Place(f"slack:{self._direct[account]}")

    async def link(self, ref: MessageRef) -> str:
        """The https address of a message. Raises: Gone, Dead, RetryLater, Unclear."""
        call = self._client.chat_getPermalink(channel=ref.channel, message_ts=ref.message)
        return str((await self._call("chat.getPermalink", call))["permalink"])

    # ---- inside

    async def _post(self, place: Place, message: blockkit.SlackMessage) -> MessageRef:
        channel, thread = _split(place)
        self._pace.take("chat.postMessage", channel)
        more: dict[str, Any] = {"metadata": message.metadata} if message.metadata else {}
        if thread:
            more["thread_ts"] = thread
        answer = await self._call(
            "chat.postMessage",
            self._client.chat_postMessage(
                channel=channel, text=message.text, blocks=message.blocks, unfurl_links=False, unfurl_media=False,
                parse="none", **more,
            ),
        )  # fmt: skip
        return _ref(str(answer["channel"]), str(answer["ts"]), thread)

    async def _ask_shared(self, channel: str) -> bool:
        if channel.startswith("D"):
            return False
        answer = await self._call("conversations.info", self._client.conversations_info(channel=channel))
        about = answer["channel"]
        return bool(about.get("is_ext_shared") or about.get("is_pending_ext_shared"))

    async def _call(self, method: str, call: Awaitable[Any]) -> Mapping[str, Any]:
        """The answer's body. Raises: ChannelError."""
        try:
            answer = await call
        except (TimeoutError, SlackApiError, SlackClientError, aiohttp.ClientError, OSError) as error:
            raise self._named(method, error) from error
        body: Mapping[str, Any] = answer.data
        return body

    def _named(self, method: str, error: Exception) -> ChannelError:
        named = failure(error)
        if isinstance(named, SlowDown):
            self._pace.block(method, named.after)
        return named


def _split(place: Place) -> tuple[str, str]:
    """Channel and thread of "slack:C12/1699.01"."""
    channel, _, thread = place.partition(":")[2].partition("/")
    return channel, thread


def _ref(channel: str, message: str, thread: str) -> MessageRef:
    return MessageRef(platform="slack", channel=channel, message=message, thread=thread or message)


def _shown(message: Mapping[str, Any]) -> Mapping[str, str]:
    """The digest of what stands on a card, as Slack itself keeps it."""
    digest = message["metadata"]["event_payload"].get("digest")
    return {"digest": digest} if isinstance(digest, str) else {}


def _shows(message: Mapping[str, Any], request: RequestId) -> bool:
    metadata = message.get("metadata") or {}
    return bool((metadata.get("event_payload") or {}).get("request") == request)
