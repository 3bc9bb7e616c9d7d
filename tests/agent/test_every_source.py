"""Whatever a token comes from: one that was there before people decided is dead by then, and the run ends well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from named_tokens import Office, a_world, crm_tool
from oauth_scene import CRM, NAME, a_provider, a_source, a_vault, kept_in
from sayso.agent.credentials import StaticSource, TokenSource
from sayso.agent.grants import EnvironmentGrants
from sayso.agent.msal_source import EnvironmentRefreshTokens, MsalSource
from sayso.agent.vault import AppRole, Vault
from sayso.agent.vault_grants import VaultGrants
from sayso.approvals.credential import CredentialRef
from sayso.approvals.request import EffectState
from sayso.sandbox.tokens import TokenService
from sayso.sandbox.watching import Changes, Violations

SCOPES = ("api://backoffice/.default",)


@dataclass(frozen=True, slots=True)
class Account:
    """One account whose tokens live a second until `waits`, and an hour afterwards."""

    source: TokenSource
    ref: CredentialRef
    waits: Callable[[], None]
    is_valid: Callable[[str], bool]


@asynccontextmanager
async def oauth(redis_url: str, *, rotates: bool = True, environment: bool = False) -> AsyncIterator[Account]:
    """A sign-in at an OAuth 2 provider, kept in the store or in the environment."""
    async with a_provider(lifetime=1, rotates=rotates) as provider, kept_in(redis_url) as sealed:
        token = provider.signed_in("crm")
        grants: Any = sealed
        if environment:
            grants = EnvironmentGrants({"SAYSO_REFRESH_TOKEN_HUBSPOT_CRM": token})
        else:
            await grants.add(NAME, token)

        def waits() -> None:
            provider.advance(86_400)
            provider.lifetime = 3_600

        yield Account(a_source(provider, grants), CRM, waits, provider.is_valid)


@asynccontextmanager
async def oauth_in_a_vault(redis_url: str) -> AsyncIterator[Account]:
    """A sign-in that a Vault keeps."""
    async with a_provider(lifetime=1) as provider, a_vault() as server, kept_in(redis_url) as here:
        login = AppRole(server.role_id, server.secret_id)
        vault = Vault(server.url, mount="secret", folder="sayso", login=login, ca_file=server.ca_file)
        grants = VaultGrants(vault, here)
        await grants.add(NAME, provider.signed_in("crm"))

        def waits() -> None:
            provider.advance(86_400)
            server.advance(86_400)
            provider.lifetime = 3_600

        yield Account(a_source(provider, grants), CRM, waits, provider.is_valid)


@asynccontextmanager
async def entra(subject: str, *, on_behalf_of: str = "") -> AsyncIterator[Account]:
    """The application's own authority, or a person's."""
    service = TokenService(violations=Violations(), changes=Changes(), lifetime=1)
    await service.start()
    try:
        env = {"SAYSO_REFRESH_TOKEN_ALEX": service.refresh_token_for("alex")}
        source = MsalSource(
            authority=service.authority, client_id=service.client_id, client_secret=service.client_secret,
            service="ops-agent", refresh_tokens=EnvironmentRefreshTokens(env), ca_file=service.ca_file,
            on_behalf_of=on_behalf_of,
        )  # fmt: skip

        def waits() -> None:
            service.advance(86_400)
            service.lifetime = 3_600

        ref = CredentialRef(provider="hubspot", subject=subject, scopes=SCOPES)
        yield Account(source, ref, waits, service.is_valid)
    finally:
        await service.stop()
    service.violations.assert_clean()


@asynccontextmanager
async def static() -> AsyncIterator[Account]:
    """A key that does not change."""
    source = StaticSource("a-static-key-0123456789", name="hubspot", service="crm")
    yield Account(source, CRM, lambda: None, "a-static-key-0123456789".__eq__)


SOURCES: dict[str, Callable[[str], Any]] = {
    "oauth, rotating": oauth,
    "oauth": lambda url: oauth(url, rotates=False),
    "oauth, in the environment": lambda url: oauth(url, rotates=False, environment=True),
    "oauth, in a Vault": oauth_in_a_vault,
    "entra, the application": lambda _: entra("ops-agent"),
    "entra, a person": lambda _: entra("alex"),
    "entra, on behalf of a person": lambda _: entra("alex", on_behalf_of="api://sandbox/access_as_user"),
    "static": lambda _: static(),
}


@pytest.mark.parametrize("kind", SOURCES)
async def test_a_token_of_one_second_is_outlived_by_its_run(kind: str, redis_url: str) -> None:
    """A day passes over the card; the tool runs once, with a token that works then (S24)."""
    async with SOURCES[kind](redis_url) as account:
        office = Office()
        world = a_world(crm_tool(office, credential=account.ref), account.source)
        await world.ask()
        request = await world.open_request()
        assert request.dead_credential is None
        account.waits()
        await world.answer(request)
        await world.work()
        done = await world.request(request)
        assert done.effect is not None
        assert (done.effect.state, len(office.shown)) == (EffectState.DONE, 1)
        assert account.is_valid(office.shown[0])
        assert world.live.occur_in(office.shown[0].encode())
