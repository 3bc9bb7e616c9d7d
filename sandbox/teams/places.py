"""Who and what exists in the tenant: people, teams with their channels, groups, and the cast everybody knows."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass, field

from ..loopback import Json

FOREIGN_TENANT_ID = "f0e1d2c3-0000-4000-8000-00000000e15e"
_NAMESPACE = uuid.UUID("5b1e2f04-7c33-4c0e-9d0a-2d2e5a7f0b11")


def object_id(name: str) -> str:
    """The Entra object id of whoever or whatever has this name; the same in every run."""
    return str(uuid.uuid5(_NAMESPACE, name))


@dataclass(slots=True, kw_only=True)
class User:
    """A person of the tenant or from outside.

    Attributes:
        tenant_id: Where the account lives; guests live elsewhere but have an object here.
        bot_installed: Whether the bot may start a personal chat with them.
        enabled: The account is not closed.
    """

    name: str
    real_name: str
    tenant_id: str
    is_guest: bool = False
    enabled: bool = True
    bot_installed: bool = True

    @property
    def aad(self) -> str:
        """The Entra object id."""
        return object_id(self.name)

    @property
    def id(self) -> str:
        """The id Teams gives them towards this bot: opaque, long, and never to be taken apart."""
        opaque = base64.urlsafe_b64encode(hashlib.sha512(self.name.encode()).digest())
        return f"29:1{opaque.decode().rstrip('=')[:80]}"

    @property
    def upn(self) -> str:
        """The user principal name; a guest's is made from the address at home."""
        at = "elsewhere.example" if self.tenant_id == FOREIGN_TENANT_ID else "workplace.example"
        return f"{self.name}_elsewhere.example#EXT#@{at}" if self.is_guest else f"{self.name}@{at}"

    @property
    def email(self) -> str:
        """Where letters reach them."""
        outside = self.is_guest or self.tenant_id == FOREIGN_TENANT_ID
        return f"{self.name}@{'elsewhere' if outside else 'workplace'}.example"

    def as_member(self) -> Json:
        """As a roster shows them: `TeamsChannelAccount`."""
        given, _, surname = self.real_name.partition(" ")
        return {
            "id": self.id, "name": self.real_name, "objectId": self.aad, "aadObjectId": self.aad,
            "givenName": given, "surname": surname, "email": self.email, "userPrincipalName": self.upn,
            "tenantId": self.tenant_id, "userRole": "guest" if self.is_guest else "user",
        }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Team:
    """A team; everybody in it sees its channels.

    Attributes:
        bot_installed: The bot is in its roster.
        archived: Nobody can write any more.
    """

    name: str
    members: list[str]
    channels: tuple[str, ...]
    bot_installed: bool = True
    archived: bool = False

    @property
    def id(self) -> str:
        """Of the team, and of its General channel."""
        return conversation_id(f"team {self.name}")

    @property
    def group_id(self) -> str:
        """Of the Entra group behind it."""
        return object_id(f"team {self.name}")


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel of a team, or (with `with_user`) the personal chat of the bot and one person."""

    id: str
    name: str
    team: Team | None = None
    with_user: str = ""


@dataclass(slots=True, kw_only=True)
class Group:
    """An Entra group.

    Attributes:
        members: Names of people, of groups (`@handle`) and of devices (`#name`).
    """

    handle: str
    members: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its object id."""
        return object_id(f"group {self.handle}")


def conversation_id(name: str) -> str:
    """A channel's id, as Teams makes them; the same in every run."""
    return f"19:{hashlib.sha256(name.encode()).hexdigest()[:32]}@thread.tacv2"


def the_people(tenant: str) -> list[User]:
    """Alex asks; bo and cy approve; sue supervises; kim is on call; ned has no say; the rest may never decide."""
    return [
        User(name="alex", real_name="Alex Asker", tenant_id=tenant),
        User(name="bo", real_name="Bo Berg", tenant_id=tenant),
        User(name="cy", real_name="Cy Chen", tenant_id=tenant),
        User(name="sue", real_name="Sue Supervisor", tenant_id=tenant),
        User(name="kim", real_name="Kim Oncall", tenant_id=tenant),
        User(name="ned", real_name="Ned Neighbour", tenant_id=tenant, bot_installed=False),
        User(name="gil", real_name="Gil Guest", tenant_id=tenant, is_guest=True),
        User(name="zoe", real_name="Zoe Zone", tenant_id=FOREIGN_TENANT_ID),
        User(name="dee", real_name="Dee Parted", tenant_id=tenant, enabled=False),
    ]


def the_teams() -> list[Team]:
    """The first four work; the others are traps, named for what is wrong with them."""
    deciding = ["bo", "cy", "sue", "kim"]
    return [
        Team(name="Support", channels=("support",),
             members=["alex", "bo", "cy", "sue", "kim", "ned", "gil", "dee"]),
        Team(name="Approvals", channels=("finance-approvals", "ops-approvals"), members=deciding),
        Team(name="Second line", channels=("second-line",), members=["sue", "cy"]),
        Team(name="On call", channels=("on-call",), members=["kim", "sue"]),
        Team(name="Old", channels=("old-project",), members=["alex"], archived=True),
        Team(name="Partners", channels=("partners",), members=["alex", "bo", "zoe"]),
        Team(name="Social", channels=("random",), members=["alex", "bo"], bot_installed=False),
    ]  # fmt: skip


def the_groups() -> list[Group]:
    """As in Slack, and traps: `nested` holds a group, a guest, a closed account and a device."""
    return [
        Group(handle="finance-approvers", members=["bo", "cy"]),
        Group(handle="ops-approvers", members=["bo", "cy", "sue"]),
        Group(handle="supervisors", members=["sue"]),
        Group(handle="sre-oncall", members=["kim"]),
        Group(handle="nested", members=["@finance-approvers", "sue", "gil", "dee", "#printer"]),
        Group(handle="nobody"),
    ]
