"""Microsoft Graph, asked about people and groups: ids go in, plain answers come out, and any doubt is `GraphDown`."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from ...approvals.errors import BadSetting, DirectoryDown
from ..channel import Dead, RetryLater
from .credentials import EntraToken
from .failures import SOON
from .registration import on_this_machine

log = logging.getLogger(__name__)

GRAPH_URL = "https://graph.microsoft.com/v1.0/"
#: Whole time for one question, with its token and all its pages.
PATIENCE = timedelta(seconds=10)
#: When Graph is busy, a wait this short is waited for; a longer one is somebody else's try.
SHORT_WAIT = timedelta(seconds=1)
#: A group of more members than this many pages of 999 is taken for a loop.
MOST_PAGES = 50

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
#: Graph tells neither kind nor state of an account unless it is asked to.
_OF_USERS = "id,displayName,userPrincipalName,accountEnabled,userType,externalUserState"
_OF_MEMBERS = "id,accountEnabled,userType"
#: The least an administrator has to grant the application, as `sayso check` and the log name it.
PERMISSIONS: Mapping[str, str] = {"users": "User.Read.All", "groups": "GroupMember.Read.All"}


class GraphDown(DirectoryDown):
    """Graph did not answer, or not so that one could rely on it.

    Attributes:
        why: For operators: what was wrong, without any id, name or token.
    """

    def __init__(self, why: str) -> None:
        super().__init__(DirectoryDown.__doc__ or "")  # what people read is the same for every platform
        self.why = why


class Graph:
    """A client of one Graph; it lives in one event loop."""

    def __init__(
        self, token: EntraToken, *, url: str = GRAPH_URL, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is asked before the first question. Raises: BadSetting."""
        if urlsplit(url).scheme != "https" and not on_this_machine(url):
            raise BadSetting(f"Microsoft Graph's address must begin with https://, not {url!r}.")
        self._token = token
        self._url = url.rstrip("/") + "/"
        self._origin = _origin(url)
        self._patience = PATIENCE.total_seconds()
        self._monotonic = monotonic
        self._not_before = float("-inf")
        self._http: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()

    async def user(self, id: str) -> Mapping[str, Any] | None:
        """One user, with kind and state of the account; None for an id of nobody (never asked when it is no GUID).

        Raises: GraphDown.
        """
        if _GUID.fullmatch(id) is None:
            return None
        async with self._in_time("users"):
            answer = await self._asked("users", f"{self._url}users/{id.lower()}?$select={_OF_USERS}")
        if answer is not None and str(answer.get("id")).lower() != id.lower():
            raise self._down("users", "it answered about somebody else")
        return answer

    async def group_members(self, id: str) -> frozenset[str] | None:
        """Object ids (lower case) of the users in a group and in the groups within; None for an unknown group.

        Only people: no agent's account, guest or closed account. Raises: GraphDown.
        """
        if _GUID.fullmatch(id) is None:
            return None
        members: set[str] = set()
        # Graph could leave out by itself what is no user, but then answers from an index that lags behind.
        url = f"{self._url}groups/{id.lower()}/transitiveMembers?$select={_OF_MEMBERS}&$top=999"
        async with self._in_time("groups"):
            for _ in range(MOST_PAGES):
                page = await self._asked("groups", url)
                if page is None:
                    return None
                members.update(self._people(page))
                if "@odata.nextLink" not in page:
                    return frozenset(members)
                url = self._next(page["@odata.nextLink"])
        raise self._down("groups", f"a group has no end after {MOST_PAGES} pages")

    async def aclose(self) -> None:
        """Hang up."""
        if self._http is not None:
            await self._http.aclose()

    def _people(self, page: Mapping[str, Any]) -> frozenset[str]:
        """Ids of the page's people."""
        try:
            users = [one for one in page["value"] if one["@odata.type"] == "#microsoft.graph.user"]
            return frozenset(
                _guid(one["id"])
                for one in users
                if one.get("accountEnabled") is not False and one.get("userType") != "Guest"
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._down(
                "groups", f"its list of members cannot be read ({type(error).__name__})"
            ) from error

    def _next(self, link: object) -> str:
        """Where the next page is: the token goes nowhere but to Graph."""
        try:
            if isinstance(link, str) and _origin(link) == self._origin:
                return link
        except httpx.InvalidURL:
            pass
        raise self._down("groups", "its next page is somewhere else")

    @asynccontextmanager
    async def _in_time(self, asked: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError as error:
            raise self._down(asked, f"no answer within {self._patience:g} s") from error

    async def _asked(self, asked: str, url: str) -> Mapping[str, Any] | None:
        """The answer's body; None for 404. A refused token and a short wait are each tried once more."""
        may_renew = may_wait = True
        while True:
            await self._turn(asked)
            token = await self._bearer(asked)
            answer = await self._sent(asked, url, token)
            match answer.status_code:
                case 200:
                    return self._body(asked, answer)
                case 404:
                    return None
                case 401 if may_renew:
                    may_renew = False
                    self._token.forget(token)
                case 429 | 503 if self._told_to_wait(answer) and may_wait:
                    may_wait = False
                case 403:
                    raise self._down(asked, f"the application lacks the permission {PERMISSIONS[asked]}")
                case status:
                    raise self._down(asked, f"it answered {status}")

    async def _turn(self, asked: str) -> None:
        """Wait as Graph told us to, if it is short. Raises: GraphDown."""
        left = self._not_before - self._monotonic()
        if left > SHORT_WAIT.total_seconds():
            raise self._down(asked, f"it is busy for another {left:.0f} s")
        if left > 0:
            await asyncio.sleep(left)

    def _told_to_wait(self, answer: httpx.Response) -> bool:
        """Whether Graph said until when it is busy; until then nothing is asked."""
        said = answer.headers.get("Retry-After", "")
        if said.isascii() and said.isdigit() and len(said) < 4:
            wait = int(said)
        elif answer.status_code == 429:
            wait = int(SOON.total_seconds())
        else:
            return False
        self._not_before = max(self._not_before, self._monotonic() + wait)
        return True

    async def _bearer(self, asked: str) -> str:
        try:
            await self._token.ready()
        except Dead as dead:
            raise self._down(asked, str(dead)) from dead
        except RetryLater as later:
            raise self._down(asked, "the token service did not answer properly") from later
        return self._token.held()

    async def _sent(self, asked: str, url: str, token: str) -> httpx.Response:
        try:
            http = await self._client()
            return await http.get(url, headers={"Authorization": f"Bearer {token}"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._down(asked, f"it cannot be reached ({type(error).__name__})") from error

    async def _client(self) -> httpx.AsyncClient:
        async with self._making:
            if self._http is None:
                # In a thread: trust stores are read apart from the event loop.
                self._http = await asyncio.to_thread(
                    httpx.AsyncClient, timeout=self._patience, trust_env=not on_this_machine(self._url)
                )
            return self._http

    def _body(self, asked: str, answer: httpx.Response) -> Mapping[str, Any]:
        try:
            body = answer.json()
        except ValueError as error:
            raise self._down(asked, "its answer is not JSON") from error
        if not isinstance(body, dict):
            raise self._down(asked, "its answer is not an object")
        return body

    def _down(self, asked: str, why: str) -> GraphDown:
        log.warning("teams.graph_down asked=%s why=%s", asked, why)
        return GraphDown(why)


def graph_scope(url: str = GRAPH_URL) -> str:
    """What a token for the Graph at `url` is asked for; a stand-in on this machine is Graph itself."""
    parts = urlsplit(GRAPH_URL if on_this_machine(url) else url)
    return f"{parts.scheme}://{parts.netloc}/.default"


def _origin(url: str) -> tuple[str, str, int | None, bytes]:
    """All that decides who gets the token. Raises: httpx.InvalidURL."""
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port, parsed.userinfo


def _guid(id: str) -> str:
    """In lower case, as everywhere. Raises: TypeError, ValueError."""
    if _GUID.fullmatch(id) is None:
        raise ValueError("no object id")
    return id.lower()
