"""Teams as the settings name it: accounts through Microsoft Graph, cards and deliveries through the chosen SDK."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property

from ...approvals.errors import BadSetting, DirectoryDown
from ...approvals.people import PersonId
from ...cards.adaptive import Mentioned
from ..channel import ChannelError, Dead
from ..directory import ConfiguredDirectory
from ..front import TEAMS_PATH, AsgiApp
from ..platform import Inside
from ..settings import Settings
from ..tables import TeamsTable
from .channel import Circles, TeamsChannel
from .credentials import EntraToken, entra_token
from .graph import Graph, graph_scope
from .hearing import TeamsHearing
from .identity import TeamsAccounts
from .keys import ChannelKeys
from .listener import TeamsListener
from .port import PLATFORM, Transport

log = logging.getLogger(__name__)

#: At most so many people are mentioned for one approver set; of larger ones only the name is said.
MOST_CALLED = 20


class TeamsPlatform:
    """A `Platform`."""

    path = TEAMS_PATH

    def __init__(self, settings: Settings, table: TeamsTable) -> None:
        """Raises: BadSetting."""
        self._settings = settings
        self._table = table
        self._registration = table.registration
        self._token = self._token_for(table.registration.scope)
        self._graph = Graph(self._token_for(graph_scope(table.graph)), url=table.graph)
        self.accounts = TeamsAccounts(self._graph, tenant=table.tenant)
        self._listener: TeamsListener | None = None

    @cached_property
    def transport(self) -> Transport:
        """Made when it is first needed: a scheduler sends nothing."""
        keys = ChannelKeys(self._registration.metadata_url)
        return transport_class(self._table)(self._registration, token=self._token, keys=keys)

    def channel(self, directory: ConfiguredDirectory) -> TeamsChannel:
        """Where cards go."""
        return TeamsChannel(
            self.transport, tenant=self._table.tenant, account=directory.account(PLATFORM),
            circle=_called(directory),
        )  # fmt: skip

    async def door(self, inside: Inside) -> AsgiApp:
        """Let in what Microsoft signed. Raises: BadSetting, when Entra refuses our credentials."""
        try:
            await self._token.ready()
        except Dead as refused:
            credential = "teams.certificate" if self._table.certificate else "TEAMS_CLIENT_SECRET"
            raise BadSetting(f"teams.app_id, teams.tenant and {credential}: {refused}") from refused
        except ChannelError:
            log.warning("teams.not_signed_in_yet", exc_info=True)  # Entra may be down: each call asks again
        hearing = TeamsHearing(
            desk=inside.desk, store=inside.store, channel=inside.channel, transport=self.transport,
            revive=inside.deliverer.revive,
        )  # fmt: skip
        self._listener = TeamsListener(
            transport=self.transport, desk=inside.desk, deliverer=inside.deliverer, hearing=hearing,
            connecting=inside.connecting,
        )  # fmt: skip
        return self._listener.door

    def problem(self) -> str:
        """None that we would notice: Teams comes to us."""
        return ""

    async def close(self) -> None:
        """Let go of connections."""
        if self._listener is not None:
            await self._listener.close()
        if "transport" in self.__dict__:
            self.transport.close()
        await self._graph.aclose()

    def _token_for(self, scope: str) -> EntraToken:
        table, settings = self._table, self._settings
        secret = ""
        if table.certificate is None:
            why = "it is the client secret of the bot's app registration (or name a certificate)."
            secret = settings.secret("TEAMS_CLIENT_SECRET", why)
        return entra_token(
            self._registration, authority=table.token_authority, client_secret=secret, scope=scope,
            certificate=str(settings.beside(table.certificate)) if table.certificate else None,
            ca_file=str(settings.beside(table.ca_file)) if table.ca_file else None,
        )  # fmt: skip


def transport_class(table: TeamsTable) -> Callable[..., Transport]:
    """The SDK of the settings; the other one is not imported."""
    match table.sdk:
        case "botbuilder":
            from .transport import BotbuilderTransport

            return BotbuilderTransport
        case "agents":
            from .agents_transport import AgentsTransport

            return AgentsTransport


def _called(directory: ConfiguredDirectory) -> Circles:
    """Whom a mention of an approver set calls in Teams."""
    account = directory.account(PLATFORM)

    async def called(name: str) -> tuple[Mentioned, ...]:
        try:
            people = sorted(await directory.members(name))
        except DirectoryDown:
            log.warning("teams.nobody_called set=%s", name)
            return ()
        found = [Mentioned(id=id, name=_name(directory, one)) for one in people if (id := account(one))]
        return tuple(found) if len(found) <= MOST_CALLED else ()

    return called


def _name(directory: ConfiguredDirectory, person: PersonId) -> str:
    known = directory.known(person)
    return known.name if known else str(person)
