"""The HTTP side of Slack: the Web API and response URLs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ..faults import Dropped, Fail, Faults, RateLimited, under_fault
from ..loopback import Json
from ..watching import Changes, Violations
from .arguments import Arguments, arguments_of
from .chat_methods import CHAT_METHODS, Method
from .directory_methods import DIRECTORY_METHODS
from .rates import Rate
from .screen import blocks_with_ids
from .view_methods import VIEW_METHODS
from .workspace import ResponseUrl, SlackError, Workspace, check_content

METHODS: Mapping[str, Method] = {**CHAT_METHODS, **VIEW_METHODS, **DIRECTORY_METHODS}

#: Answers that mean the caller is wrong, not unlucky.
MALFORMED = frozenset({
    "invalid_blocks", "invalid_blocks_format", "invalid_arguments", "invalid_json", "json_not_object",
    "no_text", "msg_too_long", "invalid_metadata_format", "metadata_too_large", "invalid_cursor",
    "unknown_method", "not_authed", "invalid_auth", "invalid_trigger_id",
})  # fmt: skip


#: Seconds in which a call may already have been under way when the limit was told.
_ON_ITS_WAY = 0.1


@dataclass(frozen=True, slots=True)
class Call:
    """One Web API call as it was answered; `error` is empty for ok, `at` is monotonic seconds."""

    method: str
    arguments: Mapping[str, Any]
    error: str
    at: float


class SlackServer:
    """Answers `/api/{method}` and `/response/{id}` from a workspace."""

    def __init__(self, workspace: Workspace, violations: Violations, changes: Changes) -> None:
        self.faults = Faults()
        self.bot_token = f"xoxb-{secrets.token_hex(16)}"
        self.token_revoked = False
        self.calls: list[Call] = []
        self._workspace = workspace
        self._violations = violations
        self._changes = changes
        self.rates: dict[str, Rate] = {}
        self._limited: dict[str, tuple[float, float]] = {}

    def application(self) -> web.Application:
        """For a loopback server."""
        app = web.Application(client_max_size=2_000_000)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/response/{id}", self._response)
        app.router.add_route("*", "/{path:.*}", self._unknown)
        return app

    async def _unknown(self, request: web.Request) -> web.Response:
        self._violations.note("slack", f"unexpected call {request.method} {request.path}")
        return web.Response(status=404, text="not found")

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self._note_impatience(method)
        fault = self.faults.take(method)
        if isinstance(fault, RateLimited):
            now = time.monotonic()
            self._limited[method] = (now, now + (fault.retry_after or 0))

        async def handle() -> web.Response:
            return await self._called(method, request)

        if isinstance(fault, (Fail, RateLimited, Dropped)):
            self.calls.append(Call(method, {}, type(fault).__name__, time.monotonic()))
        answer = await under_fault(fault, request, handle)
        self._changes.happened()
        return answer

    def _note_impatience(self, method: str) -> None:
        limited_at, over_at = self._limited.get(method, (0.0, 0.0))
        now = time.monotonic()
        if limited_at + _ON_ITS_WAY < now < over_at - _ON_ITS_WAY:
            early = f"called {over_at - now:.2f} s before Retry-After was over"
            self._violations.note(f"slack {method}", early)

    async def _called(self, method: str, request: web.Request) -> web.Response:
        given: dict[str, Any] = {}
        try:
            given = await arguments_of(request)
            answer = self._answer(method, request, given)
        except SlackError as error:
            answer = self._refusal(method, error)
        self.calls.append(Call(method, given, answer.get("error", ""), time.monotonic()))
        if answer.get("error") != "ratelimited":
            return web.json_response(answer)
        wait = str(self.rates[method].wait_for(str(given.get("channel")), time.monotonic()) or 1)
        return web.json_response(answer, status=429, headers={"Retry-After": wait})

    def _answer(self, method: str, request: web.Request, given: dict[str, Any]) -> Json:
        header = request.headers.get("Authorization", "")
        self._authenticate(header.removeprefix("Bearer ") or str(given.get("token") or ""))
        if method not in METHODS:
            raise SlackError("unknown_method")
        arguments = Arguments(given)
        if method.startswith("chat.") and given.get("blocks") and not arguments.text("text"):
            self._violations.note(f"slack {method}", "blocks without the text that notifications show")
        if method in self.rates and self.rates[method].wait_for(arguments.text("channel"), time.monotonic()):
            raise SlackError("ratelimited")
        return {"ok": True, **METHODS[method](self._workspace, arguments)}

    def _authenticate(self, token: str) -> None:
        if not token:
            raise SlackError("not_authed")
        if token.startswith("xapp-"):
            raise SlackError("not_allowed_token_type")
        if token != self.bot_token:
            raise SlackError("invalid_auth")
        if self.token_revoked:
            raise SlackError("token_revoked")

    def _refusal(self, method: str, error: SlackError) -> Json:
        if error.error in MALFORMED:
            details = "; ".join(error.messages)
            self._violations.note(f"slack {method}", f"{error.error} {details}".strip())
        answer: Json = {"ok": False, "error": error.error}
        if error.messages:
            answer["response_metadata"] = {"messages": list(error.messages)}
        return answer

    async def _response(self, request: web.Request) -> web.Response:
        fault = self.faults.take("response_url")

        async def handle() -> web.Response:
            try:
                self._respond(request.match_info["id"], await arguments_of(request))
            except SlackError as error:
                answer = self._refusal("response_url", error)
                return web.json_response(answer, status=404 if error.error.endswith("_url") else 400)
            return web.json_response({"ok": True})

        answer = await under_fault(fault, request, handle)
        self._changes.happened()
        return answer

    def _respond(self, id: str, given: dict[str, Any]) -> None:
        times = self._workspace.times
        url = self._workspace.response_urls.get(id)
        if url is None or time.monotonic() - url.at > times.response_url:
            raise SlackError("expired_url")
        if url.uses >= times.response_url_uses:
            raise SlackError("used_url")
        respond(self._workspace, url, Arguments(given))
        url.uses += 1


def respond(workspace: Workspace, url: ResponseUrl, given: Arguments) -> None:
    """Replace, delete, or answer beside the message that was clicked. Raises: SlackError."""
    message = url.message
    if given.flag("delete_original"):
        message.deleted = True
        return
    check_content(given.text("text"), given.blocks())
    if given.flag("replace_original"):
        message.text, message.blocks = given.text("text"), blocks_with_ids(given.blocks())
        message.edits += 1
        return
    reader = "" if given.text("response_type") == "in_channel" else url.user
    answer = workspace.bot_message(
        message.channel,
        given.text("text"),
        given.blocks(),
        thread_ts=given.text("thread_ts"),
        ephemeral_to=reader,
    )
    workspace.post(answer)
