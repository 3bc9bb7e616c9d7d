"""What `sayso check` asks Microsoft before people depend on it: sign-in, keys, permissions, channels, accounts, groups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import httpx
import jwt

from ...approvals.errors import SaysoError
from ..channel import ChannelError, Dead, Gone, RetryLater
from .auth import CHANNEL
from .credentials import EntraToken
from .failures import SlowDown
from .graph import Graph, GraphDown
from .identity import standing_of
from .port import Conversation, Member, Transport
from .registration import Registration, on_this_machine

T = TypeVar("T")

#: What each look-up needs, the least first; an application has none unless an administrator has consented.
_USERS = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_GROUPS = ("GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All",
           "Directory.Read.All", "Directory.ReadWrite.All")  # fmt: skip
_PATIENCE = 5.0  # seconds for one document


class TeamsProblem(SaysoError):
    """Teams is not as the settings say."""


class TeamsChecks:
    """Looks at one tenant; changes nothing there."""

    def __init__(
        self,
        registration: Registration,
        *,
        credential: str,
        token: EntraToken,
        graph_token: EntraToken,
        graph: Graph,
        transport: Transport,
    ) -> None:
        """Take the bot's tokens for the Bot Connector and for Graph.

        Args:
            credential: The setting that the bot signs in with, for people to find it.
        """
        self._registration = registration
        self._credential = credential
        self._token = token
        self._graph_token = graph_token
        self._graph = graph
        self._transport = transport

    async def sign_in(self) -> str:
        """Whether Entra lets the bot in. Raises: TeamsProblem."""
        await self._signed_in(self._token)
        return f"Entra lets app {self._registration.app_id} in"

    async def keys(self) -> str:
        """Whether the keys are there that deliveries are signed with. Raises: TeamsProblem."""
        url, issuer = self._registration.metadata_url, self._registration.issuer
        try:
            metadata, keys = await asyncio.to_thread(_documents, url)
            named, able = (
                metadata.get("issuer"),
                [key for key in keys if CHANNEL in key.get("endorsements", ())],
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TeamsProblem(
                f"teams.metadata_url: no keys at {url}, so nothing that Teams sends could be checked"
            ) from error
        if named != issuer:
            raise TeamsProblem(f"teams.issuer is {issuer}, but the keys at {url} are those of {named!r}")
        if not able:
            raise TeamsProblem(f"teams.metadata_url: none of the keys at {url} may speak for Teams")
        return f"{len(able)} of {issuer}"

    async def permissions(self, *, groups: bool) -> str:
        """Whether the bot may read what it needs in Graph. Raises: TeamsProblem.

        Args:
            groups: Whether groups have to be read.
        """
        await self._signed_in(self._graph_token)
        if missing := missing_permissions(self._graph_token.held(), groups=groups):
            raise TeamsProblem(
                f"the app registration lacks {' and '.join(missing)}: add it in Entra under API permissions, "
                "Microsoft Graph, Application permissions, and let an administrator consent"
            )
        return "accounts and groups may be read" if groups else "accounts may be read"

    async def place(self, channel: str) -> str:
        """Whether cards can stand in this channel; how many people read it. Raises: TeamsProblem."""
        try:
            members = await self._transport.members(Conversation(channel=channel))
        except Gone as gone:
            raise TeamsProblem("there is no such channel, or sayso cannot see it") from gone
        except Dead as dead:
            raise TeamsProblem(str(dead)) from dead
        except SlowDown as slow:
            raise TeamsProblem("Teams asks us to come back later") from slow
        except ChannelError as error:
            url = self._registration.service_url
            raise TeamsProblem(f"teams.service_url: the Bot Connector cannot be reached at {url}") from error
        if outsiders := [one for one in members if self._from_outside(one)]:
            raise TeamsProblem(
                f"{len(outsiders)} of its {len(members)} members are people of another tenant: no cards "
                "are posted there"
            )
        return f"{len(members)} {'person reads' if len(members) == 1 else 'people read'} it"

    async def account(self, id: str) -> str:
        """Whether this account may decide; its name in Entra. Raises: TeamsProblem."""
        user = await self._from_graph(self._graph.user(id))
        if user is None:
            raise TeamsProblem(f"there is no such account in tenant {self._registration.tenant}")
        try:
            why = standing_of(user)
        except GraphDown as down:
            raise TeamsProblem(f"teams.graph: {down.why}") from down
        if why:
            raise TeamsProblem(str(why.value))
        return str(user.get("displayName") or id)

    async def group(self, id: str) -> frozenset[str]:
        """The accounts in this Entra group that may decide. Raises: TeamsProblem, when there are none too."""
        members = await self._from_graph(self._graph.group_members(id))
        if members is None:
            raise TeamsProblem(f"there is no such group in tenant {self._registration.tenant}")
        if not members:
            raise TeamsProblem("nobody in this group may decide, so nobody is asked")
        return members

    def _from_outside(self, member: Member) -> bool:
        return bool(member.tenant) and member.tenant.lower() != self._registration.tenant.lower()

    async def _signed_in(self, token: EntraToken) -> None:
        """Raises: TeamsProblem, naming the settings that may be wrong."""
        try:
            await token.ready()
        except Dead as dead:
            raise TeamsProblem(
                f"teams.app_id, teams.tenant and {self._credential} do not belong together: {dead.__cause__ or dead}"
            ) from dead
        except RetryLater as later:
            raise TeamsProblem(f"teams.tenant or teams.authority: {later.__cause__ or later}") from later

    async def _from_graph(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except GraphDown as down:
            raise TeamsProblem(f"teams.graph: {down.why}") from down


def missing_permissions(token: str, *, groups: bool) -> list[str]:
    """What the application may not do in Graph; nothing where its token cannot be read.

    The token is Graph's to check: it is only looked into, so that what is missing has a name.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        has = set(claims.get("roles") or ())
    except (jwt.InvalidTokenError, TypeError, AttributeError):
        return []
    wanted = (_USERS, _GROUPS) if groups else (_USERS,)
    return [enough[0] for enough in wanted if not has.intersection(enough)]


def _documents(metadata_url: str) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The metadata and its keys. Raises what httpx raises; ValueError, KeyError, TypeError for nonsense."""
    with httpx.Client(timeout=_PATIENCE, trust_env=not on_this_machine(metadata_url)) as http:
        metadata = http.get(metadata_url).raise_for_status().json()
        return metadata, list(http.get(metadata["jwks_uri"]).raise_for_status().json()["keys"])
