"""Where a person reads the answer to a click: whispered beside the card, or in the modal in front of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from ...cards.blockkit import say
from ...cards.escape import chunks
from ...cards.spans import Row, Span, Text

log = logging.getLogger(__name__)

View = Mapping[str, Any]

#: What a call to Slack may raise while somebody waits; there is nobody else to tell.
SLACK_FAILED = (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError, OSError)

_CAME_TOO_LATE = "Slack closed the door before I could open a form. Please click once more."


class Screen(Protocol):
    """What a person looks at."""

    async def open(self) -> None:
        """Get ready to show a view, before anything slow is asked."""
        ...

    async def show(self, view: View) -> None:
        """Show a view."""
        ...

    async def tell(self, words: str, *more: Span) -> None:
        """Show words, and whatever else can be shown beside them."""
        ...


class OnMessage:
    """A click on a card: words are whispered, views open as a modal."""

    def __init__(self, client: AsyncWebClient, respond: AsyncRespond, body: Mapping[str, Any]) -> None:
        self._client = client
        self._respond = respond
        self._trigger = str(body.get("trigger_id", ""))
        self._thread = str((body.get("container") or {}).get("thread_ts") or "")
        self._opened: View | None = None

    async def open(self) -> None:
        """Open a small modal at once: the right to open one lasts three seconds."""
        try:
            answer = await self._client.views_open(
                trigger_id=self._trigger, view=dict(words_view("One moment", "Loading…"))
            )
        except SLACK_FAILED:
            log.warning("slack.modal_not_opened", exc_info=True)
            await self.tell(_CAME_TOO_LATE)
            return
        self._opened = answer["view"]

    async def show(self, view: View) -> None:
        """Fill the modal, unless it was closed or changed meanwhile."""
        if self._opened is not None:
            await update_view(self._client, view, id=self._opened["id"], hash=self._opened["hash"])

    async def tell(self, words: str, *more: Span) -> None:
        """In the modal that was opened for them, or whispered."""
        if self._opened is not None:
            await self.show(words_view("sayso", words))
            return
        message = say((Row("", (Text(words), *more)),))
        there: dict[str, Any] = {"thread_ts": self._thread} if self._thread else {}
        try:
            await self._respond(
                text=message.text, blocks=list(message.blocks), response_type="ephemeral", replace_original=False, **there
            )  # fmt: skip
        except SLACK_FAILED:
            log.warning("slack.not_told", exc_info=True)


class InView:
    """A click inside a modal: the modal itself changes."""

    def __init__(self, client: AsyncWebClient, view: View) -> None:
        self._client = client
        self._view = view

    async def open(self) -> None:
        """It is open already."""

    async def show(self, view: View) -> None:
        """Replace what it shows."""
        await update_view(self._client, view, id=self._view["id"], hash=self._view["hash"])

    async def tell(self, words: str, *more: Span) -> None:
        """Replace what it shows by words."""
        await self.show(words_view("sayso", words))


async def update_view(client: AsyncWebClient, view: View, *, id: str, hash: str = "") -> None:
    """Show something else in a modal; one that was closed meanwhile is left alone."""
    more = {"hash": hash} if hash else {}
    try:
        await client.views_update(view_id=id, view=dict(view), **more)
    except SLACK_FAILED:
        log.warning("slack.modal_not_updated", exc_info=True)


def words_view(title: str, words: str) -> View:
    """A modal that only says something."""
    blocks = [
        {"type": "section", "text": {"type": "plain_text", "text": piece, "emoji": False}}
        for piece in chunks(words or "…", 2_900)[:20]
    ]
    return {
        "type": "modal", "callback_id": "sayso.words", "title": {"type": "plain_text", "text": title[:24]},
        "close": {"type": "plain_text", "text": "Close"}, "blocks": blocks,
    }  # fmt: skip
