"""A bot without any office in the sandbox's Teams, over real HTTP: it hears, and answers what the test tells it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uvicorn
from sayso.bot.teams.agents_transport import AgentsTransport
from sayso.bot.teams.channel import TeamsChannel
from sayso.bot.teams.credentials import EntraToken, entra_token
from sayso.bot.teams.door import TeamsDoor
from sayso.bot.teams.keys import ChannelKeys
from sayso.bot.teams.port import Arrived, Transport
from sayso.bot.teams.registration import Registration
from sayso.bot.teams.transport import BotbuilderTransport
from sayso.cards import adaptive
from sayso.cards.adaptive import AdaptiveMessage
from sayso.cards.spans import Row, Text
from sayso.sandbox.teams import Teams
from sayso.sandbox.workplace import Workplace

Body = Mapping[str, Any] | None

#: Every way to speak to Teams; each passes the same tests.
TRANSPORTS: Mapping[str, Callable[..., Transport]] = {
    "botbuilder": BotbuilderTransport,
    "agents": AgentsTransport,
}


@dataclass
class Bot:
    """What a scene needs; `clock` moves, in seconds, what the bot believes about the age of keys and its pace."""

    sdk: str
    workplace: Workplace
    teams: Teams
    transport: Transport
    channel: TeamsChannel
    token: EntraToken
    url: str
    heard: list[Arrived] = field(default_factory=list)
    answers: list[Body | Exception] = field(default_factory=list)
    clock: list[float] = field(default_factory=lambda: [0.0])
    others: list[Transport] = field(default_factory=list)

    def another(self, registration: Registration, *, keys: ChannelKeys | None = None) -> Transport:
        """Another process' transport on the same SDK, closed with the bot."""
        self.others.append(TRANSPORTS[self.sdk](registration, token=self.token, keys=keys))
        return self.others[-1]

    async def hears(self, arrived: Arrived) -> Body:
        self.heard.append(arrived)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def posts(self, body: bytes, *, authorization: str = "good", kind: str = "application/json") -> int:
        """Status of a hand-made delivery; "good" is a valid token."""
        if authorization == "good":
            authorization = f"Bearer {self.teams.token()}"
        headers = {"Authorization": authorization, "Content-Type": kind}
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.post(self.url, content=body, headers=headers)).status_code

    def token_requests(self) -> int:
        """How often the bot asked the token service."""
        return sum(one.grant == "client_credentials" for one in self.workplace.tokens.issued)


def words(text: str) -> AdaptiveMessage:
    """A message with one line."""
    return adaptive.say([Row("", (Text(text),))])


def registration_in(teams: Teams, **changed: str) -> Registration:
    """The bot as the sandbox's tenant knows it."""
    told = {
        "app_id": teams.app_id, "tenant": teams.tenant_id, "service_url": teams.service_url, "issuer": teams.issuer,
        "metadata_url": teams.open_id_metadata_url, "scope": teams.scope,
    }  # fmt: skip
    return Registration(**{**told, **changed})


@asynccontextmanager
async def teams_bot(transport: str = "botbuilder") -> AsyncIterator[Bot]:
    """Open for business; at the end no rule of Teams' may have been broken."""
    async with Workplace.running() as workplace:
        teams, tokens, clock = workplace.teams, workplace.tokens, [0.0]
        registration = registration_in(teams)
        token = entra_token(
            registration,
            authority=tokens.authority,
            client_secret=tokens.client_secret,
            ca_file=tokens.ca_file,
        )
        token._clock = lambda: datetime.now(UTC) + timedelta(seconds=clock[0])
        keys = ChannelKeys(registration.metadata_url, monotonic=lambda: clock[0])
        made = TRANSPORTS[transport](registration, token=token, keys=keys)
        channel = TeamsChannel(made, tenant=teams.tenant_id, monotonic=lambda: clock[0])
        bot = Bot(
            sdk=transport,
            workplace=workplace,
            teams=teams,
            transport=made,
            channel=channel,
            token=token,
            url="",
            clock=clock,
        )
        async with _served(TeamsDoor(made, bot.hears)) as bot.url:
            teams.app_url = bot.url
            yield bot
            await teams.settled()
            for one in (made, *bot.others):
                one.close()


@asynccontextmanager
async def _served(door: TeamsDoor) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(door, lifespan="off", log_level="warning", ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/messages"
    finally:
        # Its own way to stop sleeps two tenths of a second, in each of a hundred tests.
        for one in server.servers:
            one.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)


@dataclass
class Stall:
    """How long the event loop stood still at most, in seconds: by the clock, and in processor time of our own."""

    waited: float = 0.0
    worked: float = 0.0


async def stall_during(work: Coroutine[Any, Any, Any]) -> Stall:
    """Do it, and watch the loop meanwhile."""
    stall, task = Stall(), asyncio.create_task(work)
    while not task.done():
        waited, worked = time.monotonic(), time.thread_time()
        await asyncio.sleep(0.001)
        stall.waited = max(stall.waited, time.monotonic() - waited)
        stall.worked = max(stall.worked, time.thread_time() - worked)
    await task
    return stall
