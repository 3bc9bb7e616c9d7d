"""What Slack itself says about an account, asked live: whether it may decide at all, and who is in a user group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from ...approvals.errors import DirectoryDown, WhyNot
from ...approvals.people import Identity
from .failures import error_word

#: Slack's words for "there is no such account" and "no such group", as opposed to "ask later".
_NO_USER = frozenset({"user_not_found", "user_not_visible", "users_not_found"})
_NO_GROUP = frozenset({"no_such_subteam", "subteam_not_found"})


class SlackAccounts:
    """`Accounts` of one workspace (or of one Enterprise organisation)."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._home: tuple[str, str] | None = None

    async def standing(self, identity: Identity) -> WhyNot | None:
        """Why this account may never decide; None when it may. Raises: DirectoryDown."""
        team, enterprise = await self._our_home()
        answer = await self._ask("users.info", _NO_USER, user=identity.user)
        if answer is None:
            return WhyNot.UNKNOWN_PERSON
        return standing_of(answer["user"], team=team, enterprise=enterprise, clicked_in=identity.tenant)

    async def group(self, id: str) -> frozenset[str]:
        """Members of a user group. Raises: DirectoryDown."""
        answer = await self._ask("usergroups.users.list", _NO_GROUP, usergroup=id)
        return frozenset(answer["users"]) if answer else frozenset()

    async def _our_home(self) -> tuple[str, str]:
        if self._home is None:
            answer = await self._ask("auth.test", frozenset())
            assert answer is not None
            self._home = (answer["team_id"], answer.get("enterprise_id") or "")
        return self._home

    async def _ask(self, method: str, absent: frozenset[str], **arguments: str) -> Mapping[str, Any] | None:
        """The answer; None for an error in `absent`. Anything else unclear fails closed."""
        try:
            answer = await self._client.api_call(method, params=arguments)
        except SlackApiError as error:
            if error_word(error) in absent:
                return None
            raise DirectoryDown from error
        except (TimeoutError, SlackClientError, aiohttp.ClientError, OSError) as error:
            raise DirectoryDown from error
        body = answer.data
        if not isinstance(body, dict):
            raise DirectoryDown
        return body


def standing_of(
    user: Mapping[str, Any], *, team: str, enterprise: str = "", clicked_in: str = ""
) -> WhyNot | None:
    """What `users.info` says about deciding (pure).

    Args:
        clicked_in: Workspace the click claims to come from; empty when the platform did not say.
    """
    if user.get("deleted"):
        return WhyNot.DEACTIVATED
    if user.get("is_bot") or user.get("is_app_user") or user.get("is_workflow_bot"):
        return WhyNot.BOT
    if user.get("is_stranger"):
        return WhyNot.FOREIGN
    theirs = (user.get("enterprise_user") or {}).get("enterprise_id") or user.get("enterprise_id") or ""
    same_organisation = bool(enterprise) and theirs == enterprise
    if user.get("team_id") != team and not same_organisation:
        return WhyNot.FOREIGN
    if clicked_in and clicked_in not in (team, enterprise) and not same_organisation:
        return WhyNot.FOREIGN
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return WhyNot.GUEST
    return None
