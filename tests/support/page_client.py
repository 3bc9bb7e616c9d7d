"""A browser without a screen: it opens the sandbox's page, reads its stream of states, and acts."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from sayso.sandbox.page import Page

Json = dict[str, Any]
T = TypeVar("T")

TOKEN_HEADER = "X-Sayso-Page"


class Tab:
    """One open tab; `seen` are its states in order."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self.seen: list[Json] = []
        self.comments: list[str] = []
        self._lines = lines

    async def until(self, wanted: Callable[[Json], T], *, timeout: float = 5) -> T:
        """The first truthy value over the newest state and those that come."""
        async with asyncio.timeout(timeout):
            while not (self.seen and (found := wanted(self.seen[-1]))):
                await self._read()
        return found

    async def _read(self) -> None:
        line = await anext(self._lines)
        if line.startswith("data: "):
            self.seen.append(json.loads(line.removeprefix("data: "), parse_constant=_refused))
        elif line.startswith(":"):
            self.comments.append(line)


class Browser:
    """Somebody at this machine with the page open, who can be anybody in it."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self.http = http
        self.token = token

    @asynccontextmanager
    async def tab(self, name: str, selected: str = "") -> AsyncIterator[Tab]:
        """Open until the block ends."""
        params = {"as": name, "request": selected} if selected else {"as": name}
        async with self.http.stream("GET", "/events", params=params) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Tab(answer.aiter_lines())

    async def acts(self, who: str, do: str, /, **fields: Any) -> Json:
        """What the page answers; it must have understood."""
        answer = await self.posts({"as": who, "do": do, **fields})
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    async def posts(self, body: Any, **headers: str) -> httpx.Response:
        """A hand-made act; a header given as "" is left out."""
        sent = {"Content-Type": "application/json", TOKEN_HEADER: self.token, **headers}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(
            "/act", content=content, headers={name: value for name, value in sent.items() if value}
        )


@asynccontextmanager
async def browsing(page: Page) -> AsyncIterator[Browser]:
    """The page opened in a browser."""
    async with httpx.AsyncClient(base_url=page.url, trust_env=False, timeout=10) as http:
        index = (await http.get("/")).text
        found = re.search(r'<meta name="sayso-page" content="([\w-]+)">', index)
        assert found is not None, index[:500]
        yield Browser(http, found[1])


def _refused(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
