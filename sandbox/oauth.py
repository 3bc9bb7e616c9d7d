"""A strict OAuth 2 provider: sign-ins need PKCE and the registered address, refresh tokens rotate, a used one ends its family."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_plus, urlencode

from aiohttp import web

from .certificates import CA_FILE, loopback_tls
from .faults import Faults, under_fault
from .loopback import Json, LoopbackServer
from .watching import Changes, Violations


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One access token; `expires_at` in seconds since 1970 on the provider's clock."""

    token: str = field(repr=False)
    family: str
    scope: str
    expires_at: float


@dataclass(slots=True)
class _Family:
    """One sign-in and what came of it."""

    subject: str
    scope: str
    current: str
    used: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Code:
    """One authorization code: what it was given for, and the sign-in that came of it once it was used."""

    redirect_uri: str
    challenge: str
    scope: str
    expires_at: float
    family: str = ""


class OAuthProvider:
    """One registered client (`client_id`, `client_secret`) at `token_url` and `revoke_url` (RFC 6749, RFC 7009).

    Whoever comes to `authorize_url` signs in as `person` and consents, unless `consents` is off; only addresses in
    `redirects` are gone back to, and a code lives a minute, once, for whoever has its verifier (RFC 7636).
    `signed_in("crm")` is the refresh token of a first sign-in. With `rotates` each use gives a new one; with
    `says_lifetime` off its answers leave out `expires_in`. A token lives `lifetime` seconds on a clock that
    `advance(seconds)` pushes. `own_error` answers a dead refresh token as HubSpot does. Everything secret that was ever
    handed out is in `secrets_seen`; `exchanges` counts the refresh calls that succeeded, `sign_ins` the codes.
    """

    def __init__(
        self, *, violations: Violations, changes: Changes, rotates: bool = True, lifetime: float = 3600,
        says_lifetime: bool = True, own_error: str = "",
    ) -> None:  # fmt: skip
        self.violations, self.faults = violations, Faults()
        self.rotates, self.lifetime, self.says_lifetime, self.own_error = (
            rotates, lifetime, says_lifetime, own_error,
        )  # fmt: skip
        self.client_id, self.client_secret = "client: one+two", f"s3cret&{secrets.token_urlsafe(24)}"
        self.redirects: set[str] = set()
        self.person, self.consents = "crm", True
        self._codes: dict[str, _Code] = {}
        self.issued: list[Issued] = []
        self.secrets_seen: list[str] = [self.client_secret]
        self.exchanges = self.sign_ins = 0
        self._families: dict[str, _Family] = {}
        self._changes, self._offset = changes, 0.0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: LoopbackServer | None = None

    @property
    def token_url(self) -> str:
        """Where tokens are renewed."""
        return f"{self._url}/token"

    @property
    def authorize_url(self) -> str:
        """Where people sign in."""
        return f"{self._url}/authorize"

    @property
    def revoke_url(self) -> str:
        """Where a refresh token is ended."""
        return f"{self._url}/revoke"

    @property
    def _url(self) -> str:
        assert self._server is not None, "start() comes first"
        return self._server.url

    @property
    def ca_file(self) -> str:
        """PEM file to trust; removed at `stop`."""
        assert self._folder is not None, "start() comes first"
        return str(Path(self._folder.name) / CA_FILE)

    async def start(self) -> None:
        """Make the certificate and listen."""
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-oauth-")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._server = LoopbackServer(app, tls=loopback_tls(Path(self._folder.name)))
        await self._server.start()

    async def stop(self) -> None:
        """Hang up and remove the keys."""
        if self._server is not None:
            await self._server.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def advance(self, seconds: float) -> None:
        """Push the provider's clock; tokens age at once."""
        self._offset += seconds

    def signed_in(self, subject: str, scope: str = "crm.read crm.write") -> str:
        """A refresh token as after somebody's consent."""
        return self._families[self._family(subject, scope)].current

    def _family(self, subject: str, scope: str) -> str:
        name = secrets.token_hex(4)
        self._families[name] = _Family(subject, scope, self._secret("rt"))
        return name

    def is_valid(self, token: str) -> bool:
        """Ours, not expired, and of a sign-in that still stands."""
        return any(
            one.token == token and one.expires_at > self._now() and one.family in self._families
            for one in self.issued
        )

    def current_of(self, subject: str) -> str | None:
        """The one refresh token of this subject that would be taken now."""
        return next((one.current for one in self._families.values() if one.subject == subject), None)

    def revoke_all(self) -> None:
        """Every sign-in has ended, as when an administrator removes the app."""
        self._families.clear()

    def _now(self) -> float:
        return time.time() + self._offset

    def _secret(self, kind: str) -> str:
        self.secrets_seen.append(f"{kind}.{secrets.token_urlsafe(32)}")
        return self.secrets_seen[-1]

    async def _answer(self, request: web.Request) -> web.Response:
        fault = self.faults.take(request.path)
        form = {name: str(value) for name, value in (await request.post()).items()}

        async def handle() -> web.Response:
            return self._routed(request, form)

        answer = await under_fault(fault, request, handle)
        self._changes.happened()
        return answer

    def _routed(self, request: web.Request, form: dict[str, str]) -> web.Response:
        if (request.method, request.path) == ("GET", "/authorize"):
            return self._signs_in(dict(request.query))
        self._watch(request, form)
        if self._client_of(request, form) != (self.client_id, self.client_secret):
            return _refused("invalid_client", 401)
        match request.method, request.path:
            case "POST", "/token":
                return self._came_back(form) if "code" in form else self._renewed(form)
            case "POST", "/revoke":
                self._end(form.get("token", ""))
                return web.Response()  # also for a token it does not know
            case method, path:
                self.violations.note("oauth", f"unexpected call {method} {path}")
                return _refused("not_found", 404)

    def _watch(self, request: web.Request, form: dict[str, str]) -> None:
        """What no provider would put up with, or nobody should do."""
        if request.query_string:
            self.violations.note("oauth", "something stands in the address, where it would be logged")
        if request.content_type != "application/x-www-form-urlencoded":
            self.violations.note("oauth", f"the form came as {request.content_type}")
        if "Authorization" in request.headers and "client_secret" in form:
            self.violations.note("oauth", "the client proved itself in two ways (RFC 6749 §2.3)")

    def _client_of(self, request: web.Request, form: dict[str, str]) -> tuple[str, str]:
        kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return form.get("client_id", ""), form.get("client_secret", "")
        try:
            id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote_plus(id), unquote_plus(secret)

    def _signs_in(self, asked: dict[str, str]) -> web.Response:
        """Somebody in front of a browser; what is wrong with the address is never sent anywhere (RFC 6749 §4.1.2.1)."""
        redirect, state = asked.get("redirect_uri", ""), asked.get("state", "")
        if asked.get("client_id") != self.client_id or redirect not in self.redirects:
            return web.Response(status=400, text="This app did not register that address.")
        if len(state) < 16:
            self.violations.note("oauth", "a sign-in without a state that nobody can guess")
        if (asked.get("response_type"), asked.get("code_challenge_method")) != ("code", "S256"):
            return _sent_back(redirect, {"error": "invalid_request", "state": state})
        if not self.consents:
            return _sent_back(redirect, {"error": "access_denied", "state": state})
        code = self._secret("code")
        self._codes[code] = _Code(
            redirect,
            asked.get("code_challenge", ""),
            asked.get("scope", "crm.read crm.write"),
            self._now() + 60,
        )
        return _sent_back(redirect, {"code": code, "state": state})

    def _came_back(self, form: dict[str, str]) -> web.Response:
        """The code for tokens, once; shown again it ends what came of it (RFC 6749 §4.1.2)."""
        code = self._codes.get(form.get("code", ""))
        if form.get("grant_type") != "authorization_code" or code is None:
            return _refused("invalid_grant")
        if code.family:
            self.violations.note("oauth", "a code was shown twice")
            self._families.pop(code.family, None)
            return _refused("invalid_grant")
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(hashed).decode().rstrip("=") == code.challenge
        if not proven or form.get("redirect_uri") != code.redirect_uri or code.expires_at <= self._now():
            return _refused("invalid_grant")
        code.family = self._family(self.person, code.scope)
        self.sign_ins += 1
        return self._granted(code.family, self._families[code.family], "", first=True)

    def _renewed(self, form: dict[str, str]) -> web.Response:
        if form.get("grant_type") != "refresh_token":
            return _refused("unsupported_grant_type")
        shown = form.get("refresh_token", "")
        for name, family in list(self._families.items()):
            if shown in family.used:
                del self._families[name]  # somebody else has a copy: nobody goes on with it
            elif secrets.compare_digest(shown, family.current):
                return self._granted(name, family, form.get("scope", ""))
        if self.own_error:
            return web.json_response({"status": self.own_error, "message": f"unknown {shown}"}, status=400)
        return web.json_response(
            {"error": "invalid_grant", "error_description": f"unknown {shown}"}, status=400
        )

    def _granted(self, name: str, family: _Family, scope: str, *, first: bool = False) -> web.Response:
        if not set(scope.split()) <= set(family.scope.split()):
            return _refused("invalid_scope")
        self.exchanges += not first
        token = self._secret("at")
        self.issued.append(
            Issued(
                token=token, family=name, scope=scope or family.scope, expires_at=self._now() + self.lifetime
            )
        )
        answer: Json = {"access_token": token, "token_type": "Bearer", "scope": scope or family.scope}
        if self.says_lifetime:
            answer["expires_in"] = int(self.lifetime)
        if first:
            answer["refresh_token"] = family.current
        elif self.rotates:
            family.used.add(family.current)
            family.current = answer["refresh_token"] = self._secret("rt")
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    def _end(self, token: str) -> None:
        self._families = {
            name: family
            for name, family in self._families.items()
            if token not in {family.current, *family.used}
        }


def _sent_back(redirect: str, answer: dict[str, str]) -> web.Response:
    return web.Response(status=302, headers={"Location": f"{redirect}?{urlencode(answer)}"})


def _refused(error: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status)
