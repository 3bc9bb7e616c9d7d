"""`sayso serve`: one process with some roles, alive from the first moment, ending in order when told to.

The front door opens before anything heavy is imported; the parts are built behind it and then let in.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType

from ..approvals.errors import BadSetting, SaysoError
from . import logs
from .front import Front
from .roles import BOT, chosen
from .settings import Settings, load_settings


def serve(roles: Sequence[str], file: Path | None) -> None:
    """Run until SIGTERM or Ctrl-C. Raises: SaysoError, one sentence, when it cannot start or breaks."""
    logs.set_up()
    settings = load_settings(file)
    parts = chosen(roles)
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(settings)) if BOT in parts else None
        try:
            asyncio.run(_serve(parts, settings, listening, stack))
        except* SaysoError as group:
            raise _first(group) from None


def _listening(settings: Settings) -> socket.socket:
    """The bot's own socket, bound before anything else. Raises: BadSetting."""
    try:
        return socket.create_server((settings.server.host, settings.server.port), backlog=128)
    except OSError as error:
        where = f"{settings.server.host}:{settings.server.port}"
        raise BadSetting(f"server.port: cannot listen on {where} ({error.strerror}).") from error


async def _serve(
    parts: frozenset[str], settings: Settings, listening: socket.socket | None, stack: ExitStack
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopped.set)
    front = Front()
    async with _front_door(front, listening):
        # Heavy imports and the embedded store's start block; the door answers meanwhile.
        running = asyncio.create_task(_run_parts(parts, settings, front, stopped, stack), name="parts")
        await running


async def _run_parts(
    parts: frozenset[str], settings: Settings, front: Front, stopped: asyncio.Event, stack: ExitStack
) -> None:
    app = await asyncio.to_thread(_imported_app, parts)
    from .opening import connect, store_server

    url = stack.enter_context(store_server(settings))
    async with connect(url, settings) as store:
        await app.run(parts, settings, store, url=url, front=front, stopped=stopped)


def _imported_app(parts: frozenset[str]) -> ModuleType:
    """Import what the roles need, and only that: a worker has no Slack packages."""
    from . import app

    app.warm(parts)
    return app


@asynccontextmanager
async def _front_door(front: Front, listening: socket.socket | None) -> AsyncIterator[None]:
    """Serve HTTP on the socket until the block is left; nothing without a socket."""
    if listening is None:
        yield
        return
    import uvicorn

    config = uvicorn.Config(
        front,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        server_header=False,
    )

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Signals end the program, and the program ends the server."""
            yield

    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="front door")
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _first(group: BaseExceptionGroup[SaysoError]) -> SaysoError:
    """The first error of a group, however deep."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
