"""What people say to sayso: a mention starts a run or lists what waits; a reply in a card's thread may be an answer.

What must not be lost is done before Slack gets its acknowledgement, so that a crash makes Slack send the event
again; what is said back comes after it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from ...approvals.crash import crash_point
from ...approvals.errors import SaysoError, StoreDown
from ...approvals.people import Identity, Place
from ...approvals.verdict import ThreadId
from ...cards import blockkit
from ...cards.answers import half_an_answer, typed_answer
from ...cards.escape import unescaped
from ...cards.richtext import Block
from ...cards.spans import Row, Text
from ...cards.words import refusal
from ..desk import Desk
from .screens import SLACK_FAILED
from .typed_answers import Typed, TypedAnswers

log = logging.getLogger(__name__)

HELP = (
    "Mention me and say what you need done; I ask the right people before anything consequential happens. "
    "“pending” lists what waits for your answer. On a card you can press a button, or reply in its thread: "
    "approve, reject and why, or modify name=value."
)
_STARTED = "I am on it. Whatever needs somebody's say-so will be asked, and I report here."
_MARKUP = re.compile(r"<(?:(?:https?|mailto|tel)[^>|]*)\|([^>]*)>|<((?:https?|mailto):[^>|]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is said back: to one person only (`whisper`), or to everybody in the thread."""

    text: str
    blocks: tuple[Block, ...]
    whisper: bool = True


class Hearing:
    """Handles `app_mention` and `message` events."""

    def __init__(self, *, desk: Desk, typed: TypedAnswers, bot_user: str, tz: tzinfo = UTC) -> None:
        self._desk = desk
        self._typed = typed
        self._bot_user = bot_user
        self._tz = tz

    async def hear(self, body: Mapping[str, Any], token: str) -> Reply | None:
        """Do what an event asks for; what to say back, if anything. Raises: StoreDown (Slack tries again)."""
        event = body.get("event") or {}
        if event.get("bot_id") or event.get("subtype") or not event.get("user") or not event.get("ts"):
            return None  # bots (ourselves among them), edits, joins
        text = _plain(str(event.get("text") or ""))
        try:
            match event.get("type"):
                case "app_mention":
                    words = " ".join(text.replace(f"<@{self._bot_user}>", " ").split(" ")).strip()
                    return await self._mentioned(words, event, body, token)
                case "message":
                    return await self._replied(text, event, body, token)
        except StoreDown:
            raise
        except SaysoError as error:
            return _whispered(refusal(error, name=self._desk.name, tz=self._tz))
        return None

    async def _mentioned(
        self, words: str, event: Mapping[str, Any], body: Mapping[str, Any], token: str
    ) -> Reply | None:
        if words.casefold() in ("", "help", "?"):
            return _whispered(HELP)
        if words.casefold() == "pending":
            waiting = await self._desk.pending(_who(event, body))
            blocks = blockkit.pending_blocks(waiting, name=self._desk.name, tz=self._tz)
            return Reply(text=f"{len(waiting)} wait for your answer", blocks=blocks)
        if (reply := await self._replied(words, event, body, token)) is not None:
            return reply
        channel, ts = str(event["channel"]), str(event["ts"])
        started = await self._desk.ask(
            thread=ThreadId(f"slack:{body.get('team_id', '')}:{channel}:{ts}"),
            origin=Place(f"slack:{channel}/{event.get('thread_ts') or ts}"),
            goal=words, who=_who(event, body), token=token,
        )  # fmt: skip
        crash_point("ask-before-ack")
        return _said(_STARTED) if started else None

    async def _replied(
        self, text: str, event: Mapping[str, Any], body: Mapping[str, Any], token: str
    ) -> Reply | None:
        """An answer typed in a thread; None for everything else."""
        thread = event.get("thread_ts")
        verdict = typed_answer(text)
        if not thread:
            return None
        place = Place(f"slack:{event['channel']}/{thread}")
        if verdict is None:
            missing = half_an_answer(text)
            return _whispered(missing) if missing and await self._typed.is_asked_in(place) else None
        typed = Typed(
            verdict=verdict, thread=place, ts=str(event["ts"]),
            who=_who(event, body), token=token,
        )  # fmt: skip
        words = await self._typed.hear(typed)
        return _whispered(words) if words else None


async def say_back(client: AsyncWebClient, reply: Reply, event: Mapping[str, Any]) -> None:
    """Bring a reply to whoever spoke, in the thread they spoke in."""
    there: dict[str, Any] = {
        "channel": str(event["channel"]),
        "thread_ts": str(event.get("thread_ts") or event["ts"]),
    }
    try:
        if reply.whisper:
            thread = there if event.get("thread_ts") else {"channel": there["channel"]}
            await client.chat_postEphemeral(
                user=str(event["user"]), text=reply.text, blocks=list(reply.blocks), **thread
            )
        else:
            await client.chat_postMessage(text=reply.text, blocks=list(reply.blocks), **there)
    except SLACK_FAILED:
        log.warning("slack.not_said channel=%s", there["channel"], exc_info=True)


def _whispered(words: str) -> Reply:
    message = blockkit.say((Row("", (Text(words),)),))
    return Reply(text=message.text, blocks=message.blocks)


def _said(words: str) -> Reply:
    message = blockkit.say((Row("", (Text(words),)),))
    return Reply(text=message.text, blocks=message.blocks, whisper=False)


def _plain(text: str) -> str:
    """What the person typed: Slack's own markup of links and addresses taken off again."""
    return unescaped(_MARKUP.sub(lambda found: found[1] or found[2].removeprefix("mailto:"), text)).strip()


def _who(event: Mapping[str, Any], body: Mapping[str, Any]) -> Identity:
    tenant = event.get("user_team") or event.get("team") or body.get("team_id") or ""
    return Identity(platform="slack", tenant=str(tenant), user=str(event["user"]))
