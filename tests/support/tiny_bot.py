"""A tiny Teams bot for the tests of the sandbox: checks tokens, remembers what came, answers as told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jwt
import requests
from aiohttp import ClientSession, web
from sayso.sandbox import Workplace
from sayso.sandbox.teams.limits import CARD_TYPE

Json = dict[str, Any]
Handler = Callable[[Json], Awaitable[web.Response]]


class TinyBot:
    """Fetches keys by blocking the loop, as botbuilder does: only a Teams on another thread can answer."""

    def __init__(self, workplace: Workplace) -> None:
        self.received: list[Json] = []
        self.answers: list[Handler] = []
        self._teams = workplace.teams

    def will(self, handler: Handler) -> None:
        """The next delivery is answered by `handler`; without one the answer is an empty 200."""
        self.answers.append(handler)

    def will_answer(self, body: Any = None, *, status: int = 200) -> None:
        async def answer(_: Json) -> web.Response:
            return web.json_response(body, status=status) if body is not None else web.Response(status=status)

        self.will(answer)

    def will_stay_silent(self) -> None:
        async def answer(_: Json) -> web.Response:
            await asyncio.sleep(30)
            return web.Response()

        self.will(answer)

    async def handle(self, request: web.Request) -> web.Response:
        try:
            activity = await request.json()
            self._check(request.headers.get("Authorization", ""), activity)
        except (jwt.PyJWTError, KeyError):
            return web.Response(status=401)
        self.received.append(activity)
        return await self.answers.pop(0)(activity) if self.answers else web.Response()

    def _check(self, header: str, activity: Json) -> None:
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer":
            raise jwt.InvalidTokenError("not a bearer")
        metadata = _fetched(self._teams.open_id_metadata_url)
        wanted = jwt.get_unverified_header(token)["kid"]
        (key,) = [one for one in _fetched(metadata["jwks_uri"])["keys"] if one["kid"] == wanted] or [{}]
        if activity["channelId"] not in key.get("endorsements", []):
            raise jwt.InvalidTokenError("no endorsement")
        claims = jwt.decode(
            token, jwt.PyJWK(key), algorithms=["RS256"], issuer=metadata["issuer"],
            audience=self._teams.app_id, leeway=300, options={"require": ["exp", "iss", "aud"]},
        )  # fmt: skip
        if claims["serviceurl"] != activity["serviceUrl"]:
            raise jwt.InvalidTokenError("another service url")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the Connector or Graph answered."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """Microsoft's error word; empty for none."""
        return str(self.body["error"]["code"]) if self.status >= 400 else ""


class ConnectorClient:
    """Speaks to the Connector and to Graph as the bot, with real tokens."""

    def __init__(self, workplace: Workplace, session: ClientSession) -> None:
        self.workplace = workplace
        self.session = session
        self._kept: dict[str, str] = {}

    async def token(self, scope: str) -> str:
        """An application token, asked for once."""
        tokens = self.workplace.tokens
        if scope not in self._kept:
            form = {"client_id": tokens.client_id, "client_secret": tokens.client_secret, "scope": scope,
                    "grant_type": "client_credentials"}  # fmt: skip
            trusted = ssl.create_default_context(cafile=tokens.ca_file)
            async with self.session.post(
                f"{tokens.authority}/oauth2/v2.0/token", data=form, ssl=trusted
            ) as answer:
                self._kept[scope] = (await answer.json())["access_token"]
        return self._kept[scope]

    async def call(self, method: str, path: str, body: Any = None, *, token: str = "") -> Reply:
        """`path` is below `v3/conversations`."""
        url = f"{self.workplace.teams.service_url}v3/conversations{path}"
        return await self._asked(method, url, token or await self.token(self.workplace.teams.scope), body)

    async def graph(self, path: str) -> Reply:
        """`path` is below `v1.0`, or a whole next link."""
        url = path if path.startswith("http") else self.workplace.teams.graph_url + path
        return await self._asked("GET", url, await self.token("https://graph.microsoft.com/.default"), None)

    async def posts_root(self, channel: str, activity: Json) -> Reply:
        """A new thread in "#channel"."""
        teams = self.workplace.teams
        where = {"channel": {"id": teams.channel_id(channel)}, "tenant": {"id": teams.tenant_id}}
        body = {"isGroup": True, "bot": {"id": teams.bot_id}, "channelData": where, "activity": activity}
        return await self.call("POST", "", body)

    async def begins_chat(self, member: str, activity: Json | None = None) -> Reply:
        """A personal chat, by Teams id or Entra object id."""
        body: Json = {"bot": {"id": self.workplace.teams.bot_id}, "members": [{"id": member}],
                      "tenantId": self.workplace.teams.tenant_id}  # fmt: skip
        return await self.call("POST", "", {**body, "activity": activity} if activity else body)

    async def replies(self, thread: str, activity: Json) -> Reply:
        return await self.call("POST", f"/{quote(thread, safe='')}/activities", activity)

    async def updates(self, thread: str, id: str, activity: Json) -> Reply:
        return await self.call("PUT", f"/{quote(thread, safe='')}/activities/{id}", activity)

    async def _asked(self, method: str, url: str, token: str, body: Any) -> Reply:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return Reply(answer.status, await answer.json(content_type=None), answer.headers)


def words(text: str, **more: Any) -> Json:
    """A message without a card."""
    return {"type": "message", "text": text, **more}


def showing(card: Json, **more: Any) -> Json:
    """A message that is a card."""
    return {"type": "message", "attachments": [{"contentType": CARD_TYPE, "content": card}], **more}


def a_card(*body: Json, actions: list[Json] | None = None, **more: Any) -> Json:
    """A small card; say only what matters."""
    shown = list(body) or [{"type": "TextBlock", "text": "Refund 129.90 USD?", "wrap": True}]
    return {"type": "AdaptiveCard", "version": "1.5", "body": shown, "actions": actions or [], **more}


def execute(title: str, verb: str, **more: Any) -> Json:
    """A button that asks the bot."""
    return {"type": "Action.Execute", "title": title, "verb": verb, "data": {"press": "r1.1"}, **more}


def card_answer(card: Json) -> Json:
    """The answer to a click: this card instead."""
    return {"statusCode": 200, "type": CARD_TYPE, "value": card}


def _fetched(url: str) -> Json:
    answer: Json = requests.get(url, timeout=5).json()
    return answer
