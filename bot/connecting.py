"""A link on the card of a dead credential: who may decide signs in at the provider, and what waits goes on.

A link does nothing by being looked at, because mail and chat programs look at links: the page behind it has a button.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import redis.asyncio
from starlette.requests import Request as Call
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..agent.oauth import OAuthSource
from ..agent.sign_in import TIME_TO_SIGN_IN, SignIn, SignInRefused, code_of
from ..approvals.credential import Mending
from ..approvals.errors import AnswerRefused, RequestNotFound, SaysoError
from ..approvals.people import Directory, Identity
from ..approvals.store import Store
from ..approvals.verdict import RequestId
from .credential_tables import OAuthTable
from .credentials import grants_of, oauth_source
from .desk import Desk
from .settings import Settings
from .sign_in_pages import asked, page, refused, sent_to
from .signed_in import signed_in
from .tickets import Secret, Ticket, Tickets, a_secret, hashed

log = logging.getLogger(__name__)

#: What the browser holds that began a sign-in: only it can end it.
COOKIE = "__Host-sayso-connect"
_USED = (
    "This link was used already, or its ten minutes are over. Press Reconnect on the card for another one."
)


class NothingToConnect(AnswerRefused):
    """Nobody has to sign in for this any more; see the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connectable:
    """A provider to which people can sign in."""

    source: OAuthSource
    scopes: tuple[str, ...]


class Connecting:
    """Gives links to whoever may decide a request, and is the door behind them."""

    def __init__(
        self, *, desk: Desk, directory: Directory, store: Store, tickets: Tickets, url: str,
        providers: Mapping[str, Connectable],
    ) -> None:  # fmt: skip
        """Take `url`, where browsers reach us (https, without a path), and the providers by their names."""
        self._desk, self._directory, self._store, self._tickets = desk, directory, store, tickets
        self._url, self._providers = url, providers

    async def link(self, id: RequestId, who: Identity, *, token: str) -> str:
        """An address for this person, good once and for ten minutes.

        Raises: NotAllowed, NothingToConnect, DirectoryDown, RequestNotFound, StoreDown.
        """
        request = await self._desk.admit(id, who, token=token)
        dead = request.dead_credential
        if dead is None or dead.ref.provider not in self._providers:
            raise NothingToConnect
        person = await self._directory.person(who)
        ticket = Ticket(
            ref=dead.ref, request=id, person=person.id, who=who,
            expires_at=await self._store.now() + TIME_TO_SIGN_IN,
        )  # fmt: skip
        secret = a_secret()
        await self._tickets.keep(ticket, secret)
        return f"{self._url}/connect/{dead.ref.provider}?ticket={secret}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The door."""
        answer = await self._answered(Call(scope))
        await answer(scope, receive, send)

    async def _answered(self, call: Call) -> Response:
        name, _, rest = call.url.path.removeprefix("/connect/").partition("/")
        provider = self._providers.get(name)
        try:
            now = await self._store.now()
            match call.method, rest:
                case _ if provider is None:
                    return refused("There is nothing here.", status=404)
                case "GET", "":
                    return await self._look(call, name, now)
                case "POST", "":
                    return await self._begin(call, name, provider, now)
                case "GET", "callback":
                    return await self._end(call, name, provider, now)
                case _:
                    return refused("There is nothing here.", status=404)
        except (SignInRefused, AnswerRefused, RequestNotFound) as error:
            log.warning("connect.refused provider=%s why=%s", name, type(error).__name__)
            return refused(str(error))
        except SaysoError as error:
            log.warning("connect.failed provider=%s why=%s", name, type(error).__name__)
            return refused(str(error), status=503)

    async def _look(self, call: Call, name: str, now: datetime) -> Response:
        ticket = _of(name, await self._tickets.look(call.query_params.get("ticket", ""), now))
        return asked(
            f"Connect {name}", f"This link is {self._desk.name(ticket.person)}'s. You sign in at {name} itself, "
            f"with the account that sayso calls “{ticket.ref.subject}”.", f"Go on to {name}",
        )  # fmt: skip

    async def _begin(self, call: Call, name: str, provider: Connectable, now: datetime) -> Response:
        """The link is used up; from here on only this browser can end the sign-in."""
        ticket = _of(name, await self._tickets.use(call.query_params.get("ticket", ""), now))
        await self._still_wanted(ticket)
        state, browser, verifier = a_secret(), a_secret(), a_secret()
        sign_in = self._sign_in(name, state, verifier)
        address = provider.source.where_to_sign_in(sign_in, provider.scopes)
        await self._tickets.keep(replace(ticket, verifier=verifier, browser=hashed(browser)), state)
        answer = sent_to(address)
        answer.set_cookie(
            COOKIE, browser, max_age=int(TIME_TO_SIGN_IN.total_seconds()), path="/", secure=True, httponly=True, samesite="lax"
        )  # fmt: skip
        return answer

    async def _end(self, call: Call, name: str, provider: Connectable, now: datetime) -> Response:
        state = call.query_params.get("state", "")
        begun = _of(name, await self._tickets.look(state, now))
        if not begun.browser or not secrets.compare_digest(
            begun.browser, hashed(call.cookies.get(COOKIE, ""))
        ):
            raise SignInRefused("This sign-in was begun in another browser; nothing was kept.")
        ticket = _of(name, await self._tickets.use(state, now))
        sign_in = self._sign_in(name, Secret(state), ticket.verifier)
        sign_in.must_own(call.query_params)
        code = code_of(call.query_params, name=name)
        await self._still_wanted(ticket)
        await provider.source.sign_in(ticket.ref, sign_in, code)
        await signed_in(self._store, ticket.ref, by=ticket.person)
        log.info("connect.signed_in provider=%s person=%s", name, ticket.person)
        answer = page(f"{name} is connected", "What waited for it goes on now. You may close this page.")
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    async def _still_wanted(self, ticket: Ticket) -> None:
        """Raises: NotAllowed, NothingToConnect: it was mended meanwhile, or they may not decide any more."""
        request = await self._desk.admit(ticket.request, ticket.who, token="")
        if request.dead_credential is None:
            raise NothingToConnect

    def _sign_in(self, name: str, state: Secret, verifier: str) -> SignIn:
        return SignIn(state=state, verifier=verifier, redirect_uri=f"{self._url}/connect/{name}/callback")


def connectable(settings: Settings, client: redis.asyncio.Redis, address: str) -> Mapping[str, Connectable]:
    """The providers to which people can sign in from a card. Raises: BadSetting."""
    found = dict[str, Connectable]()
    for name, table in settings.credentials.items():
        if isinstance(table, OAuthTable) and table.mending(settings.server.url) is Mending.LINK:
            made = oauth_source(settings, name, table, grants_of(settings, table, client, address))
            found[name] = Connectable(source=made, scopes=table.scopes)
    return found


def _of(name: str, ticket: Ticket | None) -> Ticket:
    """A ticket of this provider; another's is none. Raises: SignInRefused."""
    if ticket is None or ticket.ref.provider != name:
        raise SignInRefused(_USED)
    return ticket
