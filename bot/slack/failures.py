"""What went wrong with a call to Slack, in our words: gone, dead, later, or unclear."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from ..channel import ChannelError, Dead, Gone, RetryLater, Unclear

_GONE = frozenset({
    "message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "not_found", "hash_conflict",
})  # fmt: skip
_LATER = frozenset({"service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"})
#: Slack's own words: some of the operation may have succeeded.
_UNCLEAR = frozenset({"internal_error", "fatal_error"})
_RATE = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})

#: When Slack says "slow down" without saying for how long, or is not to be reached.
SOON = timedelta(seconds=5)

#: What people are told about a place that takes no messages; Slack's own word for all others.
_WHY: Mapping[str, str] = {
    "channel_not_found": "the channel does not exist or sayso cannot see it",
    "not_in_channel": "sayso is not a member of the channel",
    "is_archived": "the channel is archived",
    "user_disabled": "the account is deactivated",
    "token_revoked": "sayso's Slack token was revoked",
    "account_inactive": "sayso's Slack token was revoked",
    "invalid_auth": "sayso's Slack token is not valid",
    "missing_scope": "sayso's Slack app lacks a permission",
}


class SlowDown(RetryLater):
    """Slack answered 429: no call of this method may come earlier."""


def failure(error: Exception) -> ChannelError:
    """Our name for what slack_sdk or aiohttp raised."""
    match error:
        case SlackApiError():
            return _answered(error)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return RetryLater(SOON)  # it never left
        case _:
            return Unclear()


def error_word(error: SlackApiError) -> str:
    """Slack's own word ("user_not_found"); empty when the answer was not Slack's JSON, as in an outage."""
    body = getattr(error.response, "data", None)
    return str(body.get("error", "")) if isinstance(body, dict) else ""


def retry_after(headers: Mapping[str, Any]) -> timedelta:
    """How long Slack wants us to be quiet."""
    said = next((str(value) for name, value in headers.items() if name.lower() == "retry-after"), "")
    return timedelta(seconds=int(said)) if said.isascii() and said.isdigit() and len(said) < 6 else SOON


def _answered(error: SlackApiError) -> ChannelError:
    answer, word = error.response, error_word(error)
    status = getattr(answer, "status_code", 0)
    if status == 429 or word in _RATE:
        return SlowDown(retry_after(getattr(answer, "headers", {})))
    if status >= 500 or word in _UNCLEAR:
        return Unclear()
    if word in _LATER:
        return RetryLater(SOON)
    if word in _GONE:
        return Gone(word)
    return Dead(_WHY.get(word, f"Slack says {word or status}"))
