"""A real Bolt app against the stand-in: what we send is what Bolt understands."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sayso.sandbox import Workplace
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


CARD = [{"type": "actions", "elements": [
    {"type": "button", "action_id": "reject", "text": plain("Reject..."), "value": "r1"}
]}]  # fmt: skip
FORM = {
    "type": "modal", "callback_id": "reason", "title": plain("Reject"), "submit": plain("Send"),
    "notify_on_close": True,
    "blocks": [{"type": "input", "block_id": "why", "label": plain("Reason"),
                "element": {"type": "plain_text_input", "action_id": "text"}}],
}  # fmt: skip


def an_app(workplace: Workplace) -> AsyncApp:
    client = AsyncWebClient(token=workplace.slack.bot_token, base_url=workplace.slack.api_url)
    app = AsyncApp(client=client, signing_secret=workplace.slack.signing_secret)

    async def mentioned(event: Any, say: Any) -> None:
        await say(text="Refund?", blocks=CARD, thread_ts=event["ts"])

    async def rejects(ack: Any, body: Any, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    async def submitted(ack: Any, view: Any) -> None:
        if view["state"]["values"]["why"]["text"]["value"] == "no":
            await ack(response_action="errors", errors={"why": "Say more."})
        else:
            await ack()

    async def closed(ack: Any, respond: Any, body: Any, client: Any) -> None:
        await ack()
        await client.chat_postEphemeral(
            channel="C0SUPPORT", user=body["user"]["id"], text="Nothing was done."
        )

    async def message(event: Any) -> None:
        """Heard."""

    async def home(event: Any, client: Any) -> None:
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": CARD})

    app.event("app_mention")(mentioned)
    app.event("message")(message)
    app.event("app_home_opened")(home)
    app.action("reject")(rejects)
    app.view("reason")(submitted)
    app.view_closed("reason")(closed)
    return app


async def test_the_whole_way_through_bolt(workplace: Workplace) -> None:
    """Mention, card in the thread, click, modal, complaint, submission, cancel, Home."""
    runner = web.AppRunner(an_app(workplace).server(port=1, host="127.0.0.1").web_app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    workplace.slack.app_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    alex, bo = workplace.slack.person("alex"), workplace.slack.person("bo")

    assert await workplace.slack.verify_url()
    asked = await alex.says("#support", "@sayso refund order 1042 129.90")
    _, card = await workplace.slack.until(lambda: (seen := bo.sees_in_thread(asked))[1:] and seen)
    form = await (await bo.clicks(card, "Reject...")).modal()
    assert (await bo.submits(form.fill({"Reason": "no"}))).errors == {"Reason": "Say more."}
    assert (await bo.submits(form.fill({"Reason": "not broken"}))).closed
    second = await (await bo.clicks(card, "Reject...")).modal()
    await bo.closes(second)
    await workplace.slack.until(lambda: bo.ephemerals, what="the whisper")
    assert bo.ephemerals[0].text_as_seen() == "Nothing was done."
    await bo.opens_home()
    await workplace.slack.until(lambda: bo.home, what="the Home tab")
    await workplace.slack.settled()
    await runner.cleanup()
