"""Who people are: one Person across platforms, and the port that finds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType, Protocol

PersonId = NewType("PersonId", str)
#: Where something is told: "slack:C12", "slack:C12/1699.01" (a thread there), "person:bo" (a direct message).
Place = NewType("Place", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account as a platform names it; never a display name.

    Attributes:
        platform: "slack", "teams" or "cli".
        tenant: The workspace or directory it belongs to.
        user: The platform's stable id.
    """

    platform: str
    tenant: str
    user: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.tenant}/{self.user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One human, whatever they click on.

    Attributes:
        id: Stable id of the configuration ("bo").
        name: What others read; never used to recognise anybody.
        accounts: platform -> the platform's user id.
    """

    id: PersonId
    name: str
    accounts: Mapping[str, str] = field(default_factory=dict)


class Directory(Protocol):
    """Finds people. Answers are at most 15 seconds old; any doubt is an error (fail closed)."""

    async def person(self, identity: Identity) -> Person:
        """Who this account is.

        Raises:
            NotAllowed: unknown, ambiguous, guest, bot, foreign, deactivated.
            DirectoryDown: the platform did not answer.
        """
        ...

    async def members(self, approvers: str) -> frozenset[PersonId]:
        """Who is in this approver set right now; empty when it is unknown or empty. Raises: DirectoryDown."""
        ...

    def known(self, id: PersonId) -> Person | None:
        """The person of the configuration, without asking any platform."""
        ...
