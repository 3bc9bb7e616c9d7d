"""What the bot sends, checked: activities become messages, or a refusal in Microsoft's words."""

from __future__ import annotations

import json
from collections.abc import Callable

from ..loopback import Json
from .limits import ACTIVITY_BYTES, CARD_TYPE, cautions_of_card, problems_of_card, problems_of_mentions
from .places import Channel
from .screen import Message
from .tenant import TeamsError, Tenant

#: Notes one sentence about what the bot did wrong.
Complain = Callable[[str], None]

_KNOWN = frozenset({
    "type", "id", "timestamp", "localTimestamp", "localTimezone", "channelId", "serviceUrl", "from", "recipient",
    "conversation", "replyToId", "text", "textFormat", "attachments", "attachmentLayout", "entities", "summary",
    "channelData", "locale", "inputHint", "importance", "deliveryMode", "suggestedActions", "membersAdded",
    "membersRemoved", "reactionsAdded", "reactionsRemoved", "listenFor", "textHighlights", "speak", "action",
    "label", "value", "valueType", "name", "relatesTo", "code", "expiration", "semanticAction", "callerId",
})  # fmt: skip


def post(tenant: Tenant, channel: Channel, root: str, activity: Json, complain: Complain) -> str:
    """Add the bot's message; its id, or "" where Teams gives none. Raises: TeamsError."""
    text, card = checked(tenant, channel, activity, complain)
    if activity["type"] == "typing":
        return ""
    if card is not None and text:
        complain("text and card in one activity: Teams splits it and no id comes back")
        _add(tenant, channel, root, {**activity, "text": ""}, card)
        _add(tenant, channel, root, activity, None)
        return ""
    return _add(tenant, channel, root, activity, card).id


def redraw(tenant: Tenant, channel: Channel, id: str, activity: Json, complain: Complain) -> None:
    """Replace what a message of the bot shows. Raises: TeamsError."""
    text, card = checked(tenant, channel, activity, complain)
    if card is not None and text:
        complain("text and card in one activity")
    message = tenant.own_message(channel, id)
    message.redraw(
        text=text,
        card=card,
        entities=activity.get("entities") or [],
        summary=str(activity.get("summary") or ""),
    )


def checked(tenant: Tenant, channel: Channel, activity: Json, complain: Complain) -> tuple[str, Json | None]:
    """Text and card of an activity. Raises: TeamsError."""
    kind = activity.get("type")
    if kind not in ("message", "typing"):
        raise TeamsError("BadSyntax", f"unsupported activity type {kind!r}")
    if unknown := sorted(set(activity) - _KNOWN):
        complain(f"unknown properties of an activity: {', '.join(unknown)}")
    if len(json.dumps(activity, ensure_ascii=False).encode("utf-16-le")) > ACTIVITY_BYTES:
        raise TeamsError("MessageSizeTooBig", "Message size too large.")
    text, card = str(activity.get("text") or ""), _card_of(activity, complain)
    if kind == "message" and not text and card is None:
        raise TeamsError("BadSyntax", "Activity resulted into empty message")
    if card is None:
        mentions = [one for one in activity.get("entities") or [] if one.get("type") == "mention"]
        for problem in problems_of_mentions([text], mentions, "/text"):
            complain(problem)
        _check_mentioned(tenant, channel, mentions, complain)
    else:
        _check_mentioned(tenant, channel, card.get("msteams", {}).get("entities", []), complain)
    return text, card


def checked_card(card: object, complain: Complain) -> Json:
    """A card that Teams draws, with what people would suffer from noted. Raises: TeamsError."""
    problems = problems_of_card(card)
    if problems or not isinstance(card, dict):
        raise TeamsError("BadSyntax", f"card: {'; '.join(problems)}")
    for caution in cautions_of_card(card):
        complain(caution)
    return card


def _card_of(activity: Json, complain: Complain) -> Json | None:
    attachments = activity.get("attachments") or []
    if not attachments:
        return None
    if len(attachments) > 1:
        complain(f"{len(attachments)} attachments where one card is meant")
    if attachments[0].get("contentType") != CARD_TYPE:
        raise TeamsError("BadSyntax", f"unsupported attachment {attachments[0].get('contentType')!r}")
    return checked_card(attachments[0].get("content"), complain)


def _check_mentioned(tenant: Tenant, channel: Channel, mentions: list[Json], complain: Complain) -> None:
    readers = {id for user in tenant.members_of(channel) for id in (user.id, user.aad, user.upn)}
    for mention in mentions:
        id = mention.get("mentioned", {}).get("id")
        if id not in readers | {tenant.bot_id}:
            complain(f"mention of {id!r}, who is no member")


def _add(tenant: Tenant, channel: Channel, root: str, activity: Json, card: Json | None) -> Message:
    id = tenant.new_id()
    return tenant.add(Message(
        conversation=channel.id, id=id, root=(root or id) if channel.team else "", sender=tenant.bot_id,
        text="" if card else str(activity.get("text") or ""), card=card,
        entities=activity.get("entities") or [], summary=str(activity.get("summary") or ""),
    ))  # fmt: skip
