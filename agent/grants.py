"""Refresh tokens, where they are kept, and whose turn it is to use one; nothing here asks a provider anything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from ..approvals.credential import CredentialRef
from ..approvals.errors import BadSetting
from .credentials import Token
from .msal_source import EnvironmentRefreshTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One sign-in, as the provider knows it today.

    Attributes:
        refresh_token: What is exchanged for access tokens; `repr` hides it.
        number: Rises with every change and never comes back, so that a late writer is noticed; above 0.
    """

    refresh_token: str = field(repr=False)
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What one exchange brought.

    Attributes:
        used: Number of the grant that was used up.
        refresh_token: The one that holds from now on: the rotated one, or the one that was used.
        scopes: What was asked for.
        token: The access token, for whoever waited for this exchange.
    """

    used: int
    refresh_token: str = field(repr=False)
    scopes: tuple[str, ...]
    token: Token


class NotKept(Exception):
    """The store has not confirmed what a provider has already done. Never shown: it is told as a source that is down."""


class Grants(Protocol):
    """Where refresh tokens live. A credential is named as by `name_of`.

    Every verb raises CredentialSourceDown when the place cannot be reached; nothing is lost by trying again.

    Attributes:
        takes_sign_ins: Whether somebody can sign in while everything runs.
    """

    takes_sign_ins: bool

    async def get(self, credential: str) -> Grant | None:
        """The grant; None when nobody has signed in, or it was revoked."""
        ...

    def turn(self, credential: str) -> AbstractAsyncContextManager[None]:
        """Inside, no other process uses this grant; whoever waits for more than half a minute gives up."""
        ...

    async def renew(self, credential: str, renewal: Renewal) -> bool:
        """Keep what an exchange brought; False, and nothing is changed, when the grant is not the one that was used.

        Raises:
            NotKept: Whether it is kept is not known; saying it again is safe.
        """
        ...

    async def shared(self, credential: str, scopes: tuple[str, ...], *, since: int) -> Token | None:
        """The access token of an exchange that used grant `since` or a later one, shortly after it."""
        ...

    async def add(self, credential: str, refresh_token: str) -> None:
        """Somebody has signed in: this one replaces whatever was there. Raises: BadSetting where that cannot be."""
        ...

    async def forget(self, credential: str) -> bool:
        """Drop the grant; False when there was none. Raises: BadSetting where that cannot be."""
        ...

    async def names(self) -> frozenset[str]:
        """Every credential that has a grant, as far as this place can tell."""
        ...


def name_of(ref: CredentialRef) -> str:
    """What a credential is called in the store: "hubspot/crm"; a provider's name has no slash."""
    return f"{ref.provider}/{ref.subject}"


class EnvironmentGrants:
    """Refresh tokens from `SAYSO_REFRESH_TOKEN_<PROVIDER>_<SUBJECT>`, for providers that do not rotate them.

    A rotated one is kept only as long as this process, and other processes do not hear of it.
    """

    takes_sign_ins = False

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._tokens = EnvironmentRefreshTokens(env)
        self._numbers: dict[str, int] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._last: dict[str, Renewal] = {}

    async def get(self, credential: str) -> Grant | None:
        token = self._tokens.get(credential)
        return Grant(refresh_token=token, number=self._numbers.get(credential, 1)) if token else None

    @asynccontextmanager
    async def turn(self, credential: str) -> AsyncIterator[None]:
        async with self._turns.setdefault(credential, asyncio.Lock()):
            yield

    async def renew(self, credential: str, renewal: Renewal) -> bool:
        if renewal.used != self._numbers.get(credential, 1):
            return False
        self._tokens.replace(credential, renewal.refresh_token)
        self._numbers[credential] = renewal.used + 1
        self._last[credential] = renewal
        return True

    async def shared(self, credential: str, scopes: tuple[str, ...], *, since: int) -> Token | None:
        last = self._last.get(credential)
        return last.token if last and last.used >= since and last.scopes == scopes else None

    async def add(self, credential: str, refresh_token: str) -> None:
        raise BadSetting(_ELSEWHERE.format(what="put", credential=credential))

    async def forget(self, credential: str) -> bool:
        raise BadSetting(_ELSEWHERE.format(what="take", credential=credential))

    async def names(self) -> frozenset[str]:
        return frozenset()


_ELSEWHERE = "{credential} is kept in the environment: {what} it there, and restart what uses it."
