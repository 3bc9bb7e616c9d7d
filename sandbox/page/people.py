"""Whom one can be on the page."""

from __future__ import annotations

from collections.abc import Mapping

from ..loopback import Json
from ..workplace import Workplace

#: Name -> what they are in the story; in the order of the switch.
ROLES: Mapping[str, str] = {
    "alex": "requester", "bo": "approver", "cy": "approver", "sue": "supervisor", "kim": "on-call",
    "ned": "neighbour", "gil": "guest", "uma": "guest", "zoe": "outsider",
}  # fmt: skip
#: Whom a tab begins as.
FIRST = "alex"


def in_slack(workplace: Workplace, name: str) -> bool:
    """They can use Slack."""
    return not workplace.slack.workspace.user_named(name).deleted


def in_teams(workplace: Workplace, name: str) -> bool:
    """They can use Teams."""
    user = workplace.teams.tenant.users.get(name)
    return user is not None and user.enabled


def people_of(workplace: Workplace) -> list[Json]:
    """Everybody one can be, with where they have an account."""
    named = workplace.slack.workspace.user_named
    return [
        {
            "name": name, "real_name": named(name).real_name, "role": role,
            "slack": in_slack(workplace, name), "teams": in_teams(workplace, name),
        }
        for name, role in ROLES.items()
    ]  # fmt: skip
