"""The sandbox's Entra as the bot sees it: its Graph with a token of the bot's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sayso.bot.teams.credentials import EntraToken, entra_token
from sayso.bot.teams.graph import Graph, graph_scope
from sayso.bot.teams.identity import TeamsAccounts
from sayso.sandbox.workplace import Workplace
from teams_bot import registration_in


@dataclass
class Entra:
    """What a scene needs; `clock` moves, in seconds, what the bot believes about waits and the age of its token."""

    workplace: Workplace
    token: EntraToken
    graph: Graph
    accounts: TeamsAccounts
    clock: list[float] = field(default_factory=lambda: [0.0])

    def of(self, name: str) -> str:
        """Somebody's object id."""
        return self.workplace.teams.person(name).aad

    def group(self, handle: str) -> str:
        """A group's object id."""
        return self.workplace.teams.group_id(handle)

    def asked(self, kind: str) -> int:
        """How often Graph was asked about "users" or "groups"."""
        return sum(f"/{kind}/" in call.path for call in self.workplace.teams.graph.calls)

    def token_requests(self) -> int:
        """How often the bot asked the token service."""
        return len(self.workplace.tokens.issued)


@asynccontextmanager
async def entra(*, url: str = "") -> AsyncIterator[Entra]:
    """Open for questions; at the end no rule of Microsoft's may have been broken."""
    async with Workplace.running() as workplace:
        teams, tokens, clock = workplace.teams, workplace.tokens, [0.0]
        url = url or teams.graph_url
        token = entra_token(
            registration_in(teams), authority=tokens.authority, client_secret=tokens.client_secret,
            ca_file=tokens.ca_file, scope=graph_scope(url),
        )  # fmt: skip
        token._clock = lambda: datetime.now(UTC) + timedelta(seconds=clock[0])
        graph = Graph(token, url=url, monotonic=lambda: clock[0])
        accounts = TeamsAccounts(graph, tenant=teams.tenant_id)
        try:
            yield Entra(workplace, token, graph, accounts, clock)
        finally:
            await graph.aclose()
