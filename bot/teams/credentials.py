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
        self._token: Token | None = None
        self._asking: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """See to it that `held` is good for the next minutes. Raises: Dead, RetryLater."""
        if self._token is not None and self._clock() < self._token.expires_at - EARLY:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="entra-token")
            self._asking.add_done_callback(_heard)
        await asyncio.shield(self._asking)  # whoever gives up leaves the question to the others

    async def _ask(self) -> None:
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

    def forget(self, refused: str | None = None) -> None:
        """It was refused: the next call asks for another one.

        Args:
            refused: Only if this is still the one; somebody else may have asked already.
        """
        if self._token is not None and refused in (None, self._token.value):
            self._token = None


def _heard(asked: asyncio.Task[None]) -> None:
    """An error that nobody waits for any more is no news."""
    if not asked.cancelled():
        asked.exception()


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
