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

from ...approvals.people import Identity, Place
from ...approvals.verdict import ThreadId
from ...cards import blockkit
from ...cards.escape import unescaped
from ...cards.richtext import Block
from ...cards.spans import Row
from .. import hearing
from ..delivery import Revive
from ..desk import Desk
from ..hearing import Audience, Ear, Heard, Waiting, Words
from .screens import SLACK_FAILED
from .typed_answers import TypedAnswers

log = logging.getLogger(__name__)

HELP = (
    f"{hearing.HELP}On a card you can press a button, or reply in its thread: "
    "approve, reject and why, or modify name=value."
)
_MARKUP = re.compile(r"<(?:(?:https?|mailto|tel)[^>|]*)\|([^>]*)>|<((?:https?|mailto):[^>|]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is said back: to one person only (`whisper`), or to everybody in the thread."""

    text: str
    blocks: tuple[Block, ...]
    whisper: bool


class Hearing:
    """Handles `app_mention`, `message` and `member_joined_channel` events."""

    def __init__(
        self, *, desk: Desk, typed: TypedAnswers, bot_user: str, revive: Revive,
        tz: tzinfo = UTC,
    ) -> None:  # fmt: skip
        """Take `revive`, which tries once more what was dead in a channel."""
        self._desk = desk
        self._ear = Ear(desk=desk, answering=typed.hear, help=HELP, tz=tz)
        self._bot_user = bot_user
        self._revive = revive
        self._tz = tz

    async def hear(self, body: Mapping[str, Any], token: str) -> Reply | None:
        """Do what an event asks for; what to say back, if anything. Raises: StoreDown (Slack tries again)."""
        event = body.get("event") or {}
        if event.get("type") == "member_joined_channel" and event.get("user") == self._bot_user:
            place = Place(f"slack:{event.get('channel')}")
            log.info("slack.joined place=%s revived=%d", place, await self._revive(place.__eq__))
            return None
        if event.get("bot_id") or event.get("subtype") or not all(map(event.get, ("user", "ts", "channel"))):
            return None  # bots (ourselves among them), edits, joins
        text = _plain(str(event.get("text") or ""))
        match event.get("type"):
            case "app_mention":
                words = " ".join(text.replace(f"<@{self._bot_user}>", " ").split(" ")).strip()
                return self._drawn(await self._ear.mentioned(_heard(words, event, body, token)))
            case "message":
                # A direct message is meant for us; a reply in a thread there may be a remark.
                alone = event.get("channel_type") == "im" and not event.get("thread_ts")
                listen = self._ear.mentioned if alone else self._ear.overheard
                return self._drawn(await listen(_heard(text, event, body, token)))
        return None

    def _drawn(self, reply: hearing.Reply | None) -> Reply | None:
        match reply:
            case None:
                return None
            case Waiting(waiting):
                blocks = blockkit.pending_blocks(waiting, name=self._desk.name, tz=self._tz)
                return Reply(text=f"{len(waiting)} wait for your answer", blocks=blocks, whisper=True)
            case Words(spans, audience):
                message = blockkit.say((Row("", spans),))
                whisper = audience is not Audience.THREAD
                return Reply(text=message.text, blocks=message.blocks, whisper=whisper)


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


def _heard(text: str, event: Mapping[str, Any], body: Mapping[str, Any], token: str) -> Heard:
    channel, ts, thread = str(event["channel"]), str(event["ts"]), event.get("thread_ts")
    return Heard(
        text=text, thread=Place(f"slack:{channel}/{thread or ts}"), message=ts, is_reply=bool(thread),
        run=ThreadId(f"slack:{body.get('team_id', '')}:{channel}:{ts}"), who=_who(event, body), token=token,
    )  # fmt: skip


def _plain(text: str) -> str:
    """What the person typed: Slack's own markup of links and addresses taken off again."""
    return unescaped(_MARKUP.sub(lambda found: found[1] or found[2].removeprefix("mailto:"), text)).strip()


def _who(event: Mapping[str, Any], body: Mapping[str, Any]) -> Identity:
    tenant = event.get("user_team") or event.get("team") or body.get("team_id") or ""
    return Identity(platform="slack", tenant=str(tenant), user=str(event["user"]))
