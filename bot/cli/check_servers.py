"""What `sayso check` sees of the LangGraph Agent Servers: reachable, key accepted, safe to answer, graphs there."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...approvals.errors import BadSetting
from ..settings import Settings
from ..tables import AgentServerTable
from .looks import Doubtful, Look, Wrong

#: Where a key may go without encryption: nowhere but this machine.
_HERE = ("127.0.0.1", "::1", "localhost")


def server(settings: Settings, name: str, table: AgentServerTable, *, offline: bool) -> Look:
    """A line for this server; offline, whether its settings are whole."""

    async def look() -> str:
        # LangGraph takes half a second to load: not before it is needed.
        from ...agent.remote.server import AgentServer
        from ..servers import spec_of

        spec = spec_of(settings, name, table)
        if offline:
            return f"{table.url}: {', '.join(table.graphs)}"
        there = AgentServer(spec)
        try:
            words = await there.check()
        except BadSetting as error:
            raise Wrong(f"{table.url}: {error}") from error
        finally:
            await there.close()
        if table.api_key and table.url.startswith("http:") and urlsplit(table.url).hostname not in _HERE:
            raise Doubtful(f"{table.url}: its key and every answer cross the network unencrypted; use https.")
        return f"{table.url}: {words}"

    return look
