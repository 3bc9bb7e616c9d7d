"""The Connector as the bot calls it: posts, threads, updates, rosters, and everything it refuses."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientError
from sayso.sandbox import Delay, Dropped, Fail, Ignored, LostReply, RateLimited, Status, Workplace
from tiny_bot import ConnectorClient, a_card, execute, showing, words


async def test_a_card_is_a_new_thread(workplace: Workplace, connector: ConnectorClient) -> None:
    """Posted by creating a conversation; its id names the thread, and replies go there."""
    posted = await connector.posts_root("#support", showing(a_card(), summary="Refund?"))
    assert posted.status == 201
    assert (
        posted.body["id"] == f"{workplace.teams.channel_id('#support')};messageid={posted.body['activityId']}"
    )
    reply = await connector.replies(posted.body["id"], words("On it."))
    root, answer = workplace.teams.person("bo").sees("#support")
    assert (root.push_text, root.text_as_seen(), answer.text) == ("Refund?", "Refund 129.90 USD?", "On it.")
    assert (answer.id, answer.root) == (reply.body["id"], root.id)
    assert workplace.teams.person("bo").sees_in_thread(root) == [root, answer]
    assert workplace.teams.person("zoe").sees("#support") == []


async def test_a_card_is_redrawn_in_place(workplace: Workplace, connector: ConnectorClient) -> None:
    """By anybody who has the two ids; the object in a driver's hand stays the same."""
    posted = await connector.posts_root("#support", showing(a_card(actions=[execute("Approve", "approve")])))
    (card,) = workplace.teams.messages("#support")
    before = card.snapshot()
    done = a_card({"type": "TextBlock", "text": "Refunded"})
    assert (await connector.updates(posted.body["id"], card.id, showing(done))).body == {"id": card.id}
    assert (card.text_as_seen(), card.edits, card.buttons()) == ("Refunded", 1, [])
    assert before.buttons() == ["Approve"]
    path = f"/{quote(posted.body['id'], safe='')}/activities/{card.id}"
    assert (await connector.call("DELETE", path)).status == 200
    assert workplace.teams.messages("#support") == []
    assert (await connector.updates(posted.body["id"], card.id, showing(done))).code == (
        "ActivityNotFoundInConversation"
    )


async def test_a_personal_chat_begins_by_either_id(workplace: Workplace, connector: ConnectorClient) -> None:
    """Teams id or Entra object id; not where the bot is not installed, nor with nobody."""
    bo, ned = workplace.teams.person("bo"), workplace.teams.person("ned")
    first = await connector.begins_chat(bo.aad, words("A request waits."))
    again = await connector.begins_chat(bo.id)
    assert first.body["id"] == again.body["id"]
    await connector.replies(again.body["id"], words("Still."))
    assert [one.text for one in bo.direct_messages()] == ["A request waits.", "Still."]
    assert (await connector.begins_chat(ned.aad)).code == "BotNotInConversationRoster"
    workplace.assert_clean()
    assert (await connector.begins_chat("29:nobody")).code == "BadArgument"
    workplace.violations.take()


@pytest.mark.parametrize(
    ("channel", "code", "status"),
    [("#random", "BotNotInConversationRoster", 403), ("#old-project", "Forbidden", 403)],
)
async def test_places_that_cannot_be_written_to(
    workplace: Workplace, connector: ConnectorClient, channel: str, code: str, status: int
) -> None:
    """The word for an archived team sits one level deeper."""
    refused = await connector.posts_root(channel, words("hello"))
    assert (refused.code, refused.status) == (code, status)
    if code == "Forbidden":
        inner = refused.body["error"]["innerHttpError"]
        assert inner["body"]["code"] == "MessageWritesBlocked"


async def test_what_is_not_there_is_404(workplace: Workplace, connector: ConnectorClient) -> None:
    """Channels, threads and messages; luck, not a violation."""
    channel = workplace.teams.channel_id("#support")
    assert (await connector.replies("19:no@thread.tacv2", words("x"))).code == "ConversationNotFound"
    assert (await connector.replies(f"{channel};messageid=1", words("x"))).code == "ConversationNotFound"
    assert (await connector.updates(channel, "1", words("x"))).code == "ActivityNotFoundInConversation"


async def test_a_bot_without_a_good_token_is_refused(
    workplace: Workplace, connector: ConnectorClient
) -> None:
    """None, garbage, one for another API, and one that has expired."""
    elsewhere = await connector.token("https://graph.microsoft.com/.default")
    good = await connector.token(workplace.teams.scope)
    for token in ("garbage", elsewhere):
        refused = await connector.call("GET", "/x/members", token=token)
        assert (refused.status, refused.code) == (401, "Unauthorized")
    assert len(workplace.violations.take()) == 2
    workplace.tokens.advance(workplace.tokens.lifetime + 1)
    assert (await connector.call("GET", "/x/members", token=good)).status == 401  # clocks differ: no mistake


async def test_only_the_bots_own_messages_change(workplace: Workplace, connector: ConnectorClient) -> None:
    """Not what alex wrote."""
    said = await workplace.teams.person("alex").says("#support", "mine")
    refused = await connector.updates(said.thread, said.id, words("yours"))
    assert (refused.status, said.text) == (403, "mine")
    workplace.violations.take()


async def test_text_beside_a_card_loses_the_id(workplace: Workplace, connector: ConnectorClient) -> None:
    """Teams makes two messages of it and tells neither id: a violation, and a trap."""
    posted = await connector.posts_root("#support", showing(a_card(), text="Please decide"))
    assert "activityId" not in posted.body
    assert len(workplace.teams.messages("#support")) == 2
    assert "no id comes back" in str(workplace.violations.take()[0])


async def test_a_root_post_by_continuing_is_reported(
    workplace: Workplace, connector: ConnectorClient
) -> None:
    """What Teams makes of it is not known, so a bot must not do it."""
    await connector.replies(workplace.teams.channel_id("#support"), words("hello"))
    assert "creating a conversation" in str(workplace.violations.take()[0])


async def test_size_counts_in_utf_16(workplace: Workplace, connector: ConnectorClient) -> None:
    """Just above 100 KB is 413, with fewer letters than that."""
    posted = await connector.posts_root("#support", words("x" * 52_000))
    assert (posted.status, posted.code) == (413, "MessageSizeTooBig")
    assert (await connector.posts_root("#support", words("x" * 50_000))).status == 201
    assert len(workplace.violations.take()) == 1


async def test_mentions_need_entity_text_and_member(workplace: Workplace, connector: ConnectorClient) -> None:
    """All three, or it is reported."""
    bo, zoe = workplace.teams.person("bo"), workplace.teams.person("zoe")

    def mention(id: str, name: str) -> dict[str, Any]:
        return {
            "type": "mention",
            "text": f"<at>{name}</at>",
            "mentioned": {"id": id, "name": name},
        }

    await connector.posts_root("#support", words("<at>Bo</at> please", entities=[mention(bo.id, "Bo")]))
    workplace.assert_clean()
    assert workplace.teams.messages("#support")[0].text_as_seen() == "@Bo please"
    assert workplace.teams.messages("#support")[0].live_mentions() == ["<at>Bo</at>"]
    for text, entities, complaint in (
        ("<at>Bo</at> please", [], "has no mention entity"),
        ("please", [mention(bo.id, "Bo")], "appears nowhere"),
        ("<at>Zoe</at>", [mention(zoe.id, "Zoe")], "who is no member"),
    ):
        await connector.posts_root("#support", words(text, entities=entities))
        assert complaint in str(workplace.violations.take()[0])


async def test_a_roster_tells_who_is_from_outside(workplace: Workplace, connector: ConnectorClient) -> None:
    """Guests by role, strangers by tenant; whole, in pages, and one by one."""
    partners = quote(workplace.teams.channel_id("#partners"), safe="")
    support = quote(workplace.teams.channel_id("#support"), safe="")
    members = (await connector.call("GET", f"/{partners}/members")).body
    assert {one["name"]: one["tenantId"] == workplace.teams.tenant_id for one in members}["Zoe Zone"] is False
    gil = workplace.teams.person("gil")
    assert (await connector.call("GET", f"/{support}/members/{gil.aad}")).body["userRole"] == "guest"
    assert (await connector.call("GET", f"/{partners}/members/{gil.aad}")).status == 404
    workplace.teams.small_pages(3)
    names, token = [], ""
    while True:
        page = (
            await connector.call("GET", f"/{support}/pagedmembers?pageSize=100&continuationToken={token}")
        ).body
        names += [one["name"] for one in page["members"]]
        if not (token := page.get("continuationToken", "")):
            break
    assert (len(names), len(set(names))) == (8, 8)


@pytest.mark.parametrize(
    ("fault", "status", "applied"),
    [(Fail("BotNotInConversationRoster"), 403, False), (Fail("ConversationNotFound"), 404, False),
     (Status(412), 412, False), (Status(502), 502, False), (RateLimited(1), 429, False),
     (RateLimited(), 429, False), (Ignored(), 200, False), (LostReply(), 0, True), (Dropped(), 0, False)],
)  # fmt: skip
async def test_a_planned_fault_hits_the_next_call_only(
    workplace: Workplace, connector: ConnectorClient, fault: Any, status: int, applied: bool
) -> None:
    """A lost reply has had its effect; a lost update looks as if it had worked."""
    posted = await connector.posts_root("#support", showing(a_card()))
    (card,) = workplace.teams.messages("#support")
    twice = 2 if status == 0 else 1  # aiohttp tries a PUT again when its connection is dropped
    workplace.teams.faults.add(fault, on="update", times=twice)
    try:
        answer = await connector.updates(posted.body["id"], card.id, words("done"))
        assert answer.status == status
        assert answer.headers.get("Retry-After") == ("1" if fault == RateLimited(1) else None)
    except ClientError:
        assert status == 0
    assert (card.edits > 0) is applied
    assert next(one.status for one in workplace.teams.calls if one.name == "update") == (
        status or applied * 200
    )
    if fault != RateLimited(1):
        await connector.updates(posted.body["id"], card.id, words("done"))
        assert card.text == "done"


async def test_whoever_does_not_wait_is_reported(workplace: Workplace, connector: ConnectorClient) -> None:
    """Per conversation: another one may be called at once."""
    support = await connector.posts_root("#support", words("one"))
    finance = await connector.posts_root("#finance-approvals", words("two"))
    workplace.teams.faults.add(RateLimited(30), on="post")
    assert (await connector.replies(support.body["id"], words("now"))).status == 429
    await asyncio.sleep(0.15)
    await connector.replies(finance.body["id"], words("elsewhere"))
    workplace.assert_clean()
    await connector.replies(support.body["id"], words("now!"))
    assert "before Retry-After was over" in str(workplace.violations.take()[0])


async def test_a_rate_is_kept_per_conversation(workplace: Workplace, connector: ConnectorClient) -> None:
    """A short burst, then 429 with Retry-After; the other channel is not concerned; slow is slow."""
    workplace.teams.limit_rate("create", per_second=1, burst=2)
    statuses = [(await connector.posts_root("#support", words("burst"))).status for _ in range(3)]
    assert statuses == [201, 201, 429]
    workplace.teams.faults.add(Delay(0.05), on="create")
    began = time.monotonic()
    assert (await connector.posts_root("#on-call", words("elsewhere"))).status == 201
    assert time.monotonic() - began >= 0.05


async def test_the_service_url_may_move(workplace: Workplace, connector: ConnectorClient) -> None:
    """The old one still works; what was used is in the calls."""
    await connector.posts_root("#support", words("one"))
    workplace.teams.move_to("amer")
    await connector.posts_root("#support", words("two"))
    assert [call.region for call in workplace.teams.calls] == ["emea", "amer"]


async def test_unknown_calls_and_bodies_are_violations(
    workplace: Workplace, connector: ConnectorClient
) -> None:
    """Nothing is let pass: paths, empty messages, wrong tenants, odd properties, odd attachments."""
    assert (await connector.call("GET", "/x/history")).status == 404
    assert (await connector.posts_root("#support", {"type": "message"})).code == "BadSyntax"
    assert (await connector.posts_root("#support", {"type": "trace"})).code == "BadSyntax"
    file = {"type": "message", "attachments": [{"contentType": "image/png", "contentUrl": "x"}]}
    assert (await connector.posts_root("#support", file)).code == "BadSyntax"
    assert (
        await connector.call("POST", "", {"members": [{"id": "29:x"}], "tenantId": "other"})
    ).status == 400
    workplace.teams.violations.take()
    await connector.posts_root("#support", words("hello", colour="red"))
    assert "colour" in str(workplace.violations.take()[0])


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"bot": {"id": "28:somebody-else"}}, "BadArgument"),
        ({"activity": None}, "BadArgument"),
        ({"channelData": {"channel": {"id": "19:no@thread.tacv2"}}}, "BadArgument"),
        ({"channelData": {"tenant": {"id": "other"}}}, "BadArgument"),
        ({"channelData": {}, "tenantId": "", "members": []}, "BadArgument"),
        ({"activity": showing({"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "Blink"}]})}, "BadSyntax"),
    ],
)  # fmt: skip
async def test_how_a_conversation_is_not_begun(
    workplace: Workplace, connector: ConnectorClient, changed: dict[str, Any], code: str
) -> None:
    """Another bot, no activity, no tenant, a strange one, nobody to talk to, a card that is none."""
    teams = workplace.teams
    where = {"channel": {"id": teams.channel_id("#support")}, "tenant": {"id": teams.tenant_id}}
    good = {"bot": {"id": teams.bot_id}, "channelData": where, "activity": words("hello")}
    assert (await connector.call("POST", "", good)).status == 201
    assert (await connector.call("POST", "", {**good, **changed})).code == code
    assert len(workplace.violations.take()) == 1


async def test_updates_name_one_message_in_json(workplace: Workplace, connector: ConnectorClient) -> None:
    """The id in the body must fit, the body must be JSON; typing leaves no trace."""
    posted = await connector.posts_root("#support", words("one"))
    id = posted.body["activityId"]
    assert (await connector.updates(posted.body["id"], id, words("x", id="2"))).code == "BadArgument"
    assert (await connector.replies(posted.body["id"], {"type": "typing"})).body == {}
    url = f"{workplace.teams.service_url}v3/conversations/{quote(posted.body['id'], safe='')}/activities"
    headers = {"Authorization": f"Bearer {await connector.token(workplace.teams.scope)}"}
    async with connector.session.post(url, data="hello", headers=headers) as answer:
        assert answer.status == 415
    async with connector.session.post(
        url, data="{", headers={**headers, "Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 400
    assert [one.text for one in workplace.teams.messages("#support")] == ["one"]
    assert len(workplace.violations.take()) == 3
