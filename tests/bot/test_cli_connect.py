"""`sayso connect`: a browser opens, comes back to this machine, and nothing secret is printed."""

from __future__ import annotations

import asyncio
import ssl
import webbrowser
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
from sayso.approvals.sealing import read_keys
from sayso.approvals.verdict import ThreadId
from sayso.bot.cli.commands import app
from sayso.sandbox.oauth import OAuthProvider
from typer.testing import CliRunner


def in_a_terminal(*arguments: str, env: dict[str, str]) -> tuple[int, str]:
    """Exit code and what was printed or refused."""
    shown = CliRunner().invoke(app, ["connect", *arguments], env=env)
    return shown.exit_code, shown.output + str(shown.exception or "")


@asynccontextmanager
async def connecting(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[asyncio.Task[tuple[int, str]], str]]:
    """The command while it waits for its browser, and the address that it opened there."""
    loop, opened = asyncio.get_running_loop(), asyncio.Queue[str]()
    monkeypatch.setattr(
        webbrowser, "open", lambda address: loop.call_soon_threadsafe(opened.put_nowait, address)
    )
    command = asyncio.create_task(asyncio.to_thread(in_a_terminal, "hubspot", env=env))
    address = await asyncio.wait_for(opened.get(), 60)
    yield command, address
    await command


def a_browser(provider: OAuthProvider) -> httpx.AsyncClient:
    """Somebody's, on this machine."""
    tls = ssl.create_default_context(cafile=provider.ca_file)
    return httpx.AsyncClient(verify=tls, trust_env=False)


def where(provider: OAuthProvider) -> str:
    """The provider as the settings have it."""
    return f'{at(provider)}\nauthorize_url = "{provider.authorize_url}"\nscopes = ["crm.read"]'


async def test_somebody_signs_in_from_the_terminal(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sign-in's answer is refused and ours still waited for; then the command says what it has."""
    async with a_provider() as provider, a_browser(provider) as person:
        an_office(tmp_path, where(provider), provider.client_id)
        monkeypatch.chdir(tmp_path)
        env = over(provider, redis_url)
        async with connecting(env, monkeypatch) as (command, address):
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
            code, said = await command
        assert (code, "Signed in: crm gets a token until" in said) == (0, True)
        store = await RedisStore.connect(redis_url, seal=read_keys(env["SAYSO_STATE_KEYS"]))
        try:
            (noted,) = await store.trail(ThreadId("credential:hubspot/crm"))
        finally:
            await store.close()
        assert (noted.entry.event.value, noted.entry.by) == ("credential added", "sayso connect")
        standing = str(list(in_redis(redis_client)))
        for secret in provider.secrets_seen:
            assert secret not in said + standing


async def test_who_refuses_at_the_provider_ends_the_command(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1, one sentence, nothing kept."""
    async with a_provider() as provider, a_browser(provider) as person:
        an_office(tmp_path, where(provider), provider.client_id)
        monkeypatch.chdir(tmp_path)
        provider.consents = False
        async with connecting(over(provider, redis_url), monkeypatch) as (command, address):
            provider.redirects.add(parse_qs(urlsplit(address).query)["redirect_uri"][0])
            back = (await person.get(address)).headers["Location"]
            assert "was refused" in (await person.get(back)).text
            code, said = await command
        assert (code, "was refused; nothing was kept" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("billing",), "is of kind static: nobody signs in to it here."),
        (("hubspot", "--redirect", "http://0.0.0.0:1/x"), "--redirect is this machine's address"),
        (("hubspot", "--redirect", "https://sayso.example.com"), "--redirect is this machine's address"),
        (("hubspott",), "There is no [credentials.hubspott]"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_sentence(
    tmp_path: Path, redis_url: str, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing listens."""
    an_office(tmp_path, 'preset = "hubspot"')
    monkeypatch.chdir(tmp_path)
    env = {"REDIS_URL": redis_url, "SAYSO_STATE_KEYS": "a" * 43 + "=", "HUBSPOT_SECRET": "s" * 20}
    code, said = in_a_terminal(*arguments, "--no-browser", env=env)
    assert (code, words in said) == (1, True), said
