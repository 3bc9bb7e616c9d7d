"""Socket Mode as Slack speaks it: hello, envelopes, acknowledgements in time, refreshes, and what it does not put up with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from sayso.sandbox import Workplace
from sayso.sandbox.faults import Fail, Status
from sayso.sandbox.slack import SlackTimes
from sayso.sandbox.slack.socket import MOST_LINKS, SocketTimes
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

CARD = [{"type": "actions", "elements": [
    {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "r1"}
]}]  # fmt: skip


class App:
    """Speaks to Slack by hand."""

    def __init__(self, workplace: Workplace, session: ClientSession) -> None:
        self.slack = workplace.slack
        self.session = session

    async def asks(self, token: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token or self.slack.links.app_token}"}
        async with self.session.post(f"{self.slack.api_url}apps.connections.open", headers=headers) as answer:
            told: dict[str, Any] = await answer.json()
            return told

    async def connects(self, url: str = "") -> ClientWebSocketResponse:
        return await self.session.ws_connect(url or (await self.asks())["url"])

    async def greeted(self) -> ClientWebSocketResponse:
        socket = await self.connects()
        assert (await socket.receive_json(timeout=5))["type"] == "hello"
        return socket


@pytest.fixture
async def app(workplace: Workplace) -> AsyncIterator[App]:
    workplace.slack.links.enabled = True
    async with ClientSession() as session:
        yield App(workplace, session)


def broken(workplace: Workplace) -> list[str]:
    """The rules broken so far, once."""
    return [violation.what for violation in workplace.violations.take()]


async def test_a_click_comes_in_an_envelope(workplace: Workplace, app: App) -> None:
    """The acknowledgement is its id, and the person sees no error."""
    socket = await app.greeted()
    await app.asks()
    message = await posted(workplace)
    click = asyncio.create_task(workplace.slack.person("bo").clicks(message, "Go"))
    envelope = await socket.receive_json()
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("interactive", False)
    assert envelope["payload"]["actions"][0]["value"] == "r1"
    await socket.send_json({"envelope_id": envelope["envelope_id"]})
    result = await click
    assert (result.status, result.error_shown) == (200, "")


@pytest.mark.impatient
async def test_an_event_nobody_acknowledges_comes_again_and_a_click_does_not(
    workplace: Workplace, app: App
) -> None:
    """The event keeps its id and says how often it came; the envelope is a new one."""
    socket = await app.greeted()
    await workplace.slack.person("alex").says("#support", "hello")
    first, second = await socket.receive_json(), await socket.receive_json()
    assert (first["type"], first["retry_attempt"]) == ("events_api", 0)
    assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")
    assert first["payload"]["event_id"] == second["payload"]["event_id"]
    assert first["envelope_id"] != second["envelope_id"]
    await socket.send_json({"envelope_id": second["envelope_id"]})
    await workplace.slack.settled()
    message = await posted(workplace)
    result = await workplace.slack.person("bo").clicks(message, "Go")
    assert result.error_shown
    assert len([one for one, _ in workplace.slack.delivered if one.what == "block_actions"]) == 1
    assert broken(workplace) == [f"app answered timeout after {result.ms:.0f} ms"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"envelope_id": "made-up"}', "an acknowledgement of an envelope that was never sent"),
        ("{", "what the app sent is no acknowledgement"),
        ('{"type": "ping"}', "what the app sent is no acknowledgement"),
        ('{"envelope_id": "ID", "payload": {}}', "a payload in answer to an envelope that takes none"),
    ],
)
async def test_what_is_no_acknowledgement_is_noted(
    workplace: Workplace, app: App, said: str, words: str
) -> None:
    """Slack ignores it; the sandbox does not."""
    socket = await app.greeted()
    await workplace.slack.person("alex").says("#support", "hello")
    id = (await socket.receive_json())["envelope_id"]
    await socket.send_str(said.replace("ID", id))
    await socket.send_json({"envelope_id": id})
    await workplace.slack.settled()
    assert broken(workplace) == [words]


@pytest.mark.impatient
async def test_an_acknowledgement_goes_back_where_the_envelope_came_from(
    workplace: Workplace, app: App
) -> None:
    """Through another connection it counts for nothing."""
    first, second = await app.greeted(), await app.greeted()
    await workplace.slack.person("alex").says("#support", "hello")
    envelope = await first.receive_json()
    await second.send_json({"envelope_id": envelope["envelope_id"]})
    again = await second.receive_json()
    await second.send_json({"envelope_id": again["envelope_id"]})
    await workplace.slack.settled()
    assert broken(workplace) == ["an acknowledgement through another connection"]


async def test_only_the_app_level_token_opens_a_connection_and_an_address_is_good_once(
    workplace: Workplace, app: App
) -> None:
    """A bot token, no token of ours, an address used twice."""
    assert (await app.asks(workplace.slack.bot_token))["error"] == "not_allowed_token_type"
    assert (await app.asks("xapp-1-else"))["error"] == "invalid_auth"
    url = (await app.asks())["url"]
    await app.connects(url)
    async with app.session.get(url.replace("ws://", "http://")) as answer:
        assert answer.status == 403
    assert broken(workplace) == [
        "not_allowed_token_type", "invalid_auth",
        "an address of a connection was used twice, too late, or made up",
    ]  # fmt: skip


async def test_connections_share_the_traffic_and_no_more_than_ten_stand(
    workplace: Workplace, app: App
) -> None:
    """Each envelope goes down one of them; the eleventh is turned away."""
    sockets = [await app.greeted() for _ in range(MOST_LINKS)]
    for number, socket in enumerate(sockets[:3]):
        await workplace.slack.person("alex").says("#support", f"hello {number}")
        await socket.send_json({"envelope_id": (await socket.receive_json())["envelope_id"]})
    await workplace.slack.settled()
    assert [link.carried for link in workplace.slack.links.history[:4]] == [1, 1, 1, 0]
    eleventh = await app.connects()
    assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
    assert (await eleventh.receive()).type is WSMsgType.CLOSE


async def test_a_refresh_warns_then_closes_and_new_envelopes_avoid_it(workplace: Workplace, app: App) -> None:
    """The app has a while to bring a new connection up."""
    workplace.slack.links.times = SocketTimes(refresh=0.1)
    old = await app.greeted()
    await workplace.slack.links.refresh()
    assert (await old.receive_json())["reason"] == "refresh_requested"
    new = await app.greeted()
    await workplace.slack.person("alex").says("#support", "hello")
    await new.send_json({"envelope_id": (await new.receive_json())["envelope_id"]})
    assert (await old.receive()).type is WSMsgType.CLOSE
    await workplace.slack.settled()


async def test_switched_off_in_the_settings_every_connection_is_turned_away(
    workplace: Workplace, app: App
) -> None:
    """The address is given all the same."""
    workplace.slack.links.enabled = False
    socket = await app.connects()
    assert (await socket.receive_json())["reason"] == "link_disabled"


async def test_who_does_not_answer_a_ping_is_hung_up_on(workplace: Workplace, app: App) -> None:
    """And a connection that Slack holds half-open answers none itself."""
    workplace.slack.links.times = SocketTimes(ping=0.05)
    silent = await app.session.ws_connect((await app.asks())["url"], autoping=False)
    await silent.receive_json()
    await workplace.slack.until(lambda: not workplace.slack.links.live)
    assert workplace.slack.links.history[0].code == 1006


async def test_without_a_connection_a_click_is_lost_and_an_event_given_up(
    workplace: Workplace, app: App
) -> None:
    """The person reads an error."""
    message = await posted(workplace)
    result = await workplace.slack.person("bo").clicks(message, "Go")
    assert result.error_shown
    workplace.slack.links.drop()
    assert result.answer.reason == "connection_failed"
    assert len(broken(workplace)) == 1


async def test_asking_for_a_connection_can_fail(workplace: Workplace, app: App) -> None:
    """Like any call."""
    workplace.slack.faults.add(Fail("internal_error"), on="apps.connections.open")
    workplace.slack.faults.add(Status(503), on="apps.connections.open")
    assert (await app.asks())["error"] == "internal_error"
    async with app.session.post(f"{app.slack.api_url}apps.connections.open") as answer:
        assert answer.status == 503
    assert (await app.asks())["ok"]


async def test_slack_s_own_client_understands_it() -> None:
    """Bolt's handler over Socket Mode: a mention, its answer, a click, and a form with a complaint."""
    async with Workplace.running(slack_times=SlackTimes()) as workplace:
        slack = workplace.slack
        slack.links.enabled = True
        app = AsyncApp(
            token=slack.bot_token, client=AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        )

        async def mentioned(event: Any, say: Any) -> None:
            await say(text="Go?", blocks=CARD, thread_ts=event["ts"])

        async def goes(ack: Any, respond: Any) -> None:
            await ack()
            await respond(text="Gone.", replace_original=False)

        async def heard() -> None:
            """An ordinary message."""

        app.event("app_mention")(mentioned)
        app.event("message")(heard)
        app.action("go")(goes)
        web = AsyncWebClient(token=slack.links.app_token, base_url=slack.api_url)
        handler = AsyncSocketModeHandler(app, slack.links.app_token, web_client=web)
        await handler.connect_async()  # type: ignore[no-untyped-call]
        bo = slack.person("bo")
        said = await slack.person("alex").says("#support", "@sayso go")
        await slack.until(lambda: len(bo.sees_in_thread(said)) == 2)
        click = await bo.clicks(bo.sees_in_thread(said)[1], "Go")
        assert await click.whispered() == "Gone."
        await slack.settled()
        await handler.close_async()  # type: ignore[no-untyped-call]
        assert json.loads(slack.delivered[-1][0].body)["type"] == "interactive"


async def posted(workplace: Workplace) -> Any:
    """A card of the app in #support."""
    client = AsyncWebClient(token=workplace.slack.bot_token, base_url=workplace.slack.api_url)
    await client.chat_postMessage(channel="C0SUPPORT", text="Go?", blocks=CARD)
    return workplace.slack.messages("#support")[-1]
