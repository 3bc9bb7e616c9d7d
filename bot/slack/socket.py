"""Socket Mode: one connection to Slack always stands, and the next one stands before it is closed.

Slack's own client closes first and connects then, and what is pressed in between is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from ..backoff import pause
from ..channel import ChannelError, Dead, RetryLater
from .checks import SlackProblem
from .failures import failure
from .link import Inside, Link, NotWelcome, SocketTimes
from .transport import SlackClient

log = logging.getLogger(__name__)

#: Waits for a span of time.
Wait = Callable[[timedelta], Awaitable[None]]

#: When cards could not be looked at again, they are after this.
AFTER_TROUBLE = timedelta(seconds=30)


async def wait_for(span: timedelta) -> None:
    """Really wait."""
    await asyncio.sleep(span.total_seconds())


class SocketMode:
    """Keeps a connection and hands on what it brings."""

    def __init__(
        self, client: SlackClient, inside: Inside, *, app: str, connected: Callable[[], Awaitable[None]],
        times: SocketTimes = SocketTimes(), wait: Wait = wait_for, jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Take a client with the app-level token.

        Args:
            app: Id of the Slack app whose bot we are; another one's clicks would never be ours.
            connected: Called after each connection.
        """
        self._client = client
        self._inside = inside
        self._app = app
        self._connected = connected
        self._times = times
        self._wait = wait
        self._jitter = jitter
        self._monotonic = monotonic
        self._links: set[Link] = set()
        self._leaving: set[Link] = set()
        self._running: list[asyncio.Task[None]] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._stands = asyncio.Event()
        self._stood = False
        self._down_since = monotonic()
        self._at_least = timedelta(0)
        self._why = "not connected yet"

    async def start(self) -> None:
        """Connect, or go on trying while Slack is not to be reached. Raises: SlackProblem, when it refuses us."""
        self._session = aiohttp.ClientSession()
        link, failed = None, 0
        try:
            link = self._join(await self._opened())
        except Dead as refused:
            await self._session.close()
            raise SlackProblem(f"SLACK_APP_TOKEN: {refused}") from refused
        except ChannelError as error:
            failed = 1
            self._note(error, failed)
        except BaseException:
            await self._session.close()
            raise
        self._running = [
            asyncio.create_task(self._keep(link, failed), name="slack socket"),
            asyncio.create_task(self._look_again(), name="slack reconcile"),
        ]

    async def stop(self) -> None:
        """Acknowledge what has come, and close."""
        tasks = [*self._running, *self._retiring]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        links, self._links = self._links, set()
        await asyncio.gather(*[link.close() for link in links])
        await self._session.close()

    def problem(self) -> str:
        """What is wrong, in words; empty while a connection stands, or was lost only just now."""
        down = self._monotonic() - self._down_since
        if self._any_up() or (self._stood and down <= self._times.down):
            return ""
        return f"Slack has not been connected for {down:.0f} s: {self._why}"

    async def _keep(self, link: Link | None, failed: int) -> None:
        """Replace each connection once it has to be; one after another while none comes about."""
        while True:
            if link is not None:
                began = self._monotonic()
                await link.leaving.wait()
                failed = 0 if self._monotonic() - began >= self._times.steady else failed + 1
            if failed:
                await self._wait(pause(failed - 1, self._at_least, jitter=self._jitter()))
            link = None
            try:
                link = self._join(await self._opened())
            except ChannelError as error:
                failed += 1
                self._note(error, failed)
            except Exception:  # the outermost edge: sayso must hear again
                failed += 1
                self._why = "something broke; the log says what"
                log.exception("slack.socket_failed")

    def _join(self, link: Link) -> Link:
        """From now on it is this one; the one before it may end."""
        gap = 0.0 if self._any_up() else self._monotonic() - self._down_since
        log.info("slack.connected gap_seconds=%.1f", gap)
        for old in self._links - self._leaving:
            self._leaving.add(old)
            self._hold(asyncio.create_task(old.retire()))
        self._links.add(link)
        link.when_ended(lambda: self._ended(link))
        self._at_least = timedelta(0)
        self._stood = True
        self._stands.set()
        return link

    def _ended(self, link: Link) -> None:
        if link not in self._links:
            return  # we are stopping
        self._links.discard(link)
        self._leaving.discard(link)
        if not self._any_up():
            self._down_since, self._why = self._monotonic(), "the connection was lost"
            log.warning("slack.disconnected")

    def _any_up(self) -> bool:
        return any(link.up for link in self._links)

    def _hold(self, task: asyncio.Task[None]) -> None:
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _note(self, error: ChannelError, failed: int) -> None:
        """Why there is no connection yet, and how long it is no use to ask again."""
        self._at_least = error.after if isinstance(error, RetryLater) else timedelta(0)
        self._why = str(error) if isinstance(error, Dead | NotWelcome) else "Slack cannot be reached"
        log.warning("slack.not_connected tries=%s why=%s", failed, self._why)

    async def _look_again(self) -> None:
        """After each connection, and again where that did not work."""
        while True:
            await self._stands.wait()
            self._stands.clear()
            try:
                await self._connected()
            except Exception:  # the outermost edge: it is tried again
                log.exception("slack.not_reconciled")
                await self._wait(AFTER_TROUBLE)
                self._stands.set()

    async def _opened(self) -> Link:
        """A new connection that has said hello. Raises: Dead, NotWelcome, RetryLater, Unclear."""
        try:
            async with asyncio.timeout(self._times.hello):
                answer = await self._client.api_call("apps.connections.open")
                url = str(answer["url"])
                if not url.startswith("ws://" if self._client.base_url.startswith("http://") else "wss://"):
                    raise Dead("Slack names an address that is not encrypted")
                link = await Link.open(
                    self._session, url, self._inside, times=self._times, proxy=self._client.proxy
                )
        except (TimeoutError, SlackApiError, SlackClientError, aiohttp.ClientError, OSError) as error:
            raise failure(error) from error
        if link.app not in ("", self._app):
            await link.close()
            raise Dead("it belongs to another Slack app than SLACK_BOT_TOKEN")
        return link
