"""People who talk to sayso in the sandbox's Teams: over real HTTP with signed tokens, accounts asked of Graph."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from office import SIGNER, STAFF, WatchedStore, the_policy
from sayso.approvals import machine
from sayso.approvals.change import AuditEntry
from sayso.approvals.errors import StoreDown
from sayso.approvals.people import Person, PersonId, Place
from sayso.approvals.request import Request, Run
from sayso.approvals.verdict import RequestId, ThreadId
from sayso.bot.delivery import Deliverer
from sayso.bot.desk import Desk
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.teams.credentials import entra_token
from sayso.bot.teams.door import TeamsDoor
from sayso.bot.teams.graph import Graph, graph_scope
from sayso.bot.teams.hearing import TeamsHearing
from sayso.bot.teams.identity import TeamsAccounts
from sayso.bot.teams.port import Added, Arrived, Removed, Said
from sayso.sandbox.teams import Teams
from sayso.sandbox.teams.places import conversation_id
from sayso.sandbox.teams.screen import Message
from scenes import FINANCE, a_request, a_run, an_assessment
from teams_bot import _served as served
from teams_bot import registration_in, teams_bot

CARDS = Place(f"teams:{conversation_id('finance-approvals')}")
ROUTE = replace(FINANCE, places=(CARDS,))


class Ledger(WatchedStore):
    """The store in memory; while `down` no run can be started."""

    down = False

    async def start(self, run: Run, *, token: str = "", audit: Sequence[AuditEntry] = ()) -> bool:
        if self.down:
            raise StoreDown
        return await super().start(run, token=token, audit=audit)


@dataclass
class Reviver:
    """Remembers where something was to be brought once more; raises while `down`."""

    asked: list[Callable[[Place], bool]] = field(default_factory=list)
    down: bool = False

    async def __call__(self, back: Callable[[Place], bool]) -> int:
        if self.down:
            raise StoreDown
        self.asked.append(back)
        return 0


@dataclass
class Speech:
    """What a scene needs."""

    teams: Teams
    store: Ledger
    desk: Desk
    deliverer: Deliverer
    revived: Reviver

    async def says(self, name: str, channel: str, text: str, *, thread: Message | None = None) -> Message:
        """Somebody writes, and the bot has heard it."""
        said = await self.teams.person(name).says(channel, text, thread=thread)
        await self.teams.settled()
        return said

    async def asks(self, place: Place = CARDS, **overrides: object) -> Request:
        """An open request, its card posted in `place`; Alex asked for it in #support."""
        values = {
            "run": a_run(thread="t-1", origin=f"teams:{conversation_id('support')}"),
            "route": replace(ROUTE, places=(place,)), "opened_at": await self.store.now(), **overrides,
        }  # fmt: skip
        request = await self.store.open(machine.opened(a_request(**values).ask))
        await self.deliverer.deliver_due()
        return request

    def card(self) -> Message:
        """The newest card in #finance-approvals."""
        return [one for one in self.teams.messages("#finance-approvals") if "Details" in one.buttons()][-1]

    def heard_in(self, said: Message) -> list[str]:
        """What the bot said in the thread of a message, or after it in a chat."""
        own = [one for one in self.teams.tenant.messages if one.sender == self.teams.bot_id]
        return [
            one.text_as_seen() for one in own
            if one.conversation == said.conversation and one.root == said.root and int(one.id) > int(said.id)
        ]  # fmt: skip

    def told(self, name: str) -> list[str]:
        """What the bot told somebody alone."""
        chat = self.teams.person(name).direct_messages()
        return [one.text_as_seen() for one in chat if one.sender == self.teams.bot_id]

    def run_of(self, said: Message) -> ThreadId:
        """The run that a message starts."""
        return ThreadId(f"teams:{self.teams.tenant_id}:{said.conversation}:{said.id}")

    async def runs(self) -> list[Run]:
        """Every run that was asked for in Teams."""
        return [run for run in await self.store.unfinished() if run.thread.startswith("teams:")]

    async def now(self, request: Request) -> Request:
        """The record as it stands."""
        return await self.store.get(RequestId(request.id))


@asynccontextmanager
async def teams_speech(transport: str = "botbuilder") -> AsyncIterator[Speech]:
    """Everybody may talk; at the end no rule of Teams' may have been broken."""
    async with teams_bot(transport) as bot:
        teams, store, revived = bot.teams, Ledger(), Reviver()
        store.changes, tokens = bot.workplace.changes, bot.workplace.tokens
        token = entra_token(
            registration_in(teams), authority=tokens.authority, client_secret=tokens.client_secret,
            ca_file=tokens.ca_file, scope=graph_scope(teams.graph_url),
        )  # fmt: skip
        graph = Graph(token, url=teams.graph_url)
        directory = ConfiguredDirectory(
            people=[
                Person(id=PersonId(name), name=name.capitalize(), accounts={"teams": teams.person(name).aad})
                for name in STAFF
            ],
            sets={"finance": ApproverSet(groups=(f"teams:{teams.group_id('finance-approvers')}",))},
            platforms={"teams": TeamsAccounts(graph, tenant=teams.tenant_id)},
        )
        desk = Desk(
            store=store, directory=directory, rules=the_policy(routes={"finance": ROUTE}), signer=SIGNER,
            assess=lambda _: an_assessment(),
        )  # fmt: skip
        hearing = TeamsHearing(
            desk=desk, store=store, channel=bot.channel, transport=bot.transport, revive=revived
        )
        deliverer = Deliverer(
            store=store, channels={"teams": bot.channel}, directory=directory, pages=_no_pages
        )
        async with served(TeamsDoor(bot.transport, _to(hearing))) as teams.app_url:
            yield Speech(teams=teams, store=store, desk=desk, deliverer=deliverer, revived=revived)
            await teams.settled()
        await graph.aclose()


def _to(hearing: TeamsHearing) -> Any:
    async def dispatch(arrived: Arrived) -> Mapping[str, Any] | None:
        match arrived:
            case Said():
                await hearing.hear(arrived)
            case Added():
                await hearing.added(arrived)
            case Removed():
                await hearing.removed(arrived)
        return None

    return dispatch


async def _no_pages(_: object) -> None:
    """Nobody is paged here."""
