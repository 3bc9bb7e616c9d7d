"""What went wrong with a call to Teams, in our words: gone, dead, later, or unclear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from ..channel import ChannelError, Dead, Gone, RetryLater, Unclear

#: When Teams says "later" without saying when, or is not to be reached.
SOON = timedelta(seconds=5)

_LATER = frozenset({412, 502, 503, 504})

#: What people are told about a place that takes no messages; Teams' own word for all others.
_WHY: Mapping[str, str] = {
    "BotNotInConversationRoster": "sayso is not a member there: the app has to be installed",
    "BotDisabledByAdmin": "an administrator has disabled the app",
    "ConversationBlockedByUser": "this person has blocked the app",
    "MessageWritesBlocked": "nobody may write there (the team is archived or locked)",
    "MessageSizeTooBig": "the message is too big for Teams",
    "Unauthorized": "Teams does not accept sayso's credentials",
}


class SlowDown(RetryLater):
    """Teams answered 429: no such call to this conversation may come earlier."""


class TokenRefused(Dead):
    """Teams answered 401: nothing was done, and another token may do."""


def refused(status: int, body: str, *, retry_after: str = "") -> ChannelError:
    """Our name for an answer that is no success.

    Args:
        body: As it came; Teams' error word is in it, if it is JSON at all.
        retry_after: The header, in whole seconds; empty when there is none.
    """
    code = error_code(body)
    if status == 429:
        return SlowDown(_wait(retry_after))
    if status == 401:
        return TokenRefused(_WHY["Unauthorized"])
    if status in _LATER:
        return RetryLater(_wait(retry_after))
    if status == 404:
        return Gone(code)
    if status >= 500:
        return Unclear()
    return Dead(_WHY.get(code, f"Teams says {code or status}"))


def error_code(body: str) -> str:
    """Teams' own word; the one of the service behind the Connector, where it passes that on."""
    try:
        error = json.loads(body)["error"]
        inner = (error.get("innerHttpError") or {}).get("body") or {}
        return str(inner.get("code") or error.get("code") or "")[:60]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _wait(said: str) -> timedelta:
    return timedelta(seconds=int(said)) if said.isascii() and said.isdigit() and len(said) < 6 else SOON
