"""Microsoft Graph over HTTP: pages, waits, tokens that die, and everything that must not pass for an answer."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator

import pytest
from entra_scene import Entra, entra
from sayso.approvals.errors import BadSetting, DirectoryDown
from sayso.bot.teams.credentials import EntraToken
from sayso.bot.teams.graph import MOST_PAGES, Graph, GraphDown, graph_scope
from sayso.sandbox.faults import FOREVER, Delay, Dropped, Fault, LostReply, RateLimited, Status
from sayso.sandbox.teams.places import Group, User
from teams_bot import stall_during


@pytest.fixture
async def scene() -> AsyncIterator[Entra]:
    async with entra() as scene:
        yield scene


async def ask(scene: Entra, kind: str) -> object:
    """One question about bo, or about a group."""
    if kind == "users":
        return await scene.graph.user(scene.of("bo"))
    return await scene.graph.group_members(scene.group("finance-approvers"))


async def test_what_is_known_of_a_person(scene: Entra) -> None:
    """Kind and state of the account are asked for, because Graph does not tell them by itself."""
    found = await scene.graph.user(scene.of("gil"))
    assert found is not None
    assert (found["displayName"], found["userType"], found["accountEnabled"]) == ("Gil Guest", "Guest", True)
    assert await scene.graph.user(scene.of("zoe")) is None
    assert await scene.graph.user(scene.of("bo").upper()) == await scene.graph.user(scene.of("bo"))


async def test_a_group_of_many_pages(scene: Entra) -> None:
    """A hundred and thirty people in pages of fifty: three questions, one token, and nobody is lost."""
    tenant = scene.workplace.teams.tenant
    names = [f"clerk{number}" for number in range(130)]
    tenant.users.update({name: User(name=name, real_name=name, tenant_id=tenant.id) for name in names})
    tenant.groups["clerks"] = Group(handle="clerks", members=names)
    scene.workplace.teams.small_pages(50)
    everybody = frozenset(tenant.users[name].aad for name in names)
    assert await scene.graph.group_members(scene.group("clerks")) == everybody
    assert scene.asked("groups") == 3
    assert scene.token_requests() == 1


async def test_only_people_are_members(scene: Entra) -> None:
    """Groups within are opened; a printer, a guest, a closed account and the inner group itself do not count."""
    assert await scene.graph.group_members(scene.group("nested")) == frozenset(
        scene.of(name) for name in ("bo", "cy", "sue")
    )
    assert await scene.graph.group_members(scene.group("nobody")) == frozenset()
    assert await scene.graph.group_members(scene.of("bo")) is None


@pytest.mark.parametrize(
    "id",
    ["", " ", "bo@workplace.example", "../groups", "0?$select=id", "me", "\n", "00000000-0000-0000-0000-00000000000٠",
     "00000000-0000-0000-0000-000000000000/manager", "00000000-0000-0000-0000-000000000000\n"],
)  # fmt: skip
async def test_what_is_no_object_id_is_never_asked_about(id: str) -> None:
    """Neither an empty id, nor an address (Graph would take it), nor a path of its own."""
    graph = Graph(an_unused_token(), url="https://graph.test/v1.0/")
    assert await graph.user(id) is None
    assert await graph.group_members(id) is None


def an_unused_token() -> EntraToken:
    """Asking for it would fail the test."""
    return EntraToken(None, tenant="t", scope="s")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["users", "groups"])
async def test_whatever_goes_wrong_fails_closed(scene: Entra, kind: str) -> None:
    """P2: No answer is never a yes, never a stranger, and never an empty group; once it is over, answers are back."""
    faults: list[Fault] = [
        Status(500),
        Status(502),
        Status(503),
        Status(400),
        Status(302),
        Dropped(),
        LostReply(),
    ]
    for fault in faults:
        scene.workplace.teams.graph.faults.add(fault, on=kind)
        with pytest.raises(GraphDown) as down:
            await ask(scene, kind)
        assert str(down.value) == str(DirectoryDown()), fault
    assert await ask(scene, kind)


NONSENSE = (
    "<html>Sign in to the hotel's network</html>", "", "[]", "null", '"yes"', "{}", '{"value": null}',
    '{"value": [null]}', '{"value": [{"id": "x"}]}', '{"value": [{"@odata.type": "#microsoft.graph.user"}]}',
    '{"value": [{"@odata.type": "#microsoft.graph.user", "id": "U0BO"}]}',
    '{"value": [{"@odata.type": "#microsoft.graph.user", "id": 7}]}', '{"id": "somebody else", "accountEnabled": true}',
    '{"value": {"@odata.type": "#microsoft.graph.user"}}',
)  # fmt: skip


@pytest.mark.parametrize("kind", ["users", "groups"])
async def test_nonsense_is_no_answer(scene: Entra, kind: str) -> None:
    """A hotel's page, other JSON, half a member, somebody else than was asked about."""
    for body in NONSENSE:
        scene.workplace.teams.graph.instead.append(body)
        with pytest.raises(GraphDown):
            await ask(scene, kind)


async def test_the_token_goes_nowhere_else(scene: Entra) -> None:
    """A next page on another host, port or scheme, with a password of its own, or that is no address at all."""
    here = scene.workplace.teams.graph_url
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        port = elsewhere.getsockname()[1]
        for link in (
            f"http://127.0.0.1:{port}/", here.replace("http://", "https://"), here.replace("127.0.0.1", "localhost"),
            here.replace("http://", "http://a:b@"), "https://graph.microsoft.com/v1.0/groups", "/v1.0/groups", "",
            "http://[", "http://127.0.0.1:x/", None, 7,
        ):  # fmt: skip
            body = json.dumps({"value": [], "@odata.nextLink": link})
            scene.workplace.teams.graph.instead.append(body)
            with pytest.raises(GraphDown, check=lambda down: "somewhere else" in down.why):
                await ask(scene, "groups")
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


async def test_a_list_without_end_is_given_up(scene: Entra) -> None:
    """Pages that lead to themselves end after a while."""
    scene.workplace.teams.graph.instead += [
        json.dumps({"value": [], "@odata.nextLink": f"{scene.workplace.teams.graph_url}/groups/x/members"})
    ] * (MOST_PAGES + 5)
    with pytest.raises(GraphDown, check=lambda down: "no end" in down.why):
        await ask(scene, "groups")
    assert scene.asked("groups") == MOST_PAGES


async def test_a_short_wait_is_waited_for(scene: Entra) -> None:
    """A second, as Graph asked; the stand-in minds who comes too early."""
    scene.workplace.teams.graph.faults.add(RateLimited(1), on="groups")
    assert await ask(scene, "groups") == {scene.of("bo"), scene.of("cy")}
    assert scene.asked("groups") == 2


async def test_a_long_wait_is_somebody_elses_try(scene: Entra) -> None:
    """Told at once, and until the wait is over nothing more is asked: not about anybody."""
    scene.workplace.teams.graph.faults.add(RateLimited(30), on="groups")
    for kind in ("groups", "groups", "users"):
        with pytest.raises(GraphDown):
            await ask(scene, kind)
    assert (scene.asked("groups"), scene.asked("users")) == (1, 0)
    scene.workplace.teams.graph.forgive()
    scene.clock[0] += 30
    assert await ask(scene, "groups")


async def test_a_wait_without_a_length(scene: Entra) -> None:
    """Five seconds, rather than none."""
    scene.workplace.teams.graph.faults.add(RateLimited(None), on="users")
    for _ in range(2):
        with pytest.raises(GraphDown):
            await ask(scene, "users")
    assert scene.asked("users") == 1
    scene.clock[0] += 5
    assert await ask(scene, "users")


async def test_always_busy_is_down(scene: Entra) -> None:
    """A wait is waited for once, not for ever."""
    scene.workplace.teams.graph.faults.add(RateLimited(0), on="users", times=FOREVER)
    with pytest.raises(GraphDown):
        await ask(scene, "users")
    assert scene.asked("users") == 2


async def test_a_refused_token_is_replaced_once(scene: Entra) -> None:
    """A new token is asked for at the first 401; at the second it is down, and the next question starts anew."""
    await ask(scene, "users")
    scene.workplace.teams.graph.faults.add(Status(401), on="users")
    assert await ask(scene, "users")
    assert scene.token_requests() == 2
    scene.workplace.teams.graph.faults.add(Status(401), on="users", times=2)
    with pytest.raises(GraphDown):
        await ask(scene, "users")
    assert await ask(scene, "users")


async def test_a_token_that_died_early_is_replaced_once_for_all(scene: Entra) -> None:
    """Ten questions hear 401 at once: whoever comes later takes the token that the first one asked for."""
    await ask(scene, "users")
    scene.workplace.tokens.advance(7200)  # the bot believes in its token, and the service does not any more
    people = ("alex", "bo", "cy", "sue", "kim", "ned", "gil", "dee", "alex", "bo")
    found = await asyncio.gather(*(scene.graph.user(scene.of(name)) for name in people))
    assert None not in found
    assert scene.token_requests() == 2
    assert 1 <= sum(call.status == 401 for call in scene.workplace.teams.graph.calls) <= 10


async def test_one_token_for_its_whole_life(scene: Entra) -> None:
    """Questions at once and one after another: one token; a new one five minutes before its end."""
    await asyncio.gather(*(ask(scene, kind) for kind in ("users", "groups") * 5))
    scene.clock[0] += 3600 - 301
    await ask(scene, "users")
    assert scene.token_requests() == 1
    scene.clock[0] += 2
    await ask(scene, "users")
    assert scene.token_requests() == 2


@pytest.mark.parametrize(
    ("kind", "permission"), [("users", "User.Read.All"), ("groups", "GroupMember.Read.All")]
)
async def test_a_missing_permission_is_named(
    scene: Entra, kind: str, permission: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, for whoever can grant it; people read what they always read."""
    scene.workplace.teams.graph.permissions.discard(permission)
    with pytest.raises(GraphDown, check=lambda down: permission in down.why) as down:
        await ask(scene, kind)
    assert (
        f"teams.graph_down asked={kind} why=the application lacks the permission {permission}"
        in caplog.messages
    )
    assert permission not in str(down.value)


async def test_a_slow_graph_is_down_in_time(scene: Entra) -> None:
    """The whole question has one patience; a client that was cut off serves the next question."""
    await ask(scene, "groups")
    scene.graph._patience = 0.2
    scene.workplace.teams.graph.faults.add(Delay(1.0), on="users")
    with pytest.raises(GraphDown, check=lambda down: "no answer within 0.2 s" in down.why):
        await ask(scene, "users")
    scene.graph._patience = 10
    assert await ask(scene, "users")


async def test_a_slow_token_service_is_asked_once_all_the_same(scene: Entra) -> None:
    """Whoever gives up leaves the question to those who come later: they share its answer."""
    scene.graph._patience = 0.1
    scene.workplace.tokens.faults.add(Delay(0.6), on="/oauth2/v2.0/token")
    for _ in range(2):
        with pytest.raises(GraphDown):
            await ask(scene, "users")
    scene.graph._patience = 10
    assert await ask(scene, "users")
    assert scene.token_requests() == 1


async def test_a_token_service_that_fails_or_refuses() -> None:
    """Both are *down*: nobody's account can be checked without a token."""
    async with entra() as scene:
        scene.workplace.tokens.faults.add(Status(503), on="/oauth2/v2.0/token")
        with pytest.raises(GraphDown, check=lambda down: "token service" in down.why):
            await ask(scene, "users")
        scene.workplace.tokens.client_secret = "rotated by an administrator"
        with pytest.raises(GraphDown, check=lambda down: "the client secret is wrong" in down.why):
            await ask(scene, "users")


async def test_nobody_there() -> None:
    """A port where nobody listens."""
    async with entra(url="http://127.0.0.1:1/v1.0/") as scene:
        with pytest.raises(GraphDown, check=lambda down: "cannot be reached" in down.why):
            await ask(scene, "users")


async def test_nothing_blocks_the_loop(scene: Entra) -> None:
    """Neither the trust store nor a slow token service: the loop goes on."""
    scene.workplace.tokens.faults.add(Delay(1.0), on="/oauth2/v2.0/token")
    stall = await stall_during(ask(scene, "users"))
    # Work of ours is counted in processor time: a busy machine is not our stall. Waiting is counted by the wall.
    assert stall.worked < 0.05
    assert stall.waited < 0.7


async def test_no_token_is_logged(scene: Entra, caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level of every library."""
    with caplog.at_level(logging.DEBUG):
        await ask(scene, "users")
        scene.workplace.teams.graph.faults.add(Status(401), on="groups", times=2)
        with pytest.raises(GraphDown):
            await ask(scene, "groups")
    assert not [one for one in scene.workplace.tokens.issued if one.token in caplog.text]
    assert scene.workplace.tokens.client_secret not in caplog.text


@pytest.mark.parametrize("url", ["http://graph.microsoft.com/v1.0/", "ftp://127.0.0.2.example/", "graph"])
def test_a_token_is_never_sent_in_the_clear(url: str) -> None:
    """Refused at the start."""
    with pytest.raises(BadSetting, match="https://"):
        Graph(an_unused_token(), url=url)


def test_what_a_token_for_graph_is_asked_for() -> None:
    """Each cloud has its own Graph; a stand-in on this machine takes the tokens of the real one."""
    assert graph_scope() == graph_scope("http://127.0.0.1:99/x") == "https://graph.microsoft.com/.default"
    assert graph_scope("https://graph.microsoft.us/v1.0/") == "https://graph.microsoft.us/.default"
