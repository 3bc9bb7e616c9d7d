"""`sayso serve`: one process with some roles, alive from the first moment, ending in order when told to.

The front door opens before anything heavy is imported; the parts are built behind it and then let in.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..approvals.errors import BadSetting, SaysoError
from . import logs
from .front import AsgiApp, Front
from .roles import BOT, chosen
from .settings import Settings, load_settings

log = logging.getLogger(__name__)

#: A process that broke ends after this long even if something in it still hangs, seconds.
GRACE_SECONDS = 30.0
#: An idle connection stays open longer than load balancers keep theirs (60 s is usual), seconds: else a press that comes
#: while we close it is lost.
KEEP_ALIVE = 75


class Broke(SaysoError):
    """Sayso broke; the log says where. Start it again."""


class DoorEnded(SaysoError):
    """The HTTP server stopped although nobody had asked it to; start sayso again."""


def serve(roles: Sequence[str], file: Path | None) -> None:
    """Run until SIGTERM or Ctrl-C. Raises: SaysoError, one sentence, when it cannot start or breaks."""
    logs.set_up()
    settings = load_settings(file)
    parts = chosen(roles)
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(settings)) if BOT in parts else None
        run_aloud(_serve(parts, settings, listening, stack))


def run_aloud(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end; what breaks is logged at once and ends the process, even where threads still hang in a tool.

    Raises: SaysoError, one sentence.
    """
    ends = list[threading.Timer]()

    async def watched() -> None:
        try:
            await main
        except Exception as error:
            ends.append(_break_off(error))
            raise

    try:
        asyncio.run(watched())
    except Exception as error:  # noqa: BLE001 the outermost edge: logged above, and the process ends
        raise _first(error) from None
    finally:
        for timer in ends:
            timer.cancel()  # nothing hung


def _break_off(error: Exception) -> threading.Timer:
    """Log what is no refusal of ours, and see to it that the process ends."""
    said = _first(error)
    if isinstance(said, Broke):
        from ..agent.faults import facts_of

        log.critical("serve.broke", extra=facts_of(_innermost(error)))
    last = threading.Timer(GRACE_SECONDS, _end_hard, [said])
    last.daemon = True
    last.start()
    return last


def _end_hard(said: SaysoError) -> None:
    sys.stderr.write(f"sayso: {said}\n")
    sys.stderr.flush()
    os._exit(1)


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
    port = listening.getsockname()[1] if listening else 0
    front = Front(f"http://{settings.server.host}:{port}" if listening else "")
    async with front_door(front, listening) as door:
        # Heavy imports and the embedded store's start block; the door answers meanwhile.
        running = asyncio.create_task(_run_parts(parts, settings, front, stopped, stack), name="parts")
        await asyncio.wait({running, door} if door else {running}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
            raise DoorEnded
        await running


async def _run_parts(
    parts: frozenset[str], settings: Settings, front: Front, stopped: asyncio.Event, stack: ExitStack
) -> None:
    app = await asyncio.to_thread(_imported_app, parts, settings)
    from .opening import connect, store_server

    url = stack.enter_context(store_server(settings))
    async with connect(url, settings) as store:
        await app.run(parts, settings, store, url=url, front=front, stopped=stopped)


def _imported_app(parts: frozenset[str], settings: Settings) -> ModuleType:
    """Import what the roles need, and only that: a worker has no packages of any platform."""
    from . import app

    app.warm(parts, settings)
    return app


@asynccontextmanager
async def front_door(
    front: AsgiApp, listening: socket.socket | None
) -> AsyncIterator[asyncio.Task[None] | None]:
    """Serve HTTP on the socket until the block is left; nothing without a socket."""
    if listening is None:
        yield None
        return
    import uvicorn

    config = uvicorn.Config(
        front,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE,
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
        yield serving
    finally:
        server.should_exit = True
        await serving


def _first(error: BaseException) -> SaysoError:
    """What is said of it: the first of ours in a group, however deep, else that something broke."""
    found = _innermost(error)
    return found if isinstance(found, SaysoError) else Broke()


def _innermost(error: BaseException) -> BaseException:
    """Of a group the first error of ours, or else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inside = [_innermost(one) for one in error.exceptions]
    return next((one for one in inside if isinstance(one, SaysoError)), inside[0])
