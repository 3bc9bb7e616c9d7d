"""Fresh tokens at the moment of acting: the broker, and Entra through msal against a token service over TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sayso.agent.credentials import Broker, CredentialDead, CredentialSourceDown, Token
from sayso.agent.msal_source import EnvironmentRefreshTokens, MsalSource, _Session
from sayso.agent.secrets import LiveTokens
from sayso.approvals.credential import CredentialRef
from sayso.approvals.errors import BadSetting
from sayso.sandbox.faults import Status
from sayso.sandbox.tokens import TokenService
from sayso.sandbox.watching import Changes, Violations

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
OPS = CredentialRef(provider="entra", subject="ops-agent", scopes=("api://backoffice/.default",))
ALEX = CredentialRef(provider="entra", subject="alex", scopes=("api://backoffice/orders",))


class Mint:
    """A token source that gives every call a token of its own, with the same life."""

    def __init__(self, lives: timedelta = timedelta(hours=1)) -> None:
        self.given: list[str] = []
        self._lives = lives

    async def fetch(self, ref: CredentialRef) -> Token:
        self.given.append(f"canary-{ref.subject}-{len(self.given) + 1}-0123456789")
        return Token(value=self.given[-1], expires_at=NOON + self._lives)


def a_broker(source: Mint, live_tokens: LiveTokens | None = None) -> Broker:
    """A broker at noon whose one provider is `source`."""
    return Broker({"entra": source}, live_tokens or LiveTokens(), clock=lambda: NOON)


@asynccontextmanager
async def a_tenant(lifetime: float = 3600) -> AsyncIterator[TokenService]:
    """A token service whose every rule was kept."""
    service = TokenService(violations=Violations(), changes=Changes(), lifetime=lifetime)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
    service.violations.assert_clean()


def a_source(
    tenant: TokenService, *, env: dict[str, str] | None = None, secret: str = "", authority: str = ""
) -> MsalSource:
    """What would stand in the settings for this tenant."""
    return MsalSource(
        authority=authority or tenant.authority, client_id=tenant.client_id, client_secret=secret or tenant.client_secret,
        service="ops-agent", refresh_tokens=EnvironmentRefreshTokens(env or {}), ca_file=tenant.ca_file,
    )  # fmt: skip


async def test_every_action_gets_a_token_of_its_own() -> None:
    """S24: nothing from before the wait is used again."""
    source = Mint()
    broker = a_broker(source)
    first, second = await broker.token(OPS), await broker.token(OPS)
    assert first.value != second.value


async def test_a_token_that_could_die_while_the_tool_runs_is_refused() -> None:
    """Refused before anything happens, in words that say what is wrong."""
    broker = a_broker(Mint(timedelta(minutes=4)))
    with pytest.raises(CredentialDead, match="live 240 s, but the tool needs one for 300 s"):
        await broker.token(OPS, lives=timedelta(minutes=5))
    assert await broker.token(OPS, lives=timedelta(minutes=4))


async def test_a_provider_nobody_set_up_is_named() -> None:
    """A reference to nowhere is a dead credential."""
    with pytest.raises(CredentialDead, match="'hubspot'"):
        await a_broker(Mint()).token(CredentialRef(provider="hubspot", subject="crm"))


async def test_every_token_is_known_to_what_guards_the_checkpoints() -> None:
    """S22: the serializer can recognise it wherever it turns up, a refused one too."""
    live, source = LiveTokens(), Mint(timedelta(seconds=1))
    with pytest.raises(CredentialDead):
        await a_broker(source, live).token(OPS)
    assert live.occur_in(f"so the header was {source.given[0]}, I think".encode())


def test_a_token_does_not_show_itself() -> None:
    """Neither printed nor logged nor in a traceback's values."""
    token = Token(value="canary-0123456789", expires_at=NOON)
    assert "canary" not in f"{token} {token!r} {[token]}"


async def test_the_services_own_credentials_give_a_fresh_token_each_time() -> None:
    """The library's own cache would give the first one again; the service accepts both."""
    async with a_tenant() as tenant:
        source = a_source(tenant)
        first, second = await source.fetch(OPS), await source.fetch(OPS)
        assert first.value != second.value
        assert [issued.grant for issued in tenant.issued] == ["client_credentials"] * 2
        assert tenant.is_valid(first.value)
        left = first.expires_at - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)


async def test_a_token_that_died_in_the_wait_does_not_matter() -> None:
    """Two hours pass on the service's clock while people decide; acting asks anew (S24)."""
    async with a_tenant() as tenant:
        broker = Broker({"entra": a_source(tenant)}, LiveTokens())
        before = await broker.token(OPS)
        tenant.advance(7200)
        assert not tenant.is_valid(before.value)
        assert tenant.is_valid((await broker.token(OPS)).value)


async def test_a_persons_refresh_token_rotates() -> None:
    """The provider takes each refresh token once; the rotated one is kept and used next."""
    async with a_tenant() as tenant:
        env = {"SAYSO_REFRESH_TOKEN_ALEX": tenant.refresh_token_for("alex")}
        source = a_source(tenant, env=env)
        for _ in range(3):
            token = await source.fetch(ALEX)
        claims = tenant.claims(token.value)
        assert claims is not None
        assert claims["sub"] == "alex"
        assert [issued.grant for issued in tenant.issued] == ["refresh_token"] * 3


async def test_the_application_never_stands_in_for_a_person() -> None:
    """Somebody who has not signed in gets no token, though the application could get one for itself."""
    async with a_tenant() as tenant:
        with pytest.raises(CredentialDead, match="alex has not signed in"):
            await a_source(tenant).fetch(ALEX)
        assert tenant.issued == []


async def test_a_revoked_sign_in_is_dead_for_good() -> None:
    """The sentence says what has to be done."""
    async with a_tenant() as tenant:
        env = {"SAYSO_REFRESH_TOKEN_ALEX": tenant.refresh_token_for("alex")}
        tenant.revoke_refresh_tokens_of("alex")
        with pytest.raises(CredentialDead, match=r"alex no longer works: .* sign in again \(invalid_grant\)"):
            await a_source(tenant, env=env).fetch(ALEX)


async def test_a_wrong_client_secret_is_dead_for_good() -> None:
    """An answer of the service, not an exception of msal's; the secret is not in it."""
    async with a_tenant() as tenant:
        with pytest.raises(CredentialDead, match="the client secret is wrong") as refused:
            await a_source(tenant, secret="canary-secret").fetch(OPS)
        assert "canary-secret" not in str(refused.value)


async def test_the_environments_certificates_do_not_get_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and a proxy in the environment outrank nothing of ours."""
    async with a_tenant() as tenant:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, "/nowhere/ca.pem")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        assert tenant.is_valid((await a_source(tenant).fetch(OPS)).value)


async def test_the_chosen_certificates_outrank_the_environments_beyond_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the environment's proxies are heeded, its certificates still do not replace the chosen ones."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    async with a_tenant() as tenant:
        with _Session(tenant.ca_file, trust_env=True) as session:
            answer = await asyncio.to_thread(session.get, f"{tenant.authority}/discovery/v2.0/keys")
        assert answer.ok


async def test_a_service_that_is_down_is_worth_another_try() -> None:
    """Failing and unreachable are both *down*; a service that is back is asked again at once."""
    async with a_tenant() as tenant:
        source = a_source(tenant)
        await source.fetch(OPS)
        tenant.faults.add(Status(503), on="/oauth2/v2.0/token")
        with pytest.raises(CredentialSourceDown):
            await source.fetch(OPS)
        assert await source.fetch(OPS)
        with pytest.raises(CredentialSourceDown, match=r"127\.0\.0\.1 did not answer"):
            await a_source(tenant, authority="https://127.0.0.1:1/tenant").fetch(OPS)


async def test_a_token_service_without_tls_is_refused_at_the_start() -> None:
    """Before any secret is sent anywhere."""
    async with a_tenant() as tenant:
        with pytest.raises(BadSetting, match="https://"):
            a_source(tenant, authority="http://127.0.0.1:8080/tenant")


def test_certificates_that_are_not_there_are_named_at_the_start() -> None:
    """Not when people have approved."""
    with pytest.raises(BadSetting, match=r"/nowhere/ca\.pem"):
        MsalSource(
            authority="https://login.test/t", client_id="c", client_secret="s", service="ops-agent",
            refresh_tokens=EnvironmentRefreshTokens({}), ca_file="/nowhere/ca.pem",
        )  # fmt: skip


async def test_no_token_and_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level of every library (S22)."""
    async with a_tenant() as tenant:
        env = {"SAYSO_REFRESH_TOKEN_ALEX": tenant.refresh_token_for("alex")}
        source = a_source(tenant, env=env)
        with caplog.at_level(logging.DEBUG):
            await source.fetch(OPS)
            await source.fetch(ALEX)
        secrets = [
            *(issued.token for issued in tenant.issued),
            *tenant.refresh_tokens_seen,
            tenant.client_secret,
        ]
        assert not [secret for secret in secrets if secret in caplog.text]
