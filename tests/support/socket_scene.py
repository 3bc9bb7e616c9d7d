"""The bot's own connection to the sandbox's Slack: opened, replaced and lost, without waiting for any of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from office import Office
from sayso.approvals.request import Request, State
from sayso.bot.slack.link import SocketTimes
from sayso.bot.slack.listener import SlackListener
from sayso.bot.slack.reconcile import Reconciler
from sayso.bot.slack.socket import SocketMode
from sayso.bot.slack.transport import slack_client
from sayso.sandbox.slack import View
from sayso.sandbox.slack.places import APP_ID
from sayso.sandbox.watching import Changes

#: Nobody waits for a connection to be steady.
QUICK = SocketTimes(steady=0, leave=0.3)


class Waits:
    """Instead of waiting: remembers for how long; with `hold` each ends by `go_on`. `looks` at all cards are counted."""

    def __init__(self, *, hold: bool = False) -> None:
        self.spans: list[float] = []
        self.looks = 0
        self.changes: Changes | None = None
        self._hold = hold
        self._going = asyncio.Event()

    def go_on(self) -> None:
        self._going.set()

    async def __call__(self, span: timedelta) -> None:
        self.spans.append(span.total_seconds())
        if self.changes:
            self.changes.happened()
        if self._hold:
            await self._going.wait()
            self._going.clear()


async def a_socket(
    o: Office, *, waits: Waits | None = None, times: SocketTimes = QUICK, patience: float = 2.0,
    monotonic: Callable[[], float] = time.monotonic, token: str = "", app: str = APP_ID,
) -> SocketMode:  # fmt: skip
    """The bot's own connection, started; its listener is wired as the office's."""
    waits = waits or Waits()
    waits.changes = o.workplace.changes
    listener = await SlackListener.connect(
        client=slack_client(o.slack.bot_token, base_url=o.slack.api_url), signing_secret=None, desk=o.desk,
        store=o.store, deliverer=o.deliverer, channel=o.channel, account=o.directory.account("slack"),
        patience=patience,
    )  # fmt: skip
    client = slack_client(token or o.slack.links.app_token, base_url=o.slack.api_url)
    look = Reconciler(store=o.store, channel=o.channel, wait=waits)

    async def looks() -> None:
        await look()
        waits.looks += 1
        o.workplace.changes.happened()

    socket = SocketMode(
        client, listener.answer, app=app, connected=looks, times=times, wait=waits, jitter=lambda: 0.0,
        monotonic=monotonic,
    )  # fmt: skip
    await socket.start()
    return socket


@asynccontextmanager
async def over_socket(
    o: Office, *, waits: Waits | None = None, times: SocketTimes = QUICK, patience: float = 2.0,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[SocketMode]:  # fmt: skip
    """From here on everything comes over a socket."""
    o.slack.links.enabled = True
    socket = await a_socket(o, waits=waits, times=times, patience=patience, monotonic=monotonic)
    try:
        yield socket
        await o.slack.settled()
    finally:
        await socket.stop()
        o.slack.links.enabled = False


def decided(request: Request) -> bool:
    return request.state is State.DECIDED


async def a_form(o: Office, label: str) -> View:
    view = await (await o.slack.person("bo").clicks(o.card(), label)).modal()
    await o.workplace.until(lambda: view.title == label.rstrip("…"))
    return view
