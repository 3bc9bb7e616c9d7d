"""Names looked up so that one that hangs holds up nobody else: a thread of its own for each name, and one at a time."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

#: How long a look-up may take, seconds; the thread may hang longer, and whoever asks for that name next waits for it.
SECONDS = 5.0


class LookUps:
    """What the system's resolver says, which cannot be told to stop.

    The names are those that the settings allow, so there are never more threads than that; they keep no process alive.
    """

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Its IP addresses. Raises: OSError, also (TimeoutError) when it takes too long."""
        key = (host, port)
        found = self._under_way.get(key)
        if found is None:
            found = self._under_way[key] = self._begun(host, port)
            found.add_done_callback(lambda _: self._under_way.pop(key, None))
        async with asyncio.timeout(SECONDS):
            return await asyncio.shield(found)

    @staticmethod
    def _begun(host: str, port: int) -> asyncio.Future[list[str]]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def tell(addresses: list[str], error: OSError | None) -> None:
            if error is None:
                found.set_result(addresses)
            else:
                found.set_exception(error)
                found.exception()  # whoever asked may have gone

        def look() -> None:
            addresses, error = list[str](), None
            try:
                addresses = _looked_up(host, port)
            except OSError as failed:
                error = failed
            except UnicodeError:
                error = OSError(f"{host} is no name")
            with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
                loop.call_soon_threadsafe(tell, addresses, error)

        threading.Thread(target=look, name=f"look up {host}", daemon=True).start()
        return found


def _looked_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]).partition("%")[0] for one in found]
