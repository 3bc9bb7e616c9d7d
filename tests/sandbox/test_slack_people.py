"""People click, type and submit: what reaches the app, and what they read when it fails."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from sayso.sandbox import NotClean, NotInTime, Workplace
from sayso.sandbox.slack import APP_DID_NOT_ANSWER, CannotDoThat, Message
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

SUPPORT = "C0SUPPORT"


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(label: str, action_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": plain(label), "value": "r1.1", **more}


CARD: list[dict[str, Any]] = [
    {"type": "section", "block_id": "what", "text": {"type": "mrkdwn", "text": "*Refund 129.90 USD?*"}},
    {"type": "actions", "block_id": "answers", "elements": [
        button("Approve", "approve"),
        {"type": "overflow", "action_id": "more", "options": [{"text": plain("Details"), "value": "details"}]},
    ]},
]  # fmt: skip


async def a_card(workplace: Workplace, client: AsyncWebClient, **more: Any) -> Message:
    posted = await client.chat_postMessage(channel=SUPPORT, text="Refund?", blocks=CARD, **more)
    return next(one for one in workplace.slack.messages("#support") if one.ts == posted["ts"])


async def test_a_mention_reaches_the_app_as_two_events(workplace: Workplace, app: Any) -> None:
    """`app_mention` and `message`, each signed, each with its own event id; names become ids."""
    alex = workplace.slack.person("alex")
    assert await workplace.slack.verify_url()
    asked = await alex.says("#support", "@sayso refund order 1042 <now>")
    await workplace.slack.settled()
    mention, message = app.of_type("app_mention")[0], app.of_type("message")[0]
    assert mention["event"]["text"] == "<@U0SAYSOBOT> refund order 1042 &lt;now&gt;"
    assert message["event"]["channel_type"] == "channel"
    assert mention["event_id"] != message["event_id"]
    assert mention["event"]["ts"] == message["event"]["ts"] == asked.ts
    reply = await alex.says("#support", "approve", thread=asked)
    await workplace.slack.settled()
    assert app.of_type("message")[1]["event"]["thread_ts"] == asked.ts
    assert alex.sees_in_thread(asked) == [asked, reply]
    assert len(app.of_type("app_mention")) == 1


async def test_a_direct_message_is_no_mention(workplace: Workplace, app: Any) -> None:
    """Said to the bot itself, it comes as `message` of type im."""
    await workplace.slack.person("bo").says("@sayso", "pending")
    await workplace.slack.settled()
    assert [one["event"]["channel_type"] for one in app.received] == ["im"]


async def test_another_bot_can_speak_but_is_marked(workplace: Workplace, app: Any) -> None:
    """A trap for whoever starts runs for anybody who mentions it."""
    await workplace.slack.person("robo").says("#support", "@sayso grant admin to user 77 on billing")
    await workplace.slack.settled()
    assert {one["event"]["bot_id"] for one in app.received} == {"B0ROBO"}
    with pytest.raises(CannotDoThat):
        await workplace.slack.person("dee").says("#support", "let me in")


@pytest.mark.impatient
async def test_an_event_is_retried_three_times(workplace: Workplace, app: Any) -> None:
    """With number and reason, the same event id, and a fresh signature; then it counts."""
    app.will_answer(status=500)
    app.will_stay_silent()
    app.will_answer(status=302, times=2)
    await workplace.slack.person("bo").says("@sayso", "hello")
    await workplace.slack.settled()
    assert [one.get("X-Slack-Retry-Num") for one in app.headers] == [None, "1", "2", "3"]
    assert [one.get("X-Slack-Retry-Reason") for one in app.headers][1:3] == ["http_error", "http_timeout"]
    assert len({one["event_id"] for one in app.received}) == 1
    assert "never delivered" in str(workplace.violations.take()[0])


async def test_a_click_carries_what_slack_sends(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """Exactly these keys; the value is the button's, the person is whoever clicked."""
    card = await a_card(workplace, client)
    result = await workplace.slack.person("bo").clicks(card, "Approve")
    (payload,) = app.of_type("block_actions")
    assert set(payload) == {
        "type", "user", "team", "enterprise", "is_enterprise_install", "api_app_id", "token", "trigger_id",
        "container", "channel", "message", "state", "response_url", "actions",
    }  # fmt: skip
    assert payload["user"] == {"id": "U0BO", "username": "bo", "name": "bo", "team_id": "T0WORKPLACE"}
    assert payload["container"] == {
        "type": "message", "message_ts": card.ts, "channel_id": SUPPORT, "is_ephemeral": False
    }  # fmt: skip
    assert set(payload["actions"][0]) == {"type", "action_id", "block_id", "text", "value", "action_ts"}
    assert (result.status, result.error_shown) == (200, "")
    assert 0 < result.ms < 250
    await workplace.slack.person("bo").clicks(card, "Details")
    assert app.of_type("block_actions")[1]["actions"][0]["selected_option"]["value"] == "details"


@pytest.mark.impatient
async def test_a_click_that_is_not_answered_in_time_fails_before_the_persons_eyes(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """The deadline holds for clicks; they are not retried; both silence and errors count."""
    card = await a_card(workplace, client)
    app.will_stay_silent()
    silent = await workplace.slack.person("bo").clicks(card, "Approve")
    app.will_answer(status=404)
    refused = await workplace.slack.person("bo").clicks(card, "Approve")
    assert (silent.status, silent.error_shown, 250 <= silent.ms < 2000) == (0, APP_DID_NOT_ANSWER, True)
    assert (refused.status, refused.error_shown) == (404, APP_DID_NOT_ANSWER)
    assert len(app.received) == 2
    assert ["http_timeout" in str(one) for one in workplace.violations.take()] == [True, False]


async def test_an_app_that_was_down_gets_its_events_later(workplace: Workplace, app: Any) -> None:
    """The event is tried again until the app is back."""
    alive, workplace.slack.app_url = workplace.slack.app_url, "http://127.0.0.1:9/slack/events"
    bo = workplace.slack.person("bo")
    await bo.says("@sayso", "pending")
    await workplace.slack.until(lambda: workplace.slack.delivered)
    workplace.slack.app_url = alive
    await workplace.slack.settled()
    assert workplace.slack.delivered[0][1].reason == "connection_failed"
    assert app.headers[0]["X-Slack-Retry-Reason"] == "connection_failed"


async def test_an_old_screen_still_has_its_button(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """The message was redrawn without buttons: only a snapshot can still be clicked."""
    card = await a_card(workplace, client)
    before = card.snapshot()
    await client.chat_update(channel=SUPPORT, ts=card.ts, text="Refunded", blocks=CARD[:1])
    bo = workplace.slack.person("bo")
    with pytest.raises(CannotDoThat, match="no button 'Approve'"):
        await bo.clicks(card, "Approve")
    await bo.clicks_old(before, "Approve")
    assert app.of_type("block_actions")[0]["actions"][0]["value"] == "r1.1"


async def test_the_same_click_can_arrive_twice(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """Byte for byte with the old signature, or freshly signed: both are authentic to the app."""
    result = await workplace.slack.person("bo").clicks(await a_card(workplace, client), "Approve")
    assert (await workplace.slack.replay(result.request)).ok
    assert (await workplace.slack.redeliver(result.request)).ok
    assert app.received[0] == app.received[1] == app.received[2]
    assert app.headers[0]["X-Slack-Signature"] == app.headers[1]["X-Slack-Signature"]


async def test_an_old_capture_is_stale_and_a_redelivery_is_not(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """Five minutes later the old signature is worth nothing; a fresh one is."""
    result = await workplace.slack.person("bo").clicks(await a_card(workplace, client), "Approve")
    stale = workplace.slack.sign(result.request.body, at=time.time() - 301)
    old = replace(result.request, headers={**result.request.headers, **stale})
    assert (await workplace.slack.replay(old)).status == 401
    assert (await workplace.slack.redeliver(old)).status == 200


async def test_only_members_see_and_only_people_click(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """Neither zoe (not in the channel) nor dee (deactivated) can; gil the guest can, and that is a trap."""
    card = await a_card(workplace, client)
    for name in ("zoe", "dee", "robo"):
        with pytest.raises(CannotDoThat):
            await workplace.slack.person(name).clicks(card, "Approve")
    await workplace.slack.person("gil").clicks(card, "Approve")
    workplace.slack.deactivate("bo")
    with pytest.raises(CannotDoThat):
        await workplace.slack.person("bo").clicks(card, "Approve")
    assert len(app.received) == 1


async def test_a_response_url_answers_five_times(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """Whispered to whoever clicked; the sixth use is refused."""
    bo = workplace.slack.person("bo")
    result = await bo.clicks(await a_card(workplace, client), "Approve")
    url = app.received[0]["response_url"]
    async with ClientSession() as session:
        answers = [await session.post(url, json={"text": f"no {n}"}) for n in range(6)]
        assert [one.status for one in answers] == [200] * 5 + [404]
    assert result.words == "no 0\nno 1\nno 2\nno 3\nno 4"
    assert workplace.slack.person("cy").ephemerals == []


async def test_a_response_url_replaces_the_message(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """With `replace_original`; the driver sees that the card changed."""
    card = await a_card(workplace, client)
    result = await workplace.slack.person("bo").clicks(card, "Approve")
    assert not result.changed
    async with ClientSession() as session:
        await session.post(app.received[0]["response_url"], json={"replace_original": True, "text": "Done"})
    assert await result.redrawn() is card
    assert card.text_as_seen() == "Done"


async def test_a_whisper_is_seen_by_one(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """`chat.postEphemeral` ends in the result of the click that caused it."""

    async def refuse(payload: dict[str, Any]) -> web.Response:
        await client.chat_postEphemeral(channel=SUPPORT, user=payload["user"]["id"], text="Not you.")
        return web.Response()

    app.will(refuse)
    result = await workplace.slack.person("alex").clicks(await a_card(workplace, client), "Approve")
    assert await result.whispered() == "Not you."
    assert workplace.slack.person("bo").ephemerals == []


async def test_waiting_ends_with_the_thing_or_with_its_name(
    workplace: Workplace, client: AsyncWebClient
) -> None:
    """Woken by the change, not by polling; what did not come is named."""
    alex = workplace.slack.person("alex")
    waiting = asyncio.create_task(
        workplace.slack.until(lambda: alex.sees("#support"), timeout=5, what="the card")
    )
    await client.chat_postMessage(channel=SUPPORT, text="here")
    assert (await waiting)[0].text == "here"
    with pytest.raises(NotInTime, match="the refund card did not come within"):
        await workplace.slack.until(alex.direct_messages, timeout=0.01, what="the refund card")


async def test_home_is_opened_and_published(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """The event names the tab; a stale hash conflicts."""
    bo = workplace.slack.person("bo")
    await bo.opens_home()
    await workplace.slack.settled()
    assert app.received[0]["event"]["tab"] == "home"
    home = {"type": "home", "blocks": CARD}
    published = await client.views_publish(user_id="U0BO", view=home)
    await client.views_publish(user_id="U0BO", view=home, hash=published["view"]["hash"])
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await client.views_publish(user_id="U0BO", view=home, hash=published["view"]["hash"])
    assert bo.home is not None
    await bo.clicks(bo.home, "Approve")
    assert app.of_type("block_actions")[0]["container"]["type"] == "view"


async def test_a_shortcut_knows_its_message(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """With the metadata that the app posted."""
    metadata = {"event_type": "card", "event_payload": {"request": "r1"}}
    card = await a_card(workplace, client, metadata=metadata)
    await workplace.slack.person("bo").uses_shortcut(card, "show_details")
    assert app.received[0]["message"]["metadata"] == metadata
    assert app.received[0]["callback_id"] == "show_details"


async def test_a_broken_rule_fails_at_the_end() -> None:
    """Whoever forgets to look is told by `running` itself."""
    workplace = Workplace()
    await workplace.start()
    client = AsyncWebClient(token=workplace.slack.bot_token, base_url=workplace.slack.api_url)
    with pytest.raises(SlackApiError):
        await client.api_call("chat.levitate")
    await workplace.stop()
    with pytest.raises(NotClean, match=r"slack chat\.levitate: unknown_method"):
        workplace.assert_clean()


def test_a_workplace_on_its_own_thread() -> None:
    """Synchronous drivers use `run` and `until`."""
    with Workplace.in_thread() as t:
        t.slack.kick_bot("#support")
        alex, bo = t.slack.person("alex"), t.slack.person("bo")
        said = t.together(alex.says("#support", "hello"), bo.says("#support", "hi"))
        assert t.until(lambda: bo.sees("#support")) == said
        assert t.run(bo.waits_for("#support", "hello")) is said[0]
