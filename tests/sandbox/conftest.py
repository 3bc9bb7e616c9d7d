"""A workplace, clients of Slack and of the Connector, and tiny apps to click on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import ClientSession, web
from sayso.sandbox import Workplace
from sayso.sandbox.slack import SlackTimes
from sayso.sandbox.teams import TeamsTimes
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from tiny_bot import ConnectorClient, TinyBot

Handler = Callable[[dict[str, Any]], Awaitable[web.Response]]

#: Long enough for an app on a busy machine, and what `impatient` scenes have, which wait for its end.
PATIENCE = SlackTimes(ack=10.0, trigger=10.0, retries=(0.0, 0.01, 0.02))
IMPATIENT = SlackTimes(ack=0.6, trigger=0.25, retries=(0.0, 0.01, 0.02))
TEAMS_PATIENCE = TeamsTimes(invoke=10.0, message=10.0)
TEAMS_IMPATIENT = TeamsTimes(invoke=0.5, message=0.5)


class TinyApp:
    """Checks signatures with Slack's own verifier, remembers what came, answers as told."""

    def __init__(self, signing_secret: str) -> None:
        self.received: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Handler] = []
        self._verifier = SignatureVerifier(signing_secret)

    def will(self, handler: Handler, *, times: int = 1) -> None:
        """The next deliveries are answered by `handler`; without one the answer is an empty 200."""
        self.answers += [handler] * times

    def will_answer(self, body: dict[str, Any] | None = None, *, status: int = 200, times: int = 1) -> None:
        async def answer(_: dict[str, Any]) -> web.Response:
            return web.json_response(body, status=status) if body is not None else web.Response(status=status)

        self.will(answer, times=times)

    def will_stay_silent(self) -> None:
        async def answer(_: dict[str, Any]) -> web.Response:
            await asyncio.sleep(30)
            return web.Response()

        self.will(answer)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Interactions and events of one type."""
        return [one for one in self.received if kind in (one["type"], one.get("event", {}).get("type"))]

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._verifier.is_valid_request(body, dict(request.headers)):
            return web.Response(status=401)
        text = body.decode()
        form = request.content_type == "application/x-www-form-urlencoded"
        payload = json.loads(parse_qs(text)["payload"][0] if form else text)
        self.received.append(payload)
        self.headers.append(dict(request.headers))
        if payload["type"] == "url_verification":
            return web.Response(text=payload["challenge"])
        return await self.answers.pop(0)(payload) if self.answers else web.Response()


@pytest.fixture
async def workplace(request: pytest.FixtureRequest) -> AsyncIterator[Workplace]:
    """Clean at the end: a test that breaks a rule on purpose takes the violations."""
    impatient = request.node.get_closest_marker("impatient") is not None
    times = (IMPATIENT, TEAMS_IMPATIENT) if impatient else (PATIENCE, TEAMS_PATIENCE)
    async with Workplace.running(slack_times=times[0], teams_times=times[1]) as running:
        yield running


@pytest.fixture
def client(workplace: Workplace) -> AsyncWebClient:
    """Slack's own SDK, pointed at the stand-in."""
    return AsyncWebClient(token=workplace.slack.bot_token, base_url=workplace.slack.api_url)


@pytest.fixture
async def app(workplace: Workplace) -> AsyncIterator[TinyApp]:
    """The app that Slack delivers to."""
    tiny = TinyApp(workplace.slack.signing_secret)
    server = web.Application()
    server.router.add_post("/slack/events", tiny.handle)
    runner = web.AppRunner(server, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    workplace.slack.app_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield tiny
    await runner.cleanup()


@pytest.fixture
async def bot(workplace: Workplace) -> AsyncIterator[TinyBot]:
    """The bot that Teams delivers to."""
    tiny = TinyBot(workplace)
    server = web.Application()
    server.router.add_post("/api/messages", tiny.handle)
    runner = web.AppRunner(server, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    workplace.teams.app_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/messages"
    yield tiny
    await runner.cleanup()


@pytest.fixture
async def connector(workplace: Workplace) -> AsyncIterator[ConnectorClient]:
    """The bot's way to the Connector and to Graph, with real tokens."""
    async with ClientSession() as session:
        yield ConnectorClient(workplace, session)
