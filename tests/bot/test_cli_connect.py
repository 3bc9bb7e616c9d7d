"""`sayso connect`: a real process, a browser that comes back to it, and nothing secret printed."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import redis
from credential_files import an_office, at, over
from leaks import in_redis
from oauth_scene import a_provider
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.verdict import ThreadId
from sayso.sandbox.oauth import OAuthProvider
from settings_files import sayso


@asynccontextmanager
async def connecting(
    folder: Path, env: dict[str, str], *arguments: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process that waits for its browser, and the address that it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAYSO_", "REDIS_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from sayso.bot.cli import main; main()", "connect", "hubspot", "--no-browser",
        *arguments, cwd=folder, env={**kept, **env}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while not (line := (await process.stdout.readline()).decode()).startswith("https://"):
                assert line, (await process.communicate())[1].decode()
        yield process, line.strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def browser(provider: OAuthProvider) -> httpx.AsyncClient:
    """Somebody's, on this machine."""
    tls = ssl.create_default_context(cafile=provider.ca_file)
    return httpx.AsyncClient(verify=tls, trust_env=False)


async def the_rest(process: asyncio.subprocess.Process) -> str:
    """What it says until it ends."""
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return (out + err).decode()


async def test_somebody_signs_in_from_the_terminal(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis
) -> None:
    """A browser that brings another's answer is refused and ours still waited for; then the command says what it has."""
    async with a_provider() as provider:
        where = f'{at(provider)}\nauthorize_url = "{provider.authorize_url}"\nscopes = ["crm.read"]'
        an_office(tmp_path, where, provider.client_id)
        env = over(provider, redis_url)
        async with connecting(tmp_path, env) as (process, address), browser(provider) as person:
            asked = parse_qs(urlsplit(address).query)
            (redirect,), (state,) = asked["redirect_uri"], asked["state"]
            assert redirect.startswith("http://127.0.0.1:")
            assert asked["scope"] == ["crm.read"]
            provider.redirects.add(redirect)
            foreign = await person.get(f"{redirect}?code=theirs&state={state[:-1]}x")
            assert (foreign.status_code, "another sign-in" in foreign.text) == (400, True)
            assert (await person.get(redirect.replace("/callback", "/other"))).status_code == 404
            back = (await person.get(address)).headers["Location"]
            assert "hubspot is connected" in (await person.get(back)).text
            said = await the_rest(process)
        assert process.returncode == 0
        assert "Signed in: crm gets a token until" in said
        tried = await asyncio.to_thread(sayso, "credentials", "test", "hubspot", folder=tmp_path, env=env)
        assert tried.stdout.startswith("crm gets a token until")
        store = await RedisStore.connect(redis_url)
        try:
            (noted,) = await store.trail(ThreadId("credential:hubspot/crm"))
        finally:
            await store.close()
        assert (noted.entry.event.value, noted.entry.by) == ("credential added", "sayso connect")
        standing = str(list(in_redis(redis_client)))
        for secret in provider.secrets_seen:
            assert secret not in said + tried.stdout + standing


async def test_who_refuses_at_the_provider_ends_the_command(tmp_path: Path, redis_url: str) -> None:
    """Exit 1, one sentence, nothing kept."""
    async with a_provider() as provider:
        where = f'{at(provider)}\nauthorize_url = "{provider.authorize_url}"'
        an_office(tmp_path, where, provider.client_id)
        provider.consents = False
        async with (
            connecting(tmp_path, over(provider, redis_url)) as (process, address),
            browser(provider) as person,
        ):
            provider.redirects.add(parse_qs(urlsplit(address).query)["redirect_uri"][0])
            back = (await person.get(address)).headers["Location"]
            assert "was refused" in (await person.get(back)).text
            said = await the_rest(process)
        assert (process.returncode, "was refused; nothing was kept" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("connect", "billing"), "is of kind static: nobody signs in to it here."),
        (("connect", "hubspot", "--redirect", "http://0.0.0.0:1/x"), "--redirect is this machine's address"),
        (("connect", "hubspot", "--redirect", "https://sayso.example.com"), "--redirect is this machine's address"),
        (("connect", "hubspott"), "There is no [credentials.hubspott]"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_sentence(
    tmp_path: Path, redis_url: str, arguments: tuple[str, ...], words: str
) -> None:
    """And nothing listens."""
    an_office(tmp_path, 'preset = "hubspot"')
    env = {"REDIS_URL": redis_url, "SAYSO_STATE_KEYS": "a" * 43 + "=", "HUBSPOT_SECRET": "s" * 20}
    tried = sayso(*arguments, folder=tmp_path, env={**env, "COLUMNS": "300"})
    assert (tried.returncode, words in tried.stderr) == (1, True), tried.stderr
