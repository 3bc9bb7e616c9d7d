"""People in Teams say, click and look: what reaches the bot, and what they read when it fails."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from sayso.sandbox import Workplace
from sayso.sandbox.teams import BOT_DID_NOT_ANSWER, CannotDoThat, Client, Message
from tiny_bot import ConnectorClient, TinyBot, a_card, card_answer, execute, showing

ASK = a_card(actions=[execute("Approve", "approve", id="yes"), execute("Reject", "reject")])
DONE = a_card({"type": "TextBlock", "text": "Approved by Bo."})


async def posted(workplace: Workplace, connector: ConnectorClient, card: Any = ASK) -> Message:
    await connector.posts_root("#support", showing(card))
    return workplace.teams.messages("#support")[-1]


async def test_a_mention_reaches_the_bot(workplace: Workplace, bot: TinyBot) -> None:
    """As Teams sends it: thread in the conversation id, tenant in the channel data, HTML beside the text."""
    alex = workplace.teams.person("alex")
    said = await alex.says("#support", "@sayso refund order 1042 <now>")
    await workplace.teams.settled()
    (heard,) = bot.received
    assert heard["text"] == "<at>sayso</at> refund order 1042 <now>"
    assert heard["attachments"][0]["content"].endswith("refund order 1042 &lt;now&gt;</p>")
    assert heard["entities"][0]["mentioned"]["id"] == workplace.teams.bot_id == heard["recipient"]["id"]
    assert heard["conversation"]["id"] == f"{workplace.teams.channel_id('#support')};messageid={said.id}"
    assert heard["channelData"]["tenant"]["id"] == workplace.teams.tenant_id
    assert (heard["from"]["aadObjectId"], heard["serviceUrl"]) == (alex.aad, workplace.teams.service_url)
    await alex.says("#support", "@sayso hurry", thread=said)
    await workplace.teams.settled()
    assert bot.received[1]["conversation"]["id"] == heard["conversation"]["id"]
    assert bot.received[1]["id"] != heard["id"]


async def test_the_bot_hears_a_channel_only_when_mentioned(workplace: Workplace, bot: TinyBot) -> None:
    """Everything in its personal chats; nothing where it is not installed."""
    bo = workplace.teams.person("bo")
    await bo.says("#support", "hello all")
    await bo.says("#random", "@sayso hello")
    await bo.says("@sayso", "pending")
    await workplace.teams.settled()
    assert [one["text"] for one in bot.received] == ["pending"]
    assert bot.received[0]["conversation"]["conversationType"] == "personal"
    for name, channel in (("dee", "#support"), ("zoe", "#support"), ("alex", "#old-project")):
        with pytest.raises(CannotDoThat):
            await workplace.teams.person(name).says(channel, "let me in")


async def test_a_stranger_shows_only_outside_channels(workplace: Workplace, bot: TinyBot) -> None:
    """Zoe's activities carry the channel's tenant in a channel, and her own in her personal chat."""
    zoe = workplace.teams.person("zoe")
    await zoe.says("#partners", "@sayso approve")
    await zoe.says("@sayso", "approve")
    await workplace.teams.settled()
    tenants = {
        one["conversation"]["conversationType"]: one["channelData"]["tenant"]["id"] for one in bot.received
    }
    assert (tenants["channel"] == workplace.teams.tenant_id, tenants["personal"]) == (
        True,
        zoe.user.tenant_id,
    )


async def test_a_click_carries_what_teams_sends(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """Verb and data of the button; the answer is the clicker's own card, nobody else's."""
    bo, cy, card = (
        workplace.teams.person("bo"),
        workplace.teams.person("cy"),
        await posted(workplace, connector),
    )
    bot.will_answer(card_answer(DONE))
    result = await bo.clicks(card, "Approve")
    (heard,) = bot.received
    assert (heard["type"], heard["name"], heard["replyToId"]) == ("invoke", "adaptiveCard/action", card.id)
    assert heard["value"] == {
        "action": {"type": "Action.Execute", "id": "yes", "title": "Approve", "verb": "approve",
                   "data": {"press": "r1.1"}},
        "trigger": "manual",
    }  # fmt: skip
    assert heard["conversation"]["id"] == card.thread
    assert (result.card, result.status, result.changed) == (DONE, 200, False)
    assert (bo.reads(card), bo.offered(card)) == ("Approved by Bo.", [])
    assert cy.offered(card) == ["Approve", "Reject"]
    with pytest.raises(CannotDoThat, match="no button 'Approve'"):
        await bo.clicks(card, "Approve")


async def test_an_update_is_for_everybody(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """It takes the place of own views; whoever waits for it is woken, though it came on another thread."""
    bo, card = workplace.teams.person("bo"), await posted(workplace, connector)
    before = card.snapshot()
    bot.will_answer(card_answer(DONE))
    result = await bo.clicks(card, "Approve")
    final = a_card({"type": "TextBlock", "text": "Refunded."})
    await connector.updates(card.thread, card.id, showing(final))
    assert (await result.redrawn()) is card
    assert bo.reads(card) == card.text_as_seen() == "Refunded."
    await workplace.teams.person("cy").clicks_old(before, "Approve")
    assert bot.received[1]["value"]["action"]["verb"] == "approve"
    assert "answered with" in str(workplace.violations.take()[0])  # an empty answer says nothing to a click


async def test_refusals_and_words_stand_under_the_card(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """A typed error has a sentence; a message is shown to whoever clicked."""
    bo, card = workplace.teams.person("bo"), await posted(workplace, connector)
    error = {"code": "NotAllowed", "message": "You are not on the list."}
    bot.will_answer({"statusCode": 403, "type": "application/vnd.microsoft.error", "value": error})
    refused = await bo.clicks(card, "Approve")
    assert (refused.refusal, refused.status, bo.offered(card)) == (
        error["message"],
        200,
        ["Approve", "Reject"],
    )
    bot.will_answer(
        {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": "Noted."}
    )
    assert (await bo.clicks(card, "Approve")).words == "Noted."


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((None, 500), "bot answered 500"),
        ((None, 202), "bot answered 202"),
        ((None, 200), "answered with"),
        (({"statusCode": 200, "type": "text/plain", "value": "x"}, 200), "answered with type 'text/plain'"),
        (
            (card_answer({"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "Blink"}]}), 200),
            "Blink",
        ),
        (
            ({"statusCode": 403, "type": "application/vnd.microsoft.error", "value": {"code": "x"}}, 200),
            "error",
        ),
    ],
)
async def test_an_answer_that_makes_no_sense_fails_before_the_persons_eyes(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot, answer: Any, complaint: str
) -> None:
    """Teams' own words, and a violation."""
    card = await posted(workplace, connector)
    bot.will_answer(answer[0], status=answer[1])
    assert (await workplace.teams.person("bo").clicks(card, "Approve")).error_shown == BOT_DID_NOT_ANSWER
    assert complaint in str(workplace.violations.take()[0])


@pytest.mark.impatient
async def test_a_click_is_not_waited_for_for_ever(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """The deadline holds; silence and a bot that is down look alike to people."""
    bo, card = workplace.teams.person("bo"), await posted(workplace, connector)
    bot.will_stay_silent()
    silent = await bo.clicks(card, "Approve")
    workplace.teams.app_url = "http://127.0.0.1:9/api/messages"
    down = await bo.clicks(card, "Approve")
    assert (silent.status, silent.error_shown, 500 <= silent.ms < 3000) == (0, BOT_DID_NOT_ANSWER, True)
    assert down.answer is not None
    assert (down.error_shown, down.answer.reason) == (BOT_DID_NOT_ANSWER, "connection_failed")
    await bo.says("@sayso", "anybody there?")
    await workplace.teams.settled()
    assert len(workplace.violations.take()) == 3


async def test_only_members_click(workplace: Workplace, connector: ConnectorClient, bot: TinyBot) -> None:
    """Neither zoe (not in the team) nor dee (account closed) can; gil the guest can, and that is a trap."""
    card = await posted(workplace, connector)
    for name in ("zoe", "dee"):
        with pytest.raises(CannotDoThat):
            await workplace.teams.person(name).clicks(card, "Approve")
    bot.will_answer(card_answer(DONE))
    await workplace.teams.person("gil").clicks(card, "Approve")
    workplace.teams.close_account("bo")
    with pytest.raises(CannotDoThat):
        await workplace.teams.person("bo").clicks(card, "Approve")
    assert len(bot.received) == 1


async def test_the_same_click_can_arrive_twice(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """Byte for byte with the old token, or with a fresh one: both are authentic to the bot."""
    bot.will_answer(card_answer(DONE))
    result = await workplace.teams.person("bo").clicks(await posted(workplace, connector), "Approve")
    assert result.delivery is not None
    assert (await workplace.teams.replay(result.delivery)).ok
    assert (await workplace.teams.redeliver(result.delivery)).ok
    assert bot.received[0] == bot.received[1] == bot.received[2]


async def test_a_card_is_refreshed_for_whom_it_names(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """By itself for them, from the menu for others; a poor client shows no own view and sends no trigger."""
    bo, cy = workplace.teams.person("bo"), workplace.teams.person("cy")
    refresh = {"action": execute("Refresh", "refresh"), "userIds": [bo.id]}
    card = await posted(workplace, connector, {**ASK, "refresh": refresh})
    assert await cy.looks_at(card) is None
    bot.will_answer(card_answer(DONE))
    await bo.looks_at(card)
    assert bo.reads(card) == "Approved by Bo."
    cy.client = Client(own_views=False, trigger=False)
    bot.will_answer(card_answer(DONE))
    await cy.refreshes(card)
    assert cy.offered(card) == ["Approve", "Reject"]
    assert [one["value"].get("trigger") for one in bot.received] == ["automatic", None]


async def test_the_bot_is_told_when_it_is_put_out(workplace: Workplace, bot: TinyBot) -> None:
    """And when it is let in again."""
    await workplace.teams.kick_bot("#support")
    await workplace.teams.invite_bot("#support")
    assert [one["type"] for one in bot.received] == ["conversationUpdate", "installationUpdate"] * 2
    assert [one.get("action") for one in bot.received] == [None, "remove", None, "add"]


async def test_waiting_for_words(workplace: Workplace, connector: ConnectorClient) -> None:
    """A person waits until something says it."""
    await posted(workplace, connector)
    found = await workplace.teams.person("bo").waits_for("#support", "129.90")
    assert found.text_as_seen() == "Refund 129.90 USD?\n[Approve]  [Reject]"


async def test_a_submit_button_is_a_message_without_text(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """With a value, in reply to the card; OpenUrl asks nobody."""
    old = {"type": "Action.Submit", "title": "Old", "data": {"press": "r1.1"}}
    link = {"type": "Action.OpenUrl", "title": "Order", "url": "https://shop.example/1042"}
    card = await posted(workplace, connector, a_card(actions=[old, link]))
    bo = workplace.teams.person("bo")
    assert (await bo.clicks(card, "Order")).opened_url == "https://shop.example/1042"
    await bo.clicks(card, "Old")
    await workplace.teams.settled()
    (heard,) = bot.received
    assert (heard["type"], heard["value"], heard["replyToId"]) == ("message", {"press": "r1.1"}, card.id)


def test_the_same_from_synchronous_code() -> None:
    """A demo drives it from its own thread."""
    with Workplace.in_thread() as office:
        said = office.run(office.teams.person("alex").says("#random", "hello"))
        assert office.teams.person("bo").sees("#random") == [said]


async def test_an_answer_may_be_nothing_but_a_status(workplace: Workplace, bot: TinyBot) -> None:
    """For messages any 2xx will do."""

    async def accepted(_: Any) -> web.Response:
        return web.Response(status=202)

    bot.will(accepted)
    await workplace.teams.person("bo").says("@sayso", "pending")
    await workplace.teams.settled()
    assert [answer.status for _, answer in workplace.teams.delivered] == [202]
