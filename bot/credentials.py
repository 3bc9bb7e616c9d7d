"""Puts together where fresh tokens come from, by the settings, and what seals the refresh tokens that the store keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import assert_never

import redis.asyncio

from ..agent.credentials import StaticSource, TokenSource
from ..agent.grants import EnvironmentGrants, Grants
from ..agent.msal_source import EnvironmentRefreshTokens, MsalSource
from ..agent.oauth import OAuthSource
from ..agent.redis_grants import RedisGrants
from ..agent.vault import AppRole, Vault, VaultToken
from ..agent.vault_grants import VaultGrants
from ..approvals.address import Kind, read_address
from ..approvals.connection import open_redis
from ..approvals.errors import BadSetting
from ..approvals.sealing import Seal
from .credential_tables import Credential, EntraTable, OAuthTable, StaticTable
from .settings import Settings
from .signing_keys import kept_key

_KEY_FILE = "credentials.key"


def sources(
    settings: Settings, client: redis.asyncio.Redis, address: str, *, only: str = ""
) -> Mapping[str, TokenSource]:
    """Every provider by its name, or only one. Raises: BadSetting."""
    return {
        name: source(settings, name, table, grants_of(settings, table, client, address))
        for name, table in settings.credentials.items()
        if only in ("", name)
    }


def source(settings: Settings, name: str, table: Credential, grants: Grants | None) -> TokenSource:
    """One provider; `grants` as `grants_of` says. Raises: BadSetting."""
    match table:
        case EntraTable():
            return MsalSource(
                authority=table.authority, client_id=table.client_id, service=table.service,
                client_secret=_secret(settings, name, "client_secret", table.client_secret),
                refresh_tokens=EnvironmentRefreshTokens(settings.env), ca_file=_beside(settings, table.ca_file),
                on_behalf_of=table.on_behalf_of,
            )  # fmt: skip
        case OAuthTable():
            return oauth_source(settings, name, table, grants)
        case StaticTable():
            secret = _secret(settings, name, "secret", table.secret)
            return StaticSource(secret, name=name, service=table.service)
        case _:
            assert_never(table)


def oauth_source(settings: Settings, name: str, table: OAuthTable, grants: Grants | None) -> OAuthSource:
    """A provider of OAuth 2. Raises: BadSetting."""
    assert table.provider is not None, "load_settings has looked"
    assert grants is not None, "every OAuth provider has grants"
    return OAuthSource(
        table.provider, name=name, client_id=table.client_id, grants=grants,
        client_secret=_secret(settings, name, "client_secret", table.client_secret),
        ca_file=_beside(settings, table.ca_file), mending=table.mending(settings.server.url),
    )  # fmt: skip


def grants_of(
    settings: Settings, table: Credential, client: redis.asyncio.Redis, address: str
) -> Grants | None:
    """Where this provider's refresh tokens are; None where it has none of ours. Raises: BadSetting."""
    if not isinstance(table, OAuthTable):
        return None
    if table.kept == "environment":
        return EnvironmentGrants(settings.env)
    failover = read_address(address).kind is Kind.SENTINEL
    sealed = RedisGrants(client, grants_seal(settings), prefix=settings.store.prefix, failover=failover)
    return VaultGrants(_vault(settings), sealed) if table.kept == "vault" else sealed


def _vault(settings: Settings) -> Vault:
    """Raises: BadSetting."""
    table = settings.vault
    assert table is not None, "load_settings has looked"

    def secret(key: str) -> str:
        return settings.secret(getattr(table, key), f"vault.{key} says it holds it.")

    login = VaultToken(secret("token")) if table.token else AppRole(secret("role_id"), secret("secret_id"))
    return Vault(
        table.url, mount=table.mount, folder=table.path, login=login, namespace=table.namespace,
        ca_file=_beside(settings, table.ca_file),
    )  # fmt: skip


@asynccontextmanager
async def connection(address: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A connection for one command at a time. Raises: BadSetting."""
    client = open_redis(address, connections=4)
    try:
        yield client
    finally:
        await client.aclose()


def grants_seal(settings: Settings) -> Seal:
    """The store's keys; an embedded store without any has one of its own beside the signing key, made once.

    Raises: BadSetting.
    """
    seal, file = settings.seal, settings.data_dir / "keys" / _KEY_FILE
    if settings.redis_url or (seal.names and not file.exists()):
        return seal
    try:
        return seal.opening(kept_key(file))
    except OSError as error:
        raise BadSetting(
            f"The key of the credentials cannot be kept in {file} ({error.strerror}): "
            "make store.data_dir writable, or set SAYSO_STATE_KEYS."
        ) from error


def _secret(settings: Settings, name: str, key: str, variable: str) -> str:
    return settings.secret(variable, f"credentials.{name}.{key} says it holds the secret.")


def _beside(settings: Settings, file: Path | None) -> str | None:
    return str(settings.beside(file)) if file else None
