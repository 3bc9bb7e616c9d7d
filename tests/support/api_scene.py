"""The API over a real store and real HTTP, with an agent that pauses, people who answer, and a receiver of callbacks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from gated import TEAM, World
from sayso.approvals import machine
from sayso.approvals.people import Person, PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.store import Lane
from sayso.approvals.verdict import Verdict
from sayso.bot.api.calls import open_api
from sayso.bot.delivery import Deliverer
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.front import AsgiApp, Front, Receive, Scope, Send
from sayso.bot.serving import front_door
from sayso.bot.settings import Settings, load_settings
from scenes import BO, a_vote
from settings_files import write_settings

CRM_KEY, OTHER_KEY = "crm-" + "k" * 40, "other-" + "k" * 40
#: From the examples of Standard Webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENV = {"CRM_API_KEY": CRM_KEY, "OTHER_API_KEY": OTHER_KEY, "CRM_CALLBACK_SECRET": SECRET}
API = """
[api]
callback_hosts = ["hooks.example.com", "localhost:8443"]
private_callback_hosts = [{hosts}]

[api.keys.crm]
secret = "CRM_API_KEY"
owner = "sue"
may_act_for = ["alex"]
callback_secret = "CRM_CALLBACK_SECRET"

[api.keys.other]
secret = "OTHER_API_KEY"
owner = "sue"
may_act_for = "anyone"

[server]
"""


def api_settings(folder: Path, *hosts: str, edits: Sequence[tuple[str, str]] = ()) -> Settings:
    """Settings with two keys; `hosts` are those inside the network."""
    named = ", ".join(f'"{host}"' for host in hosts)
    file = write_settings(folder, ("[server]", API.format(hosts=named)), *edits)
    return load_settings(file, ENV)


@dataclass
class Receiver:
    """Somebody's server that takes callbacks; it `answers` with the next of `statuses`, then with 204."""

    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    host: str = "127.0.0.1:1"
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.taken.append((headers, body))
        await self.answers.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        elsewhere = [(b"location", f"http://{self.host}/other".encode())] if 300 <= status < 400 else []
        await send({"type": "http.response.start", "status": status, "headers": elsewhere})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def listening(app: AsgiApp, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve it on loopback as `sayso serve` does; its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as at:
        if tls is not None:
            async with _with_tls(app, at, tls):
                yield f"127.0.0.1:{at.getsockname()[1]}"
            return
        async with front_door(app, at):
            yield f"127.0.0.1:{at.getsockname()[1]}"


@asynccontextmanager
async def _with_tls(app: AsgiApp, at: socket.socket, tls: ssl.SSLContext) -> AsyncIterator[None]:
    """Somebody else's server, with a certificate."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    config.load()
    config.ssl = tls
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([at]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@dataclass(kw_only=True)
class ApiScene:
    """One bot with its API; `http` calls it with the key of crm."""

    store: RedisStore
    world: World
    deliverer: Deliverer
    receiver: Receiver
    http: httpx.AsyncClient
    settings: Settings

    async def asks(self, key: str = "", *, by: str = CRM_KEY, **said: Any) -> httpx.Response:
        """Start a run."""
        headers = {"authorization": f"Bearer {by}", **({"idempotency-key": key} if key else {})}
        body = {"graph": "ops", "input": "129.90", "asked_by": "alex", **said}
        kept = {name: value for name, value in body.items() if value is not None}
        return await self.http.post("/v1/runs", json=kept, headers=headers)

    async def looks(self, run: str) -> dict[str, Any]:
        """How a run stands."""
        found = await self.http.get(f"/v1/runs/{run}")
        assert found.status_code == 200, found.text
        answer: dict[str, Any] = found.json()
        return answer

    async def paused(self, **said: Any) -> tuple[str, Request]:
        """A run that waits for people."""
        run = (await self.asks(**said)).json()["id"]
        await self.world.work()
        (request,) = [one for one in await self.store.live() if one.state is State.OPEN]
        return run, request

    async def decided(self, request: Request, verdict: Verdict | None = None, who: PersonId = BO) -> None:
        """A person decides; no worker has looked yet."""
        vote = a_vote(request, who, verdict, at=await self.store.now(), signer=self.world.signer)
        await self.store.change(request.id, lambda r, now: machine.vote(r, vote, TEAM, 1, now))

    async def answers(self, request: Request, verdict: Verdict | None = None) -> None:
        """A person decides, and the agent goes on."""
        await self.decided(request, verdict)
        await self.world.work()

    async def tells(self) -> None:
        """Everything that is due to be told is told."""
        await self.store.woken((Lane.TELL,), timedelta(0))  # from now on it looks everywhere
        await self.deliverer.deliver_due((Lane.TELL,))


@asynccontextmanager
async def an_api(
    folder: Path, redis_url: str, *, receiver: Receiver | None = None, edits: Sequence[tuple[str, str]] = ()
) -> AsyncIterator[ApiScene]:
    """All of it on loopback; everything ends with the block. Callbacks go nowhere without a `receiver`."""
    store, front = await RedisStore.connect(redis_url, demo=True), Front()
    receiver = receiver or Receiver()
    async with listening(front) as bot:
        settings = api_settings(folder, receiver.host, edits=edits)
        assert settings.api
        people = [Person(id=PersonId(id), name=one.name) for id, one in settings.people.items()]
        sets = {"finance": ApproverSet(people=(BO,)), "seniors": ApproverSet()}
        directory = ConfiguredDirectory(people=people, sets=sets, platforms={})
        async with open_api(settings, settings.api, store) as api:
            front.open({}, ready=_ready, api=api.door)
            deliverer = Deliverer(
                store=store, channels={"api": api.channel}, directory=directory, pages=_no_page
            )
            headers = {"authorization": f"Bearer {CRM_KEY}"}
            async with httpx.AsyncClient(
                base_url=f"http://{bot}", headers=headers, trust_env=False, timeout=30
            ) as http:
                yield ApiScene(
                    store=store, world=World(store=store), deliverer=deliverer, receiver=receiver, http=http,
                    settings=settings,
                )  # fmt: skip
    await store.close()


async def _ready() -> str:
    return ""


async def _no_page(target: object) -> None:
    await asyncio.sleep(0)
