"""The heartbeat: one call to an address outside, for a service that raises the alarm when it stays away."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx

from ..approvals.errors import BadSetting
from .settings import Settings

log = logging.getLogger(__name__)

#: How often it is looked whether all is well, and how long the call may take, seconds.
EVERY, SECONDS = timedelta(minutes=1), 10.0


@asynccontextmanager
async def open_heartbeat(settings: Settings) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What sends one; nothing is sent where none is set up. Raises: BadSetting."""
    if settings.watchdog is None:
        yield _none
        return
    url = settings.secret(settings.watchdog.heartbeat, "watchdog.heartbeat says it holds an address.")
    if not url.startswith("https://") and not url.startswith("http://127.0.0.1:"):
        raise BadSetting(f"{settings.watchdog.heartbeat} must be an address that begins with https://.")
    async with httpx.AsyncClient(timeout=SECONDS) as http:

        async def beat() -> None:
            try:
                answer = await http.get(url, follow_redirects=False)
            except httpx.HTTPError as error:  # the address is a secret: it is not logged
                log.warning("heartbeat.not_sent error=%s", type(error).__name__)
                return
            if not answer.is_success:
                log.warning("heartbeat.not_taken status=%d", answer.status_code)

        yield beat


async def _none() -> None:
    """Nobody listens."""
