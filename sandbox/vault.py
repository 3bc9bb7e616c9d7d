"""A strict Vault: tokens with leases, AppRole, and one KV engine of version 2, as far as a keeper of secrets needs it."""

from __future__ import annotations

import secrets
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from .certificates import CA_FILE, loopback_tls
from .faults import Faults, under_fault
from .loopback import Json, LoopbackServer
from .watching import Changes, Violations


@dataclass(slots=True)
class _Secret:
    """Every version of one secret; None where it was destroyed."""

    versions: list[Json | None] = field(default_factory=list)


class VaultServer:
    """At `url`: `root` is a token without an end, `role_id` and `secret_id` an AppRole whose tokens live `lease` seconds.

    Time moves with `advance`. `kept` is what stands under each path now; everything secret is in `secrets_seen`.
    """

    def __init__(self, *, violations: Violations, changes: Changes, lease: float = 3600) -> None:
        self.violations, self.faults, self.lease = violations, Faults(), lease
        self.root = f"hvs.{secrets.token_urlsafe(24)}"
        self.role_id, self.secret_id = secrets.token_hex(16), secrets.token_hex(16)
        self.secrets_seen = [self.root, self.secret_id]
        self.logins = self.renewals = 0
        self._ends: dict[str, float] = {self.root: float("inf")}
        self._store: dict[str, _Secret] = {}
        self._changes = changes
        self._offset = 0.0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: LoopbackServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None, "start() comes first"
        return self._server.url

    @property
    def ca_file(self) -> str:
        """PEM file to trust; removed at `stop`."""
        assert self._folder is not None, "start() comes first"
        return str(Path(self._folder.name) / CA_FILE)

    @property
    def kept(self) -> dict[str, Any]:
        """Path below the engine -> the newest version; None where that was destroyed."""
        return {path: one.versions[-1] for path, one in self._store.items()}

    async def start(self) -> None:
        """Make the certificate and listen."""
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-vault-")
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
        """Push its clock; tokens age at once."""
        self._offset += seconds

    def revoke_tokens(self) -> None:
        """Every AppRole's token has ended, as when an operator revokes the accessor."""
        self._ends = {self.root: float("inf")}

    def _now(self) -> float:
        return time.time() + self._offset

    async def _answer(self, request: web.Request) -> web.Response:
        fault = self.faults.take(request.path)
        body: Json = await request.json() if request.can_read_body else {}

        async def handle() -> web.Response:
            return self._routed(request, body)

        answer = await under_fault(fault, request, handle)
        self._changes.happened()
        return answer

    def _routed(self, request: web.Request, body: Json) -> web.Response:
        path = request.path.removeprefix("/v1/")
        if path == "auth/approle/login":
            return self._login(body)
        token = request.headers.get("X-Vault-Token", "")
        if self._ends.get(token, 0) <= self._now():
            return _wrong(403, "permission denied")
        if path == "auth/token/renew-self":
            return self._renewed(token)
        engine, kind, name = (*path.split("/", 2), "", "")[:3]
        listed = (request.method, kind, request.query_string) == ("GET", "metadata", "list=true")
        if engine != "secret" or (request.query_string and not listed):
            self.violations.note("vault", f"unexpected call {request.method} {request.path_qs}")
            return _wrong(404)
        match request.method, kind:
            case "GET", "data":
                return self._read(name)
            case "POST", "data":
                return self._write(name, body)
            case "PUT", "destroy":
                for number in body["versions"]:
                    self._store[name].versions[number - 1] = None
                return web.Response(status=204)
            case "GET", "metadata" if listed:
                below = [one.removeprefix(f"{name}/") for one in self._store if one.startswith(f"{name}/")]
                return web.json_response({"data": {"keys": sorted(below)}}) if below else _wrong(404)
            case method, _:
                self.violations.note("vault", f"unexpected call {method} {request.path}")
                return _wrong(405)

    def _login(self, body: Json) -> web.Response:
        if (body.get("role_id"), body.get("secret_id")) != (self.role_id, self.secret_id):
            return _wrong(400, "invalid role or secret ID")
        self.logins += 1
        token = f"hvs.{secrets.token_urlsafe(24)}"
        self.secrets_seen.append(token)
        self._ends[token] = self._now() + self.lease
        return self._auth(token, int(self.lease))

    def _renewed(self, token: str) -> web.Response:
        if token == self.root:
            return _wrong(400, "lease is not renewable")
        self.renewals += 1
        self._ends[token] = self._now() + self.lease
        return self._auth(token, int(self.lease))

    def _auth(self, token: str, lease: int) -> web.Response:
        return web.json_response(
            {"auth": {"client_token": token, "lease_duration": lease, "renewable": True}}
        )

    def _read(self, name: str) -> web.Response:
        secret = self._store.get(name)
        if secret is None:
            return _wrong(404)
        newest, metadata = secret.versions[-1], {"version": len(secret.versions), "destroyed": False}
        if newest is None:
            gone = {"data": {"data": None, "metadata": {**metadata, "destroyed": True}}}
            return web.json_response(gone, status=404)
        return web.json_response({"data": {"data": newest, "metadata": metadata}})

    def _write(self, name: str, body: Json) -> web.Response:
        secret = self._store.get(name) or _Secret()
        if "cas" not in body.get("options", {}):
            self.violations.note("vault", "a secret was written whatever stood there")
        elif body["options"]["cas"] != len(secret.versions):
            return _wrong(400, "check-and-set parameter did not match the current version")
        secret.versions.append(body["data"])
        self._store[name] = secret
        return web.json_response({"data": {"version": len(secret.versions)}})


def _wrong(status: int, *errors: str) -> web.Response:
    return web.json_response({"errors": list(errors)}, status=status)
