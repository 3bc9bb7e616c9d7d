"""Web API methods that post, change and read messages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

from ..loopback import Json
from .arguments import Arguments
from .limits import TEXT_CHARACTERS
from .places import BOT_USER_ID, TEAM_DOMAIN
from .screen import Message, blocks_with_ids
from .workspace import SlackError, Workspace, check_content, checked_metadata

#: Answers one call; what it returns is sent with `ok: true`.
Method = Callable[[Workspace, Arguments], Json]


def post_message(workspace: Workspace, given: Arguments) -> Json:
    channel = _channel_to_write(workspace, given)
    metadata = given.object("metadata") if "metadata" in given else None
    message = workspace.bot_message(
        channel, given.text("text"), given.blocks(), thread_ts=given.text("thread_ts"), metadata=metadata
    )
    workspace.post(message)
    return {"channel": channel, "ts": message.ts, "message": message.as_json(with_metadata=True)}


def post_ephemeral(workspace: Workspace, given: Arguments) -> Json:
    channel, user = _channel_to_write(workspace, given), given.required("user")
    if user not in workspace.channels[channel].members:
        raise SlackError("user_not_in_channel")
    message = workspace.bot_message(
        channel, given.text("text"), given.blocks(), thread_ts=given.text("thread_ts"), ephemeral_to=user
    )
    workspace.post(message)
    return {"message_ts": message.ts}


def update(workspace: Workspace, given: Arguments) -> Json:
    message = _own_message(workspace, given, "cant_update_message")
    blocks = given.blocks() if "blocks" in given else message.blocks
    text = given.text("text") if "text" in given else message.text
    check_content(text, blocks)
    if "metadata" in given:
        message.metadata = checked_metadata(given.object("metadata"))
    message.text, message.blocks = text, blocks_with_ids(blocks)
    message.edits += 1
    return {"channel": message.channel, "ts": message.ts, "text": text, "message": message.as_json()}


def delete(workspace: Workspace, given: Arguments) -> Json:
    message = _own_message(workspace, given, "cant_delete_message")
    message.deleted = True
    return {"channel": message.channel, "ts": message.ts}


def get_permalink(workspace: Workspace, given: Arguments) -> Json:
    message = _readable_message(workspace, given, "message_ts")
    link = f"https://{TEAM_DOMAIN}.slack.com/archives/{message.channel}/p{message.ts.replace('.', '')}"
    if message.thread_ts not in ("", message.ts):
        link += f"?thread_ts={message.thread_ts}&cid={message.channel}"
    return {"channel": message.channel, "permalink": link}


def add_reaction(workspace: Workspace, given: Arguments) -> Json:
    message, name = _readable_message(workspace, given, "timestamp"), given.required("name")
    users = message.reactions.setdefault(name, [])
    if BOT_USER_ID in users:
        raise SlackError("already_reacted")
    users.append(BOT_USER_ID)
    return {}


def history(workspace: Workspace, given: Arguments) -> Json:
    channel = _joined_channel(workspace, given)
    roots = [one for one in workspace.timeline(channel) if one.thread_ts in ("", one.ts)]
    return _listed(roots[::-1], given)


def replies(workspace: Workspace, given: Arguments) -> Json:
    channel, ts = _joined_channel(workspace, given), given.required("ts")
    root = workspace.message(channel, ts)
    if root is None:
        raise SlackError("thread_not_found")
    first = root.thread_ts or root.ts
    return _listed([one for one in workspace.timeline(channel) if first in (one.ts, one.thread_ts)], given)


def _listed(messages: list[Message], given: Arguments) -> Json:
    """Metadata is shown only to callers who ask for it: as in Slack."""
    oldest, latest = given.text("oldest") or "0", given.text("latest") or "9" * 12
    kept = [one for one in messages if float(oldest) < float(one.ts) < float(latest)]
    page, more = given.page(kept)
    with_metadata = given.flag("include_all_metadata")
    shown = [copy.deepcopy(one.as_json(with_metadata=with_metadata)) for one in page]
    return {"messages": shown, "has_more": bool(more["next_cursor"]), "response_metadata": more}


def _channel_to_write(workspace: Workspace, given: Arguments) -> str:
    named = given.required("channel")
    if len(given.text("text")) > TEXT_CHARACTERS:
        raise SlackError("msg_too_long")
    return workspace.writable_channel(named).id


def _joined_channel(workspace: Workspace, given: Arguments) -> str:
    channel = workspace.visible_channel(given.required("channel"))
    if BOT_USER_ID not in channel.members:
        raise SlackError("not_in_channel")
    return channel.id


def _own_message(workspace: Workspace, given: Arguments, otherwise: str) -> Message:
    channel = workspace.visible_channel(given.required("channel"))
    message = workspace.own_message(channel.id, given.required("ts"), otherwise)
    if channel.is_archived:
        raise SlackError("is_archived")
    if BOT_USER_ID not in channel.members:
        raise SlackError("not_in_channel")
    return message


def _readable_message(workspace: Workspace, given: Arguments, name: str) -> Message:
    channel = workspace.visible_channel(given.required("channel"))
    message = workspace.message(channel.id, given.required(name))
    if message is None:
        raise SlackError("message_not_found")
    return message


CHAT_METHODS: Mapping[str, Method] = {
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
    "reactions.add": add_reaction,
    "conversations.history": history,
    "conversations.replies": replies,
}
