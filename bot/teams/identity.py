"""What Microsoft Entra itself says about an account, asked live: whether it may decide at all, and who is in a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...approvals.errors import BadSetting, WhyNot
from ...approvals.people import Identity
from .graph import Graph, GraphDown

#: How Teams begins the id of a bot, where a person has an object id.
_BOT = "28:"


class TeamsAccounts:
    """`Accounts` of one tenant."""

    def __init__(self, graph: Graph, *, tenant: str) -> None:
        """Raises: BadSetting, for an empty tenant: it would make everybody's account one of ours."""
        if not tenant.strip():
            raise BadSetting("The Teams tenant is empty; without it nobody can be told from a stranger.")
        self._graph = graph
        self._tenant = tenant.lower()

    async def standing(self, identity: Identity) -> WhyNot | None:
        """Why this account may never decide; None when it may. Raises: DirectoryDown."""
        if identity.tenant.lower() != self._tenant:
            return WhyNot.FOREIGN
        if identity.user.startswith(_BOT):
            return WhyNot.BOT
        user = await self._graph.user(identity.user)
        return WhyNot.UNKNOWN_PERSON if user is None else standing_of(user)

    async def group(self, id: str) -> frozenset[str]:
        """People in an Entra group, and in the groups within it. Raises: DirectoryDown."""
        return await self._graph.group_members(id) or frozenset()


def standing_of(user: Mapping[str, Any]) -> WhyNot | None:
    """What Graph's `user` says about deciding (pure). Raises: GraphDown, when it does not say enough.

    Whoever signs in elsewhere is a guest, even where the directory lists them as a member. The account of an
    AI agent is a user too, but of a type of its own.
    """
    enabled, kind = user.get("accountEnabled"), user.get("userType", ...)
    if not isinstance(enabled, bool) or kind is ...:
        raise GraphDown("it does not say what kind of account this is; perhaps a permission is missing")
    if not enabled:
        return WhyNot.DEACTIVATED
    if user.get("@odata.type", "#microsoft.graph.user") != "#microsoft.graph.user":
        return WhyNot.BOT
    from_outside = user.get("externalUserState") or "#ext#" in str(user.get("userPrincipalName")).lower()
    return WhyNot.GUEST if kind != "Member" or from_outside else None
