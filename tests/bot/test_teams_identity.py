"""What Entra says about an account decides whether it may answer at all; any doubt is an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from entra_scene import Entra, entra
from sayso.approvals.errors import BadSetting, DirectoryDown, NotAllowed, WhyNot
from sayso.approvals.people import Identity, Person, PersonId
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.slack.identity import SlackAccounts
from sayso.bot.slack.transport import slack_client
from sayso.bot.teams.graph import GraphDown
from sayso.bot.teams.identity import TeamsAccounts, standing_of
from sayso.sandbox.faults import Delay, RateLimited, Status
from sayso.sandbox.teams.places import FOREIGN_TENANT_ID

BO, CY, SUE = PersonId("bo"), PersonId("cy"), PersonId("sue")


@pytest.fixture
async def scene() -> AsyncIterator[Entra]:
    async with entra() as scene:
        yield scene


def of(scene: Entra, user: str, tenant: str | None = None) -> Identity:
    """Somebody's account, or an id as it is."""
    known = user in scene.workplace.teams.tenant.users
    ours = scene.workplace.teams.tenant_id
    return Identity(
        platform="teams", tenant=ours if tenant is None else tenant, user=scene.of(user) if known else user
    )


async def test_what_an_account_is(scene: Entra) -> None:
    """A colleague, a guest, a closed account, strangers, nobody, the bot itself, a name instead of an id."""
    nobody = "00000000-0000-4000-8000-000000000000"
    expected: list[tuple[Identity, WhyNot | None]] = [
        (of(scene, "bo"), None), (of(scene, "bo", scene.workplace.teams.tenant_id.upper()), None),
        (of(scene, "gil"), WhyNot.GUEST), (of(scene, "dee"), WhyNot.DEACTIVATED),
        (of(scene, "zoe"), WhyNot.UNKNOWN_PERSON), (of(scene, "zoe", FOREIGN_TENANT_ID), WhyNot.FOREIGN),
        (of(scene, "bo", FOREIGN_TENANT_ID), WhyNot.FOREIGN), (of(scene, "bo", ""), WhyNot.FOREIGN),
        (of(scene, nobody), WhyNot.UNKNOWN_PERSON), (of(scene, ""), WhyNot.UNKNOWN_PERSON),
        (of(scene, "Bo Berg"), WhyNot.UNKNOWN_PERSON), (of(scene, "bo@workplace.example"), WhyNot.UNKNOWN_PERSON),
        (of(scene, scene.workplace.teams.person("bo").id), WhyNot.UNKNOWN_PERSON),
        (of(scene, scene.workplace.teams.bot_id), WhyNot.BOT),
    ]  # fmt: skip
    for identity, why in expected:
        assert await scene.accounts.standing(identity) is why, identity


async def test_a_stranger_and_an_empty_id_are_never_looked_up(scene: Entra) -> None:
    """Refused without a question: Graph would answer `users/` with everybody."""
    for identity in (
        of(scene, ""),
        of(scene, "bo", ""),
        of(scene, "bo", FOREIGN_TENANT_ID),
        of(scene, "../groups"),
    ):
        assert await scene.accounts.standing(identity) is not None
    assert await scene.accounts.group("") == frozenset()
    assert scene.workplace.teams.graph.calls == []
    assert scene.token_requests() == 0


def a_user(**changed: object) -> Mapping[str, Any]:
    """A colleague as Graph describes one; None in `changed` is what Graph says, `...` leaves it out."""
    user = {
        "id": "x", "userPrincipalName": "bo@workplace.example", "accountEnabled": True, "userType": "Member",
        "externalUserState": None, **changed,
    }  # fmt: skip
    return {name: value for name, value in user.items() if value is not ...}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, None),
        ({"@odata.type": "#microsoft.graph.user"}, None),
        ({"userType": "Guest"}, WhyNot.GUEST),
        ({"userType": None}, WhyNot.GUEST),
        ({"userType": "Partner"}, WhyNot.GUEST),
        ({"externalUserState": "Accepted"}, WhyNot.GUEST),
        ({"externalUserState": "PendingAcceptance"}, WhyNot.GUEST),
        ({"userPrincipalName": "bo_elsewhere.example#EXT#@workplace.example"}, WhyNot.GUEST),
        ({"accountEnabled": False}, WhyNot.DEACTIVATED),
        ({"accountEnabled": False, "userType": "Guest"}, WhyNot.DEACTIVATED),
        ({"@odata.type": "#microsoft.graph.agentUser"}, WhyNot.BOT),
        ({"@odata.type": "#microsoft.graph.servicePrincipal"}, WhyNot.BOT),
        ({"@odata.type": "#microsoft.graph.application"}, WhyNot.BOT),
    ],
)
def test_who_may_decide_is_a_colleague(changed: dict[str, object], why: WhyNot | None) -> None:
    """Signed in elsewhere is a guest whatever the directory calls it; an AI agent's account is no person."""
    assert standing_of(a_user(**changed)) is why


@pytest.mark.parametrize(
    "changed",
    [
        {"accountEnabled": None}, {"accountEnabled": ...}, {"accountEnabled": "true"}, {"accountEnabled": 1},
        {"userType": ...}, {"@odata.type": "#microsoft.graph.agentUser", "accountEnabled": None},
    ],
)  # fmt: skip
def test_what_graph_does_not_say_is_a_doubt(changed: dict[str, object]) -> None:
    """Without the permission Graph leaves properties empty: that is no yes."""
    with pytest.raises(GraphDown):
        standing_of(a_user(**changed))


async def test_an_agents_account_cannot_decide(scene: Entra) -> None:
    """It has an id, a name and a mailbox like everybody; as a member of a group it does not count either."""
    agent = a_user(**{"id": scene.of("bo"), "@odata.type": "#microsoft.graph.agentUser"})
    scene.workplace.teams.graph.instead += [json.dumps(agent), json.dumps({"value": [agent]})]
    assert await scene.accounts.standing(of(scene, "bo")) is WhyNot.BOT
    assert await scene.accounts.group(scene.group("finance-approvers")) == frozenset()


async def test_who_is_in_a_group(scene: Entra) -> None:
    """Empty, unknown and malformed groups have no members."""
    assert await scene.accounts.group(scene.group("ops-approvers")) == {
        scene.of(name) for name in ("bo", "cy", "sue")
    }
    for none in (scene.group("nobody"), "00000000-0000-4000-8000-000000000000", "finance-approvers"):
        assert await scene.accounts.group(none) == frozenset()


def test_a_tenant_is_needed() -> None:
    """Without one a missing tenant would pass for ours."""
    with pytest.raises(BadSetting):
        TeamsAccounts(None, tenant=" ")  # type: ignore[arg-type]


def a_directory(scene: Entra, *people: Person) -> ConfiguredDirectory:
    """Both platforms over the cast of the sandbox; its sets have the same Entra and Slack groups."""
    slack = SlackAccounts(
        slack_client(scene.workplace.slack.bot_token, base_url=scene.workplace.slack.api_url)
    )
    both = ("slack:S0FINANCE", f"teams:{scene.group('ops-approvers')}")
    return ConfiguredDirectory(
        people=people or [
            Person(id=BO, name="Bo", accounts={"slack": "U0BO", "teams": scene.of("bo")}),
            Person(id=CY, name="Cy", accounts={"slack": "U0CY"}),
            Person(id=SUE, name="Sue", accounts={"teams": scene.of("sue")}),
        ],
        sets={"finance": ApproverSet(groups=both), "entra": ApproverSet(groups=both[1:])},
        platforms={"slack": slack, "teams": scene.accounts}, monotonic=lambda: scene.clock[0],
    )  # fmt: skip


async def test_one_person_on_both_platforms(scene: Entra) -> None:
    """Whatever bo clicks on, it is bo; and a set is the union of its groups, each person once."""
    directory = a_directory(scene)
    slack = Identity(platform="slack", tenant="T0WORKPLACE", user="U0BO")
    assert await directory.person(slack) == await directory.person(of(scene, "bo"))
    assert await directory.members("finance") == {BO, CY, SUE}
    assert await directory.members("entra") == {BO, SUE}


async def test_who_is_not_listed_is_nobody(scene: Entra) -> None:
    """A colleague in good standing whom the configuration does not know; a guest is told why instead."""
    for name, why in (("kim", WhyNot.UNKNOWN_PERSON), ("gil", WhyNot.GUEST)):
        with pytest.raises(NotAllowed) as refused:
            await a_directory(scene).person(of(scene, name))
        assert refused.value.why is why


async def test_one_account_of_two_persons_is_nobodys(scene: Entra) -> None:
    """Neither may answer by it, and in a group it counts for neither."""
    shared = {"teams": scene.of("bo")}
    directory = a_directory(
        scene, Person(id=BO, name="Bo", accounts=shared), Person(id=CY, name="Cy", accounts=shared)
    )
    with pytest.raises(NotAllowed) as refused:
        await directory.person(of(scene, "bo"))
    assert refused.value.why is WhyNot.AMBIGUOUS
    assert await directory.members("entra") == frozenset()


async def test_ten_votes_ask_once(scene: Entra) -> None:
    """One question under way for each person and each group, and none while the answer is fresh."""
    directory = a_directory(scene)
    scene.workplace.teams.graph.faults.add(Delay(0.1), times=2)
    await asyncio.gather(
        *(directory.members("entra") for _ in range(10)),
        *(directory.person(of(scene, "bo")) for _ in range(10)),
    )
    assert (scene.asked("groups"), scene.asked("users")) == (1, 1)
    scene.clock[0] += 14
    await directory.members("entra")
    assert scene.asked("groups") == 1


async def test_who_was_removed_is_out_within_fifteen_seconds(scene: Entra) -> None:
    """P4: Out of the group, and out of the company."""
    directory = a_directory(scene)
    assert await directory.members("entra") == {BO, SUE}
    assert (await directory.person(of(scene, "bo"))).id == BO
    scene.workplace.teams.remove_from_group("ops-approvers", "bo")
    scene.workplace.teams.close_account("bo")
    scene.clock[0] += 15
    assert await directory.members("entra") == {SUE}
    with pytest.raises(NotAllowed) as refused:
        await directory.person(of(scene, "bo"))
    assert refused.value.why is WhyNot.DEACTIVATED


async def test_graph_being_down_does_not_make_a_set_smaller(scene: Entra) -> None:
    """A set with a Slack group that answers is not decided by half; nor is an account vouched for."""
    directory = a_directory(scene)
    scene.workplace.teams.graph.faults.add(Status(503), on="groups")
    with pytest.raises(DirectoryDown):
        await directory.members("finance")
    scene.workplace.teams.graph.faults.add(RateLimited(60), on="users")
    with pytest.raises(DirectoryDown):
        await directory.person(of(scene, "bo"))
