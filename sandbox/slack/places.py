"""Who and what exists in the workspace: people, channels and groups, as records, and the cast everybody knows."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..loopback import Json

TEAM_ID, TEAM_DOMAIN = "T0WORKPLACE", "workplace"
FOREIGN_TEAM_ID = "T0ELSEWHERE"
APP_ID, BOT_ID, BOT_USER_ID = "A0SAYSOAPP", "B0SAYSOBOT", "U0SAYSOBOT"


@dataclass(slots=True, kw_only=True)
class User:
    """A person or bot, as `users.info` shows them."""

    id: str
    name: str
    real_name: str
    team_id: str = TEAM_ID
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False

    @property
    def email(self) -> str:
        """Empty for bots and strangers."""
        return "" if self.is_bot or self.is_stranger else f"{self.name}@workplace.example"

    def as_json(self) -> Json:
        """The `user` object of the Web API; short for deactivated people, as Slack's is."""
        shown: Json = {
            "id": self.id, "team_id": self.team_id, "name": self.name, "deleted": self.deleted,
            "real_name": self.real_name, "is_bot": self.is_bot, "is_app_user": False,
            "profile": {"real_name": self.real_name, "display_name": self.name, "team": self.team_id},
        }  # fmt: skip
        if self.email:
            shown["profile"]["email"] = self.email
        if self.is_stranger:
            shown["is_stranger"] = True
        if not self.deleted:
            shown |= {
                "tz": "Europe/Berlin", "tz_offset": 3600, "is_admin": False, "is_owner": False,
                "is_restricted": self.is_restricted, "is_ultra_restricted": self.is_ultra_restricted,
            }  # fmt: skip
        return shown


@dataclass(slots=True, kw_only=True)
class Channel:
    """A place to talk; a direct message has `with_user`."""

    id: str
    name: str = ""
    members: set[str] = field(default_factory=set)
    is_private: bool = False
    is_archived: bool = False
    is_ext_shared: bool = False
    with_user: str = ""

    @property
    def kind(self) -> str:
        """`channel_type` of message events: im, group or channel."""
        return "im" if self.with_user else "group" if self.is_private else "channel"

    def as_json(self) -> Json:
        """The `channel` object of the Web API."""
        if self.with_user:
            return {"id": self.id, "is_im": True, "user": self.with_user, "is_archived": False}
        return {
            "id": self.id, "name": self.name, "is_channel": not self.is_private, "is_im": False,
            "is_group": self.is_private, "is_private": self.is_private, "is_archived": self.is_archived,
            "is_ext_shared": self.is_ext_shared, "is_shared": self.is_ext_shared, "is_org_shared": False,
            "is_member": BOT_USER_ID in self.members, "num_members": len(self.members),
            "context_team_id": TEAM_ID, "creator": "U0SUE",
        }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Usergroup:
    """A user group; a disabled one has no say."""

    id: str
    handle: str
    members: list[str]
    disabled: bool = False

    def as_json(self) -> Json:
        """The `usergroup` object of the Web API, without its users."""
        return {
            "id": self.id, "team_id": TEAM_ID, "is_usergroup": True, "handle": self.handle, "name": self.handle,
            "date_delete": 1 if self.disabled else 0, "user_count": len(self.members),
        }  # fmt: skip


def the_people() -> list[User]:
    """Alex asks; bo and cy approve; sue supervises; kim is on call; ned has no say; the rest may never decide."""
    return [
        User(id="U0ALEX", name="alex", real_name="Alex Asker"),
        User(id="U0BO", name="bo", real_name="Bo Berg"),
        User(id="U0CY", name="cy", real_name="Cy Chen"),
        User(id="U0SUE", name="sue", real_name="Sue Supervisor"),
        User(id="U0KIM", name="kim", real_name="Kim Oncall"),
        User(id="U0NED", name="ned", real_name="Ned Neighbour"),
        User(id="U0GIL", name="gil", real_name="Gil Guest", is_restricted=True),
        User(
            id="U0UMA", name="uma", real_name="Uma Onechannel", is_restricted=True, is_ultra_restricted=True
        ),
        User(id="U0ZOE", name="zoe", real_name="Zoe Zone", team_id=FOREIGN_TEAM_ID, is_stranger=True),
        User(id="U0DEE", name="dee", real_name="Dee Parted", deleted=True),
        User(id="U0ROBO", name="robo", real_name="Another Bot", is_bot=True),
        User(id=BOT_USER_ID, name="sayso", real_name="sayso", is_bot=True),
    ]


def the_channels() -> list[Channel]:
    """#support and the approvers' channels work; the others are traps, named for what is wrong."""
    bot = BOT_USER_ID
    asking = {bot, "U0ALEX", "U0BO", "U0CY", "U0SUE", "U0KIM", "U0NED", "U0GIL", "U0UMA", "U0DEE", "U0ROBO"}
    deciding = {bot, "U0BO", "U0CY", "U0SUE", "U0KIM"}
    return [
        Channel(id="C0SUPPORT", name="support", members=asking),
        Channel(id="C0FINANCE", name="finance-approvals", members=set(deciding)),
        Channel(id="C0OPS", name="ops-approvals", members=set(deciding)),
        Channel(id="C0SECOND", name="second-line", members={bot, "U0SUE", "U0CY"}),
        Channel(id="C0ONCALL", name="on-call", members={bot, "U0KIM", "U0SUE"}),
        Channel(id="C0OLD", name="old-project", members={bot, "U0ALEX"}, is_archived=True),
        Channel(
            id="C0PARTNERS", name="partners", members={bot, "U0ALEX", "U0BO", "U0ZOE"}, is_ext_shared=True
        ),
        Channel(id="C0RANDOM", name="random", members={"U0ALEX", "U0BO"}),
        Channel(id="C0BOARD", name="board", members={"U0SUE"}, is_private=True),
    ]


def the_groups() -> list[Usergroup]:
    """finance-approvers: bo, cy; supervisors: sue; sre-oncall: kim; nobody: empty; retired: disabled."""
    return [
        Usergroup(id="S0FINANCE", handle="finance-approvers", members=["U0BO", "U0CY"]),
        Usergroup(id="S0OPS", handle="ops-approvers", members=["U0BO", "U0CY", "U0SUE"]),
        Usergroup(id="S0SUPERV", handle="supervisors", members=["U0SUE"]),
        Usergroup(id="S0ONCALL", handle="sre-oncall", members=["U0KIM"]),
        Usergroup(id="S0NOBODY", handle="nobody", members=[]),
        Usergroup(id="S0RETIRED", handle="retired", members=["U0BO"], disabled=True),
    ]
