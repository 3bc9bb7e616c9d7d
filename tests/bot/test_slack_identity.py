"""What Slack says about an account decides whether it may answer at all; any doubt is an error."""

from __future__ import annotations

import pytest
from sayso.approvals.errors import DirectoryDown, WhyNot
from sayso.approvals.people import Identity
from sayso.bot.slack.identity import SlackAccounts, standing_of
from sayso.bot.slack.transport import slack_client
from sayso.sandbox.faults import Dropped, Fail, RateLimited, Status
from sayso.sandbox.workplace import Workplace

TEAM = "T0WORKPLACE"


def of(user: str, tenant: str = TEAM) -> Identity:
    return Identity(platform="slack", tenant=tenant, user=user)


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        (of("U0BO"), None), (of("U0GIL"), WhyNot.GUEST), (of("U0UMA"), WhyNot.GUEST),
        (of("U0ZOE"), WhyNot.FOREIGN), (of("U0ZOE", "T0ELSEWHERE"), WhyNot.FOREIGN),
        (of("U0DEE"), WhyNot.DEACTIVATED), (of("U0ROBO"), WhyNot.BOT), (of("U0NOBODY"), WhyNot.UNKNOWN_PERSON),
        (of("U0BO", "T0ELSEWHERE"), WhyNot.FOREIGN),
    ],
)  # fmt: skip
async def test_what_an_account_is(identity: Identity, why: WhyNot | None) -> None:
    """Guest, single-channel guest, stranger, deactivated, bot, nobody, and a click that claims another workspace."""
    async with Workplace.running() as workplace:
        accounts = SlackAccounts(slack_client(workplace.slack.bot_token, base_url=workplace.slack.api_url))
        assert await accounts.standing(identity) is why


@pytest.mark.parametrize(
    "fault", [Fail("internal_error"), Fail("missing_scope"), Status(500), Dropped(), RateLimited(1)]
)
@pytest.mark.parametrize("method", ["users.info", "usergroups.users.list", "auth.test"])
async def test_whatever_goes_wrong_fails_closed(method: str, fault: object) -> None:
    """P2: No answer is never a yes, and never an empty group either."""
    async with Workplace.running() as workplace:
        accounts = SlackAccounts(slack_client(workplace.slack.bot_token, base_url=workplace.slack.api_url))
        workplace.slack.faults.add(fault, on=method)  # type: ignore[arg-type]
        with pytest.raises(DirectoryDown):
            await (accounts.group("S0FINANCE") if "group" in method else accounts.standing(of("U0BO")))


@pytest.mark.parametrize(
    ("group", "members"),
    [("S0FINANCE", {"U0BO", "U0CY"}), ("S0NOBODY", set()), ("S0RETIRED", set()), ("S0GONE", set())],
)
async def test_who_is_in_a_group(group: str, members: set[str]) -> None:
    """Empty, disabled and unknown groups have no members."""
    async with Workplace.running() as workplace:
        accounts = SlackAccounts(slack_client(workplace.slack.bot_token, base_url=workplace.slack.api_url))
        assert await accounts.group(group) == members


@pytest.mark.parametrize(
    ("user", "clicked_in", "why"),
    [
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}, "T2", None),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E9"}}, "T2", WhyNot.FOREIGN),
        ({"team_id": "T1"}, "", None),
        ({"team_id": "T1", "is_stranger": True}, "T1", WhyNot.FOREIGN),
        ({}, "T1", WhyNot.FOREIGN),
        ({"team_id": "T1", "is_app_user": True}, "T1", WhyNot.BOT),
    ],
)
def test_an_enterprise_is_one_organisation(
    user: dict[str, object], clicked_in: str, why: WhyNot | None
) -> None:
    """On Grid a colleague's home is another workspace of the same enterprise; another enterprise is foreign."""
    assert standing_of(user, team="T1", enterprise="E1", clicked_in=clicked_in) is why
