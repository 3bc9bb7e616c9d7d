"""The bot's own tokens, for the Bot Connector and for Graph: each asked for once per lifetime, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from ...agent.credentials import CredentialDead, CredentialSourceDown, Token, TokenSource, utc_now
from ...agent.msal_source import EnvironmentRefreshTokens, MsalSource
from ...approvals.credential import CredentialRef
from ..channel import Dead, RetryLater
from .failures import SOON
from .registration import Registration

#: A token is renewed this long before its end.
EARLY = timedelta(minutes=5)
_SERVICE = "teams-bot"


class EntraToken:
    """One token, kept while it lives; one question under way at most."""

    def __init__(
        self, source: TokenSource, *, tenant: str, scope: str, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Take a `source` that answers for the application itself, and the one API the token is for."""
        self._ref = CredentialRef(provider="entra", subject=_SERVICE, tenant=tenant, scopes=(scope,))
        self._source = source
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._token: Token | None = None

    async def ready(self) -> None:
        """See to it that `held` is good for the next minutes. Raises: Dead, RetryLater."""
        async with self._one_at_a_time:
            if self._token is not None and self._clock() < self._token.expires_at - EARLY:
                return
            try:
                self._token = await self._source.fetch(self._ref)
            except CredentialDead as dead:
                raise Dead(f"sayso cannot sign in to Teams: {dead}") from dead
            except CredentialSourceDown as down:
                raise RetryLater(SOON) from down

    def held(self) -> str:
        """The token; `ready` comes first."""
        assert self._token is not None, "ready() comes first"
        return self._token.value

    def forget(self) -> None:
        """Teams refused it: the next call asks for another one."""
        self._token = None


def entra_token(
    registration: Registration,
    *,
    authority: str,
    client_secret: str = "",
    certificate: str | None = None,
    ca_file: str | None = None,
    scope: str | None = None,
) -> EntraToken:
    """From an Entra tenant, `https://login.microsoftonline.com/<tenant>`. Raises: BadSetting.

    Args:
        certificate: PEM file with a private key and its certificate, instead of the secret.
        scope: Which API the token is for; the Bot Connector's unless told otherwise.
    """
    source = MsalSource(
        authority=authority, client_id=registration.app_id, client_secret=client_secret,
        certificate=certificate, service=_SERVICE, refresh_tokens=EnvironmentRefreshTokens({}), ca_file=ca_file,
    )  # fmt: skip
    return EntraToken(source, tenant=registration.tenant, scope=scope or registration.scope)
