"""Callbacks: a service hears, signed, that a run of its waits for people or has ended; at least once, whatever restarts.

It is a channel like any other, so what is still to be said stands in the store, is tried again, and becomes a dead
letter in the end. Each one tells how the run stands at that moment; its id is the same for the same news.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import httpx

from ...approvals.people import Place
from ...approvals.request import Run
from ...approvals.store import MessageRef, Store
from ...approvals.verdict import RequestId, ThreadId
from ...cards.card import Card
from ...cards.escape import cut
from ...cards.spans import Row
from ..channel import Dead, NotYet, RetryLater
from .addresses import Address, BadAddress, CallbackHosts, located
from .keys import Keys
from .lookups import LookUps
from .views import RunView, Views

log = logging.getLogger(__name__)

#: How long looking up and calling may take together, seconds; a notice has a little longer.
SECONDS = 10.0
#: Pause before the next try, at least; the wait grows with each one.
AGAIN = timedelta(seconds=2)
#: After this long without an answer it is a dead letter; somebody can have it tried again.
GIVEN_UP = timedelta(days=1)
#: Calls at the same time: a receiver that is slow must not hold up the cards, which go out by the same lane.
AT_ONCE, NEXT_TURN = 2, timedelta(seconds=1)
#: Of a report, UTF-16 units; the whole one is at the run's address.
REPORT = 1_000
#: Requests that are named.
MOST_REQUESTS = 10


@asynccontextmanager
async def open_callbacks(store: Store, keys: Keys, hosts: CallbackHosts) -> AsyncIterator[Callbacks]:
    """A channel that calls back. No proxy and no redirect: where it goes is what was checked."""
    async with httpx.AsyncClient(
        trust_env=False, follow_redirects=False, timeout=SECONDS, verify=ssl.create_default_context()
    ) as http:
        yield Callbacks(store, keys, hosts, http)


class Callbacks:
    """A `Channel` on which the only thing to be said is how a run stands; cards do not go here."""

    def __init__(self, store: Store, keys: Keys, hosts: CallbackHosts, http: httpx.AsyncClient) -> None:
        self._store = store
        self._views = Views(store)
        self._keys = keys
        self._hosts = hosts
        self._http = http
        self._lookups = LookUps()
        self._calling = 0

    async def say(self, place: Place, words: Sequence[Row]) -> MessageRef:
        """Tell the service of the run that has this thread. Raises: Dead, RetryLater, NotYet."""
        run = await self._store.run(ThreadId(place))
        if run is None or not run.callback:  # nobody wants to be called: its end is kept for whoever looks
            return MessageRef(platform="api", channel=place, message="")
        if self._calling >= AT_ONCE:
            raise NotYet(NEXT_TURN)
        self._calling += 1
        try:
            return await self._told(run)
        finally:
            self._calling -= 1

    async def _told(self, run: Run) -> MessageRef:
        """Raises: Dead, RetryLater."""
        view = await self._views.run(run)
        body, id = _body(view), _news(view)
        try:
            async with asyncio.timeout(SECONDS):
                await self._post(run, id, body)
        except (httpx.HTTPError, OSError, _NotTaken, TimeoutError) as error:
            why = str(error) if isinstance(error, _NotTaken) else type(error).__name__
            log.warning("callback.not_taken", extra={"run": run.thread, "error": why})
            if await self._store.now() - view.changed_at > GIVEN_UP:
                raise Dead(f"its callback address did not take it within a day ({why})") from error
            raise RetryLater(AGAIN) from error
        return MessageRef(platform="api", channel=run.thread, message=id)

    async def _post(self, run: Run, id: str, body: bytes) -> None:
        """Raises: Dead, when today's settings forbid it; _NotTaken, and what looking up and calling raise."""
        service = self._keys.services.get(run.service)
        if service is None or service.callback_secret is None:
            raise Dead(f"there is no key {run.service!r} with a callback_secret any more")
        try:
            address = self._hosts.address(run.callback)
            ip = await located(address, self._lookups)
        except BadAddress as error:
            raise Dead(f"its callback address is refused: {error}") from None
        signed = service.callback_secret.headers(id, datetime.now(UTC), body)
        headers = {**signed, "host": address.named, "content-type": "application/json", "user-agent": "sayso"}
        extensions = {"sni_hostname": address.host}
        async with self._http.stream(
            "POST", _url(address, ip), content=body, headers=headers, extensions=extensions
        ) as answer:  # its body is of no account, and may be endless
            if answer.status_code == httpx.codes.GONE:
                raise Dead("its callback address says that it is gone (410)")
            if not answer.is_success:
                raise _NotTaken(f"answered {answer.status_code}")

    async def post_card(self, place: Place, card: Card) -> MessageRef:
        _no_cards()

    async def update_card(self, ref: MessageRef, card: Card) -> None:
        _no_cards()

    async def find_card(self, place: Place, request: RequestId) -> MessageRef | None:
        _no_cards()

    async def direct(self, account: str) -> Place:
        _no_cards()

    async def link(self, ref: MessageRef) -> str:
        _no_cards()


class _NotTaken(Exception):
    """The receiver did not say that it has it."""


def _no_cards() -> NoReturn:
    raise Dead("a service takes no cards")


def _url(address: Address, ip: str) -> str:
    host = f"[{ip}]" if ":" in ip else ip
    return f"{address.scheme}://{host}:{address.port}{address.path}"


def _news(view: RunView) -> str:
    """The same as long as nothing has changed that a service acts on."""
    states = [(one.id, one.state, one.outcome_unknown) for one in view.requests]
    hashed = hashlib.sha256(json.dumps([view.id, view.state, view.ended, states]).encode())
    return f"msg_{hashed.hexdigest()[:32]}"


def _body(view: RunView) -> bytes:
    """A few kilobytes at most."""
    requests = [_asked(one.model_dump(mode="json")) for one in view.requests[-MOST_REQUESTS:]]
    told = {
        "type": f"run.{view.state}",
        "timestamp": view.changed_at.isoformat(),
        "data": {
            "id": view.id, "state": view.state, "ended": view.ended, "report": cut(view.report, REPORT),
            "requests": requests, "links": view.links,
        },
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    outcome = request["outcome"]
    said = {name: request[name] for name in ("id", "state", "summary", "expires_at")}
    return {**said, "outcome": outcome["kind"] if outcome else None}
