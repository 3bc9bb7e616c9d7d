"""An aiohttp application on a loopback port, and the word for decoded JSON."""

from __future__ import annotations

import ssl
from typing import Any

from aiohttp import web

#: A decoded JSON object as the vendors send it.
Json = dict[str, Any]

HOST = "127.0.0.1"


class LoopbackServer:
    """Serves one application on 127.0.0.1 between `start` and `stop`."""

    def __init__(self, app: web.Application, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._app = app
        self._port = port
        self._tls = tls
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end; valid after `start`."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self._port}"

    async def start(self) -> None:
        """Listen; port 0 becomes the port the system chose."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port, ssl_context=self._tls)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
