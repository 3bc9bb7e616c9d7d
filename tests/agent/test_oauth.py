"""Access tokens from an OAuth 2 provider whose refresh tokens rotate: renewed once, kept first, dead in clear words."""

from __future__ import annotations

import asyncio
import logging
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from leaks import in_redis
from many_servers import replicated
from oauth_scene import CRM, NAME, a_provider, a_source, kept_in, renewing
from sayso.agent.credentials import CredentialDead, CredentialSourceDown, Token
from sayso.agent.grants import EnvironmentGrants, NotKept, Renewal
from sayso.agent.oauth import OAuthSource
from sayso.agent.oauth_providers import Provider
from sayso.agent.redis_grants import RedisGrants
from sayso.approvals.connection import open_redis
from sayso.approvals.credential import CredentialRef
from sayso.approvals.errors import BadSetting
from sayso.approvals.sealing import UNSEALED, Seal
from sayso.sandbox.faults import Delay, Dropped, LostReply, RateLimited, Status


@pytest.mark.parametrize("auth", ["basic", "post"])
async def test_each_action_gets_a_token_of_its_own_and_the_rotated_grant_is_kept(
    each_redis_url: str, auth: str
) -> None:
    """S23: the agent holds a name, the store the grant; the provider takes each refresh token once, a used one ends the sign-in."""
    async with a_provider() as provider, kept_in(each_redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        assert await grants.names() == {NAME}
        source = a_source(provider, grants, auth=auth)
        tokens = [(await source.fetch(CRM)).value for _ in range(3)]
        assert len(set(tokens)) == 3
        assert all(map(provider.is_valid, tokens))
        grant = await grants.get(NAME)
        assert grant is not None
        assert grant.refresh_token == provider.current_of("crm")


async def test_a_provider_that_does_not_rotate_keeps_its_one_refresh_token(redis_url: str) -> None:
    """Google's way; its answer may not even say how long the token lives, which is Salesforce's."""
    async with a_provider(rotates=False, says_lifetime=False) as provider, kept_in(redis_url) as grants:
        first = provider.signed_in("crm")
        await grants.add(NAME, first)
        source = a_source(provider, grants)
        await source.fetch(CRM)
        token = await source.fetch(CRM)
        grant = await grants.get(NAME)
        assert grant is not None
        assert grant.refresh_token == first
        assert timedelta(minutes=14) < token.expires_at - datetime.now(UTC) <= timedelta(minutes=15)


async def test_twenty_at_once_over_three_connections_are_one_renewal(redis_url: str) -> None:
    """Each connection stands for a process; whoever came while the provider was asked gets its answer."""
    async with (
        a_provider() as provider,
        kept_in(redis_url) as one,
        kept_in(redis_url) as two,
        kept_in(redis_url) as three,
    ):
        await one.add(NAME, provider.signed_in("crm"))
        sources = [a_source(provider, grants) for grants in (one, two, three)]
        provider.faults.add(Delay(1))
        tokens = await asyncio.gather(*(sources[n % 3].fetch(CRM) for n in range(20)))
        assert len({token.value for token in tokens}) == provider.exchanges == 1


@pytest.mark.chaos
async def test_twenty_at_once_in_three_processes_are_one_renewal(redis_url: str) -> None:
    """S25: whichever process resumes reaches the grant; all get a token that works, and the provider saw one refresh."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        processes = await asyncio.gather(*(renewing(provider, redis_url, n) for n in (7, 7, 6)))
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        provider.faults.add(Delay(3))  # the first to come is answered when all have come
        said = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
        tokens = [token for out, _ in said for token in out.decode().split()]
        assert len(tokens) == 20
        assert len(set(tokens)) == provider.exchanges == 1
        assert provider.is_valid(tokens[0])


async def test_who_comes_after_a_renewal_gets_a_new_one(redis_url: str) -> None:
    """A token from before is never handed out, however young it is; nor one that was asked for other scopes."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        source = a_source(provider, grants)
        provider.faults.add(Delay(0.5))
        narrow = CredentialRef(provider="hubspot", subject="crm", scopes=("crm.read",))
        together = await asyncio.gather(*(source.fetch(ref) for ref in (CRM, CRM, narrow)))
        assert len({token.value for token in together}) == 2
        assert [one.scope for one in provider.issued] == ["crm.read crm.write", "crm.read"]
        await source.fetch(CRM)
        assert provider.exchanges == 3


@pytest.mark.parametrize("own_error", ["", "BAD_REFRESH_TOKEN"])
async def test_a_sign_in_that_ended_says_who_can_renew_it_and_how(redis_url: str, own_error: str) -> None:
    """OAuth's word and HubSpot's own; the answer quotes the refresh token, and nobody repeats that."""
    async with a_provider(own_error=own_error) as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        provider.revoke_all()
        with pytest.raises(CredentialDead) as dead:
            await a_source(provider, grants).fetch(CRM)
        assert str(dead.value) == (
            "The credential of crm at hubspot no longer works: its sign-in has expired, was used up or was revoked "
            "(invalid_grant). Whoever owns it reconnects it with `sayso connect hubspot --as crm`."
        )


async def test_who_never_signed_in_is_told_how(redis_url: str) -> None:
    """Nothing is asked of the provider; a command that people copy holds no second one."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        with pytest.raises(
            CredentialDead, match=r"crm has not signed in to hubspot\. .*sayso connect hubspot"
        ):
            await a_source(provider, grants).fetch(CRM)
        with pytest.raises(CredentialDead, match="--as 'x; rm -rf ~'`"):
            await a_source(provider, grants).fetch(CredentialRef(provider="hubspot", subject="x; rm -rf ~"))
        assert provider.issued == []


async def test_signing_in_again_mends_it_even_while_it_is_being_refused(redis_url: str) -> None:
    """The refusal of the old sign-in says nothing about the new one."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        provider.revoke_all()
        provider.faults.add(Delay(1))
        asked = asyncio.create_task(a_source(provider, grants).fetch(CRM))
        await _somebodys_turn(redis_url)
        await grants.add(NAME, provider.signed_in("crm"))
        assert provider.is_valid((await asked).value)


@pytest.mark.parametrize("fault", [Status(503), RateLimited(1), Dropped()])
async def test_a_provider_in_trouble_is_worth_another_try(
    redis_url: str, fault: Status | RateLimited | Dropped
) -> None:
    """Nothing is used up, and the next try succeeds."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        source = a_source(provider, grants)
        provider.faults.add(fault)
        with pytest.raises(CredentialSourceDown):
            await source.fetch(CRM)
        assert provider.is_valid((await source.fetch(CRM)).value)


async def test_a_wrong_client_secret_is_not_the_sign_ins_fault(redis_url: str) -> None:
    """Whoever reads it looks at the settings; the sign-in still stands."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        with pytest.raises(CredentialDead, match="client id or secret is wrong"):
            await a_source(provider, grants, secret="another").fetch(CRM)
        assert provider.is_valid((await a_source(provider, grants).fetch(CRM)).value)


async def test_an_answer_lost_after_rotation_is_the_one_loss_and_said_so(redis_url: str) -> None:
    """Only the provider knew the new refresh token: the next try hears that the sign-in is used up."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        source = a_source(provider, grants)
        provider.faults.add(LostReply())
        with pytest.raises(CredentialSourceDown):
            await source.fetch(CRM)
        with pytest.raises(CredentialDead, match="invalid_grant"):
            await source.fetch(CRM)


class Slow(RedisGrants):
    """A store that takes its time to keep a renewal."""

    reached: asyncio.Event
    go: asyncio.Event

    async def renew(self, credential: str, renewal: Renewal) -> bool:
        self.reached.set()
        await self.go.wait()
        return await super().renew(credential, renewal)


async def test_whoever_gives_up_leaves_no_half_done_renewal(redis_url: str) -> None:
    """The tool's run is cancelled when the provider has rotated: what it gave is kept all the same."""
    async with a_provider() as provider, kept_in(redis_url) as kept:
        await kept.add(NAME, provider.signed_in("crm"))
        grants = Slow(kept._redis, Seal([b"k" * 32]))
        grants.reached, grants.go = asyncio.Event(), asyncio.Event()
        source = a_source(provider, grants)
        asked = asyncio.create_task(source.fetch(CRM))
        await asyncio.wait_for(grants.reached.wait(), 20)
        asked.cancel()
        await asyncio.wait({asked})
        grants.go.set()
        assert provider.is_valid((await source.fetch(CRM)).value)  # in its turn, behind the first


class Forgetful(RedisGrants):
    """A store that does not confirm its next write."""

    broken = True

    async def renew(self, credential: str, renewal: Renewal) -> bool:
        if self.broken:
            self.broken = False
            raise NotKept("Redis cannot be reached.")
        return await super().renew(credential, renewal)


async def test_no_token_is_used_before_its_rotated_grant_is_kept(redis_url: str) -> None:
    """The store was away at the wrong moment: what the provider gave is kept first when it is back."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        grants.__class__ = Forgetful
        source = a_source(provider, grants)
        with pytest.raises(CredentialSourceDown, match="cannot be kept"):
            await source.fetch(CRM)
        assert provider.is_valid((await source.fetch(CRM)).value)


@pytest.mark.second_server
async def test_no_token_is_used_that_a_failover_would_leave_without_its_grant(
    valkey_binary: Path, tmp_path: Path
) -> None:
    """While no replica confirms the rotated grant there is no token; the sign-in goes on once one does."""
    with replicated(valkey_binary, tmp_path) as (primary, replica):
        async with a_provider() as provider, kept_in(f"redis://127.0.0.1:{primary.port}/0") as grants:
            await grants.add(NAME, provider.signed_in("crm"))
            source = a_source(provider, grants)
            replica.signal(signal.SIGSTOP)
            with pytest.raises(CredentialSourceDown, match="cannot be kept: No replica"):
                await source.fetch(CRM)
            replica.signal(signal.SIGCONT)
            assert provider.is_valid((await source.fetch(CRM)).value)


async def test_a_late_writer_changes_nothing(redis_url: str) -> None:
    """Its lease ran out while the provider took its time, and another process has renewed since."""
    async with kept_in(redis_url) as grants:
        await grants.add(NAME, "the first refresh token")
        grant = await grants.get(NAME)
        assert grant is not None
        await grants.add(NAME, "the second refresh token")
        token = Token(value="too-late-0123456789", expires_at=datetime.now(UTC))
        late = Renewal(used=grant.number, refresh_token="too late", scopes=(), token=token)
        assert not await grants.renew(NAME, late)
        kept = await grants.get(NAME)
        assert kept is not None
        assert kept.refresh_token == "the second refresh token"


async def test_revoking_ends_it_at_the_provider_and_here(redis_url: str) -> None:
    """In this order: while the provider is down it still stands, so that it can be tried again."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        source = a_source(provider, grants)
        provider.faults.add(Status(503))
        with pytest.raises(CredentialSourceDown):
            await source.revoke(CRM)
        assert await grants.names() == {NAME}
        assert await source.revoke(CRM)
        assert (await grants.names(), provider.current_of("crm")) == (frozenset(), None)
        assert not await source.revoke(CRM)
        with pytest.raises(CredentialDead, match="has not signed in"):
            await source.fetch(CRM)


async def test_nothing_secret_stands_in_redis_or_in_a_log(
    redis_url: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """At the most talkative level of every library; an error that quotes the refresh token among it."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        with caplog.at_level(logging.DEBUG):
            await a_source(provider, grants).fetch(CRM)
            await a_source(provider, grants, auth="post").fetch(CRM)
            standing = list(in_redis(redis_client))
            provider.revoke_all()
            with pytest.raises(CredentialDead):
                await a_source(provider, grants).fetch(CRM)
        assert {place for place, _ in standing} >= {"Redis sayso:{credentials}:grant:hubspot/crm"}
        for secret in provider.secrets_seen:
            assert not [place for place, value in standing if secret.encode() in value]
            assert secret not in caplog.text


async def test_a_grant_that_was_not_sealed_here_is_not_believed(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """Whoever can write to Redis could make the agent act in an account of theirs; so could one sealed for another."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add("hubspot/mallory", "a refresh token of an account of theirs")
        theirs = redis_client.hget("sayso:{credentials}:grant:hubspot/mallory", "sealed")
        assert isinstance(theirs, bytes)
        for planted in (b"a refresh token in the clear", theirs):
            redis_client.hset(
                "sayso:{credentials}:grant:hubspot/crm", mapping={"sealed": planted, "number": 1}
            )
            with pytest.raises(CredentialSourceDown, match=r"not sealed here|belongs elsewhere"):
                await a_source(provider, grants).fetch(CRM)
        assert provider.issued == []


async def test_without_a_key_nothing_is_kept_in_redis(redis_url: str) -> None:
    """One sentence says what to set."""
    client = open_redis(redis_url)
    with pytest.raises(BadSetting, match="SAYSO_STATE_KEYS"):
        RedisGrants(client, UNSEALED)
    await client.aclose()


async def test_a_refresh_token_from_the_environment_needs_no_store() -> None:
    """For a provider that does not rotate; at once is one renewal here too, and afterwards a new one."""
    async with a_provider(rotates=False) as provider:
        grants = EnvironmentGrants({"SAYSO_REFRESH_TOKEN_HUBSPOT_CRM": provider.signed_in("crm")})
        source = a_source(provider, grants)
        provider.faults.add(Delay(0.3))
        together = await asyncio.gather(*(source.fetch(CRM) for _ in range(5)))
        assert {token.value for token in together} == {provider.issued[0].token}
        await source.fetch(CRM)
        assert provider.exchanges == 2
        with pytest.raises(BadSetting, match="kept in the environment"):
            await grants.add(NAME, "another")


@pytest.mark.parametrize("url", ["http://127.0.0.1/token", "https:///token", "token"])
def test_a_provider_without_tls_is_refused_at_the_start(url: str) -> None:
    """Before any secret is sent anywhere."""
    with pytest.raises(BadSetting, match="https://"):
        OAuthSource(
            Provider(token_url=url), name="x", client_id="c", client_secret="s", grants=EnvironmentGrants({})
        )


async def _somebodys_turn(url: str) -> None:
    """Until a renewal is under way."""
    async with asyncio.timeout(20), kept_in(url) as grants:
        while not await grants._redis.exists("sayso:{credentials}:turn:hubspot/crm"):  # noqa: ASYNC110 another takes it
            await asyncio.sleep(0.01)
