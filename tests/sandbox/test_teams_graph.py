"""Microsoft Graph: groups in pages, accounts with their kind, permissions, and throttling."""

from __future__ import annotations

from sayso.sandbox import RateLimited, Status, Workplace
from tiny_bot import ConnectorClient


async def test_a_group_comes_in_pages(workplace: Workplace, connector: ConnectorClient) -> None:
    """The next link is followed as it is; a page may be smaller than asked for."""
    workplace.teams.small_pages(2)
    path = f"/groups/{workplace.teams.group_id('nested')}/transitiveMembers?$select=id,displayName&$top=999"
    names, pages = [], 0
    while path:
        page = (await connector.graph(path)).body
        names += [one["displayName"] for one in page["value"]]
        path, pages = page.get("@odata.nextLink", ""), pages + 1
    assert sorted(names) == [
        "Bo Berg", "Cy Chen", "Dee Parted", "Gil Guest", "Sue Supervisor", "finance-approvers", "printer"
    ]  # fmt: skip
    assert pages == 4


async def test_members_are_not_all_people(workplace: Workplace, connector: ConnectorClient) -> None:
    """Groups and devices stand among them; the cast leaves them out."""
    group = workplace.teams.group_id("nested")
    direct = (await connector.graph(f"/groups/{group}/members")).body["value"]
    people = (await connector.graph(f"/groups/{group}/transitiveMembers/microsoft.graph.user")).body["value"]
    assert {one["@odata.type"] for one in direct} == {
        "#microsoft.graph.group", "#microsoft.graph.user", "#microsoft.graph.device"
    }  # fmt: skip
    assert len(people) == 5


async def test_the_kind_of_an_account_must_be_asked_for(
    workplace: Workplace, connector: ConnectorClient
) -> None:
    """Without `$select` Graph says neither guest nor closed: a trap."""
    gil, dee, zoe = (workplace.teams.person(name).aad for name in ("gil", "dee", "zoe"))
    assert "userType" not in (await connector.graph(f"/users/{gil}")).body
    assert (await connector.graph(f"/users/{gil}?$select=userType")).body["userType"] == "Guest"
    assert (await connector.graph(f"/users/{dee}?$select=accountEnabled")).body["accountEnabled"] is False
    assert (await connector.graph(f"/users/{zoe}")).code == "Request_ResourceNotFound"


async def test_groups_change_under_the_programs_feet(
    workplace: Workplace, connector: ConnectorClient
) -> None:
    """Whoever is removed is gone from the very next answer."""
    path = f"/groups/{workplace.teams.group_id('finance-approvers')}/members"
    workplace.teams.remove_from_group("finance-approvers", "bo")
    workplace.teams.add_to_group("finance-approvers", "kim")
    names = [one["displayName"] for one in (await connector.graph(path)).body["value"]]
    assert names == ["Cy Chen", "Kim Oncall"]


async def test_graph_refuses_and_throttles(workplace: Workplace, connector: ConnectorClient) -> None:
    """Permissions per resource, 429 with a wait, unknown groups, and paths it does not have."""
    group = workplace.teams.group_id("supervisors")
    workplace.teams.graph.permissions.discard("GroupMember.Read.All")
    assert (await connector.graph(f"/groups/{group}/members")).code == "Authorization_RequestDenied"
    workplace.teams.graph.permissions.add("Directory.Read.All")
    workplace.teams.graph.faults.add(RateLimited(3), on="users")
    limited = await connector.graph(f"/users/{workplace.teams.person('bo').aad}")
    assert (limited.status, limited.headers["Retry-After"]) == (429, "3")
    workplace.teams.graph.faults.add(Status(503), on="groups")
    assert (await connector.graph(f"/groups/{group}/members")).status == 503
    assert (await connector.graph("/groups/00000000-0000-0000-0000-000000000000/members")).status == 404
    workplace.assert_clean()
    assert (await connector.graph(f"/groups/{group}/members?$top=1000")).status == 400
    assert (await connector.graph(f"/groups/{group}/owners")).status == 400
    assert len(workplace.violations.take()) == 2


async def test_a_token_for_the_connector_is_none_for_graph(
    workplace: Workplace, connector: ConnectorClient
) -> None:
    """Audiences are kept apart."""
    url = f"{workplace.teams.graph_url}/users/{workplace.teams.person('bo').aad}"
    token = await connector.token(workplace.teams.scope)
    async with connector.session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 401
    assert len(workplace.violations.take()) == 1
