"""A bot at work in the sandbox's Slack, over real HTTP: the store is in memory and its time stands still."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import uvicorn
from sayso.agent.policy import Policy
from sayso.approvals import machine
from sayso.approvals.change import Applied, AuditEntry, Event
from sayso.approvals.deadline import CHAINS
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Person, PersonId, Place
from sayso.approvals.request import Request
from sayso.approvals.signing import Signer
from sayso.approvals.store import PureStep, Target, Told
from sayso.approvals.verdict import RequestId, ThreadId
from sayso.bot.connecting import Connecting
from sayso.bot.delivery import Deliverer
from sayso.bot.desk import Desk
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.slack.identity import SlackAccounts
from sayso.bot.slack.listener import SlackListener
from sayso.bot.slack.transport import SlackChannel, slack_client
from sayso.sandbox.slack import Message, Slack, SlackTimes
from sayso.sandbox.watching import Changes
from sayso.sandbox.workplace import Workplace
from scenes import FINANCE, a_request, a_run, an_assessment

SIGNER = Signer(bytes(range(32)))
STAFF = ("alex", "bo", "cy", "sue", "kim", "gil", "zoe", "dee")
SETS = {
    "finance": ApproverSet(groups=("slack:S0FINANCE",)),
    "seniors": ApproverSet(people=(PersonId("sue"),)),
    "supervisors": ApproverSet(groups=("slack:S0SUPERV",)),
    "on-call": ApproverSet(groups=("slack:S0ONCALL",)),
}
ROUTE = replace(FINANCE, places=(Place("slack:C0FINANCE"),))


def staff(names: Iterable[str] = STAFF) -> list[Person]:
    """The sandbox's cast as the configuration lists them; ned is not listed."""
    return [Person(id=PersonId(n), name=n.capitalize(), accounts={"slack": f"U0{n.upper()}"}) for n in names]


def the_policy(**overrides: object) -> Policy:
    """One route; nobody is barred."""
    values: dict[str, object] = {
        "tools": {}, "routes": {"finance": ROUTE}, "chains": CHAINS, "default_route": "finance",
    }  # fmt: skip
    return Policy(**{**values, **overrides})  # type: ignore[arg-type]


class WatchedStore(MemoryStore):
    """The store in memory; whoever waits in the workplace looks again after each of its changes."""

    changes: Changes | None = None

    async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
        try:
            return await super().change(id, step, token=token)
        finally:
            self._tell()

    async def note(
        self, entry: AuditEntry, *, thread: ThreadId, request: RequestId | None = None, token: str = ""
    ) -> None:
        await super().note(entry, thread=thread, request=request, token=token)
        self._tell()

    async def set_told(self, target: Target, told: Told, *, again: timedelta | None = None) -> None:
        await super().set_told(target, told, again=again)
        self._tell()

    def _tell(self) -> None:
        if self.changes is not None:
            self.changes.happened()


class PagesSeen:
    """Takes page targets as brought up to date, and remembers them."""

    def __init__(self, store: MemoryStore) -> None:
        self.seen: list[Target] = []
        self._store = store

    async def __call__(self, target: Target) -> None:
        self.seen.append(target)
        version = (await self._store.get(RequestId(target.id))).version
        await self._store.set_told(target, replace(await self._store.told(target), version=version))


@dataclass
class Office:
    """What a scene needs; `clock` moves what the bot believes to be fresh."""

    workplace: Workplace
    slack: Slack
    store: MemoryStore
    directory: ConfiguredDirectory
    channel: SlackChannel
    desk: Desk
    deliverer: Deliverer
    pages: list[Target] = field(default_factory=list)
    clock: list[float] = field(default_factory=lambda: [0.0])

    async def asks(self, **overrides: object) -> Request:
        """Alex asks in #support; the request is open and its cards stand."""
        asked = await self.slack.person("alex").says("#support", "could you refund order 1042?")
        run = a_run(thread=f"t-{asked.ts}", origin=f"slack:{asked.channel}/{asked.ts}")
        values: dict[str, object] = {
            "run": run,
            "route": ROUTE,
            "opened_at": await self.store.now(),
            **overrides,
        }
        request = await self.store.open(machine.opened(a_request(**values).ask))
        await self.deliver()
        return request

    async def deliver(self) -> None:
        """Bring everything that is due up to date."""
        await self.deliverer.deliver_due()

    def card(self, channel: str = "#finance-approvals") -> Message:
        """The newest card in a channel."""
        return [one for one in self.slack.messages(channel) if "Details" in one.buttons()][-1]

    async def now(self, request: Request) -> Request:
        """The record as it stands."""
        return await self.store.get(request.id)

    async def until(self, request: Request, seen: Callable[[Request], object]) -> Request:
        """The record once it is as `seen` wants it. Raises: NotInTime."""
        await self.workplace.until(lambda: seen(self.store._requests[request.id]), what="the record")
        return await self.now(request)

    async def events(self, request: Request) -> list[Event]:
        """The audit trail of its run."""
        return [record.entry.event for record in await self.store.trail(request.ask.run.thread)]


@asynccontextmanager
async def office(
    *, policy: Policy | None = None, people: Iterable[Person] = (), store: WatchedStore | None = None,
    times: SlackTimes = SlackTimes(), patience: float = 2.0,
    connects: Callable[[Desk, ConfiguredDirectory, MemoryStore], Connecting] | None = None,
) -> AsyncIterator[Office]:  # fmt: skip
    """Open for business; at the end no rule of Slack's may have been broken."""
    async with Workplace.running(slack_times=times) as workplace:
        slack, store, clock = workplace.slack, store or WatchedStore(), [0.0]
        store.changes = workplace.changes
        client = slack_client(slack.bot_token, base_url=slack.api_url)
        directory = ConfiguredDirectory(
            people=list(people) or staff(), sets=SETS, platforms={"slack": SlackAccounts(client)},
            monotonic=lambda: clock[0],
        )  # fmt: skip
        account, members = directory.account("slack"), directory.mentions("slack")
        channel = SlackChannel(client, account=account, members=members)
        desk = Desk(
            store=store, directory=directory, rules=policy or the_policy(), signer=SIGNER,
            assess=lambda _: an_assessment(),
        )  # fmt: skip
        pages = PagesSeen(store)
        deliverer = Deliverer(store=store, channels={"slack": channel}, directory=directory, pages=pages)
        listener = await SlackListener.connect(
            client=client, signing_secret=slack.signing_secret, desk=desk, store=store, deliverer=deliverer,
            channel=channel, account=account, patience=patience,
            connecting=connects(desk, directory, store) if connects else None,
        )  # fmt: skip
        async with _served(listener) as url:
            slack.app_url = url
            yield Office(
                workplace=workplace, slack=slack, store=store, directory=directory, channel=channel, desk=desk,
                deliverer=deliverer, pages=pages.seen, clock=clock,
            )  # fmt: skip
            await slack.settled()


@asynccontextmanager
async def _served(listener: SlackListener) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(listener.door, lifespan="off", log_level="warning", ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    port = listening.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/slack/events"
    finally:
        server.should_exit = True
        await serving
