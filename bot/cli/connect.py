"""What `sayso connect` does: a browser signs in at the provider and comes back to this machine (RFC 8252)."""

from __future__ import annotations

import asyncio
import socket
import webbrowser
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ...agent.credentials import Token
from ...agent.grants import name_of
from ...agent.sign_in import TIME_TO_SIGN_IN, SignIn, SignInRefused, begun, code_of
from ...approvals.credential import CredentialRef
from ...approvals.errors import BadSetting, SaysoError
from ...cards.escape import line
from ..credentials import grants_of, oauth_source
from ..serving import front_door
from ..settings import load_settings
from ..sign_in_pages import page, refused
from ..signed_in import signed_in
from .sign_ins import Opened, oauth_table, opened
from .terminal import console

#: The address that is gone back to unless another one is registered; port 0 is any that is free.
ANYWHERE = "http://127.0.0.1:0/callback"


def connect(settings_file: Path | None, name: str, subject: str, redirect: str, *, browser: bool) -> None:
    """Have somebody sign in. Raises: SignInRefused, CredentialSourceDown, BadSetting, StoreDown."""
    settings = load_settings(settings_file)
    table = oauth_table(settings, name)
    if table.kept == "environment":
        raise BadSetting(f"[credentials.{name}] is kept in the environment: nobody signs in to it here.")
    ref = CredentialRef(provider=name, subject=subject or table.service)

    async def run() -> Token:
        async with opened(settings) as store:
            return await _signed_in(store, ref, redirect, browser=browser)

    token = asyncio.run(run())
    console().print(f"Signed in: {line(ref.subject)} gets {token}.", soft_wrap=True)


async def _signed_in(store: Opened, ref: CredentialRef, redirect: str, *, browser: bool) -> Token:
    settings, table = store.settings, oauth_table(store.settings, ref.provider)
    source = oauth_source(
        settings, ref.provider, table, grants_of(settings, table, store.client, store.address)
    )
    with _listening(redirect) as listening:
        sign_in = begun(_registered(redirect, listening.getsockname()[1]))
        address = source.where_to_sign_in(sign_in, table.scopes)

        async def exchange(code: str) -> Token:
            token = await source.sign_in(ref, sign_in, code)
            await signed_in(store.store, ref, by="sayso connect")
            return token

        back = _ComesBack(sign_in=sign_in, name=ref.provider, exchange=exchange)
        async with front_door(back, listening) as door:
            _send_there(address, sign_in, name_of(ref), browser=browser)
            return await _first_of(back, door)


async def _first_of(back: _ComesBack, door: asyncio.Task[None] | None) -> Token:
    """Raises: SignInRefused, when nobody comes back in time."""
    assert door is not None, "it listens"
    try:
        async with asyncio.timeout(TIME_TO_SIGN_IN.total_seconds()):
            return await back.came
    except TimeoutError:
        raise SignInRefused(
            "Nobody came back from the sign-in within 10 minutes; nothing was kept."
        ) from None


def _send_there(address: str, sign_in: SignIn, named: str, *, browser: bool) -> None:
    out = console()
    out.print(f"Sign in to {line(named)} in a browser on this machine:", soft_wrap=True)
    print(address, flush=True)  # whole, whatever the terminal's width
    out.print(f"It comes back to {sign_in.redirect_uri}; Ctrl-C gives up.", soft_wrap=True)
    if browser:
        with suppress(webbrowser.Error):
            webbrowser.open(address)


@dataclass(slots=True, kw_only=True)
class _ComesBack:
    """Answers the browser that comes back; what it brings counts once, and only with the state that was given to it."""

    sign_in: SignIn
    name: str
    exchange: Callable[[str], Awaitable[Token]]
    came: asyncio.Future[Token] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _used: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = await self._answered(Request(scope))
        await answer(scope, receive, send)

    async def _answered(self, request: Request) -> Any:
        if request.method != "GET" or request.url.path != urlsplit(self.sign_in.redirect_uri).path:
            return refused("There is nothing here.", status=404)
        said: Mapping[str, str] = request.query_params
        try:
            if self._used:
                raise SignInRefused("This sign-in has been used already.")
            code = self._code(said)
            token = await self.exchange(code)
        except SaysoError as error:
            if self._used and not self.came.done():
                self.came.set_exception(error)
            return refused(str(error))
        self.came.set_result(token)
        return page("Signed in", f"{self.name} is connected. You may close this page.")

    def _code(self, said: Mapping[str, str]) -> str:
        """Raises: SignInRefused; one of another sign-in leaves ours waiting."""
        self.sign_in.must_own(said)
        self._used = True
        return code_of(said, name=self.name)


def _listening(redirect: str) -> socket.socket:
    """This machine's own address only, whatever the redirect's name for it is. Raises: BadSetting."""
    parts = urlsplit(redirect)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "http" or host not in ("127.0.0.1", "localhost") or port is None or parts.query:
        raise BadSetting(
            f"--redirect is this machine's address as it is registered with the provider, like http://localhost:8791/callback, not {redirect!r}."
        )
    try:
        return socket.create_server(("127.0.0.1", port), backlog=8)
    except OSError as error:
        raise BadSetting(f"--redirect: cannot listen on port {port} ({error.strerror}).") from error


def _registered(redirect: str, port: int) -> str:
    parts = urlsplit(redirect)
    return redirect if parts.port else parts._replace(netloc=f"{parts.hostname}:{port}").geturl()
