"""A connection to Redis that breaks when told to: the server has done it, and nobody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Drops:
    """Stands between client and server; the reply to the next call of a chosen script is lost with its connection."""

    def __init__(self, server_url: str) -> None:
        self._path = server_url.removeprefix("unix://")
        self._sha = b""
        self.lost = 0

    def next_reply_to(self, sha: str) -> None:
        self._sha = sha.encode()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The address to use instead of the server's."""
        async with asyncio.TaskGroup() as tasks:
            server = await asyncio.start_server(
                lambda reader, writer: tasks.create_task(self._serve(reader, writer)), "127.0.0.1", 0
            )
            try:
                yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
            finally:
                server.close()

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, forth = await asyncio.open_unix_connection(self._path)
        doomed = asyncio.Event()
        answers = asyncio.create_task(self._answer(server, back, doomed))
        while asked := await client.read(65536):
            if self._sha and self._sha in asked:
                self._sha = b""
                doomed.set()
            forth.write(asked)
        forth.close()
        await answers

    async def _answer(
        self, server: asyncio.StreamReader, back: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while answer := await server.read(65536):
            if doomed.is_set():
                self.lost += 1  # it was done, and nobody hears of it
                break
            back.write(answer)
        back.close()
