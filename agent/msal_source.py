"""Tokens from Microsoft Entra through msal: the service's own credentials, or a person's refresh token."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msal
import requests

from ..approvals.credential import CredentialRef
from ..approvals.errors import BadSetting
from .client_certificate import client_certificate
from .credentials import CredentialDead, CredentialSourceDown, Token, utc_now

#: How long one answer of the token service may take, seconds.
ANSWER_SECONDS = 10.0

#: What msal raises when nobody, or nobody sensible, answers.
_DOWN = (OSError, msal.exceptions.MsalError, ValueError)

#: Hosts that msal may look up in Microsoft's public directory; any other authority stands for itself.
_PUBLIC_HOSTS = ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn")

#: What an OAuth 2 error means for the person who reads it; all of these end a credential (RFC 6749 §5.2, Entra).
_DEAD: Mapping[str, str] = {
    "invalid_grant": "its sign-in has expired, was used up or was revoked; somebody has to sign in again",
    "interaction_required": "the directory wants somebody to sign in again",
    "consent_required": "an administrator has to consent to the scopes",
    "invalid_client": "the client {proof} is wrong or has expired",
    "unauthorized_client": "the application may not ask for tokens this way",
    "invalid_scope": "the scopes are not known to the directory",
    "invalid_resource": "the scopes are not known to the directory",
    "access_denied": "the directory refuses it",
}


class RefreshTokens(Protocol):
    """Where refresh tokens live. The provider may rotate one at every use: the new one replaces the old."""

    def get(self, subject: str) -> str | None:
        """The subject's refresh token; None when there is none."""
        ...

    def replace(self, subject: str, token: str) -> None:
        """Keep the rotated one."""
        ...


class EnvironmentRefreshTokens:
    """Refresh tokens from `SAYSO_REFRESH_TOKEN_<SUBJECT>`, in capitals with `_` for everything else.

    A rotated token is kept only as long as this process: fit for providers that go on taking the first one
    (Entra does until it expires), not for those that revoke it.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._rotated: dict[str, str] = {}

    def get(self, subject: str) -> str | None:
        name = f"SAYSO_REFRESH_TOKEN_{re.sub(r'[^A-Z0-9]', '_', subject.upper())}"
        return self._rotated.get(subject) or self._env.get(name) or None

    def replace(self, subject: str, token: str) -> None:
        self._rotated[subject] = token


class _Forgetful(msal.TokenCache):  # type: ignore[misc]  # msal is published without types
    """A token cache that keeps nothing, so that every exchange is a new one."""

    def add(self, event: Any, now: float | None = None) -> None:
        """Let it go."""


class MsalSource:
    """One Entra tenant (or anything that speaks like one)."""

    def __init__(
        self, *, authority: str, client_id: str, service: str, refresh_tokens: RefreshTokens, client_secret: str = "",
        certificate: str | None = None, ca_file: str | None = None, on_behalf_of: str = "",
    ) -> None:  # fmt: skip
        """Nothing is asked over the network before the first `fetch`.

        Args:
            authority: `https://login.microsoftonline.com/<tenant>`.
            certificate: PEM file with a private key and its certificate: signs in instead of the secret.
            service: The subject that the client's own credentials stand for. Any other subject needs a refresh
                token: the application's authority never stands in for a person's.
            ca_file: PEM file to trust instead of the system's.
            on_behalf_of: Scope of the client's own API: a person's tokens for other APIs are then exchanged for theirs
                to ours (the on-behalf-of flow). Empty asks for them by the refresh token itself.

        Raises: BadSetting.
        """
        self._on_behalf_of = on_behalf_of
        self._host = urlsplit(authority).hostname or ""
        if urlsplit(authority).scheme != "https" or not self._host:
            raise BadSetting(f"The token service's address must begin with https://, not {authority!r}.")
        if ca_file and not Path(ca_file).is_file():
            raise BadSetting(f"The certificates to trust, {ca_file}, cannot be read.")
        if bool(client_secret.strip()) == bool(certificate):
            raise BadSetting(
                f"{client_id} signs in with either a secret or a certificate, not both or neither."
            )
        self._authority = authority
        self._client_id = client_id
        self._credential = _credential(client_id, client_secret, certificate)
        self._service = service
        self._refresh_tokens = refresh_tokens
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._app: Any = None
        self._answers: dict[object, object] = {}

    async def fetch(self, ref: CredentialRef) -> Token:
        """As `TokenSource.fetch`; msal blocks, so it runs in a thread."""
        return await asyncio.to_thread(self._fetch, ref)

    def _fetch(self, ref: CredentialRef) -> Token:
        # One at a time: a rotated refresh token must be kept before anybody else uses the old one.
        with self._lock:
            asked_at = utc_now()
            try:
                answer = self._ask(ref)
            except _DOWN as error:
                raise CredentialSourceDown(
                    f"{self._host} did not answer properly; try again later."
                ) from error
            if "access_token" not in answer:
                raise _refusal(
                    ref, answer, proof="secret" if isinstance(self._credential, str) else "certificate"
                )
            return Token(
                value=answer["access_token"],
                expires_at=asked_at + timedelta(seconds=int(answer["expires_in"])),
            )

    def _ask(self, ref: CredentialRef) -> Any:
        if self._app is None or isinstance(self._credential, Mapping):
            # An app shows one signed assertion for nine minutes; each of ours is shown once.
            self._app = self._new_app()
        self._answers.clear()  # msal would repeat an earlier refusal without asking, for a minute or for ever
        scopes = list(ref.scopes)
        if ref.subject == self._service:
            return self._app.acquire_token_for_client(scopes=scopes)
        refresh_token = self._refresh_tokens.get(ref.subject)
        if refresh_token is None:
            raise CredentialDead(f"{ref.subject} has not signed in: there is no refresh token for it.")
        wanted = [self._on_behalf_of] if self._on_behalf_of else scopes
        answer = self._app.acquire_token_by_refresh_token(refresh_token, scopes=wanted)
        if rotated := answer.get("refresh_token"):
            self._refresh_tokens.replace(ref.subject, rotated)
        if not self._on_behalf_of or "access_token" not in answer:
            return answer
        return self._app.acquire_token_on_behalf_of(answer["access_token"], scopes=scopes)

    def _new_app(self) -> Any:
        return msal.ConfidentialClientApplication(
            self._client_id, authority=self._authority, client_credential=self._credential,
            instance_discovery=None if self._host in _PUBLIC_HOSTS else False,
            token_cache=_Forgetful(), http_cache=self._answers,
            # No proxy stands between us and our own machine.
            http_client=_Session(self._ca_file, trust_env=not is_loopback(self._host)),
        )  # fmt: skip


def _credential(client_id: str, secret: str, certificate: str | None) -> str | Mapping[str, str]:
    """The secret, or the certificate as msal takes it. Raises: BadSetting."""
    if bool(secret.strip()) == bool(certificate):
        raise BadSetting(f"{client_id} signs in with either a secret or a certificate, not both or neither.")
    return client_certificate(certificate, now=utc_now()).for_msal() if certificate else secret


class _Session(requests.Session):
    """Trusts one CA file whatever the environment says, and never waits for ever."""

    def __init__(self, ca_file: str | None, *, trust_env: bool) -> None:
        super().__init__()
        self._ca_file = ca_file
        self.trust_env = trust_env
        # Exchanges are minutes apart: a kept connection would only be found dead.
        self.headers["Connection"] = "close"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **said: Any) -> requests.Response:
        """Said with each call, because REQUESTS_CA_BUNDLE outranks what is said once on the session."""
        if self._ca_file:
            said["verify"] = self._ca_file
        return super().request(method, url, *args, **{"timeout": ANSWER_SECONDS, **said})


def is_loopback(host: str) -> bool:
    """Whether this is our own machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(
    ref: CredentialRef, answer: Mapping[str, Any], *, proof: str
) -> CredentialDead | CredentialSourceDown:
    """What the service's error means. Its description may quote anything, so only Entra's error number is taken."""
    error = str(answer.get("error", ""))
    if why := _DEAD.get(error):
        number = re.search(r"\bAADSTS[0-9]{4,8}\b", str(answer.get("error_description", "")))
        said = f"{error}, {number[0]}" if number else error
        return CredentialDead(
            f"The credential of {ref.subject} no longer works: {why.format(proof=proof)} ({said})."
        )
    return CredentialSourceDown(f"The token service refused for now ({error[:40] or 'no reason given'}).")
