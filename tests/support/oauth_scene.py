"""A strict OAuth provider, sealed grants in a real Redis, and processes that renew one credential at once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sayso.agent.grants import Grants
from sayso.agent.oauth import OAuthSource
from sayso.agent.oauth_providers import ClientAuth, Provider
from sayso.agent.redis_grants import RedisGrants
from sayso.approvals.connection import open_redis
from sayso.approvals.credential import CredentialRef
from sayso.approvals.sealing import Seal
from sayso.sandbox.oauth import OAuthProvider
from sayso.sandbox.vault import VaultServer
from sayso.sandbox.watching import Changes, Violations

CRM = CredentialRef(provider="hubspot", subject="crm")
NAME = "hubspot/crm"


@asynccontextmanager
async def a_provider(**habits: Any) -> AsyncIterator[OAuthProvider]:
    """A provider whose every rule was kept."""
    provider = OAuthProvider(violations=Violations(), changes=Changes(), **habits)
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()
    provider.violations.assert_clean()


@asynccontextmanager
async def a_vault(**habits: Any) -> AsyncIterator[VaultServer]:
    """A Vault whose every rule was kept."""
    server = VaultServer(violations=Violations(), changes=Changes(), **habits)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
    server.violations.assert_clean()


@asynccontextmanager
async def kept_in(url: str, key: bytes = b"k" * 32) -> AsyncIterator[RedisGrants]:
    """Grants in this Redis, as one process sees them."""
    client = open_redis(url)
    try:
        yield RedisGrants(client, Seal([key]))
    finally:
        await client.aclose()


def a_source(at: OAuthProvider, grants: Grants, *, auth: str = "basic", secret: str = "") -> OAuthSource:
    """What would stand in the settings for this provider."""
    provider = Provider(
        token_url=at.token_url, authorize_url=at.authorize_url, revoke_url=at.revoke_url, client_auth=ClientAuth(auth),
        own_words={"BAD_REFRESH_TOKEN": "invalid_grant"},
    )  # fmt: skip
    return OAuthSource(
        provider, name="hubspot", client_id=at.client_id, client_secret=secret or at.client_secret,
        grants=grants, ca_file=at.ca_file,
    )  # fmt: skip


async def renewing(at: OAuthProvider, url: str, times: int) -> asyncio.subprocess.Process:
    """A process that waits for a line on its input, then asks for this many tokens at once and prints each."""
    env = {
        **os.environ, "AT": at.token_url, "CLIENT": at.client_id, "SECRET": at.client_secret, "CA": at.ca_file,
        "URL": url, "TIMES": str(times),
    }  # fmt: skip
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )


async def _renew_at_once() -> None:
    env = os.environ
    async with kept_in(env["URL"]) as grants:
        source = OAuthSource(
            Provider(token_url=env["AT"]), name="hubspot", client_id=env["CLIENT"], client_secret=env["SECRET"],
            grants=grants, ca_file=env["CA"],
        )  # fmt: skip
        await grants.get(NAME)
        _say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        for token in await asyncio.gather(*(source.fetch(CRM) for _ in range(int(env["TIMES"])))):
            _say(token.value)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_renew_at_once())
