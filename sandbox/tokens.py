"""A token service that msal accepts as an Entra tenant: OAuth 2 and OpenID Connect over TLS on loopback."""

from __future__ import annotations

import base64
import functools
import json
import secrets
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from .certificates import CA_FILE, client_certificate, loopback_tls
from .client_assertions import AssertionRefused, Certificates
from .faults import Faults, under_fault
from .loopback import Json, LoopbackServer
from .watching import Changes, Violations

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """One access token that was handed out.

    Attributes:
        grant: "client_credentials", "refresh_token", "on_behalf_of" or "by hand".
        expires_at: Seconds since 1970 on the service's own clock.
    """

    token: str = field(repr=False)
    subject: str
    scope: str
    grant: str
    expires_at: float


class _Refresh(NamedTuple):
    subject: str
    scope: str


class _GrantError(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


@functools.cache
def _signing_key() -> tuple[rsa.RSAPrivateKey, str]:
    """The key and its id; made once per process, because it takes a fifth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048), secrets.token_hex(8)


class TokenService:
    """One tenant with one registered application (`client_id`; `client_secret` or a `new_certificate()`).

    msal: `ConfidentialClientApplication(w.tokens.client_id, authority=w.tokens.authority,
    client_credential=w.tokens.client_secret, instance_discovery=False, verify=w.tokens.ca_file)`.
    Give somebody a long-lived credential with `refresh_token_for("alex")`, a user assertion for on-behalf-of
    with `access_token_for("alex")`. Refresh tokens rotate; a used one answers `invalid_grant`.
    Time: tokens live `lifetime` seconds on the service's own clock, which `advance(seconds)` pushes forward.
    A back office asks `is_valid(token)`, or over HTTPS `POST {url}/introspect` (form field `token`), which
    answers `{"active": true, "sub": ..., "scope": ..., "exp": ...}` or `{"active": false}`.
    `roles` holds, by audience, the application permissions that an administrator has consented to.
    `issued` lists every access token, `refresh_tokens_seen` every refresh token, `assertions_seen` what was signed:
    canaries for leak scans.
    """

    def __init__(
        self, *, violations: Violations, changes: Changes, port: int = 0, lifetime: float = 3600
    ) -> None:
        self.violations = violations
        self.faults = Faults()
        self.lifetime = lifetime
        self.tenant = str(uuid.uuid4())
        self.client_id = str(uuid.uuid4())
        self.client_secret = secrets.token_urlsafe(30)
        self.certificates = Certificates(self.client_id)
        self.assertions_seen: list[str] = []
        self.roles: dict[str, set[str]] = {}
        self.issued: list[IssuedToken] = []
        self.refresh_tokens_seen: list[str] = []
        self._refresh: dict[str, _Refresh] = {}
        self._changes = changes
        self._offset = 0.0
        self._key, self._key_id = _signing_key()
        self._port = port
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: LoopbackServer | None = None

    @property
    def url(self) -> str:
        """`https://127.0.0.1:port`, once started."""
        assert self._server is not None, "start() comes first"
        return self._server.url

    @property
    def authority(self) -> str:
        """What msal calls the authority: `{url}/{tenant}`."""
        return f"{self.url}/{self.tenant}"

    @property
    def ca_file(self) -> str:
        """PEM file to trust; removed at `stop`."""
        assert self._folder is not None, "start() comes first"
        return str(Path(self._folder.name) / CA_FILE)

    def new_certificate(self, *, days: int = 30) -> str:
        """A PEM file (private key and certificate) that is registered for the application; removed at `stop`."""
        assert self._folder is not None, "start() comes first"
        pem = client_certificate(days=days)
        self.certificates.register(pem)
        file = Path(self._folder.name) / f"client-{secrets.token_hex(4)}.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem)
        return str(file)

    async def start(self) -> None:
        """Make the certificates and listen."""
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-tls-")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._server = LoopbackServer(app, port=self._port, tls=loopback_tls(Path(self._folder.name)))
        await self._server.start()

    async def stop(self) -> None:
        """Hang up and remove the keys."""
        if self._server is not None:
            await self._server.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def now(self) -> float:
        """Seconds since 1970 on the service's clock."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Push the service's clock forward; tokens age at once."""
        self._offset += seconds
        self._changes.happened()

    def refresh_token_for(self, subject: str, scope: str = "openid offline_access") -> str:
        """A first refresh token, as after an interactive sign-in."""
        token = f"rt.{secrets.token_urlsafe(32)}"
        self._refresh[token] = _Refresh(subject, scope)
        self.refresh_tokens_seen.append(token)
        return token

    def access_token_for(self, subject: str, scope: str = "access_as_user") -> str:
        """An access token made by hand, e.g. the user assertion for on-behalf-of."""
        return self._issue(subject, scope, "by hand")

    def revoke_refresh_tokens_of(self, subject: str) -> None:
        """Every refresh token of `subject` is dead from now on."""
        self._refresh = {token: kept for token, kept in self._refresh.items() if kept.subject != subject}

    def is_valid(self, token: str) -> bool:
        """Ours, unaltered, and not expired on the service's clock."""
        return self.claims(token) is not None

    def expired(self, token: str) -> bool:
        """Ours, unaltered, and past its end: whoever shows it may have another clock."""
        return self._signed_here(token) is not None and not self.is_valid(token)

    def claims(self, token: str) -> Json | None:
        """What a valid token says; None for any other."""
        claims = self._signed_here(token)
        return claims if claims is not None and claims["exp"] > self.now() else None

    def _signed_here(self, token: str) -> Json | None:
        try:
            claims: Json = jwt.decode(
                token, self._key.public_key(), algorithms=["RS256"], issuer=self._issuer,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            return None
        return claims

    @property
    def _issuer(self) -> str:
        return f"{self.authority}/v2.0"

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix(f"/{self.tenant}")
        fault = self.faults.take(path)
        form = {name: str(value) for name, value in (await request.post()).items()}

        async def handle() -> web.Response:
            return self._routed(request.method, path, form)

        answer = await under_fault(fault, request, handle)
        self._changes.happened()
        return answer

    def _routed(self, method: str, path: str, form: dict[str, str]) -> web.Response:
        match method, path:
            case "GET", "/v2.0/.well-known/openid-configuration":
                return web.json_response(self._discovery())
            case "GET", "/discovery/v2.0/keys":
                return web.json_response({"keys": [self._public_key()]})
            case "POST", "/oauth2/v2.0/token":
                try:
                    return web.json_response(self._granted(form))
                except _GrantError as error:
                    answer = {"error": error.error, "error_description": error.description}
                    return web.json_response(answer, status=error.status)
            case "POST", "/introspect":
                claims = self.claims(form.get("token", ""))
                return web.json_response({"active": False} if claims is None else {"active": True, **claims})
            case _:
                self.violations.note("tokens", f"unexpected call {method} {path}")
                return web.json_response({"error": "not_found"}, status=404)

    def _discovery(self) -> Json:
        return {
            "issuer": self._issuer,
            "authorization_endpoint": f"{self.authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self.authority}/oauth2/v2.0/token",
            "jwks_uri": f"{self.authority}/discovery/v2.0/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _public_key(self) -> Json:
        key: Json = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {**key, "kid": self._key_id, "use": "sig", "alg": "RS256"}

    def _granted(self, form: dict[str, str]) -> Json:
        self._authenticate(form)
        scope = form.get("scope", "")
        match form.get("grant_type"):
            case "client_credentials":
                if not scope.endswith("/.default"):
                    raise _GrantError("invalid_scope", "client credentials need a scope ending in /.default")
                return self._answered(self.client_id, scope, "client_credentials")
            case "refresh_token":
                kept = self._refresh.pop(form.get("refresh_token", ""), None)
                if kept is None:
                    raise _GrantError("invalid_grant", "refresh token is unknown, used or revoked")
                return self._answered(kept.subject, scope or kept.scope, "refresh_token")
            case grant if grant == _JWT_BEARER and form.get("requested_token_use") == "on_behalf_of":
                claims = self.claims(form.get("assertion", ""))
                if claims is None:
                    raise _GrantError("invalid_grant", "assertion is not a valid token of this tenant")
                return self._answered(str(claims["sub"]), scope, "on_behalf_of")
            case grant:
                self.violations.note("tokens", f"unsupported grant {grant!r}")
                raise _GrantError("unsupported_grant_type", f"not supported: {grant}")

    def _authenticate(self, form: dict[str, str]) -> None:
        if "client_assertion" not in form:
            if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
                raise _GrantError(
                    "invalid_client", "AADSTS7000215: unknown client or wrong secret", status=401
                )
            return
        self.assertions_seen.append(form["client_assertion"])
        try:
            self.certificates.check(form, audience=f"{self.authority}/oauth2/v2.0/token", now=self.now())
        except AssertionRefused as refused:
            raise _GrantError("invalid_client", str(refused), status=401) from refused

    def _answered(self, subject: str, scope: str, grant: str) -> Json:
        answer: Json = {
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": int(self.lifetime),
            "ext_expires_in": int(self.lifetime),
            "access_token": self._issue(subject, scope, grant),
        }
        if grant == "client_credentials":
            return answer
        who = json.dumps({"uid": subject, "utid": self.tenant}).encode()
        answer["client_info"] = base64.urlsafe_b64encode(who).decode().rstrip("=")
        if "offline_access" in scope or grant == "refresh_token":
            answer["refresh_token"] = self.refresh_token_for(subject, scope)
        if "openid" in scope:
            answer["id_token"] = self._signed({"aud": self.client_id, "preferred_username": subject}, subject)
        return answer

    def _issue(self, subject: str, scope: str, grant: str) -> str:
        meant = _meant_for(scope, grant, self.client_id)
        if roles := sorted(self.roles.get(meant["aud"], ())) if grant == "client_credentials" else []:
            meant["roles"] = roles  # none at all where nobody has consented to any
        token = self._signed({**meant, "scope": scope}, subject)
        self.issued.append(
            IssuedToken(token=token, subject=subject, scope=scope, grant=grant,
                        expires_at=self.now() + self.lifetime)
        )  # fmt: skip
        return token

    def _signed(self, claims: Json, subject: str) -> str:
        now = self.now()
        times = {"iat": int(now), "exp": now + self.lifetime}
        whole = {"iss": self._issuer, "sub": subject, "tid": self.tenant, "jti": secrets.token_hex(8)}
        return jwt.encode(
            {**whole, **times, **claims}, self._key, algorithm="RS256", headers={"kid": self._key_id}
        )


def _meant_for(scope: str, grant: str, client_id: str) -> Json:
    """The claims that say for which API a token is; those of an application name it, and carry no `scp`."""
    if grant == "client_credentials":
        return {"aud": scope.removesuffix("/.default"), "appid": client_id, "idtyp": "app"}
    return {"aud": "api://sandbox", "scp": scope}
