"""The Web API through Slack's own SDK: what is refused, and what is told."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import ClientError
from sayso.sandbox import Delay, Dropped, Fail, LostReply, RateLimited, Status, Workplace
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

SUPPORT, OLD, RANDOM, BOARD = "C0SUPPORT", "C0OLD", "C0RANDOM", "C0BOARD"
GOOD_METADATA = {"event_type": "card", "event_payload": {"request": "r1"}}

#: (method, arguments, Slack's error, does it count against the program?)
REFUSED: list[tuple[str, dict[str, Any], str, bool]] = [
    ("chat.postMessage", {"channel": "C0NONE", "text": "x"}, "channel_not_found", False),
    ("chat.postMessage", {"channel": BOARD, "text": "x"}, "channel_not_found", False),
    ("chat.postMessage", {"channel": RANDOM, "text": "x"}, "not_in_channel", False),
    ("chat.postMessage", {"channel": OLD, "text": "x"}, "is_archived", False),
    ("chat.postMessage", {"channel": SUPPORT}, "no_text", True),
    ("chat.postMessage", {"channel": SUPPORT, "text": "x" * 40_001}, "msg_too_long", True),
    ("chat.postMessage", {"channel": SUPPORT, "text": "x", "blocks": "{"}, "invalid_blocks_format", True),
    (
        "chat.postMessage",
        {"channel": SUPPORT, "text": "x", "thread_ts": "1.000001"},
        "thread_not_found",
        False,
    ),
    (
        "chat.postMessage",
        {"channel": SUPPORT, "text": "x", "metadata": {"a": 1}},
        "invalid_metadata_format",
        True,
    ),
    ("chat.postMessage", {"text": "x"}, "invalid_arguments", True),
    ("chat.postMessage", {"channel": "U0DEE", "text": "x"}, "user_disabled", False),
    ("chat.postEphemeral", {"channel": SUPPORT, "user": "U0ZOE", "text": "x"}, "user_not_in_channel", False),
    ("chat.update", {"channel": SUPPORT, "ts": "1.000001", "text": "x"}, "message_not_found", False),
    ("chat.delete", {"channel": SUPPORT, "ts": "1.000001"}, "message_not_found", False),
    ("chat.getPermalink", {"channel": SUPPORT, "message_ts": "1.0"}, "message_not_found", False),
    ("views.open", {"trigger_id": "made.up", "view": {"type": "modal"}}, "invalid_trigger_id", True),
    ("views.update", {"view_id": "VNONE", "view": {"type": "modal"}}, "not_found", False),
    ("users.info", {"user": "U0NONE"}, "user_not_found", False),
    ("users.lookupByEmail", {"email": "no@where.example"}, "users_not_found", False),
    ("users.list", {"cursor": "soon"}, "invalid_cursor", True),
    ("usergroups.users.list", {"usergroup": "S0NONE"}, "no_such_subteam", False),
    ("usergroups.users.list", {"usergroup": "S0RETIRED"}, "no_such_subteam", False),
    ("conversations.info", {"channel": BOARD}, "channel_not_found", False),
    ("conversations.open", {"users": "U0ROBO"}, "cannot_dm_bot", False),
    ("conversations.history", {"channel": RANDOM}, "not_in_channel", False),
    ("conversations.replies", {"channel": SUPPORT, "ts": "1.000001"}, "thread_not_found", False),
    ("bots.info", {"bot": "B0NONE"}, "bot_not_found", False),
    ("chat.levitate", {}, "unknown_method", True),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]} {case[2]}")
async def test_a_wrong_call_gets_slacks_own_word(
    workplace: Workplace, client: AsyncWebClient, case: tuple[str, dict[str, Any], str, bool]
) -> None:
    """A caller's mistake is a violation; bad luck (a channel was archived) is not."""
    method, arguments, error, counts = case
    with pytest.raises(SlackApiError) as refused:
        await client.api_call(method, json=arguments)
    assert refused.value.response["error"] == error
    assert bool(workplace.violations.take()) is counts


async def test_only_the_bots_token_opens_the_door(workplace: Workplace) -> None:
    """Unknown, missing and revoked tokens are told apart."""

    async def error_for(token: str) -> str:
        with pytest.raises(SlackApiError) as refused:
            await AsyncWebClient(token=token, base_url=workplace.slack.api_url).auth_test()
        return str(refused.value.response["error"])

    assert await error_for("xoxb-other") == "invalid_auth"
    assert await error_for("xapp-1") == "not_allowed_token_type"
    workplace.slack.revoke_bot_token()
    assert await error_for(workplace.slack.bot_token) == "token_revoked"
    workplace.violations.take()


async def test_a_message_lives_from_post_to_delete(workplace: Workplace, client: AsyncWebClient) -> None:
    """Posted, found by permalink, redrawn, kept in its thread, taken away; blocks get ids."""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Refund?* <@U0BO> &lt;3"}}]
    posted = await client.chat_postMessage(
        channel=SUPPORT, text="Refund?", blocks=blocks, metadata=GOOD_METADATA
    )
    ts = posted["ts"]
    assert posted["message"]["blocks"][0]["block_id"]
    message = workplace.slack.messages("#support")[0]
    assert message.text_as_seen() == "Refund? @bo <3"
    assert message.live_mentions() == ["<@U0BO>"]
    await client.chat_postMessage(channel=SUPPORT, text="in the thread", thread_ts=ts)
    link = await client.chat_getPermalink(channel=SUPPORT, message_ts=ts)
    assert link["permalink"].endswith(f"/archives/C0SUPPORT/p{ts.replace('.', '')}")
    await client.reactions_add(channel=SUPPORT, timestamp=ts, name="eyes")
    await client.chat_update(channel=SUPPORT, ts=ts, text="Refunded", blocks=[])
    assert (message.text_as_seen(), message.edits) == ("Refunded", 1)
    replies = await client.conversations_replies(channel=SUPPORT, ts=ts, include_all_metadata=True)
    assert [one["text"] for one in replies["messages"]] == ["Refunded", "in the thread"]
    assert replies["messages"][0]["metadata"] == GOOD_METADATA
    quiet = await client.conversations_history(channel=SUPPORT)
    assert "metadata" not in quiet["messages"][0]
    await client.chat_delete(channel=SUPPORT, ts=ts)
    assert [one.text for one in workplace.slack.person("bo").sees("#support")] == ["in the thread"]


async def test_a_reply_is_no_thread_and_a_kicked_bot_is_mute(
    workplace: Workplace, client: AsyncWebClient
) -> None:
    """Replies hang on the root; once kicked, the bot can neither post nor redraw."""
    root = await client.chat_postMessage(channel=SUPPORT, text="root")
    reply = await client.chat_postMessage(channel=SUPPORT, text="reply", thread_ts=root["ts"])
    with pytest.raises(SlackApiError, match="thread_not_found"):
        await client.chat_postMessage(channel=SUPPORT, text="deeper", thread_ts=reply["ts"])
    workplace.slack.kick_bot("#support")
    for call in (client.chat_update, client.chat_postMessage):
        with pytest.raises(SlackApiError, match="not_in_channel"):
            await call(channel=SUPPORT, ts=root["ts"], text="redrawn")
    workplace.slack.invite_bot("#support")
    workplace.slack.archive("#support")
    with pytest.raises(SlackApiError, match="is_archived"):
        await client.chat_update(channel=SUPPORT, ts=root["ts"], text="redrawn")


async def test_other_peoples_messages_are_not_the_bots(workplace: Workplace, client: AsyncWebClient) -> None:
    """It may neither redraw nor delete what alex wrote."""
    workplace.slack.kick_bot("#support")  # so that no event is due
    said = await workplace.slack.person("alex").says("#support", "mine")
    for call, error in (
        (client.chat_update, "cant_update_message"),
        (client.chat_delete, "cant_delete_message"),
    ):
        with pytest.raises(SlackApiError, match=error):
            await call(channel=SUPPORT, ts=said.ts, text="yours")


async def test_the_directory_tells_who_may_never_decide(client: AsyncWebClient) -> None:
    """Guests, strangers, the deactivated and bots are marked as Slack marks them."""

    async def user(id: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await client.users_info(user=id))["user"]
        return answer

    assert (await user("U0GIL"))["is_restricted"]
    assert (await user("U0UMA"))["is_ultra_restricted"]
    assert (await user("U0ZOE"))["is_stranger"]
    assert (await user("U0ZOE"))["team_id"] != (await user("U0BO"))["team_id"]
    assert (await user("U0DEE"))["deleted"]
    assert (await user("U0ROBO"))["is_bot"]
    found = await client.users_lookupByEmail(email="bo@workplace.example")
    assert found["user"]["id"] == "U0BO"


async def test_lists_come_in_pages(client: AsyncWebClient) -> None:
    """`limit` and `cursor` are honoured; hidden channels stay hidden."""
    first = await client.users_list(limit=5)
    rest = await client.users_list(limit=100, cursor=first["response_metadata"]["next_cursor"])
    assert (len(first["members"]), len(rest["members"])) == (5, 6)
    channels = await client.conversations_list(types="public_channel,private_channel", exclude_archived=True)
    names = {one["name"] for one in channels["channels"]}
    assert {"support", "random"} <= names
    assert not names & {"board", "old-project"}


async def test_groups_change_under_the_programs_feet(workplace: Workplace, client: AsyncWebClient) -> None:
    """Whoever is removed is gone from the very next answer; disabled groups are not listed."""
    group = workplace.slack.group_id("finance-approvers")
    assert (await client.usergroups_users_list(usergroup=group))["users"] == ["U0BO", "U0CY"]
    workplace.slack.remove_from_group("finance-approvers", "bo")
    assert (await client.usergroups_users_list(usergroup=group))["users"] == ["U0CY"]
    listed = await client.usergroups_list(include_users=True)
    assert "S0RETIRED" not in {one["id"] for one in listed["usergroups"]}


async def test_blocks_without_text_count_against_the_program(
    workplace: Workplace, client: AsyncWebClient
) -> None:
    """Slack takes them, but the phone would show nothing."""
    with pytest.warns(UserWarning, match="text"):
        await client.chat_postMessage(channel=SUPPORT, blocks=[{"type": "divider"}])
    assert "notifications" in str(workplace.violations.take()[0])


@pytest.mark.parametrize(
    ("fault", "applied"),
    [(Fail("fatal_error"), False), (Status(503), False), (RateLimited(1), False), (Dropped(), False),
     (LostReply(), True)],
)  # fmt: skip
async def test_a_planned_fault_hits_the_next_call_only(
    workplace: Workplace, client: AsyncWebClient, fault: Any, applied: bool
) -> None:
    """A lost reply has had its effect; every other fault has none."""
    client.retry_handlers.clear()
    workplace.slack.faults.add(fault, on="chat.postMessage")
    await client.auth_test()
    with pytest.raises((SlackApiError, ClientError)):
        await client.chat_postMessage(channel=SUPPORT, text="once")
    assert bool(workplace.slack.messages("#support")) is applied
    workplace.slack.faults.add(Delay(0.05), on="chat.postMessage")
    began = time.monotonic()
    await client.chat_postMessage(channel=SUPPORT, text="twice")
    assert time.monotonic() - began >= 0.05
    workplace.violations.take()


async def test_whoever_does_not_wait_is_reported(workplace: Workplace, client: AsyncWebClient) -> None:
    """Calling again before Retry-After is over is a violation, unless it was already on its way."""
    workplace.slack.faults.add(RateLimited(30), on="chat.postMessage")
    with pytest.raises(SlackApiError) as limited:
        await client.chat_postMessage(channel=SUPPORT, text="now")
    assert limited.value.response.headers["Retry-After"] == "30"
    await client.chat_postMessage(channel=SUPPORT, text="on its way")
    workplace.assert_clean()
    await asyncio.sleep(0.15)
    await client.chat_postMessage(channel=SUPPORT, text="now!")
    assert "before Retry-After was over" in str(workplace.violations.take()[0])


async def test_a_rate_is_kept_per_channel(workplace: Workplace, client: AsyncWebClient) -> None:
    """A short burst, then 429; the other channel is not concerned."""
    workplace.slack.limit_rate("chat.postMessage", per_second=1, burst=2)
    for _ in range(2):
        await client.chat_postMessage(channel=SUPPORT, text="burst")
    with pytest.raises(SlackApiError) as limited:
        await client.chat_postMessage(channel=SUPPORT, text="too much")
    assert limited.value.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel="C0OPS", text="elsewhere")
    assert len(workplace.slack.messages("#support")) == 2
