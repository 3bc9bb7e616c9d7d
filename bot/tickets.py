"""Tickets for one sign-in in a browser: guessed by nobody, sealed in the store, good once and for ten minutes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NewType

import redis.asyncio
from redis.exceptions import RedisError

from ..agent.sign_in import TIME_TO_SIGN_IN
from ..approvals import canonical
from ..approvals.connection import is_away
from ..approvals.credential import CredentialRef
from ..approvals.errors import StoreDown
from ..approvals.people import Identity, PersonId
from ..approvals.sealing import CannotOpen, Seal
from ..approvals.verdict import RequestId

#: What stands in the link, or comes back as the state: 256 random bits.
Secret = NewType("Secret", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What somebody may do with a link, or in the middle of it.

    Attributes:
        ref: Whose sign-in is renewed.
        request: The one on whose card it was pressed.
        person: Who pressed; `who` is their account.
        expires_at: UTC, by the store's clock.
        verifier, browser: Of the sign-in that was begun, and the hash of the secret that its browser has; empty before.
    """

    ref: CredentialRef
    request: RequestId
    person: PersonId
    who: Identity
    expires_at: datetime
    verifier: str = field(default="", repr=False)
    browser: str = ""


class Tickets:
    """Where they are. What stands there was sealed with our key, so that no line in Redis lets anybody sign in."""

    def __init__(self, client: redis.asyncio.Redis, seal: Seal, *, prefix: str) -> None:
        self._redis: Any = client  # its own types mix str and bytes
        self._seal = seal
        self._stem = f"{prefix}:{{credentials}}:ticket:"

    async def keep(self, ticket: Ticket, secret: Secret) -> None:
        """Under this secret. Raises: StoreDown."""
        place = hashed(secret)
        try:
            await self._redis.set(
                self._stem + place, self._seal.close(f"ticket {place}", canonical.encode(ticket)), ex=TIME_TO_SIGN_IN
            )  # fmt: skip
        except RedisError as error:
            raise _down(error) from error

    async def look(self, secret: str, now: datetime) -> Ticket | None:
        """The ticket, which stays good; None when there is none, or its time is over. Raises: StoreDown."""
        return await self._read("get", secret, now)

    async def use(self, secret: str, now: datetime) -> Ticket | None:
        """The ticket, and nobody else gets it. As `look` otherwise."""
        return await self._read("getdel", secret, now)

    async def _read(self, verb: str, secret: str, now: datetime) -> Ticket | None:
        place = hashed(secret)
        try:
            stored = await getattr(self._redis, verb)(self._stem + place)
        except RedisError as error:
            raise _down(error) from error
        if stored is None:
            return None
        try:
            ticket = canonical.decode(Ticket, self._seal.open_sealed(f"ticket {place}", stored))
        except CannotOpen:
            return None  # nobody of ours wrote it, or not with a key that is here
        return ticket if now < ticket.expires_at else None


def a_secret() -> Secret:
    """A new one."""
    return Secret(secrets.token_urlsafe(32))


def hashed(secret: str) -> str:
    """What may be kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _down(error: RedisError) -> Exception:
    return StoreDown(f"Redis cannot be reached ({type(error).__name__}).") if is_away(error) else error
