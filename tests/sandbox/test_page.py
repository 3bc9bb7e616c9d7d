"""The page: what each person sees of Slack and Teams there, and that what they do goes the real way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from page_client import Browser, browsing
from sayso.sandbox import Workplace
from sayso.sandbox.page import Page
from sayso.sandbox.slack import APP_DID_NOT_ANSWER
from sayso.sandbox.teams import BOT_DID_NOT_ANSWER
from slack_sdk.web.async_client import AsyncWebClient
from tiny_bot import ConnectorClient, TinyBot, a_card, card_answer, execute, showing, words

Json = dict[str, Any]
SUPPORT, FINANCE = "C0SUPPORT", "C0FINANCE"
GONE = "That button is not there any more; look at the card again."


@pytest.fixture
async def browser(workplace: Workplace) -> AsyncIterator[Browser]:
    """The page of the workplace, open in a browser."""
    page = Page(workplace)
    await page.start()
    async with browsing(page) as opened:
        yield opened
    await page.stop()


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(label: str, value: str = "r1.1") -> Json:
    return {"type": "button", "action_id": "answer", "text": plain(label), "value": value}


def card_with(*buttons: Json) -> list[Json]:
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": "Refund 129.90 USD?"}},
        {"type": "actions", "block_id": "answers", "elements": list(buttons)},
    ]


FORM: Json = {
    "type": "modal", "title": plain("Modify"), "submit": plain("Send"), "close": plain("Cancel"),
    "blocks": [
        {"type": "input", "block_id": "amount", "label": plain("Amount"),
         "element": {"type": "number_input", "action_id": "v", "is_decimal_allowed": True}},
        {"type": "input", "block_id": "why", "label": plain("Why"), "optional": True,
         "element": {"type": "checkboxes", "action_id": "v", "options": [
             {"text": plain("Broken"), "value": "b"}, {"text": plain("Late"), "value": "l"}]}},
    ],
}  # fmt: skip

ASK = a_card(
    {"type": "Input.Text", "id": "why", "label": "Why", "isRequired": True, "errorMessage": "Say why."},
    {"type": "Input.ChoiceSet", "id": "scope", "label": "Scope", "choices": [
        {"title": "Once", "value": "1"}, {"title": "Always", "value": "2"}]},
    actions=[execute("Approve", "approve"), execute("Approve", "approve-all")],
)  # fmt: skip


def in_slack(state: Json, channel: str = SUPPORT) -> list[Json]:
    found: list[Json] = state["slack"]["messages"][channel]
    return found


def in_teams(state: Json, workplace: Workplace, channel: str = "#support") -> list[Json]:
    found: list[Json] = state["teams"]["messages"][workplace.teams.channel_id(channel)]
    return found


async def test_what_one_person_says_reaches_the_app_and_everybody_elses_tab(
    workplace: Workplace, browser: Browser, app: Any
) -> None:
    """The same signed events as ever; each tab has the whole state at once and again after the change."""
    async with browser.tab("bo") as bo, browser.tab("alex") as alex:
        assert await bo.until(lambda state: state["viewer"]) == "bo"
        assert in_slack(bo.seen[-1]) == []
        assert await browser.acts("alex", "slack.say", channel=SUPPORT, text="@sayso refund <1042>") == {
            "ok": True, "words": ""
        }  # fmt: skip
        (seen,) = await bo.until(in_slack)
        assert (seen["name"], seen["app"], seen["text"]) == (
            "Alex Asker", False, "<@U0SAYSOBOT> refund &lt;1042&gt;"
        )  # fmt: skip
        assert await alex.until(in_slack) == [seen]
        await browser.acts("bo", "slack.say", channel=SUPPORT, text="which one?", thread=seen["ts"])
        replied = await alex.until(lambda state: in_slack(state)[1:])
        assert [one["thread_ts"] for one in replied] == [seen["ts"]]
        versions = [state["version"] for state in alex.seen]
        assert versions == sorted(set(versions))
    await workplace.slack.settled()
    assert [one["event"]["user"] for one in app.of_type("app_mention")] == ["U0ALEX"]


async def test_nobody_sees_more_than_in_the_real_place(
    workplace: Workplace, browser: Browser, client: AsyncWebClient
) -> None:
    """Channels and whispers of others are not in the state, nor can one speak where one is no member."""
    await client.chat_postMessage(channel=FINANCE, text="for approvers")
    await client.chat_postEphemeral(channel=SUPPORT, user="U0BO", text="for bo")
    async with browser.tab("bo") as bo, browser.tab("alex") as alex, browser.tab("uma") as uma:
        assert await bo.until(lambda state: [one["text"] for one in in_slack(state, FINANCE)]) == [
            "for approvers"
        ]
        (whisper,) = in_slack(bo.seen[-1])
        assert (whisper["text"], whisper["ephemeral"], whisper["app"]) == ("for bo", True, True)
        state = await alex.until(lambda state: state)
        assert "for " not in str(state["slack"])
        assert [one["name"] for one in state["slack"]["channels"]] == [
            "#support", "#old-project", "#partners", "#random", "sayso"
        ]  # fmt: skip
        assert "board" not in state["slack"]["channel_names"].values()
        state = await uma.until(lambda state: state)
        assert state["teams"] == {"me": "", "channels": [], "messages": {}, "dialog": None}
        assert {one["name"]: one["role"] for one in state["people"]}["zoe"] == "outsider"
    for channel in (FINANCE, "C0BOARD", "D0BO", "nowhere"):
        refused = await browser.acts("alex", "slack.say", channel=channel, text="hello")
        assert refused == {"ok": False, "words": "You are in no such channel."}
    assert not (await browser.acts("alex", "slack.say", channel="C0OLD", text="hello"))["ok"]
    finance = workplace.teams.channel_id("#finance-approvals")
    assert not (await browser.acts("alex", "teams.say", channel=finance, text="hello"))["ok"]


async def test_a_form_is_filled_in_refused_corrected_and_sent(
    workplace: Workplace, browser: Browser, client: AsyncWebClient, app: Any
) -> None:
    """Slack's own complaint and the app's stand under the field; what was entered stays; then it is gone."""
    posted = await client.chat_postMessage(
        channel=SUPPORT, text="Refund?", blocks=card_with(button("Modify"))
    )

    async def opens(payload: Json) -> Any:
        await client.views_open(trigger_id=payload["trigger_id"], view=FORM)
        return await app_ok(payload)

    app.will(opens)
    async with browser.tab("bo") as bo, browser.tab("cy") as cy:
        await browser.acts("bo", "slack.click", channel=SUPPORT, ts=posted["ts"], label="Modify")
        modal = await bo.until(lambda state: state["slack"]["modal"])
        assert (modal["title"], modal["submit"], modal["close"], modal["depth"]) == (
            "Modify",
            "Send",
            "Cancel",
            1,
        )
        first = {"Amount": "a lot", "Why": ["Late"]}
        told = await browser.acts("bo", "slack.submit", view=modal["id"], values=first)
        assert told == {"ok": False, "words": "Amount: Please enter a valid number."}
        modal = await bo.until(lambda state: state["slack"]["modal"]["errors"] and state["slack"]["modal"])
        assert modal["values"]["why"]["v"]["selected_options"][0]["value"] == "l"
        told = await browser.acts("bo", "slack.submit", view=modal["id"], values={"Sum": "5"})
        assert told == {"ok": False, "words": "That form has changed in the meantime; look at it again."}
        assert len(app.received) == 1
        app.will_answer({"response_action": "errors", "errors": {"amount": "At most 100."}})
        told = await browser.acts("bo", "slack.submit", view=modal["id"], values={"Amount": "129.90"})
        assert (told["words"], app.of_type("view_submission")[0]["view"]["state"]["values"]["amount"]["v"]["value"]) == (
            "Amount: At most 100.", "129.90"
        )  # fmt: skip
        assert (await browser.acts("bo", "slack.submit", view=modal["id"], values={"Amount": "99"}))["ok"]
        await bo.until(lambda state: state["slack"]["modal"] is None)
        assert (await cy.until(lambda state: state))["slack"]["modal"] is None
    told = await browser.acts("bo", "slack.submit", view=modal["id"], values={})
    assert told == {"ok": False, "words": "That dialog is not in front of you any more."}


async def test_the_home_tab_and_a_stack_of_forms(
    workplace: Workplace, browser: Browser, client: AsyncWebClient, app: Any
) -> None:
    """Looking at it is an event; buttons in it and in a form are clicks; closing uncovers what lies below."""
    home = {"type": "home", "blocks": card_with(button("Open"))}

    async def opens(payload: Json) -> Any:
        await client.views_open(
            trigger_id=payload["trigger_id"], view={**FORM, "blocks": card_with(button("More"))}
        )
        return await app_ok(payload)

    async def pushes(payload: Json) -> Any:
        await client.views_push(trigger_id=payload["trigger_id"], view={**FORM, "title": plain("On top")})
        return await app_ok(payload)

    async with browser.tab("bo") as bo:
        await browser.acts("bo", "slack.home")
        await workplace.slack.settled()
        assert app.of_type("app_home_opened")[0]["event"]["user"] == "U0BO"
        await client.views_publish(user_id="U0BO", view=home)
        shown = await bo.until(lambda state: state["slack"]["home"])
        app.will(opens)
        assert (await browser.acts("bo", "slack.click", view=shown["id"], label="Open"))["ok"]
        below = await bo.until(lambda state: state["slack"]["modal"])
        app.will(pushes)
        assert (await browser.acts("bo", "slack.click", view=below["id"], label="More"))["ok"]
        top = await bo.until(lambda state: state["slack"]["modal"]["depth"] == 2 and state["slack"]["modal"])
        assert top["title"] == "On top"
        assert not (await browser.acts("bo", "slack.click", view=below["id"], label="More"))["ok"]
        assert (await browser.acts("bo", "slack.close", view=top["id"]))["ok"]
        await bo.until(lambda state: state["slack"]["modal"]["id"] == below["id"])
        assert (await browser.acts("bo", "slack.close", view=below["id"]))["ok"]
        await bo.until(lambda state: state["slack"]["modal"] is None)


async def test_two_tabs_of_one_person_send_a_form_once(
    workplace: Workplace, browser: Browser, client: AsyncWebClient, app: Any
) -> None:
    """Pressed in both at the same moment: one submission, and the other tab is told."""
    posted = await client.chat_postMessage(
        channel=SUPPORT, text="Refund?", blocks=card_with(button("Modify"))
    )

    async def opens(payload: Json) -> Any:
        await client.views_open(trigger_id=payload["trigger_id"], view=FORM)
        return await app_ok(payload)

    app.will(opens)
    await browser.acts("bo", "slack.click", channel=SUPPORT, ts=posted["ts"], label="Modify")
    async with browser.tab("bo") as one, browser.tab("bo") as other:
        modal = await one.until(lambda state: state["slack"]["modal"])
        assert await other.until(lambda state: state["slack"]["modal"]) == modal
        send = {"view": modal["id"], "values": {"Amount": "5"}}
        told = await asyncio.gather(*(browser.acts("bo", "slack.submit", **send) for _ in range(2)))
        assert sorted(one["ok"] for one in told) == [False, True]
        assert len(app.of_type("view_submission")) == 1
        assert not (await browser.acts("bo", "slack.close", view=modal["id"]))["ok"]


async def test_a_press_is_counted_for_the_button_that_was_seen(
    workplace: Workplace, browser: Browser, client: AsyncWebClient, app: Any
) -> None:
    """Of two buttons with one label the right one; none at all when the card was redrawn meanwhile."""
    blocks = card_with(button("Details", "r1"), {**button("Details", "r2"), "action_id": "second"})
    posted = await client.chat_postMessage(channel=SUPPORT, text="Refund?", blocks=blocks)
    here = {"channel": SUPPORT, "ts": posted["ts"], "label": "Details"}
    assert (await browser.acts("bo", "slack.click", **here, value="r2"))["ok"]
    assert app.of_type("block_actions")[0]["actions"][0]["value"] == "r2"
    await client.chat_update(
        channel=SUPPORT, ts=posted["ts"], text="!", blocks=card_with(button("Details", "r3"))
    )
    assert await browser.acts("bo", "slack.click", **here, value="r2") == {"ok": False, "words": GONE}
    await client.chat_delete(channel=SUPPORT, ts=posted["ts"])
    told = await browser.acts("bo", "slack.click", **here)
    assert told == {"ok": False, "words": "That message is not there any more."}
    assert len(app.received) == 1


async def test_while_nobody_answers_the_platforms_own_words_are_shown(
    workplace: Workplace, browser: Browser, client: AsyncWebClient, connector: ConnectorClient
) -> None:
    """The bot is dead: Slack and Teams say so as they do, and the page goes on."""
    workplace.slack.app_url = workplace.teams.app_url = "http://127.0.0.1:1/"
    posted = await client.chat_postMessage(
        channel=SUPPORT, text="Refund?", blocks=card_with(button("Approve"))
    )
    told = await browser.acts("bo", "slack.click", channel=SUPPORT, ts=posted["ts"], label="Approve")
    assert told == {"ok": False, "words": APP_DID_NOT_ANSWER}
    await connector.posts_root("#support", showing(a_card(actions=[execute("Approve", "approve")])))
    here = {"conversation": workplace.teams.channel_id("#support"), "title": "Approve"}
    id = workplace.teams.messages("#support")[-1].id
    assert await browser.acts("bo", "teams.click", **here, id=id) == {
        "ok": False,
        "words": BOT_DID_NOT_ANSWER,
    }
    assert (await browser.acts("bo", "slack.say", channel=SUPPORT, text="anybody?"))["ok"]
    await workplace.slack.settled()
    assert len(workplace.violations.take()) >= 2


async def test_a_card_in_teams_is_filled_in_and_answered_for_one_person(
    workplace: Workplace, browser: Browser, connector: ConnectorClient, bot: TinyBot
) -> None:
    """Inputs go by id as they travel; the answer is the clicker's own card, and a refusal is a sentence."""
    await connector.posts_root("#support", showing(ASK))
    here = {
        "conversation": workplace.teams.channel_id("#support"),
        "id": workplace.teams.messages("#support")[-1].id,
    }
    async with browser.tab("bo") as bo, browser.tab("cy") as cy:
        press = {**here, "title": "Approve", "data": {"press": "r1.1"}}
        told = await browser.acts("bo", "teams.click", **press, inputs={"why": "", "scope": "2"})
        assert told == {"ok": False, "words": "Why: Say why."}
        shown = await bo.until(lambda state: [one for one in in_teams(state, workplace) if one["errors"]])
        assert (shown[0]["errors"], shown[0]["typed"]["scope"], bot.received) == (
            {"Why": "Say why."},
            "2",
            [],
        )
        error = {"code": "NotAllowed", "message": "You are not on the list."}
        bot.will_answer({"statusCode": 403, "type": "application/vnd.microsoft.error", "value": error})
        told = await browser.acts("bo", "teams.click", **press, inputs={"why": "late", "scope": "2"})
        assert told == {"ok": False, "words": "You are not on the list."}
        assert bot.received[0]["value"]["action"]["data"] == {"press": "r1.1", "why": "late", "scope": "2"}
        done = a_card({"type": "TextBlock", "text": "Approved."})
        bot.will_answer(card_answer(done))
        assert (await browser.acts("bo", "teams.click", **press))["ok"]
        assert await bo.until(lambda state: in_teams(state, workplace)[0]["card"] == done)
        assert (await cy.until(lambda state: in_teams(state, workplace)))[0]["card"] == ASK
        assert (await browser.acts("bo", "teams.click", **press))["words"] == GONE
        for wrong in ({"scope": "9"}, {"other": "x"}):
            assert not (await browser.acts("cy", "teams.click", **press, inputs=wrong))["ok"]
        other = {**press, "data": {"press": "changed since"}}
        assert (await browser.acts("cy", "teams.click", **other))["words"] == GONE
    assert len(bot.received) == 2


async def test_a_dialog_in_teams_opens_in_every_tab_of_that_person(
    workplace: Workplace, browser: Browser, connector: ConnectorClient, bot: TinyBot
) -> None:
    """It stays while the client complains, changes as the bot says, and closes with the bot's words."""
    fetch = {
        "type": "Action.Submit",
        "title": "Modify…",
        "data": {"msteams": {"type": "task/fetch"}, "press": "r1"},
    }
    await connector.posts_root("#support", showing(a_card(actions=[fetch])))
    here = {
        "conversation": workplace.teams.channel_id("#support"),
        "id": workplace.teams.messages("#support")[-1].id,
    }
    bot.will_answer(a_dialog("Modify"))
    async with browser.tab("bo") as bo, browser.tab("bo") as other, browser.tab("cy") as cy:
        await browser.acts("bo", "teams.click", **here, title="Modify…")
        dialog = await bo.until(lambda state: state["teams"]["dialog"])
        assert await other.until(lambda state: state["teams"]["dialog"]) == dialog
        assert (dialog["title"], dialog["errors"]) == ("Modify", {})
        press = {"dialog": dialog["id"], "title": "Send"}
        assert not (await browser.acts("bo", "teams.submit", **press, inputs={"amount": "0"}))["ok"]
        await bo.until(lambda state: state["teams"]["dialog"]["errors"])
        assert not (await browser.acts("cy", "teams.submit", **press, inputs={"amount": "5"}))["ok"]
        bot.will_answer(a_dialog("Modify again"))
        assert (await browser.acts("bo", "teams.submit", **press, inputs={"amount": "5"}))["ok"]
        await bo.until(lambda state: state["teams"]["dialog"]["title"] == "Modify again")
        bot.will_answer({"task": {"type": "message", "value": "Sent."}})
        told = await browser.acts("bo", "teams.submit", **press, inputs={"amount": "6"})
        assert told == {"ok": True, "words": "Sent."}
        await bo.until(lambda state: state["teams"]["dialog"] is None)
        assert not any(state["teams"]["dialog"] for state in cy.seen)
        bot.will_answer(a_dialog("Once more"))
        await browser.acts("bo", "teams.click", **here, title="Modify…")
        dialog = await bo.until(lambda state: state["teams"]["dialog"])
        assert (await browser.acts("bo", "teams.close", dialog=dialog["id"]))["ok"]
        await bo.until(lambda state: state["teams"]["dialog"] is None)
        assert not (await browser.acts("bo", "teams.close", dialog=dialog["id"]))["ok"]


async def test_people_talk_in_teams(workplace: Workplace, browser: Browser, bot: TinyBot) -> None:
    """In a channel, in its thread, and with the bot alone; a mention is marked as one."""
    support = workplace.teams.channel_id("#support")
    async with browser.tab("alex") as alex:
        state = await alex.until(lambda state: state)
        await browser.acts("alex", "teams.say", channel=support, text="@sayso refund <b>")
        (root,) = await alex.until(lambda state: in_teams(state, workplace))
        assert (root["text"], root["mentions"]) == ("<at>sayso</at> refund <b>", ["<at>sayso</at>"])
        await browser.acts("alex", "teams.say", channel=support, text="now", root=root["id"])
        assert (await alex.until(lambda state: in_teams(state, workplace)[1:]))[0]["root"] == root["id"]
        chat = next(one["id"] for one in state["teams"]["channels"] if one.get("direct"))
        assert (await browser.acts("alex", "teams.say", channel=chat, text="pending"))["ok"]
        assert not (await browser.acts("alex", "teams.say", channel=chat, text="  "))["ok"]
        assert not (await browser.acts("bo", "teams.say", channel=chat, text="pending"))["ok"]
        assert not (await browser.acts("alex", "teams.say", channel=support, text="?", root="1"))["ok"]
    await workplace.teams.settled()
    assert [one["text"] for one in bot.received] == ["<at>sayso</at> refund <b>", "pending"]


async def test_hostile_words_and_numbers_stay_data(
    workplace: Workplace, browser: Browser, app: Any, connector: ConnectorClient
) -> None:
    """Markup, half characters, line ends and a number that is none arrive as they are, in one line of JSON."""
    nasty = "</script><img src=x onerror=alert(1)>\u2028\r\n\ndata: {}\n\n\ud800 \u202e"
    await browser.acts("bo", "slack.say", channel=SUPPORT, text=nasty)
    await connector.posts_root("#support", words("odd"))
    workplace.teams.messages("#support")[-1].card = a_card() | {"minHeight": float("nan")}
    async with browser.tab("bo") as bo:
        state = await bo.until(lambda state: state)
        assert in_slack(state)[0]["text"] == nasty.replace("<", "&lt;").replace(">", "&gt;")
        assert in_teams(state, workplace)[0]["card"]["minHeight"] is None


def a_dialog(title: str) -> Json:
    card = a_card(
        {"type": "Input.Number", "id": "amount", "label": "Amount", "min": 1},
        actions=[{"type": "Action.Submit", "title": "Send", "data": {"press": "r1"}}],
    )
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"task": {"type": "continue", "value": {"title": title, "card": content}}}


async def app_ok(_: Json) -> Any:
    return web.Response()
