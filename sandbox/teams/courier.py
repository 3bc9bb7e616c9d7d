"""Signed deliveries from the Connector to the bot: the deadline, and replays on purpose."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from ..loopback import Json
from ..watching import Changes, Violations
from .tenant import TeamsTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery exactly as it went over the wire, for replaying it.

    Attributes:
        what: "message", "invoke adaptiveCard/action", "conversationUpdate" and so on.
    """

    what: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def activity(self) -> Json:
        """The activity inside."""
        activity: Json = json.loads(self.body)
        return activity


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the bot answered.

    Attributes:
        status: HTTP status; 0 when there was none.
        ms: Milliseconds until the answer, or until Teams gave up.
        reason: "timeout" or "connection_failed" when there was none.
    """

    status: int
    ms: float
    body: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Answered 2xx in time."""
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """Status or reason, and how long it took."""
        return f"{self.status or self.reason} after {self.ms:.0f} ms"


class Courier:
    """Delivers to `app_url`, which is set once the bot listens.

    Args:
        authorization: Makes a fresh `Authorization` header.
    """

    def __init__(
        self, times: TeamsTimes, violations: Violations, changes: Changes, authorization: Callable[[], str]
    ) -> None:
        self.app_url = ""
        self.delivered: list[tuple[Delivery, Answer]] = []
        self._times = times
        self._violations = violations
        self._changes = changes
        self._authorization = authorization
        self._session: ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Get ready to deliver."""
        # A connection that is used again may be closed by the app at that very moment: the press would be lost.
        self._session = ClientSession(connector=TCPConnector(force_close=True))

    async def stop(self) -> None:
        """Give up what is still under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def settled(self) -> None:
        """Wait until every message has been delivered or given up."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    def tell(self, activity: Json) -> None:
        """Deliver in the background, once. Whatever is not 2xx in time is a violation."""
        task = asyncio.get_running_loop().create_task(self._told(activity))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def ask(self, activity: Json) -> tuple[Delivery, Answer]:
        """Deliver an invoke and wait for its answer. Whatever is not 200 in time is a violation."""
        delivery = self.signed(activity)
        answer = await self.send(delivery)
        if answer.status != 200:
            self._violations.note(f"teams {delivery.what}", f"bot answered {answer.words}")
        return delivery, answer

    def signed(self, activity: Json, authorization: str | None = None) -> Delivery:
        """What would go over the wire, with a fresh token unless `authorization` is given."""
        what = f"{activity.get('type')} {activity.get('name', '')}".strip()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Authorization": self._authorization() if authorization is None else authorization,
        }
        return Delivery(what=what, body=json.dumps(activity).encode(), headers=headers)

    def resigned(self, delivery: Delivery) -> Delivery:
        """The same body with a fresh token."""
        return Delivery(what=delivery.what, body=delivery.body,
                        headers={**delivery.headers, "Authorization": self._authorization()})  # fmt: skip

    async def send(self, delivery: Delivery) -> Answer:
        """Post it and wait until Teams' patience ends."""
        answer = await self._posted(delivery)
        self.delivered.append((delivery, answer))
        self._changes.happened()
        return answer

    async def _told(self, activity: Json) -> None:
        delivery = self.signed(activity)
        answer = await self.send(delivery)
        if not answer.ok:
            self._violations.note(f"teams {delivery.what}", f"bot answered {answer.words}")

    async def _posted(self, delivery: Delivery) -> Answer:
        assert self._session is not None, "start() comes first"
        if not self.app_url:
            raise RuntimeError("set app_url before anybody clicks")
        patience = self._times.invoke if delivery.what.startswith("invoke") else self._times.message
        began = time.monotonic()
        try:
            async with self._session.post(
                self.app_url, data=delivery.body, headers=delivery.headers, allow_redirects=False,
                timeout=ClientTimeout(total=patience),
            ) as response:  # fmt: skip
                body = await response.text(errors="replace")
                return Answer(status=response.status, ms=_ms_since(began), body=body)
        except TimeoutError:
            return Answer(status=0, ms=_ms_since(began), reason="timeout")
        except ClientError:
            return Answer(status=0, ms=_ms_since(began), reason="connection_failed")


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000
