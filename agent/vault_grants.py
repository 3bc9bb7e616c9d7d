"""Refresh tokens in a Vault; whose turn it is, and what waiters share for half a minute, stays in Redis."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from .credentials import CredentialSourceDown, Token
from .grants import Grant, NotKept, Renewal
from .redis_grants import RedisGrants
from .vault import Vault

#: How often somebody may be faster while a sign-in is added.
_TRIES = 5


class VaultGrants:
    """`Grants` for any number of processes: a writer who comes late finds another version in the Vault and fails."""

    takes_sign_ins = True

    def __init__(self, vault: Vault, here: RedisGrants) -> None:
        self._vault = vault
        self._here = here

    async def get(self, credential: str) -> Grant | None:
        kept = await self._vault.read(credential)
        return None if kept.value is None else Grant(refresh_token=kept.value, number=kept.version)

    def turn(self, credential: str) -> AbstractAsyncContextManager[None]:
        return self._here.turn(credential)

    async def renew(self, credential: str, renewal: Renewal) -> bool:
        try:
            if not await self._renewed(credential, renewal):
                return False
            await self._here.share(credential, renewal)
        except CredentialSourceDown as error:
            raise NotKept(str(error)) from error
        return True

    async def _renewed(self, credential: str, renewal: Renewal) -> bool:
        if await self._vault.write(credential, renewal.refresh_token, after=renewal.used):
            return True
        kept = await self._vault.read(credential)  # said again after a lost answer it finds itself
        return (kept.version, kept.value) == (renewal.used + 1, renewal.refresh_token)

    async def shared(self, credential: str, scopes: tuple[str, ...], *, since: int) -> Token | None:
        return await self._here.shared(credential, scopes, since=since)

    async def add(self, credential: str, refresh_token: str) -> None:
        for _ in range(_TRIES):
            before = await self._vault.read(credential)
            if await self._vault.write(credential, refresh_token, after=before.version):
                return
        raise CredentialSourceDown(f"{credential} is being replaced all the time; try again later.")

    async def forget(self, credential: str) -> bool:
        return await self._vault.take_away(credential)

    async def names(self) -> frozenset[str]:
        return await self._vault.names()
