"""Somebody's browser between the bot's own pages, which it finds at `SITE`, and a provider on this machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from sayso.bot.connecting import Connecting
from sayso.bot.front import Front
from sayso.sandbox.oauth import OAuthProvider

SITE = "https://sayso.example.com"


@dataclass(frozen=True, slots=True)
class Browser:
    """Keeps cookies as browsers do, one jar for each browser."""

    site: httpx.AsyncClient
    elsewhere: httpx.AsyncClient

    async def looks(self, address: str) -> httpx.Response:
        """Open an address of the bot's."""
        return await self.site.get(address)

    async def goes_on(self, address: str) -> httpx.Response:
        """Press the button of the page there."""
        return await self.site.post(address)

    async def comes_back(self, address: str) -> str:
        """From the provider's page: the address that it sends the browser to."""
        sent = await self.elsewhere.get(address)
        assert sent.status_code == 302, sent.text
        return str(sent.headers["Location"])

    async def signs_in(self, address: str) -> httpx.Response:
        """All of it: the page the provider sends back to is the answer."""
        assert (await self.looks(address)).status_code == 200
        begun = await self.goes_on(address)
        assert begun.status_code == 303, begun.text
        return await self.looks(await self.comes_back(begun.headers["Location"]))


@asynccontextmanager
async def a_browser(connecting: Connecting, provider: OAuthProvider) -> AsyncIterator[Browser]:
    """A new one, without cookies."""
    front = Front()
    front.open({}, ready=_ready, connect=connecting)
    inside: Any = httpx.ASGITransport(app=front)
    tls = ssl.create_default_context(cafile=provider.ca_file)
    async with (
        httpx.AsyncClient(transport=inside, base_url=SITE) as site,
        httpx.AsyncClient(verify=tls, trust_env=False) as elsewhere,
    ):
        yield Browser(site, elsewhere)


async def _ready() -> str:
    return ""
