"""What Slack has to grant and send: permissions, events, and the manifest from which Slack makes the app."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...approvals.errors import BadSetting
from ..front import SLACK_PATH

#: What the app must be allowed to do, and what for.
SCOPES: Mapping[str, str] = {
    "app_mentions:read": "to be asked",
    "channels:history": "to find its cards and read answers in their threads",
    "channels:read": "to look at channels",
    "chat:write": "to post cards",
    "groups:history": "the same in private channels",
    "groups:read": "to look at private channels it was invited to",
    "im:history": "to find its cards in direct messages and read answers there",
    "im:write": "to send direct messages",
    "users:read": "to see who may decide",
}
#: Needed only where approver sets are user groups.
GROUP_SCOPE = "usergroups:read"
#: What Slack has to tell us, and what for.
EVENTS: Mapping[str, str] = {
    "app_mention": "somebody asks for something",
    "member_joined_channel": "sayso was invited back to where its cards could not stand",
    "message.channels": "somebody answers in a card's thread",
    "message.groups": "the same in a private channel",
    "message.im": "the same in a direct message",
}

#: Slack's limits: the app's name and the bot's, in characters.
_LONGEST_NAME, _LONGEST_BOT_NAME = 35, 80
_SHORT = "Approve, change or reject what AI agents want to do, where you talk anyway."
_LONG = (
    "Sayso asks before an AI agent does something that matters. A card says what the agent wants to do, why, and how "
    "risky it is; whoever may decide approves it, changes it or rejects it, and everybody sees the outcome on the same "
    "card. Nothing consequential happens without someone's say-so."
)
_COLOR = "#1D5C57"


def manifest(*, name: str, groups: bool, url: str = "") -> Mapping[str, Any]:
    """The app as Slack's "create from a manifest" takes it. Raises: BadSetting, naming the option.

    Args:
        name: What people call and mention, at most 35 characters.
        groups: Whether approver sets are user groups.
        url: Where Slack reaches the bot, https; empty where the bot calls Slack (Socket Mode).
    """
    address = {"request_url": _request_url(url)} if url else {}
    return {
        "display_information": {
            "name": _printable(name), "description": _SHORT, "long_description": _LONG, "background_color": _COLOR,
        },
        "features": {
            "bot_user": {"display_name": _bot_name(name), "always_online": False},
            # Without this tab nobody can answer where the app writes to them alone.
            "app_home": {
                "home_tab_enabled": False, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False,
            },
        },
        "oauth_config": {"scopes": {"bot": sorted({*SCOPES, *((GROUP_SCOPE,) if groups else ())})}},
        "settings": {
            "event_subscriptions": {**address, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **address},
            "org_deploy_enabled": False, "socket_mode_enabled": not url, "token_rotation_enabled": False,
        },
    }  # fmt: skip


def as_json(told: Mapping[str, Any]) -> str:
    """For Slack's JSON tab."""
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def as_yaml(told: Mapping[str, Any]) -> str:
    """For Slack's YAML tab; every text is quoted, so none can mean anything else."""
    return "\n".join(_yaml(told, "")) + "\n"


def _yaml(told: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in told.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _yaml(value, f"{indent}  ")
        elif isinstance(value, list):
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {json.dumps(one, ensure_ascii=False)}" for one in value)
        else:
            yield f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}"


def _printable(name: str) -> str:
    """Raises: BadSetting."""
    if not name.strip() or not name.isprintable() or name != name.strip():
        raise BadSetting(f"--name must be printable words without spaces around them, not {name!r}")
    if len(name) > _LONGEST_NAME:
        raise BadSetting(f"--name has {len(name)} characters; Slack takes at most {_LONGEST_NAME}")
    return name


def _bot_name(name: str) -> str:
    """What is mentioned, in the letters that Slack allows. Raises: BadSetting."""
    made = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")
    if not made:
        raise BadSetting(f"--name needs a letter from a to z or a digit, to be mentioned by, unlike {name!r}")
    return made[:_LONGEST_BOT_NAME]


def _request_url(url: str) -> str:
    """Raises: BadSetting."""
    if not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", url) or len(url) > 2000:
        raise BadSetting(f"--url must be an address like https://sayso.example.com, not {url!r}")
    return url if url.endswith(SLACK_PATH) else f"{url.rstrip('/')}{SLACK_PATH}"
