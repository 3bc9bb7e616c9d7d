"""What one person has on their screen in Slack, as JSON; nothing that they could not see there."""

from __future__ import annotations

from ..loopback import Json
from ..slack import Message, Slack, View
from ..slack.person import Person
from ..slack.places import BOT_USER_ID, Channel
from ..slack.workspace import Workspace
from .recent import newest_threads

NOTHING: Json = {
    "me": "", "users": {}, "groups": {}, "channel_names": {}, "channels": [], "messages": {}, "modal": None,
    "home": None,
}  # fmt: skip


def slack_screen(slack: Slack, name: str) -> Json:
    """For somebody who can use Slack; called on the workplace's loop, where Slack lives."""
    person, workspace = slack.person(name), slack.workspace
    channels = channels_of(person, workspace)
    return {
        "me": person.id,
        "users": {user.id: user.real_name for user in workspace.users.values()},
        "groups": {group.id: group.handle for group in workspace.groups.values()},
        "channel_names": {
            one.id: one.name for one in workspace.channels.values()
            if not one.with_user and (not one.is_private or person.id in one.members)
        },
        "channels": [_channel(one) for one in channels],
        "messages": {one.id: _messages(person, workspace, one.id) for one in channels},
        "modal": _modal(person.modal),
        "home": {"id": person.home.id, "blocks": person.home.blocks} if person.home else None,
    }  # fmt: skip


def channels_of(person: Person, workspace: Workspace) -> list[Channel]:
    """Where they are a member, and at the end their chat with the bot, begun or not."""
    joined = [one for one in workspace.channels.values() if person.id in one.members and not one.with_user]
    chat = Channel(id=f"D{person.id[1:]}", members={BOT_USER_ID, person.id}, with_user=person.id)
    return [*joined, chat]


def _channel(channel: Channel) -> Json:
    if channel.with_user:
        return {"id": channel.id, "name": "sayso", "direct": True, "writable": True}
    return {"id": channel.id, "name": f"#{channel.name}", "writable": not channel.is_archived}


def _messages(person: Person, workspace: Workspace, channel: str) -> list[Json]:
    whispered = [one for one in person.ephemerals if one.channel == channel and not one.deleted]
    seen = sorted([*workspace.timeline(channel), *whispered], key=lambda one: one.ts)
    return [_message(one, workspace) for one in newest_threads(seen, lambda one: one.thread_ts or one.ts)]


def _message(message: Message, workspace: Workspace) -> Json:
    user = workspace.users[message.user]
    return {
        "ts": message.ts, "thread_ts": message.thread_ts, "user": message.user, "name": user.real_name,
        "app": bool(message.bot_id), "text": message.text, "blocks": message.blocks,
        "ephemeral": bool(message.ephemeral_to), "edited": message.edits, "at": float(message.ts),
    }  # fmt: skip


def _modal(view: View | None) -> Json | None:
    if view is None:
        return None
    return {
        "id": view.id, "title": view.title, "submit": _words(view, "submit"), "close": _words(view, "close"),
        "blocks": view.blocks, "values": view.values(), "errors": dict(view.errors), "depth": _depth(view),
    }  # fmt: skip


def _words(view: View, button: str) -> str | None:
    text = view.content.get(button)
    return None if text is None else str(text["text"])


def _depth(view: View) -> int:
    return 1 if view.previous is None else 1 + _depth(view.previous)
