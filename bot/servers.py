"""The LangGraph Agent Servers of the settings, as workers and `sayso check` call them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from ..agent.dialects.reading import DIALECTS
from ..agent.remote.server import AgentServer, ServerAway, ServerSpec
from ..agent.setting_words import did_you_mean
from ..approvals.errors import BadSetting
from ..approvals.people import PersonId
from .settings import Settings
from .tables import AgentServerTable

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_servers(settings: Settings) -> AsyncIterator[Sequence[AgentServer]]:
    """Every server that can be used safely; of each other one the log says why not.

    One that is away is watched all the same: it may come back. Raises: BadSetting, for what the settings say of one.
    """
    async with AsyncExitStack() as stack:
        servers, broken = list[AgentServer](), dict[str, BadSetting]()
        for name, table in settings.servers.items():
            server = AgentServer(spec_of(settings, name, table))
            stack.push_async_callback(server.close)
            try:
                words = await server.check()
            except ServerAway as error:
                log.warning("server.away", extra={"server": name, "words": str(error)})
            except BadSetting as error:
                broken[name] = error
                continue
            else:
                log.info("server.ready", extra={"server": name, "words": words})
            servers.append(server)
        for name, why in broken.items():
            log.error("server.unfit", extra={"server": name, "words": str(why)})
        yield servers


def spec_of(settings: Settings, name: str, table: AgentServerTable) -> ServerSpec:
    """A server as its client takes it. Raises: BadSetting."""
    known = [dialect.name for dialect in DIALECTS]
    for dialect in table.reads:
        if dialect not in known:
            said = did_you_mean(dialect, known) or f"; there are {', '.join(known)}"
            raise BadSetting(f"servers.{name}.reads: there is no dialect {dialect!r}{said}")
    key = settings.secret(table.api_key, f"servers.{name} needs it") if table.api_key else None
    return ServerSpec(
        name=name, url=table.url, key=key, graphs=table.graphs, reads=table.reads,
        asked_by=PersonId(table.asked_by) if table.asked_by else None,
        owner=PersonId(table.owner) if table.owner else None, people=frozenset(map(PersonId, settings.people)),
    )  # fmt: skip
