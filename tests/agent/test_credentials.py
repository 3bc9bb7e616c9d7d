"""Fresh tokens at the moment of acting: the broker, and Entra through msal against a token service over TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sayso.agent.client_certificate import client_certificate as read_certificate
from sayso.agent.credentials import Broker, CredentialDead, CredentialSourceDown, Token
from sayso.agent.msal_source import EnvironmentRefreshTokens, MsalSource, _Session
from sayso.agent.secrets import LiveTokens
from sayso.approvals.credential import CredentialRef
from sayso.approvals.errors import BadSetting
from sayso.sandbox.certificates import client_certificate
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
    tenant: TokenService, *, env: dict[str, str] | None = None, secret: str = "", authority: str = "",
    certificate: str | None = None,
) -> MsalSource:  # fmt: skip
    """What would stand in the settings for this tenant."""
    return MsalSource(
        authority=authority or tenant.authority, client_id=tenant.client_id,
        client_secret="" if certificate else secret or tenant.client_secret, certificate=certificate, service="ops-agent", refresh_tokens=EnvironmentRefreshTokens(env or {}), ca_file=tenant.ca_file,
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


async def test_a_certificate_signs_in_instead_of_a_secret() -> None:
    """Named by its SHA-256 thumbprint, signed with PS256; no assertion is shown twice, and no secret is sent."""
    async with a_tenant() as tenant:
        source = a_source(tenant, certificate=tenant.new_certificate())
        first, second = await source.fetch(OPS), await source.fetch(OPS)
        assert first.value != second.value
        assert tenant.is_valid(second.value)
        assert len(set(tenant.assertions_seen)) == 2
        header = jwt.get_unverified_header(tenant.assertions_seen[0])
        assert header["alg"] == "PS256"
        assert "x5t" not in header


async def test_a_person_and_a_certificate() -> None:
    """A refresh token is exchanged with the same proof of the application."""
    async with a_tenant() as tenant:
        env = {"SAYSO_REFRESH_TOKEN_ALEX": tenant.refresh_token_for("alex")}
        source = a_source(tenant, env=env, certificate=tenant.new_certificate())
        for _ in range(2):
            assert tenant.is_valid((await source.fetch(ALEX)).value)


async def test_a_certificate_that_was_taken_away_is_dead_for_good() -> None:
    """The sentence speaks of the certificate and gives Entra's number."""
    async with a_tenant() as tenant:
        source = a_source(tenant, certificate=tenant.new_certificate())
        tenant.certificates.clear()
        with pytest.raises(CredentialDead, match=r"the client certificate is wrong .* AADSTS700027"):
            await source.fetch(OPS)


def not_a_key(pem: bytes) -> bytes:
    return pem[pem.index(b"-----BEGIN CERT") :]


def no_certificate(pem: bytes) -> bytes:
    return pem[: pem.index(b"-----BEGIN CERT")]


def somebody_elses(pem: bytes) -> bytes:
    return no_certificate(pem) + not_a_key(client_certificate())


def another_kind_of_key(pem: bytes) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + not_a_key(pem)


def too_short(pem: bytes) -> bytes:
    return client_certificate(key=rsa.generate_private_key(public_exponent=65537, key_size=1024))


def with_a_passphrase(pem: bytes) -> bytes:
    key = load_pem_private_key(pem, password=None)
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary")
    ) + not_a_key(pem)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (not_a_key, "holds no private key"), (no_certificate, "but no certificate"),
        (somebody_elses, "not that of its private key"), (another_kind_of_key, "not an RSA key"),
        (too_short, "not an RSA key of at least 2048 bits"), (with_a_passphrase, "protected by a passphrase"),
        (lambda pem: b"\0not a certificate", "holds no private key"), (lambda pem: b"", "holds no private key"),
    ],
)  # fmt: skip
def test_a_certificate_that_cannot_serve_is_refused_at_the_start(
    spoil: Callable[[bytes], bytes], sentence: str, tmp_path: Path
) -> None:
    """Each with what is wrong and where."""
    file = tmp_path / "bot.pem"
    file.write_bytes(spoil(client_certificate()))
    with pytest.raises(BadSetting, match=sentence) as refused:
        a_certified_source(file)
    assert str(file) in str(refused.value)


def a_certified_source(file: Path, secret: str = "") -> MsalSource:
    return MsalSource(
        authority="https://login.test/t", client_id="c", client_secret=secret, certificate=str(file),
        service="ops-agent", refresh_tokens=EnvironmentRefreshTokens({}),
    )  # fmt: skip


def test_a_certificate_that_is_not_there_or_not_valid_is_refused_at_the_start(tmp_path: Path) -> None:
    """Missing, a folder, expired; and nobody has to guess which of two proofs counts."""
    file = tmp_path / "bot.pem"
    for missing in (file, tmp_path):
        with pytest.raises(BadSetting, match="cannot be read"):
            a_certified_source(missing)
    file.write_bytes(client_certificate(days=-1))
    with pytest.raises(BadSetting, match=r"expired on \d{4}-\d\d-\d\d"):
        a_certified_source(file)
    file.write_bytes(client_certificate())
    with pytest.raises(BadSetting, match="either a secret or a certificate"):
        a_certified_source(file, secret="s")


def test_no_proof_at_all_is_refused_at_the_start() -> None:
    """Neither a secret nor a certificate."""
    with pytest.raises(BadSetting, match="either a secret or a certificate"):
        MsalSource(
            authority="https://login.test/t", client_id="c", client_secret=" ", service="ops-agent",
            refresh_tokens=EnvironmentRefreshTokens({}),
        )  # fmt: skip


def test_a_certificate_may_stand_before_its_key_and_within_a_chain(tmp_path: Path) -> None:
    """The one that is the key's own is taken, wherever it stands; the key does not show itself."""
    pem, other = client_certificate(), client_certificate()
    file = tmp_path / "bot.pem"
    file.write_bytes(not_a_key(other) + not_a_key(pem) + no_certificate(pem))
    read = read_certificate(file, now=datetime.now(UTC))
    assert read.certificate.encode() == not_a_key(pem)
    assert "PRIVATE" not in repr(read)


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
        source, certified = a_source(tenant, env=env), a_source(tenant, certificate=tenant.new_certificate())
        with caplog.at_level(logging.DEBUG):
            await source.fetch(OPS)
            await source.fetch(ALEX)
            await certified.fetch(OPS)
        secrets = [
            *tenant.assertions_seen,
            *(issued.token for issued in tenant.issued),
            *tenant.refresh_tokens_seen,
            tenant.client_secret,
        ]
        assert not [secret for secret in secrets if secret in caplog.text]


async def test_a_persons_token_for_another_api_is_got_on_their_behalf() -> None:
    """Our own API first, then theirs; the person's refresh token stays theirs, and the application's own authority its own."""
    async with a_tenant() as tenant:
        env = {"SAYSO_REFRESH_TOKEN_ALEX": tenant.refresh_token_for("alex")}
        source = MsalSource(
            authority=tenant.authority, client_id=tenant.client_id, client_secret=tenant.client_secret,
            service="ops-agent", refresh_tokens=EnvironmentRefreshTokens(env), ca_file=tenant.ca_file,
            on_behalf_of="api://sandbox/access_as_user",
        )  # fmt: skip
        for _ in range(2):
            before = len(tenant.issued)
            token = await source.fetch(ALEX)
            ours, theirs = tenant.issued[before:]
            assert [one.grant for one in (ours, theirs)] == ["refresh_token", "on_behalf_of"]
            assert (theirs.token, theirs.subject) == (token.value, "alex")
            assert "api://sandbox/access_as_user" in ours.scope
            assert "api://backoffice/orders" in theirs.scope
        await source.fetch(OPS)
        assert tenant.issued[-1].grant == "client_credentials"
        tenant.revoke_refresh_tokens_of("alex")
        with pytest.raises(CredentialDead, match="invalid_grant"):
            await source.fetch(ALEX)
