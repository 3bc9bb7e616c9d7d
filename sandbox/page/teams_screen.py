"""What one person has on their screen in Teams, as JSON; nothing that they could not see there."""

from __future__ import annotations

from ..loopback import Json
from ..teams import Dialog, Message, Teams
from ..teams.places import Channel, User
from ..teams.tenant import BOT_NAME, Tenant
from .recent import newest_threads

NOTHING: Json = {"me": "", "channels": [], "messages": {}, "dialog": None}


async def teams_screen(teams: Teams, name: str) -> Json:
    """For somebody who can use Teams; called on Microsoft's thread, where Teams lives."""
    tenant, user = teams.tenant, teams.tenant.users[name]
    channels = channels_of(user, tenant)
    return {
        "me": user.id,
        "channels": [_channel(one) for one in channels],
        "messages": {one.id: _messages(user, tenant, one) for one in channels},
        "dialog": _dialog(tenant.dialogs.get(name)),
    }


def channels_of(user: User, tenant: Tenant) -> list[Channel]:
    """The channels of their teams, and at the end their chat with the bot where they have it."""
    joined = [
        one for one in tuple(tenant.channels.values())
        if one.team is not None and one.id != one.team.id and user.name in one.team.members
    ]  # fmt: skip
    return [*joined, tenant.personal_chat(user)] if user.bot_installed else joined


def _channel(channel: Channel) -> Json:
    if channel.team is None:
        return {"id": channel.id, "name": BOT_NAME, "direct": True, "writable": True}
    return {
        "id": channel.id, "team": channel.team.name, "name": channel.name, "writable": not channel.team.archived,
    }  # fmt: skip


def _messages(user: User, tenant: Tenant, channel: Channel) -> list[Json]:
    seen = newest_threads(tenant.timeline(channel), lambda one: one.root or one.id)
    return [_message(one, user, tenant) for one in seen]


def _message(message: Message, user: User, tenant: Tenant) -> Json:
    from_bot, sheet = message.sender == tenant.bot_id, message.sheets.get(user.name)
    sender = tenant.user_with_id(message.sender)
    return {
        "id": message.id, "root": message.root, "sender": message.sender,
        "name": BOT_NAME if from_bot or sender is None else sender.real_name, "app": from_bot,
        "text": message.text, "mentions": [one["text"] for one in message.entities if one.get("type") == "mention"],
        "card": message.card_for(user.name), "typed": dict(sheet.typed) if sheet else {},
        "errors": dict(sheet.errors) if sheet else {}, "edited": message.edits, "at": int(message.id) / 1000,
    }  # fmt: skip


def _dialog(dialog: Dialog | None) -> Json | None:
    if dialog is None or not dialog.open:
        return None
    return {
        "id": dialog.id, "title": dialog.title, "card": dialog.card, "typed": dict(dialog.sheet.typed),
        "errors": dict(dialog.errors),
    }  # fmt: skip
