"""One connection to Slack in Socket Mode, from its hello to its end: envelopes come in, acknowledgements go out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import ClientWebSocketResponse, ClientWSTimeout, WSMessage, WSMsgType
from slack_bolt import BoltResponse

from ..body import LARGEST_BODY
from ..channel import ChannelError
from .precheck import Refused, unwrapped

log = logging.getLogger(__name__)

#: Answers a payload that came with this token.
Inside = Callable[[dict[str, Any], str], Awaitable[BoltResponse]]

#: Slack does not always finish a goodbye; seconds that we wait for it.
_GOODBYE = ClientWSTimeout(ws_close=1.0)

#: Seconds in which Slack takes an acknowledgement.
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketTimes:
    """Our patience with connections, in seconds.

    Attributes:
        hello: Within this a connection has said hello, counted from asking for its address.
        beat: We ping after so long without a word, and give a connection up without a pong within half of it.
        quiet: One that brought nothing for so long is replaced: a session can fall silent and still answer pings.
        steady: One that lasted less than this has failed: the next one waits.
        leave: A connection that was replaced may go on for so long; Slack ends it after ten.
        down: Without any connection for longer we are not ready.
    """

    hello: float = 10.0
    beat: float = 5.0
    quiet: float = 1800.0
    steady: float = 10.0
    leave: float = 15.0
    down: float = 5.0


class NotWelcome(ChannelError):
    """Slack ends connections at once; the message says why."""


_WHY: Mapping[str, str] = {
    "link_disabled": "Socket Mode is switched off in the Slack app's settings",
    "too_many_websockets": "the Slack app has as many connections as Slack allows (ten)",
}


class Link:
    """Make one with `open`.

    Attributes:
        app: Id of the Slack app it belongs to; empty when Slack did not say.
        leaving: Set when it has to be replaced.
    """

    def __init__(self, socket: ClientWebSocketResponse, inside: Inside, times: SocketTimes, app: str) -> None:
        self.app = app
        self.leaving = asyncio.Event()
        self._socket = socket
        self._inside = inside
        self._times = times
        self._answering: set[asyncio.Task[None]] = set()
        self._silence = asyncio.get_running_loop().call_later(times.quiet, self.leaving.set)
        self._reading = asyncio.create_task(self._read(), name="slack link")

    @classmethod
    async def open(
        cls, session: aiohttp.ClientSession, url: str, inside: Inside, *, times: SocketTimes, proxy: str | None
    ) -> Link:  # fmt: skip
        """Connect and wait for the hello. Raises: NotWelcome, aiohttp.ClientError, OSError."""
        socket = await session.ws_connect(
            url, heartbeat=times.beat, max_msg_size=LARGEST_BODY, timeout=_GOODBYE, proxy=proxy
        )
        try:
            app = _welcomed(_said(await socket.receive()))
        except BaseException:
            await socket.close()
            raise
        return cls(socket, inside, times, app)

    @property
    def up(self) -> bool:
        """It stands, as far as anybody knows."""
        return not self._reading.done()

    def when_ended(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as it does not stand any more."""
        self._reading.add_done_callback(lambda _: then())

    async def retire(self) -> None:
        """Let Slack end it, and close it when that takes too long."""
        await asyncio.wait({self._reading}, timeout=self._times.leave)
        await self.close()

    async def close(self) -> None:
        """Acknowledge what it brought, within Slack's own patience, and close."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while self._answering:  # also what comes meanwhile
                    await asyncio.wait(set(self._answering))
        except TimeoutError:
            log.warning("slack.link_closed_early unanswered=%d", len(self._answering))
        await self._socket.close()
        await asyncio.wait({self._reading})

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._socket.receive()
                if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                    break
                self._take(_said(frame))
        finally:
            self._silence.cancel()
            self.leaving.set()
            log.info("slack.link_ended code=%s", self._socket.close_code)

    def _take(self, said: Mapping[str, Any]) -> None:
        match said.get("type"):
            case "events_api" | "interactive":
                self._silence.cancel()
                loop = asyncio.get_running_loop()
                self._silence = loop.call_later(self._times.quiet, self.leaving.set)
                task = asyncio.create_task(self._answer(said))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case "disconnect":
                log.info("slack.link_leaves reason=%.40r", said.get("reason"))
                self.leaving.set()
            case other:
                log.warning("slack.link_not_understood type=%.40r", other)

    async def _answer(self, envelope: Mapping[str, Any]) -> None:
        """Acknowledge an envelope as its handlers say; one that broke is not, so that Slack brings an event again."""
        try:
            payload, token = unwrapped(envelope)
            answer = await self._inside(payload, token)
        except Refused:
            log.warning("slack.envelope_refused")
            return
        except Exception:  # the outermost edge: the others have to be answered
            log.exception("slack.failed over=socket")
            return
        if answer.status != HTTPStatus.OK:
            log.warning("slack.envelope_not_answered status=%s token=%s", answer.status, token[:24])
            return
        said: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
        if answer.body and envelope.get("accepts_response_payload"):
            said["payload"] = json.loads(answer.body)
        try:
            await self._socket.send_str(json.dumps(said))
        except ConnectionError:
            log.warning("slack.acknowledgement_lost token=%s", token[:24])


def _welcomed(first: Mapping[str, Any]) -> str:
    """The app that Slack says hello to. Raises: NotWelcome."""
    if first.get("type") != "hello":
        raise NotWelcome(_WHY.get(str(first.get("reason")), "Slack ends connections at once"))
    about = first.get("connection_info")
    return str(about.get("app_id") or "") if isinstance(about, dict) else ""


def _said(frame: WSMessage) -> Mapping[str, Any]:
    """What Slack says in a frame; nothing where it is not what Slack says."""
    try:
        said = json.loads(frame.data) if frame.type is WSMsgType.TEXT else None
    except (ValueError, RecursionError):
        said = None
    return said if isinstance(said, dict) else {}
