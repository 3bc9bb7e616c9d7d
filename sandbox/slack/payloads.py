"""The JSON that Slack sends to apps, with the keys Slack sends and no others."""

from __future__ import annotations

import secrets
import time

from ..loopback import Json
from .places import APP_ID, BOT_USER_ID, FOREIGN_TEAM_ID, TEAM_DOMAIN, TEAM_ID, Channel, User
from .screen import Message, View, values_of


def block_actions_on_message(
    user: User, message: Message, channel: Channel, action: Json, *, trigger_id: str, response_url: str
) -> Json:
    """A click on something in a message."""
    container: Json = {
        "type": "message", "message_ts": message.ts, "channel_id": message.channel,
        "is_ephemeral": bool(message.ephemeral_to),
    }  # fmt: skip
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return {
        **_envelope("block_actions", user), "trigger_id": trigger_id, "response_url": response_url,
        "container": container, "channel": _channel(channel), "message": message.as_json(),
        "state": {"values": values_of(message.blocks)}, "actions": [_stamped(action)],
    }  # fmt: skip


def block_actions_in_view(user: User, view: View, action: Json, *, trigger_id: str) -> Json:
    """A click on something in a modal or the Home tab."""
    return {
        **_envelope("block_actions", user), "trigger_id": trigger_id,
        "container": {"type": "view", "view_id": view.id}, "view": view.as_json(), "actions": [_stamped(action)],
    }  # fmt: skip


def view_submission(user: User, view: View, *, trigger_id: str) -> Json:
    """Submit was pressed."""
    return {
        **_envelope("view_submission", user), "trigger_id": trigger_id, "view": view.as_json(),
        "response_urls": [],
    }  # fmt: skip


def view_closed(user: User, view: View, *, is_cleared: bool) -> Json:
    """Cancel or the cross was pressed."""
    return {**_envelope("view_closed", user), "view": view.as_json(), "is_cleared": is_cleared}


def message_action(
    user: User, message: Message, channel: Channel, callback_id: str, *, trigger_id: str, response_url: str
) -> Json:
    """A shortcut in a message's menu."""
    return {
        **_envelope("message_action", user), "callback_id": callback_id, "trigger_id": trigger_id,
        "response_url": response_url, "message_ts": message.ts, "channel": _channel(channel),
        "message": message.as_json(with_metadata=True), "action_ts": _now_ts(),
    }  # fmt: skip


def event_callback(event: Json) -> Json:
    """The envelope of an event."""
    authorization = {
        "enterprise_id": None, "team_id": TEAM_ID, "user_id": BOT_USER_ID, "is_bot": True,
        "is_enterprise_install": False,
    }  # fmt: skip
    return {
        "type": "event_callback", "token": "unused", "team_id": TEAM_ID, "api_app_id": APP_ID,
        "event_id": f"Ev{secrets.token_hex(5).upper()}", "event_time": int(time.time()),
        "authorizations": [authorization], "is_ext_shared_channel": False, "event_context": secrets.token_hex(8),
        "event": event,
    }  # fmt: skip


def bot_joined(channel: Channel) -> Json:
    """`member_joined_channel`, of the app's own user."""
    return {
        "type": "member_joined_channel", "user": BOT_USER_ID, "channel": channel.id, "channel_type": "C",
        "team": TEAM_ID, "event_ts": f"{time.time():.6f}",
    }  # fmt: skip


def message_event(kind: str, message: Message, channel: Channel, team_id: str) -> Json:
    """`message` or `app_mention`."""
    event: Json = {
        "type": kind, "user": message.user, "text": message.text, "ts": message.ts, "channel": message.channel,
        "event_ts": message.ts, "team": team_id, "client_msg_id": secrets.token_hex(16),
    }  # fmt: skip
    if kind == "message":
        event["channel_type"] = channel.kind
    if message.bot_id:
        event |= {"bot_id": message.bot_id} | ({"subtype": "bot_message"} if kind == "message" else {})
    if message.thread_ts:
        event |= {"thread_ts": message.thread_ts}
    return event


def app_home_opened(user: User, home: View | None) -> Json:
    """The person looks at the app's Home tab."""
    event: Json = {
        "type": "app_home_opened", "user": user.id, "channel": f"D{user.id[1:]}", "tab": "home",
        "event_ts": _now_ts(),
    }  # fmt: skip
    return event if home is None else {**event, "view": home.as_json()}


def _envelope(kind: str, user: User) -> Json:
    return {
        "type": kind, "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN}, "enterprise": None,
        "is_enterprise_install": False, "api_app_id": APP_ID, "token": "unused",
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": _team_of(user)},
    }  # fmt: skip


def _team_of(user: User) -> str:
    return FOREIGN_TEAM_ID if user.is_stranger else user.team_id


def _channel(channel: Channel) -> Json:
    return {"id": channel.id, "name": "directmessage" if channel.with_user else channel.name}


def _stamped(action: Json) -> Json:
    return {**action, "action_ts": _now_ts()}


def _now_ts() -> str:
    return f"{time.time():.6f}"
