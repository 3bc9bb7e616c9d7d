"""Refresh tokens in a Vault: its own token is renewed, a late writer fails, and nothing is lost while it is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import redis
from leaks import in_redis
from oauth_scene import CRM, NAME, a_provider, a_source, a_vault, kept_in
from sayso.agent.credentials import CredentialDead, CredentialSourceDown
from sayso.agent.grants import Renewal
from sayso.agent.vault import AppRole, Vault, VaultToken
from sayso.agent.vault_grants import VaultGrants
from sayso.sandbox.faults import Dropped, LostReply, Status
from sayso.sandbox.vault import VaultServer


def at(
    server: VaultServer, *, clock: list[float] | None = None, root: bool = False, secret: str = ""
) -> Vault:
    """What would stand in the settings; `clock` is what it believes of the time, in seconds."""
    login = VaultToken(server.root) if root else AppRole(server.role_id, secret or server.secret_id)
    return Vault(
        server.url, mount="secret", folder="sayso", login=login, ca_file=server.ca_file,
        monotonic=lambda: clock[0] if clock else 0.0,
    )  # fmt: skip


@asynccontextmanager
async def grants_at(server: VaultServer, redis_url: str, **options: bool) -> AsyncIterator[VaultGrants]:
    """Grants in this Vault, as one process sees them."""
    async with kept_in(redis_url) as here:
        yield VaultGrants(at(server, **options), here)  # type: ignore[arg-type]


@pytest.mark.parametrize("root", [False, True])
async def test_a_sign_in_is_kept_renewed_listed_and_taken_away(root: bool, redis_url: str) -> None:
    """The rotated token stands there before the access token is used; what is revoked is destroyed in every version."""
    async with (
        a_provider() as provider,
        a_vault() as server,
        grants_at(server, redis_url, root=root) as grants,
    ):
        await grants.add(NAME, provider.signed_in("crm"))
        source = a_source(provider, grants)
        for _ in range(3):
            assert provider.is_valid((await source.fetch(CRM)).value)
            grant = await grants.get(NAME)
            assert grant is not None
            assert grant.refresh_token == provider.current_of("crm")
        assert await grants.names() == {NAME}
        assert await source.revoke(CRM)
        assert await grants.get(NAME) is None
        assert set(server.kept.values()) == {None}
        with pytest.raises(CredentialDead, match="has not signed in"):
            await source.fetch(CRM)
        await grants.add(NAME, provider.signed_in("crm"))
        again = await grants.get(NAME)
        assert again is not None
        assert again.number > 4  # a renewal on its way finds another one


async def test_twenty_at_once_over_two_processes_are_one_renewal(redis_url: str) -> None:
    """Whose turn it is stands in Redis; who waited shares the token, which stands there sealed."""
    async with (
        a_provider() as provider, a_vault() as server, grants_at(server, redis_url) as one, grants_at(server, redis_url) as two,
    ):  # fmt: skip
        await one.add(NAME, provider.signed_in("crm"))
        sources = [a_source(provider, grants) for grants in (one, two)]
        tokens = await asyncio.gather(*(sources[n % 2].fetch(CRM) for n in range(20)))
        assert len({token.value for token in tokens}) == provider.exchanges <= 2


async def test_a_late_writer_changes_nothing(redis_url: str) -> None:
    """Somebody has signed in again since: the renewal of the old grant is not kept."""
    async with a_provider() as provider, a_vault() as server, grants_at(server, redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        seen: list[object] = []

        class Late(VaultGrants):
            async def renew(self, credential: str, renewal: Renewal) -> bool:
                if not seen:
                    seen.append(renewal)
                    await self.add(credential, provider.signed_in("crm"))
                return await super().renew(credential, renewal)

        late = Late(grants._vault, grants._here)
        assert provider.is_valid((await a_source(provider, late).fetch(CRM)).value)
        kept = await grants.get(NAME)
        assert kept is not None
        assert kept.refresh_token not in str(seen)


@pytest.mark.parametrize("fault", [Status(503), Dropped(), LostReply()])
async def test_a_vault_that_is_away_at_the_worst_moment_loses_nothing(fault: object, redis_url: str) -> None:
    """The provider has rotated and the Vault does not take it, or its answer is lost: it is kept with the next try."""
    async with a_provider() as provider, a_vault() as server, grants_at(server, redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        source = a_source(provider, grants)
        await source.fetch(CRM)
        away = VaultGrants(grants._vault, grants._here)
        write = grants._vault.write

        async def failing(name: str, value: str, *, after: int) -> bool:
            server.faults.add(fault)  # type: ignore[arg-type]
            return await write(name, value, after=after)

        away._vault.write = failing  # type: ignore[method-assign]
        with pytest.raises(CredentialSourceDown):
            await source.fetch(CRM)
        away._vault.write = write  # type: ignore[method-assign]
        assert provider.is_valid((await source.fetch(CRM)).value)


async def test_its_own_token_is_renewed_and_replaced() -> None:
    """At two thirds of its lease; one that was revoked is replaced at once, and a given one is used as long as it is taken."""
    async with a_vault(lease=900) as server:
        clock = [0.0]
        vault = at(server, clock=clock)
        assert await vault.write("a", "the-first-secret", after=0)
        clock[0] = 650
        server.advance(650)
        assert (await vault.read("a")).value == "the-first-secret"
        assert (server.logins, server.renewals) == (1, 1)
        server.revoke_tokens()
        assert (await vault.read("a")).value == "the-first-secret"
        assert server.logins == 2
        clock[0] = 100_000
        server.advance(100_000)
        assert (await vault.read("a")).value == "the-first-secret"
        assert server.logins == 3
        given = at(server, clock=clock, root=True)
        assert (await given.read("a")).version == 1


async def test_a_wrong_secret_is_told_without_it(caplog: pytest.LogCaptureFixture) -> None:
    """In the words of what has to be looked at."""
    async with a_vault() as server:
        with (
            caplog.at_level(logging.DEBUG),
            pytest.raises(CredentialSourceDown, match=r"HTTP 400") as refused,
        ):
            await at(server, secret="a-wrong-secret-0123").read("a")
        assert "a-wrong-secret" not in str(refused.value) + caplog.text


@pytest.mark.parametrize(
    "name", ["hubspot/crm", "hubspot/../../sys", "hubspot/a b/é%2F?x#y", "hubspot/.", "..", "a=b%"]
)
async def test_a_name_is_one_secret_whatever_stands_in_it(name: str) -> None:
    """No account's name leads out of our folder, and each is listed as it was given."""
    async with a_vault() as server:
        vault = at(server)
        assert await vault.write(name, "some-secret-value", after=0)
        assert not await vault.write(name, "another-secret", after=0)
        assert await vault.names() == {name}
        assert all(path.startswith("sayso/") and path.count("/") == 1 for path in server.kept)


async def test_nothing_secret_stands_in_redis_or_in_a_log(
    redis_url: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the Vault's own token nor what it keeps."""
    async with a_provider() as provider, a_vault() as server, grants_at(server, redis_url) as grants:
        with caplog.at_level(logging.DEBUG):
            await grants.add(NAME, provider.signed_in("crm"))
            await a_source(provider, grants).fetch(CRM)
            with pytest.raises(CredentialDead):
                await a_source(provider, grants).fetch(replace(CRM, subject="alex"))
        standing = (
            caplog.text
            + str(list(in_redis(redis_client)))
            + repr(grants)
            + repr(vars(grants._vault)["_login"])
        )
        for secret in (*provider.secrets_seen, *server.secrets_seen):
            assert secret not in standing
