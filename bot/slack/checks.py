"""What `sayso check` asks Slack before people depend on it: the token, every channel, account and group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

from ...approvals.errors import SaysoError
from ..channel import RetryLater
from .failures import failure
from .identity import standing_of
from .manifest import GROUP_SCOPE, SCOPES
from .transport import slack_client

_ABSENT: Mapping[str, str] = {
    "user_not_found": "there is no such account",
    "user_not_visible": "sayso cannot see this account",
    "users_not_found": "there is no such account",
    "no_such_subteam": "there is no such user group, or it is disabled",
    "subteam_not_found": "there is no such user group, or it is disabled",
}
#: Slack lists up to a thousand channels at once; whoever has more than these finds ids in Slack.
_PAGES = 5
#: What Slack says when the token is to blame.
_TOKEN = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
    }
)


class SlackProblem(SaysoError):
    """Slack is not as the settings say."""


class SlackChecks:
    """Looks at one workspace; changes nothing there."""

    def __init__(self, token: str, api: str) -> None:
        self._client = slack_client(token, base_url=api)
        self._client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=3))
        self._team, self._enterprise, self._bot = "", "", ""
        self._handles: Mapping[str, str] | None = None

    async def workspace(self, team: str, *, groups: bool) -> str:
        """Whether the token is this team's and may do what sayso does; its name and ours. Raises: SlackProblem.

        Args:
            groups: Whether user groups have to be read.
        """
        body, headers = await self.lets_us_in(team)
        if missing := missing_scopes(headers, groups=groups):
            raise SlackProblem(
                f"the Slack app lacks {', '.join(missing)}: add them (OAuth & Permissions) and install it again"
            )
        return f"{body.get('team') or self._team}, where sayso is @{body.get('user') or body.get('user_id')}"

    async def lets_us_in(self, team: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Slack's words about our token, which is a bot's and this team's. Raises: SlackProblem, naming the setting."""
        body, headers = await self._ask("auth.test")
        self._team, self._enterprise = str(body["team_id"]), str(body.get("enterprise_id") or "")
        if team not in (self._team, self._enterprise):
            raise SlackProblem(f"slack.team is {team}, but SLACK_BOT_TOKEN belongs to {self._team}")
        if not body.get("bot_id"):
            raise SlackProblem("SLACK_BOT_TOKEN is a person's token; a bot token (xoxb-...) is needed")
        self._bot = str(body["bot_id"])
        return body, headers

    async def connection(self, app_token: str) -> str:
        """Whether Slack gives this app connections in Socket Mode; none is opened. Raises: SlackProblem."""
        app = str((await self._ask("bots.info", bot=self._bot))[0]["bot"].get("app_id", ""))
        with naming_problems(self._client.base_url, "SLACK_APP_TOKEN"):
            given = await slack_client("", base_url=self._client.base_url).apps_connections_open(
                app_token=app_token
            )
        theirs = parse_qs(urlsplit(str(given["url"])).query).get("app_id", [app])[0]
        if theirs != app:
            raise SlackProblem(f"SLACK_APP_TOKEN is of the app {theirs}, but SLACK_BOT_TOKEN is of {app}")
        return "Slack gives connections to this app"

    async def channel(self, id: str) -> str:
        """Whether cards can stand in this channel; its name. Raises: SlackProblem."""
        about = (await self._ask("conversations.info", channel=id))[0]["channel"]
        name = f"#{about['name']}" if about.get("name") else "a direct conversation"
        if about.get("is_archived"):
            raise SlackProblem(f"{name} is archived")
        if about.get("is_ext_shared") or about.get("is_pending_ext_shared"):
            raise SlackProblem(
                f"{name} is shared with people outside this workspace: no cards are posted there"
            )
        if not about.get("is_im") and not about.get("is_member"):
            raise SlackProblem(f"sayso is not a member of {name}: invite it there")
        return name

    async def account(self, id: str) -> str:
        """Whether this account may decide; its name on Slack. Raises: SlackProblem."""
        user = (await self._ask("users.info", user=id))[0]["user"]
        if why := standing_of(user, team=self._team, enterprise=self._enterprise):
            raise SlackProblem(str(why.value).removesuffix("."))
        real = user.get("real_name")
        return f"@{user.get('name') or id}" + (f" ({real})" if real else "")

    async def group(self, id: str) -> frozenset[str]:
        """The accounts in this user group. Raises: SlackProblem, when it is empty too."""
        users = (await self._ask("usergroups.users.list", usergroup=id))[0].get("users", ())
        if not users:
            raise SlackProblem("the user group is empty, so nobody is asked")
        return frozenset(users)

    async def handle(self, id: str) -> str:
        """What people mention a user group by. Raises: SlackProblem."""
        if self._handles is None:
            groups = (await self._ask("usergroups.list", include_disabled="true"))[0].get("usergroups", ())
            self._handles = {str(one["id"]): f"@{one['handle']}" for one in groups if one.get("handle")}
        return self._handles.get(id, id)

    async def channels(self) -> Mapping[str, str]:
        """The ids of the channels that sayso can see, by name; of the first few thousand. Raises: SlackProblem."""
        found: dict[str, str] = {}
        asked = {"types": "public_channel,private_channel", "exclude_archived": "true", "limit": "1000"}
        for _ in range(_PAGES):
            answer = (await self._ask("conversations.list", **asked))[0]
            found |= {
                str(one["name"]): str(one["id"]) for one in answer.get("channels", ()) if one.get("name")
            }
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
            asked["cursor"] = str(cursor)
        return found

    async def _ask(self, method: str, **arguments: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        with naming_problems(self._client.base_url):
            answer = await self._client.api_call(method, params=arguments)
        body = answer.data
        if not isinstance(body, dict):
            raise SlackProblem(f"slack.api: what answers at {self._client.base_url} is not Slack")
        return body, {name.lower(): str(value) for name, value in answer.headers.items()}


@contextmanager
def naming_problems(api: str, variable: str = "SLACK_BOT_TOKEN") -> Iterator[None]:
    """What slack_sdk raises in this block, in words that name the setting. Raises: SlackProblem.

    Args:
        variable: What holds the token.
    """
    try:
        yield
    except SlackApiError as error:
        raise SlackProblem(_refused(error, variable)) from error
    except (TimeoutError, SlackClientError, aiohttp.ClientError, OSError, ValueError) as error:
        raise SlackProblem(f"slack.api: Slack cannot be reached at {api}") from error


def missing_scopes(headers: Mapping[str, str], *, groups: bool) -> list[str]:
    """The scopes that Slack's answer does not list; none where it lists nothing at all.

    Args:
        headers: Of any answer, names in lower case.
    """
    said = headers.get("x-oauth-scopes")
    if said is None:
        return []
    has = {scope.strip() for scope in said.split(",")}
    return sorted({*SCOPES, *((GROUP_SCOPE,) if groups else ())} - has)


def _refused(error: SlackApiError, variable: str) -> str:
    body = getattr(error.response, "data", None)
    word = str(body.get("error", "")) if isinstance(body, dict) else ""
    if absent := _ABSENT.get(word):
        return absent
    named = failure(error)
    words = "Slack asks us to come back later" if isinstance(named, RetryLater) else str(named)
    return f"{variable}: {words}" if word in _TOKEN else words
