"""The HTTP side of the Bot Connector: conversations, activities and members, and Microsoft's key documents."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ..faults import Dropped, Faults, Ignored
from ..loopback import Json
from ..slack.rates import Rate
from ..tokens import TokenService
from ..watching import Changes, Violations
from . import activities
from .keys import EMULATOR_ISSUER, ISSUER, SigningKeys
from .places import User
from .refusals import Limited, misfortune, refusal
from .tenant import TeamsError, Tenant

AUDIENCE = "https://api.botframework.com"

Handler = Callable[["Incoming"], Json]

#: (method, shape of the path below v3/conversations) -> name of the call; `*` is one segment
CALLS: Mapping[tuple[str, str], str] = {
    ("POST", ""): "create",
    ("POST", "*/activities"): "post",
    ("POST", "*/activities/*"): "reply",
    ("PUT", "*/activities/*"): "update",
    ("DELETE", "*/activities/*"): "delete",
    ("GET", "*/members"): "members",
    ("GET", "*/pagedmembers"): "pagedmembers",
    ("GET", "*/members/*"): "member",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the bot as it was answered.

    Attributes:
        name: "create", "post", "reply", "update", "delete", "members", "pagedmembers" or "member".
        conversation: For "create" the channel, or the person of a personal chat.
        region: Part of the service URL it came in by.
        status: HTTP status; 0 when the connection was dropped.
        at: Monotonic seconds.
    """

    name: str
    conversation: str
    region: str
    body: Json
    status: int
    at: float


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call taken apart: conversation id, last segment of the path, query and body."""

    conversation: str
    id: str
    query: Mapping[str, str]
    body: Json


class Connector:
    """Answers `/{region}/v3/...` and the key documents."""

    def __init__(
        self, tenant: Tenant, tokens: TokenService, violations: Violations, changes: Changes
    ) -> None:
        self.faults = Faults()
        self.calls: list[Call] = []
        self.rates: dict[str, Rate] = {}
        self.page_size = 500
        self.keys = SigningKeys("connector", ["msteams"])
        self.emulator_keys = SigningKeys("emulator", [])
        self.region = "emea"
        self.limited = Limited(violations)
        self._tenant = tenant
        self._tokens = tokens
        self._violations = violations
        self._changes = changes
        self._handlers: Mapping[str, Handler] = {
            "create": self._create, "post": self._post, "reply": self._post, "update": self._update,
            "delete": self._delete, "members": self._members, "pagedmembers": self._pages,
            "member": self._member,
        }  # fmt: skip

    def add_routes(self, app: web.Application) -> None:
        """Listen on this application."""
        app.router.add_get("/v1/.well-known/openidconfiguration", self._metadata)
        app.router.add_get("/v1/.well-known/keys", self._key_set)
        app.router.add_get("/emulator/.well-known/openidconfiguration", self._metadata)
        app.router.add_get("/emulator/.well-known/keys", self._key_set)
        app.router.add_route("*", "/{region}/v3/conversations{path:.*}", self._answer)

    async def _metadata(self, request: web.Request) -> web.Response:
        emulated = request.path.startswith("/emulator")
        base = f"http://{request.host}{'/emulator' if emulated else '/v1'}"
        return web.json_response({
            "issuer": EMULATOR_ISSUER if emulated else ISSUER,
            "authorization_endpoint": "https://invalid.botframework.com",
            "jwks_uri": f"{base}/.well-known/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        })  # fmt: skip

    async def _key_set(self, request: web.Request) -> web.Response:
        keys = self.emulator_keys if request.path.startswith("/emulator") else self.keys
        return web.json_response(keys.as_json())

    async def _answer(self, request: web.Request) -> web.Response:
        segments = [part for part in request.match_info["path"].split("/") if part]
        shape = "/".join(part if place % 2 else "*" for place, part in enumerate(segments))
        name = CALLS.get((request.method, shape), "")
        if not name:
            self._violations.note("teams", f"unexpected call {request.method} {request.path}")
            return refusal(TeamsError("NotFound", "no such resource"))
        fault, body = self.faults.take(name), await request.text()
        conversation = segments[0] if segments else _addressee(_json_of(body))
        self.limited.note_impatience(name, conversation)

        async def handle() -> web.Response:
            return self._called(name, request, conversation, segments[-1] if segments else "", body)

        began = len(self.calls)
        if isinstance(fault, Ignored):
            answer = web.json_response({"id": segments[-1]} if segments else {})
        else:
            answer = await misfortune(fault, request, handle)
        self.limited.note_answer(name, conversation, answer)
        if len(self.calls) == began:
            status = 0 if isinstance(fault, Dropped) else answer.status
            self._remember(name, request, conversation, _json_of(body), status)
        self._changes.happened()
        return answer

    def _called(self, name: str, request: web.Request, conversation: str, id: str, body: str) -> web.Response:
        given = _json_of(body)
        try:
            self._authenticate(request.headers.get("Authorization", ""))
            self._check_form(request, given)
            self._check_rate(name, conversation)
            handled = self._handlers[name](Incoming(conversation, id, dict(request.query), given))
            answer = web.json_response(handled, status=201 if name in _MAKE else 200)
        except TeamsError as error:
            if error.code in _MISTAKES:
                self._violations.note(f"teams {name}", f"{error.code}: {error.message}")
            answer = refusal(error, retry_after=self._wait(name, conversation))
        self._remember(name, request, conversation, given, answer.status)
        return answer

    def _remember(self, name: str, request: web.Request, conversation: str, body: Json, status: int) -> None:
        region = request.match_info["region"]
        self.calls.append(Call(name=name, conversation=conversation, region=region, body=body, status=status,
                               at=time.monotonic()))  # fmt: skip

    def _authenticate(self, header: str) -> None:
        scheme, _, token = header.partition(" ")
        claims = self._tokens.claims(token) if scheme == "Bearer" else None
        if self._tokens.expired(token):
            raise TeamsError("ExpiredAuthenticationToken", "The access token has expired.")
        if claims is None:
            raise TeamsError("Unauthorized", "no valid bearer token")
        if (claims["aud"], claims.get("appid")) != (AUDIENCE, self._tenant.app_id):
            raise TeamsError("Unauthorized", f"token is for {claims['aud']}, or of another application")

    def _check_form(self, request: web.Request, body: Json) -> None:
        if request.method not in ("POST", "PUT"):
            return
        if request.content_type != "application/json":
            raise TeamsError("UnsupportedMediaType", request.content_type)
        if not body:
            raise TeamsError("BadSyntax", "not a JSON object")

    def _check_rate(self, name: str, conversation: str) -> None:
        if name in self.rates and self.rates[name].wait_for(conversation, time.monotonic()):
            raise TeamsError("TooManyRequests", "API calls quota exceeded")

    def _wait(self, name: str, conversation: str) -> int | None:
        return self.rates[name].wait_for(conversation, time.monotonic()) or 1 if name in self.rates else None

    def _complain(self, what: str) -> None:
        self._violations.note("teams", what)

    def _create(self, call: Incoming) -> Json:
        body, channel_data = call.body, call.body.get("channelData") or {}
        if (body.get("bot") or {}).get("id") not in (None, self._tenant.bot_id, self._tenant.app_id):
            raise TeamsError("BadArgument", "unknown bot")
        tenant = (channel_data.get("tenant") or {}).get("id") or body.get("tenantId") or body.get("tenantID")
        if tenant != self._tenant.id:
            raise TeamsError("BadArgument", f"unknown or missing tenant {tenant!r}")
        if "channel" in channel_data:
            return self._create_thread(str(channel_data["channel"].get("id")), body.get("activity") or {})
        return self._create_personal(body)

    def _create_thread(self, channel_id: str, activity: Json) -> Json:
        if not activity:
            raise TeamsError("BadArgument", "a new thread needs its first activity")
        channel, root = self._tenant.writable(channel_id)
        if root:
            raise TeamsError("BadArgument", "a thread is no channel")
        id = activities.post(self._tenant, channel, "", activity, self._complain)
        return {"id": f"{channel.id};messageid={id}", "activityId": id} if id else {"id": channel.id}

    def _create_personal(self, body: Json) -> Json:
        members = body.get("members") or []
        if len(members) != 1 or body.get("isGroup"):
            raise TeamsError("BadArgument", "a personal chat has exactly one member")
        user = self._tenant.user_with_id(str(members[0].get("id")))
        if user is None:
            raise TeamsError("BadArgument", "no such member")
        channel, _ = self._tenant.found(self._tenant.personal_chat(user).id)
        if not body.get("activity"):
            return {"id": channel.id}
        id = activities.post(self._tenant, channel, "", body["activity"], self._complain)
        return {"id": channel.id, "activityId": id}

    def _post(self, call: Incoming) -> Json:
        channel, root = self._tenant.writable(call.conversation)
        if channel.team is not None and not root:
            self._complain("a root post must be made by creating a conversation")
        id = activities.post(self._tenant, channel, root, call.body, self._complain)
        return {"id": id} if id else {}

    def _update(self, call: Incoming) -> Json:
        channel, _ = self._tenant.writable(call.conversation)
        if call.body.get("id") not in (None, call.id):
            raise TeamsError("BadArgument", "the id in the body is another one")
        activities.redraw(self._tenant, channel, call.id, call.body, self._complain)
        return {"id": call.id}

    def _delete(self, call: Incoming) -> Json:
        channel, _ = self._tenant.writable(call.conversation)
        self._tenant.own_message(channel, call.id).deleted = True
        return {}

    def _roster(self, conversation: str) -> list[User]:
        channel, _ = self._tenant.found(conversation)
        return self._tenant.members_of(channel)

    def _members(self, call: Incoming) -> Any:
        return [user.as_member() for user in self._roster(call.conversation)]

    def _pages(self, call: Incoming) -> Json:
        roster = self._roster(call.conversation)
        start = int(call.query.get("continuationToken") or 0)
        end = start + min(int(call.query.get("pageSize") or self.page_size), self.page_size)
        page: Json = {"members": [user.as_member() for user in roster[start:end]]}
        return {**page, "continuationToken": str(end)} if end < len(roster) else page

    def _member(self, call: Incoming) -> Json:
        for user in self._roster(call.conversation):
            if call.id in (user.id, user.aad):
                return user.as_member()
        raise TeamsError("MemberNotFoundInConversation", "The member was not found in the conversation.")


_MAKE = frozenset({"create", "post", "reply"})
#: Refusals that mean the caller is wrong, not unlucky.
_MISTAKES = frozenset({"BadArgument", "BadSyntax", "Unauthorized", "MessageSizeTooBig", "UnsupportedMediaType",
                       "ForbiddenOperationException"})  # fmt: skip


def _json_of(body: str) -> Json:
    try:
        given = json.loads(body)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _addressee(body: Json) -> str:
    """Where a new conversation is to begin."""
    channel = (body.get("channelData") or {}).get("channel") or {}
    members = body.get("members") or [{}]
    return str(channel.get("id") or members[0].get("id") or "")
