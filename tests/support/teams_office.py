"""A bot at work in the sandbox's Teams, over real HTTP with signed tokens: the store is in memory and stands still."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from office import SIGNER, STAFF, PagesSeen, WatchedStore, the_policy
from sayso.agent.policy import Policy
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Person, PersonId, Place
from sayso.approvals.request import Request
from sayso.approvals.store import Target
from sayso.bot.connecting import Connecting
from sayso.bot.delivery import Deliverer
from sayso.bot.desk import Desk
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.teams.channel import TeamsChannel
from sayso.bot.teams.credentials import EntraToken, entra_token
from sayso.bot.teams.graph import Graph
from sayso.bot.teams.hearing import TeamsHearing
from sayso.bot.teams.identity import TeamsAccounts
from sayso.bot.teams.keys import ChannelKeys
from sayso.bot.teams.listener import TeamsListener
from sayso.bot.teams.port import Transport
from sayso.sandbox.teams import Delivery, Message, Teams
from sayso.sandbox.teams.places import Group, conversation_id, object_id
from sayso.sandbox.workplace import Workplace
from scenes import FINANCE, a_request, a_run, an_assessment
from teams_bot import TRANSPORTS, registration_in
from teams_bot import _served as served

Json = dict[str, Any]

ROUTE = replace(FINANCE, places=(Place(f"teams:{conversation_id('finance-approvals')}"),))
SETS = {
    "finance": ApproverSet(groups=(f"teams:{Group(handle='finance-approvers').id}",)),
    "seniors": ApproverSet(people=(PersonId("sue"),)),
    "supervisors": ApproverSet(groups=(f"teams:{Group(handle='supervisors').id}",)),
    "on-call": ApproverSet(groups=(f"teams:{Group(handle='sre-oncall').id}",)),
}


def staff(names: Iterable[str] = STAFF) -> list[Person]:
    """The sandbox's cast as the configuration lists them, by Entra object id; ned is not listed."""
    return [Person(id=PersonId(n), name=n.capitalize(), accounts={"teams": object_id(n)}) for n in names]


def teams_policy(**overrides: object) -> Policy:
    """One route; nobody is barred."""
    return the_policy(**{"routes": {"finance": ROUTE}, **overrides})


@dataclass
class TeamsOffice:
    """What a scene needs; `clock` moves what the bot believes to be fresh."""

    workplace: Workplace
    teams: Teams
    store: MemoryStore
    directory: ConfiguredDirectory
    transport: Transport
    channel: TeamsChannel
    desk: Desk
    deliverer: Deliverer
    listener: TeamsListener
    pages: list[Target] = field(default_factory=list)
    clock: list[float] = field(default_factory=lambda: [0.0])

    async def asks(self, **overrides: object) -> Request:
        """Alex asks in #support; the request is open and its cards stand."""
        asked = await self.teams.person("alex").says("#support", "could you refund order 1042?")
        origin = f"teams:{asked.conversation}/{asked.id}"
        values: dict[str, object] = {
            "run": a_run(thread=f"t-{asked.id}", origin=origin), "route": ROUTE,
            "opened_at": await self.store.now(), **overrides,
        }  # fmt: skip
        request = await self.store.open(machine.opened(a_request(**values).ask))
        await self.deliver()
        return request

    async def deliver(self) -> None:
        """Bring everything that is due up to date."""
        await self.deliverer.deliver_due()

    def cards(self, channel: str = "#finance-approvals") -> list[Message]:
        """The cards in a channel, oldest first."""
        return [one for one in self.teams.messages(channel) if "Details" in one.buttons()]

    def card(self, channel: str = "#finance-approvals") -> Message:
        """The newest card in a channel."""
        return self.cards(channel)[-1]

    async def now(self, request: Request) -> Request:
        """The record as it stands."""
        return await self.store.get(request.id)

    async def until(self, request: Request, seen: Callable[[Request], object]) -> Request:
        """The record once it is as `seen` wants it. Raises: NotInTime."""
        await self.workplace.until(lambda: seen(self.store._requests[request.id]), what="the record")
        return await self.now(request)

    async def sends(self, delivery: Delivery, data: Json | None = None, **activity: object) -> Json:
        """What is answered to a press made once more by a client of somebody's own making.

        Args:
            data: What changes in what the button carries; None leaves a name out.
            activity: What else changes; `sender` is Teams' `from`.
        """
        changed = {"from" if name == "sender" else name: one for name, one in activity.items()}
        whole: Json = {**delivery.activity, "id": f"f:{len(self.teams.delivered)}", **changed}
        carrier = whole["value"].get("action", whole["value"])
        carried = {**carrier["data"], **(data or {})}
        carrier["data"] = {name: one for name, one in carried.items() if one is not None}
        answer = await self.teams.deliver(whole)
        assert answer.status == 200
        body: Json = json.loads(answer.body)
        return body

    async def events(self, request: Request) -> list[Event]:
        """The audit trail of its run."""
        return [record.entry.event for record in await self.store.trail(request.ask.run.thread)]


@asynccontextmanager
async def connected(workplace: Workplace, sdk: str) -> AsyncIterator[tuple[Transport, Graph]]:
    """The two lines to Microsoft, each with a token of its own."""
    teams, tokens = workplace.teams, workplace.tokens
    registration = registration_in(teams)

    def token(scope: str) -> EntraToken:
        return entra_token(
            registration, authority=tokens.authority, client_secret=tokens.client_secret, ca_file=tokens.ca_file,
            scope=scope,
        )  # fmt: skip

    keys = ChannelKeys(registration.metadata_url)
    transport = TRANSPORTS[sdk](registration, token=token(registration.scope), keys=keys)
    graph = Graph(token("https://graph.microsoft.com/.default"), url=teams.graph_url)
    try:
        yield transport, graph
    finally:
        transport.close()
        await graph.aclose()


@asynccontextmanager
async def teams_office(
    *, sdk: str = "botbuilder", policy: Policy | None = None, people: Iterable[Person] = (),
    store: WatchedStore | None = None, patience: float = 2.5,
    connects: Callable[[Desk, ConfiguredDirectory, MemoryStore], Connecting] | None = None,
) -> AsyncIterator[TeamsOffice]:  # fmt: skip
    """Open for business; at the end no rule of Teams' may have been broken."""
    async with Workplace.running() as workplace, connected(workplace, sdk) as (transport, graph):
        teams, clock, store = workplace.teams, [0.0], store or WatchedStore()
        store.changes = workplace.changes
        directory = ConfiguredDirectory(
            people=list(people) or staff(), sets=SETS, monotonic=lambda: clock[0],
            platforms={"teams": TeamsAccounts(graph, tenant=teams.tenant_id)},
        )  # fmt: skip
        account = directory.account("teams")
        channel = TeamsChannel(transport, tenant=teams.tenant_id, account=account, monotonic=lambda: clock[0])
        desk = Desk(
            store=store, directory=directory, rules=policy or teams_policy(), signer=SIGNER,
            assess=lambda _: an_assessment(),
        )  # fmt: skip
        pages = PagesSeen(store)
        deliverer = Deliverer(store=store, channels={"teams": channel}, directory=directory, pages=pages)
        hearing = TeamsHearing(
            desk=desk, store=store, channel=channel, transport=transport, revive=deliverer.revive
        )
        listener = TeamsListener(
            transport=transport, desk=desk, deliverer=deliverer, hearing=hearing, patience=patience,
            connecting=connects(desk, directory, store) if connects else None,
        )  # fmt: skip
        async with served(listener.door) as teams.app_url:
            yield TeamsOffice(
                workplace=workplace, teams=teams, store=store, directory=directory, transport=transport,
                channel=channel, desk=desk, deliverer=deliverer, listener=listener, pages=pages.seen, clock=clock,
            )  # fmt: skip
            await teams.settled()
            await listener.close()
