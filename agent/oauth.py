"""Fresh access tokens from any OAuth 2 provider by refresh token (RFC 6749 §6), with what some providers do their own way."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from ..approvals.credential import CredentialRef, Mending
from ..approvals.errors import BadSetting
from .credentials import CredentialDead, CredentialSourceDown, Token, utc_now
from .grants import Grant, Grants, NotKept, Renewal, name_of
from .msal_source import ANSWER_SECONDS, is_loopback
from .oauth_providers import ClientAuth, Provider
from .sign_in import SignIn, SignInRefused, address_of

#: What is believed of a token whose provider does not say: the shortest session that Salesforce can be set to.
UNSAID_LIFE = timedelta(minutes=15)

#: How often a grant may be replaced under our hands before we come back later.
_TRIES = 3

#: What an OAuth 2 error means for the person who reads it; all of these end a credential (RFC 6749 §5.2).
_DEAD: Mapping[str, str] = {
    "invalid_grant": "its sign-in has expired, was used up or was revoked",
    "invalid_client": "the client id or secret is wrong or has expired",
    "unauthorized_client": "the application may not renew tokens",
    "unsupported_grant_type": "the provider does not renew tokens",
    "invalid_scope": "it was never granted these scopes",
    "access_denied": "the provider refuses it",
}


class _Answer(BaseModel):
    """What is read of a token answer (RFC 6749 §5.1)."""

    access_token: str = Field(min_length=1)
    token_type: str = Field(default="bearer", pattern=r"(?i)^bearer$")
    expires_in: int | None = Field(default=None, gt=0, le=10**9)
    refresh_token: str | None = None


class OAuthSource:
    """One provider. Who asks while a token is being renewed gets that token, in whichever process."""

    def __init__(
        self, provider: Provider, *, name: str, client_id: str, client_secret: str, grants: Grants,
        ca_file: str | None = None, mending: Mending = Mending.SIGN_IN,
    ) -> None:  # fmt: skip
        """Nothing is asked over the network yet.

        Args:
            name: The provider's in the settings.
            mending: What people are offered when nobody is signed in any more.

        Raises: BadSetting.
        """
        for url in filter(None, (provider.token_url, provider.revoke_url, provider.authorize_url)):
            if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
                raise BadSetting(f"The token service's address must begin with https://, not {url!r}.")
        if ca_file and not Path(ca_file).is_file():
            raise BadSetting(f"The certificates to trust, {ca_file}, cannot be read.")
        self._provider = provider
        self._name = name
        self._client = (client_id, client_secret)
        self._grants = grants
        self._mending = mending if grants.takes_sign_ins else Mending.ELSEWHERE
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._unkept: dict[str, Renewal] = {}
        self._asking: set[asyncio.Task[Token]] = set()

    async def fetch(self, ref: CredentialRef) -> Token:
        """As `TokenSource.fetch`; an exchange that was begun is ended and kept also when nobody waits for it any more."""
        found = await self._grants.get(name_of(ref))
        task = asyncio.create_task(
            self._in_turn(ref, found.number if found else 0), name="renew a credential"
        )
        self._asking.add(task)
        task.add_done_callback(self._asked)
        return await asyncio.shield(task)

    def where_to_sign_in(self, sign_in: SignIn, scopes: Sequence[str]) -> str:
        """The address that a browser is sent to. Raises: BadSetting, where the provider has none."""
        if not self._provider.authorize_url:
            raise BadSetting(
                f"credentials.{self._name}.authorize_url: it is missing, so nobody can sign in here."
            )
        return address_of(sign_in, self._provider, client_id=self._client[0], scopes=scopes)

    async def sign_in(self, ref: CredentialRef, sign_in: SignIn, code: str) -> Token:
        """Exchange the code, once, and keep the refresh token that comes for it: it replaces the one that was there.

        Raises: SignInRefused, CredentialSourceDown; the code is used up all the same.
        """
        asked_at = utc_now()
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": sign_in.redirect_uri,
            "code_verifier": sign_in.verifier,
        }  # fmt: skip
        answer = await self._send(self._provider.token_url, form)
        if answer.status_code != 200:
            error = self._error(answer)
            raise SignInRefused(
                f"{self._name} did not take the sign-in (HTTP {answer.status_code}{f', {error}' if error else ''}). Please begin again."
            )
        try:
            said = _Answer.model_validate_json(answer.content)
        except ValidationError:
            raise SignInRefused(f"{self._name} gave no token for the sign-in.") from None
        if not said.refresh_token:
            raise SignInRefused(
                f"{self._name} gave a token for now only, and none to renew it with: let the app ask for offline access."
            )
        async with self._grants.turn(name_of(ref)):
            self._unkept.pop(name_of(ref), None)
            await self._grants.add(name_of(ref), said.refresh_token)
        return _token(said, asked_at)

    async def revoke(self, ref: CredentialRef) -> bool:
        """End it at the provider, then forget it here; False when there was none.

        Raises: CredentialSourceDown, and then it still stands; BadSetting.
        """
        credential = name_of(ref)
        async with self._grants.turn(credential):
            grant = await self._grants.get(credential)
            if grant is not None and self._provider.revoke_url:
                sent = {"token": grant.refresh_token, "token_type_hint": "refresh_token"}
                answer = await self._send(self._provider.revoke_url, sent)
                if answer.status_code != 200 and self._error(answer) not in (
                    "invalid_grant",
                    "invalid_token",
                ):
                    raise CredentialSourceDown(f"{self._name} did not take the revocation; try again later.")
            return await self._grants.forget(credential)

    def _asked(self, task: asyncio.Task[Token]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits hears it; if nobody does, it is no news

    async def _in_turn(self, ref: CredentialRef, seen: int) -> Token:
        credential = name_of(ref)
        async with self._grants.turn(credential):
            await self._keep_late(credential)
            for _ in range(_TRIES):
                grant = await self._grants.get(credential)
                if grant is None:
                    raise CredentialDead(
                        f"{ref.subject} has not signed in to {self._name}. {self._remedy(ref)}",
                        mending=self._mending,
                    )
                if grant.number != seen and (
                    token := await self._grants.shared(credential, ref.scopes, since=seen)
                ):
                    return token
                token = await self._renewed(ref, grant)
                if token is not None:
                    return token
        raise CredentialSourceDown(f"{credential} is being replaced all the time; try again later.")

    async def _renewed(self, ref: CredentialRef, grant: Grant) -> Token | None:
        """The access token once the rotated refresh token is kept; None when another one stands there by now."""
        credential = name_of(ref)
        try:
            renewal = await self._exchange(ref, grant)
        except CredentialDead:
            now = await self._grants.get(credential)
            if now is not None and now.number != grant.number:
                return None  # somebody has signed in again meanwhile
            raise
        try:
            kept = await self._grants.renew(credential, renewal)
        except NotKept as error:
            self._unkept[credential] = renewal
            raise CredentialSourceDown(f"The new sign-in of {credential} cannot be kept: {error}") from error
        return renewal.token if kept else None

    async def _keep_late(self, credential: str) -> None:
        """What a provider gave while the store was away is kept before anything else."""
        if late := self._unkept.get(credential):
            try:
                await self._grants.renew(credential, late)
            except NotKept as error:
                raise CredentialSourceDown(
                    f"The new sign-in of {credential} cannot be kept: {error}"
                ) from error
            del self._unkept[credential]

    async def _exchange(self, ref: CredentialRef, grant: Grant) -> Renewal:
        """Raises: CredentialDead, CredentialSourceDown."""
        asked_at = utc_now()
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        answer = await self._send(self._provider.token_url, {**form, **_scope(ref)})
        if answer.status_code != 200:
            raise self._refusal(ref, answer)
        try:
            said = _Answer.model_validate_json(answer.content)
        except ValidationError:
            raise self._refusal(ref, answer) from None  # its words may quote a token
        return Renewal(
            used=grant.number, refresh_token=said.refresh_token or grant.refresh_token, scopes=ref.scopes,
            token=_token(said, asked_at),
        )  # fmt: skip

    async def _send(self, url: str, form: Mapping[str, str]) -> httpx.Response:
        """Raises: CredentialSourceDown."""
        id, secret = self._client
        auth: httpx.Auth = httpx.Auth()
        if self._provider.client_auth is ClientAuth.BASIC:
            auth = httpx.BasicAuth(quote_plus(id), quote_plus(secret))
        else:
            form = {**form, "client_id": id, "client_secret": secret}
        host = urlsplit(url).hostname or ""
        try:
            # Exchanges are minutes apart: a kept connection would only be found dead.
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                httpx.AsyncClient(
                    verify=self._tls, timeout=ANSWER_SECONDS, trust_env=not is_loopback(host)
                ) as client,
            ):
                return await client.post(url, data=form, auth=auth, headers={"Accept": "application/json"})
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise CredentialSourceDown(f"{host} did not answer properly; try again later.") from error

    def _refusal(self, ref: CredentialRef, answer: httpx.Response) -> CredentialDead | CredentialSourceDown:
        """What the answer means; of its words only a known error is repeated, since the rest may quote anything."""
        error = self._error(answer)
        if answer.status_code < 500 and (why := _DEAD.get(error)):
            return CredentialDead(
                f"The credential of {ref.subject} at {self._name} no longer works: {why} ({error}). {self._remedy(ref)}",
                mending=self._mending if error == "invalid_grant" else Mending.ELSEWHERE,
            )
        return CredentialSourceDown(
            f"{self._name} gave no token for now (HTTP {answer.status_code}{f', {error}' if error else ''})."
        )

    def _error(self, answer: httpx.Response) -> str:
        try:
            said: Any = answer.json()
        except ValueError:
            return ""
        word = said.get("error", said.get("status", "")) if isinstance(said, dict) else ""
        word = self._provider.own_words.get(word, word) if isinstance(word, str) else ""
        return word if re.fullmatch(r"[A-Za-z_]{1,40}", word) else ""

    def _remedy(self, ref: CredentialRef) -> str:
        command = "connect" if self._provider.authorize_url else "credentials add"
        return f"Whoever owns it reconnects it with `sayso {command} {self._name} --as {quote(ref.subject)}`."


def _token(said: _Answer, asked_at: datetime) -> Token:
    life = timedelta(seconds=said.expires_in) if said.expires_in else UNSAID_LIFE
    return Token(value=said.access_token, expires_at=asked_at + life)


def _scope(ref: CredentialRef) -> Mapping[str, str]:
    """Nothing is asked for where nothing is named: the provider then gives what was granted."""
    return {"scope": " ".join(ref.scopes)} if ref.scopes else {}
