"""Refresh tokens in Redis, always sealed; one process at a time uses one, and a late writer changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import redis.asyncio
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from ..approvals.connection import is_away
from ..approvals.copies import Copies
from ..approvals.errors import BadSetting, StoreDown
from ..approvals.sealing import CannotOpen, Seal
from .credentials import CredentialSourceDown, Token
from .grants import Grant, NotKept, Renewal

#: Longer than an exchange and its keeping take; a process that dies in its turn holds up the others this long.
LEASE_MS = 30_000
#: Whoever waits for its turn gives up after this long, seconds.
PATIENCE = 40.0
#: How long an access token stands for those who waited while it was asked for, milliseconds.
SHARED_MS = 30_000
_LOOK_AGAIN = 0.05

#: All keys of all credentials share one hash tag: KEYS[1] is their stem, ARGV[1] the credential's name.
_ADD = """
local grant = KEYS[1] .. 'grant:' .. ARGV[1]
if redis.call('HGET', grant, 'sealed') == ARGV[2] then return 1 end
redis.call('HSET', grant, 'sealed', ARGV[2])
redis.call('HINCRBY', grant, 'number', 1)
redis.call('SADD', KEYS[1] .. 'names', ARGV[1])
return 1
"""

#: Said again after a lost reply it finds its own bytes: no two sealed texts are alike.
_RENEW = """
local grant = KEYS[1] .. 'grant:' .. ARGV[1]
if redis.call('HGET', grant, 'sealed') == ARGV[3] then return 1 end
if redis.call('HEXISTS', grant, 'sealed') == 0 or redis.call('HGET', grant, 'number') ~= ARGV[2] then return 0 end
redis.call('HSET', grant, 'sealed', ARGV[3])
redis.call('HINCRBY', grant, 'number', 1)
redis.call('SET', KEYS[1] .. 'shared:' .. ARGV[4], ARGV[5], 'PX', ARGV[6])
return 1
"""

#: Its number stays, so that a renewal on its way finds another one.
_FORGET = """
local grant = KEYS[1] .. 'grant:' .. ARGV[1]
redis.call('SREM', KEYS[1] .. 'names', ARGV[1])
local there = redis.call('HDEL', grant, 'sealed')
if there == 1 then redis.call('HINCRBY', grant, 'number', 1) end
return there
"""

_ACQUIRE = """
local lock = KEYS[1] .. 'turn:' .. ARGV[1]
local holder = redis.call('GET', lock)
if holder and holder ~= ARGV[2] then return 0 end
redis.call('SET', lock, ARGV[2], 'PX', ARGV[3])
return 1
"""

_RELEASE = """
local lock = KEYS[1] .. 'turn:' .. ARGV[1]
if redis.call('GET', lock) ~= ARGV[2] then return 0 end
return redis.call('DEL', lock)
"""


class RedisGrants:
    """`Grants` for any number of processes over one Redis."""

    takes_sign_ins = True

    def __init__(
        self, client: redis.asyncio.Redis, seal: Seal, *, prefix: str = "sayso", failover: bool = False
    ) -> None:
        """Raises: BadSetting without a key to seal with: a refresh token is worth more than any state."""
        if not seal.names:
            raise BadSetting(
                "Refresh tokens are kept in Redis sealed only: set SAYSO_STATE_KEYS (`openssl rand -base64 32` makes one)."
            )
        self._redis: Any = client  # its own types mix str and bytes
        self._seal = seal
        self._stem = f"{prefix}:{{credentials}}:"
        self._copies = Copies(client, failover=failover)
        self._looked = False
        self._here: dict[str, asyncio.Lock] = {}
        self._add, self._renew, self._forget, self._acquire, self._release = (
            client.register_script(text) for text in (_ADD, _RENEW, _FORGET, _ACQUIRE, _RELEASE)
        )

    async def get(self, credential: str) -> Grant | None:
        async with _reachable():
            sealed, number = await self._redis.hmget(self._grant(credential), "sealed", "number")
        if sealed is None:
            return None
        return Grant(refresh_token=self._opened(f"grant {credential}", sealed), number=int(number))

    @asynccontextmanager
    async def turn(self, credential: str) -> AsyncIterator[None]:
        # Here first, so that of each process one looks at the lock.
        async with self._here.setdefault(credential, asyncio.Lock()):
            owner = uuid.uuid4().hex
            await self._wait_for_turn(credential, owner)
            try:
                yield
            finally:
                async with _reachable():
                    await self._release(keys=[self._stem], args=[credential, owner])

    async def _wait_for_turn(self, credential: str, owner: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE), _reachable():
                while not await self._acquire(keys=[self._stem], args=[credential, owner, LEASE_MS]):  # noqa: ASYNC110 another process has it
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise CredentialSourceDown(
                f"{credential} is being renewed elsewhere for {PATIENCE:.0f} s now; try again later."
            ) from None

    async def renew(self, credential: str, renewal: Renewal) -> bool:
        sealed = self._seal.close(f"grant {credential}", renewal.refresh_token.encode())
        return await self._kept(
            self._renew, credential, renewal.used, sealed, *self._for_waiters(credential, renewal), SHARED_MS
        )

    async def share(self, credential: str, renewal: Renewal) -> None:
        """The access token of an exchange alone, for whoever waited; its grant is kept elsewhere."""
        place, sealed = self._for_waiters(credential, renewal)
        async with _reachable():
            await self._redis.set(f"{self._stem}shared:{place}", sealed, px=SHARED_MS)

    def _for_waiters(self, credential: str, renewal: Renewal) -> tuple[str, bytes]:
        """Where its access token stands, and that token sealed."""
        place = _place(credential, renewal.scopes)
        stated = {
            "used": renewal.used, "value": renewal.token.value, "expires_at": renewal.token.expires_at.isoformat(),
        }  # fmt: skip
        return place, self._seal.close(f"shared {place}", json.dumps(stated).encode())

    async def shared(self, credential: str, scopes: tuple[str, ...], *, since: int) -> Token | None:
        place = _place(credential, scopes)
        async with _reachable():
            sealed = await self._redis.get(f"{self._stem}shared:{place}")
        if sealed is None:
            return None
        stated = json.loads(self._opened(f"shared {place}", sealed))
        if stated["used"] < since:
            return None
        return Token(value=stated["value"], expires_at=datetime.fromisoformat(stated["expires_at"]))

    async def add(self, credential: str, refresh_token: str) -> None:
        sealed = self._seal.close(f"grant {credential}", refresh_token.encode())
        try:
            await self._kept(self._add, credential, sealed)
        except NotKept as error:
            raise CredentialSourceDown(str(error)) from error

    async def forget(self, credential: str) -> bool:
        try:
            return await self._kept(self._forget, credential)
        except NotKept as error:
            raise CredentialSourceDown(str(error)) from error

    async def names(self) -> frozenset[str]:
        async with _reachable():
            return frozenset(name.decode() for name in await self._redis.smembers(f"{self._stem}names"))

    async def _kept(self, script: AsyncScript, *args: Any) -> bool:
        """What the script says, once a failover would not take it back. Raises: NotKept."""
        try:
            if not self._looked:
                await self._copies.look()
                self._looked = True
            if self._copies.asked:
                return bool(await self._copies.call(script, self._stem, args))
            return bool(await script(keys=[self._stem], args=args))
        except RedisError as error:
            if not is_away(error):
                raise
            raise NotKept(f"Redis cannot be reached ({type(error).__name__}).") from error
        except StoreDown as error:  # no replica confirms it
            raise NotKept(str(error)) from error

    def _grant(self, credential: str) -> str:
        return f"{self._stem}grant:{credential}"

    def _opened(self, about: str, stored: bytes) -> str:
        """Raises: CredentialSourceDown, since a process that has the key may still do it."""
        try:
            return self._seal.open_sealed(about, stored).decode()
        except CannotOpen as error:
            raise CredentialSourceDown(str(error)) from error


def _place(credential: str, scopes: Sequence[str]) -> str:
    """Where an access token stands for its waiters: tokens for other scopes stand elsewhere."""
    return f"{credential}:{hashlib.sha256(json.dumps(scopes).encode()).hexdigest()[:16]}"


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    """Raises: CredentialSourceDown when Redis is away."""
    try:
        yield
    except RedisError as error:
        if not is_away(error):
            raise
        raise CredentialSourceDown(f"Redis cannot be reached ({type(error).__name__}).") from error
