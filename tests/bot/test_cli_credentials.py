"""`sayso credentials` and the tables it reads: listed, tested, added and revoked by real processes, no secret printed."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
import redis
from credential_files import BILLING_KEY, a_key, an_office, at, over
from leaks import in_redis
from oauth_scene import a_provider
from rich.console import Console
from sayso.agent.oauth_providers import ClientAuth
from sayso.approvals.errors import BadSetting
from sayso.approvals.sealing import CannotOpen
from sayso.bot.cli.check_credentials import tokens
from sayso.bot.cli.commands import app
from sayso.bot.cli.findings import Checks
from sayso.bot.credential_tables import OAuthTable
from sayso.bot.credentials import connection, grants_of, grants_seal, sources
from sayso.bot.settings import Settings, load_settings
from settings_files import sayso
from typer.testing import CliRunner


def in_a_terminal(*arguments: str, env: dict[str, str]) -> tuple[int, str]:
    """Exit code and what was printed or refused."""
    shown = CliRunner().invoke(app, ["credentials", *arguments], env=env)
    return shown.exit_code, shown.output + str(shown.exception or "")


async def test_a_sign_in_is_added_listed_tested_and_revoked(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is added is piped in by another process; what stands in Redis is sealed, and nothing secret is printed."""
    async with a_provider() as provider:
        an_office(tmp_path, at(provider), provider.client_id)
        monkeypatch.chdir(tmp_path)
        env, said = over(provider, redis_url), list[str]()

        async def run(*arguments: str) -> tuple[int, str]:
            code, words = await asyncio.to_thread(in_a_terminal, *arguments, env=env)
            said.append(words)
            return code, words

        assert "hubspot  oauth   crm        not signed in" in (await run("list"))[1]
        token = provider.signed_in("crm")
        added = await asyncio.to_thread(
            lambda: sayso("credentials", "add", "hubspot", folder=tmp_path, env=env, told=f"{token}\n")
        )
        assert added.stdout.startswith("Signed in: crm gets a token until ")
        said.append(added.stdout + added.stderr)
        assert "hubspot  oauth   crm        signed in" in (await run("list"))[1]
        assert (await run("test", "hubspot"))[1].startswith("crm gets a token until ")
        assert (await run("test", "billing"))[1] == "books gets a token without an end.\n"
        standing = [value for _, value in in_redis(redis_client)]
        assert await run("revoke", "hubspot") == (0, "Revoked at hubspot and forgotten here: crm.\n")
        assert provider.current_of("crm") is None
        code, words = await run("test", "hubspot")
        assert (code, "crm has not signed in to hubspot." in words) == (1, True)
        assert provider.exchanges == 2
        for secret in (*provider.secrets_seen, BILLING_KEY):
            assert secret not in "".join(said)
            assert not any(secret.encode() in value for value in standing)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("test", "hubspott"), "There is no [credentials.hubspott]"),
        (("add", "billing"), "[credentials.billing] is of kind static: nobody signs in to it here."),
        (("add", "hubspot"), "No refresh token was given; nothing is changed."),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And exits 1, before any store is opened."""
    an_office(tmp_path, 'preset = "hubspot"')
    monkeypatch.chdir(tmp_path)
    code, said = in_a_terminal(*arguments, env={"REDIS_URL": "redis://127.0.0.1:1"})
    assert (code, words in said) == (1, True)


def test_a_preset_is_as_its_provider_says(tmp_path: Path) -> None:
    """Its addresses need not be known by heart; what the table says goes before it."""
    table = load_settings(an_office(tmp_path, 'preset = "hubspot"'), {}).credentials["hubspot"]
    assert isinstance(table, OAuthTable)
    assert table.provider is not None
    assert table.provider.token_url == "https://api.hubapi.com/oauth/v1/token"
    assert table.provider.client_auth is ClientAuth.POST
    own = 'preset = "salesforce"\ntoken_url = "https://acme.my.salesforce.com/services/oauth2/token"'
    table = load_settings(an_office(tmp_path, own), {}).credentials["hubspot"]
    assert isinstance(table, OAuthTable)
    assert table.provider is not None
    assert table.provider.token_url == "https://acme.my.salesforce.com/services/oauth2/token"


@pytest.mark.parametrize(
    ("where", "more", "words"),
    [
        ("", "", "credentials.hubspot: it needs a preset (hubspot, google or salesforce) or a token_url"),
        ('preset = "hubspto"', "", "credentials.hubspot.preset: it must be 'hubspot', 'google' or 'salesforce', not 'hubspto'"),
        ('token_url = "http://x"', "", "credentials.hubspot.token_url: it must begin with https://"),
        ('preset = "google"', 'serivce = "x"', "credentials.hubspot.serivce: there is no such setting; did you mean service?"),
        ('preset = "google"', '[credentials.x]\nkind = "saml"', 'credentials.x: its kind must be "entra", "oauth" or "static"'),
        ('preset = "google"', '[credentials.x]\nkind = "static"', "credentials.x.secret: it is missing"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_named_by_its_key(tmp_path: Path, where: str, more: str, words: str) -> None:
    """As the file has it, whatever kinds of table there are."""
    with pytest.raises(BadSetting) as wrong:
        load_settings(an_office(tmp_path, where, more=more), {})
    assert words in str(wrong.value)


async def test_a_store_elsewhere_needs_a_key_for_sign_ins(tmp_path: Path, redis_url: str) -> None:
    """A worker says so at its start, and nothing is written in the clear."""
    env = {
        "HUBSPOT_SECRET": "a-secret-of-the-client",
        "BILLING_KEY": BILLING_KEY,
        "ENTRA_SECRET": "s",
        "REDIS_URL": redis_url,
    }
    settings = load_settings(an_office(tmp_path, 'preset = "hubspot"'), env)
    async with connection(redis_url) as client:
        with pytest.raises(BadSetting, match="sealed only: set SAYSO_STATE_KEYS"):
            sources(settings, client, redis_url)
        kept = load_settings(an_office(tmp_path, 'preset = "google"', more='kept = "environment"'), env)
        assert set(sources(kept, client, redis_url)) == {"entra", "hubspot", "billing"}


def test_the_embedded_store_has_a_key_of_its_own_and_outgrows_it(tmp_path: Path) -> None:
    """Made once, for our eyes only; with keys in the environment it still opens what it sealed."""
    file = an_office(tmp_path, 'preset = "hubspot"')
    sealed = grants_seal(load_settings(file, {})).close("a", b"secret")
    assert grants_seal(load_settings(file, {})).open_sealed("a", sealed) == b"secret"
    key = tmp_path / ".sayso" / "keys" / "credentials.key"
    assert key.stat().st_mode & 0o777 == 0o600
    grown = grants_seal(load_settings(file, {"SAYSO_STATE_KEYS": a_key()}))
    assert grown.open_sealed("a", sealed) == b"secret"
    with pytest.raises(CannotOpen):
        grants_seal(load_settings(file, {})).open_sealed("a", grown.close("a", b"secret"))


async def test_check_fetches_a_token_of_each_kind(tmp_path: Path, redis_url: str) -> None:
    """And says which sign-in is missing, and how to add it."""
    async with a_provider() as provider:
        file = an_office(tmp_path, at(provider), provider.client_id)
        settings = load_settings(file, over(provider, redis_url))
        assert "crm has not signed in to hubspot. Whoever owns it reconnects it with" in await checked(
            settings
        )
        async with connection(redis_url) as client:
            grants = grants_of(settings, settings.credentials["hubspot"], client, redis_url)
            assert grants is not None
            await grants.add("hubspot/crm", provider.signed_in("crm"))
        said = await checked(settings)
        assert "books gets a token without an end" in said
        assert "crm gets a token until" in said
        assert not [secret for secret in (*provider.secrets_seen, BILLING_KEY) if secret in said]


async def checked(settings: Settings) -> str:
    """What `sayso check` says of each credential."""
    checks = Checks(Console(file=io.StringIO()))
    await checks.each(*tokens(settings))
    return "\n".join(found.problem or found.words for found in checks.found)
