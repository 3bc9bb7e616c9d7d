"""Secrets in a HashiCorp Vault or OpenBao: a KV engine of version 2 over its HTTP API, and the token it is asked with."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from ..approvals.errors import BadSetting
from .credentials import CredentialSourceDown
from .msal_source import ANSWER_SECONDS, is_loopback

#: How much of its lease a token is used for before it is renewed.
_RENEWED_AFTER = 2 / 3
#: A token that cannot be renewed, or has no end, is asked about so often, seconds.
_LATER = 3_600.0


@dataclass(frozen=True, slots=True)
class VaultToken:
    """A token that somebody else made for us."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppRole:
    """What a program signs in with (`auth/approle`)."""

    role_id: str
    secret_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """A secret as it stands there.

    Attributes:
        value: None when there is none now, or it was taken away.
        version: Rises with every change, also with one that followed a removal; 0 where there never was one.
    """

    value: str | None = field(repr=False)
    version: int


class Vault:
    """One folder of one KV engine, with a secret for each name."""

    def __init__(
        self, url: str, *, mount: str, folder: str, login: VaultToken | AppRole, namespace: str = "",
        ca_file: str | None = None, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Nothing is asked over the network yet. Raises: BadSetting."""
        if ca_file and not Path(ca_file).is_file():
            raise BadSetting(f"The certificates to trust, {ca_file}, cannot be read.")
        self._url, self._host = url.rstrip("/"), urlsplit(url).hostname or ""
        self._mount, self._folder = mount, folder
        self._login = login
        self._headers = {"X-Vault-Request": "true", **({"X-Vault-Namespace": namespace} if namespace else {})}
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._monotonic = monotonic
        self._token, self._renew_at = "", 0.0
        self._entering = asyncio.Lock()

    async def read(self, name: str) -> Kept:
        """What stands under this name. Raises: CredentialSourceDown, as every verb."""
        answer = await self._asked("GET", self._place("data", name))
        said = _said(answer)
        if answer.status_code not in (200, 404):
            raise self._refusal(answer)
        version = int((said.get("metadata") or {}).get("version", 0))
        value = (said.get("data") or {}).get("value") if answer.status_code == 200 else None
        return Kept(value if isinstance(value, str) else None, version)

    async def write(self, name: str, value: str, *, after: int) -> bool:
        """Keep it, if the version is still this one (0: there never was one); False when somebody was faster."""
        body = {"options": {"cas": after}, "data": {"value": value}}
        answer = await self._asked("POST", self._place("data", name), body)
        if answer.status_code == 400 and "check-and-set" in answer.text:
            return False
        if answer.status_code != 200:
            raise self._refusal(answer)
        return True

    async def take_away(self, name: str) -> bool:
        """Destroy what stands there, for good; False when there was nothing."""
        kept = await self.read(name)
        if kept.value is None:
            return False
        versions = {"versions": list(range(1, kept.version + 1))}
        answer = await self._asked("PUT", self._place("destroy", name), versions)
        if answer.status_code not in (200, 204):
            raise self._refusal(answer)
        return True

    async def names(self) -> frozenset[str]:
        """Every name that has stood there."""
        answer = await self._asked("GET", f"/v1/{self._mount}/metadata/{self._folder}?list=true")
        if answer.status_code == 404:
            return frozenset()
        if answer.status_code != 200:
            raise self._refusal(answer)
        return frozenset(_unquoted(str(key)) for key in _said(answer).get("keys", ()))

    def _place(self, kind: str, name: str) -> str:
        return f"/v1/{self._mount}/{kind}/{self._folder}/{_quoted(name)}"

    async def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """With a token that holds; one that was revoked meanwhile is replaced once."""
        token = await self._entered()
        answer = await self._send(method, path, body, token)
        if answer.status_code == 403 and isinstance(self._login, AppRole):
            async with self._entering:
                if self._token == token:
                    self._token = ""
            answer = await self._send(method, path, body, await self._entered())
        return answer

    async def _entered(self) -> str:
        async with self._entering:
            if not self._token and isinstance(self._login, AppRole):
                said = {"role_id": self._login.role_id, "secret_id": self._login.secret_id}
                self._hold(await self._send("POST", "/v1/auth/approle/login", said, ""))
            elif not self._token or self._monotonic() >= self._renew_at:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        """Its life is made longer; where that cannot be, an AppRole signs in anew and a given token is used to its end."""
        token = self._token or (self._login.token if isinstance(self._login, VaultToken) else "")
        answer = await self._send("POST", "/v1/auth/token/renew-self", {}, token)
        if answer.status_code == 200:
            self._hold(answer)
        elif isinstance(self._login, AppRole):
            said = {"role_id": self._login.role_id, "secret_id": self._login.secret_id}
            self._hold(await self._send("POST", "/v1/auth/approle/login", said, ""))
        else:
            self._token, self._renew_at = token, self._monotonic() + _LATER

    def _hold(self, answer: httpx.Response) -> None:
        """Raises: CredentialSourceDown."""
        if answer.status_code != 200:
            raise self._refusal(answer)
        said = answer.json().get("auth") or {}
        lease = float(said.get("lease_duration") or 0)
        self._token = str(said.get("client_token") or "")
        self._renew_at = self._monotonic() + (lease * _RENEWED_AFTER if lease else _LATER)

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: str
    ) -> httpx.Response:
        """Raises: CredentialSourceDown."""
        headers = {**self._headers, **({"X-Vault-Token": token} if token else {})}
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                httpx.AsyncClient(
                    verify=self._tls, timeout=ANSWER_SECONDS, trust_env=not is_loopback(self._host)
                ) as client,
            ):
                return await client.request(method, self._url + path, json=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise CredentialSourceDown("The Vault did not answer properly; try again later.") from error

    def _refusal(self, answer: httpx.Response) -> CredentialSourceDown:
        """Its words may quote anything; the status says enough."""
        why = {403: ": check its policy and how we sign in", 503: ": it is sealed, or starting"}
        status = answer.status_code
        return CredentialSourceDown(
            f"The Vault at {self._host} did not do it (HTTP {status}{why.get(status, '')})."
        )


def _said(answer: httpx.Response) -> Mapping[str, Any]:
    """The `data` of an answer; nothing where it has none."""
    try:
        said = answer.json()
    except ValueError:
        return {}
    found = said.get("data") if isinstance(said, dict) else None
    return found if isinstance(found, dict) else {}


def _quoted(name: str) -> str:
    """A name as one part of a path, whatever stands in it; "=" stands for "%", which gateways undo on the way."""
    return re.sub(r"^\.", "=2E", quote(name, safe="").replace("%", "="))


def _unquoted(key: str) -> str:
    return unquote(key.replace("=", "%"))
