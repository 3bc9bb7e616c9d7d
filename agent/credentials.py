"""Exchanges a credential reference for a fresh token at the moment of acting; nothing here keeps or logs a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from langgraph.errors import GraphBubbleUp

from ..approvals.credential import CredentialRef, DeadCredential, Mending
from ..approvals.errors import BadSetting, SaysoError
from .secrets import SHORTEST_TOKEN, LiveTokens

#: The end of a token that has none.
NEVER = datetime.max.replace(tzinfo=UTC)

#: A token that dies sooner than this is no use to any tool.
LEAST_LIFE = timedelta(seconds=30)


class CredentialDead(SaysoError):
    """The credential no longer works, and trying again will not help: somebody has to sign in or renew it."""

    def __init__(self, words: str = "", *, mending: Mending = Mending.ELSEWHERE) -> None:
        super().__init__(words)
        self.mending = mending


class CredentialSourceDown(SaysoError, GraphBubbleUp):
    """The token service did not answer properly; try again later.

    For LangGraph that is no failure, at which it would cancel the tools of neighbouring gates.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A live access token; never put one into a state, a card or a log.

    Attributes:
        value: The token itself; `repr` hides it.
        expires_at: UTC; `NEVER` where nobody can say.
        provider: By its name in the settings; the broker says it.
    """

    value: str = field(repr=False)
    expires_at: datetime
    provider: str = ""

    def __str__(self) -> str:
        if self.expires_at == NEVER:
            return "a token without an end"
        return f"a token until {self.expires_at:%Y-%m-%d %H:%M} UTC"


class TokenSource(Protocol):
    """One provider's token service."""

    async def fetch(self, ref: CredentialRef) -> Token:
        """A token that was issued for this call or while it waited, never one from before; a static key is what it is.

        Raises:
            CredentialDead: The service refuses this credential for good.
            CredentialSourceDown: Try again later.
        """
        ...


def utc_now() -> datetime:
    """The wall clock, which a token's life is measured by."""
    return datetime.now(UTC)


class StaticSource:
    """One key that does not change, for one account."""

    def __init__(self, secret: str, *, name: str, service: str) -> None:
        """`name` is the provider's in the settings. Raises: BadSetting."""
        if len(secret.encode()) < SHORTEST_TOKEN:
            raise BadSetting(
                f"The key of {name} has fewer than {SHORTEST_TOKEN} characters: it could not be told from ordinary text, "
                "so it could not be kept out of state and logs."
            )
        self._token = Token(value=secret, expires_at=NEVER)
        self._name, self._service = name, service

    async def fetch(self, ref: CredentialRef) -> Token:
        """The key; an account of its own is no other's authority."""
        if ref.subject != self._service:
            raise CredentialDead(f"The key of {self._name} is {self._service}'s, not {ref.subject}'s.")
        return self._token


class Broker:
    """The one place that turns references into tokens.

    Every call is a new exchange: a token kept from before a wait may be dead, revoked, or old on the
    service's clock, and an action that people approved is rare enough to ask for its own.

    Attributes:
        live: Every token handed out here, to be recognised wherever it turns up.
    """

    def __init__(
        self,
        sources: Mapping[str, TokenSource],
        live_tokens: LiveTokens,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`sources`: by `CredentialRef.provider`; `live_tokens` is what keeps tokens out of checkpoints."""
        self._sources = dict(sources)
        self.live = live_tokens
        self._clock = clock

    async def problem(self, ref: CredentialRef) -> DeadCredential | None:
        """Why there is no token for it as things are; None where there is one, or nobody can say for now."""
        try:
            await self.token(ref, lives=timedelta(0))  # how long it must live, the tool says when it runs
        except CredentialDead as dead:
            return self.dead(ref, dead)
        except CredentialSourceDown:
            return None  # it is asked for again when the tool runs
        return None

    def dead(self, ref: CredentialRef, error: CredentialDead) -> DeadCredential:
        """What people are told of it."""
        return DeadCredential(ref=ref, words=self.live.withheld(str(error))[:500], mending=error.mending)

    async def token(self, ref: CredentialRef, *, lives: timedelta = LEAST_LIFE) -> Token:
        """A fresh token for this reference.

        Args:
            lives: How long the tool may run; a token that could die before is refused here and not halfway.

        Raises: CredentialDead, CredentialSourceDown.
        """
        source = self._sources.get(ref.provider)
        if source is None:
            raise CredentialDead(f"No provider {ref.provider!r} is set up, so {ref.subject} has no token.")
        token = await source.fetch(ref)
        if len(token.value.encode()) < SHORTEST_TOKEN:
            raise CredentialDead(f"{ref.provider} gives {ref.subject} tokens too short to be guarded.")
        self.live.remember(token.value)
        left = token.expires_at - self._clock()
        if left < lives:
            raise CredentialDead(
                f"{ref.provider} gives {ref.subject} tokens that live {max(int(left.total_seconds()), 0)} s, "
                f"but the tool needs one for {int(lives.total_seconds())} s."
            )
        return replace(token, provider=ref.provider)
