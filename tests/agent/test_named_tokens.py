"""A tool of one's own asks for its token by name, and what it gets was fetched after people approved."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import redis
from gated import Ledger, a_refund, refund_tool
from leaks import in_redis
from named_tokens import Office, a_world, crm_tool
from oauth_scene import CRM, NAME, a_provider, a_source, kept_in
from sayso.agent.credentials import CredentialDead, StaticSource
from sayso.agent.effect import effect
from sayso.agent.runtime import NotActing, token
from sayso.approvals import machine
from sayso.approvals.credential import CredentialRef
from sayso.approvals.errors import BadSetting
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import EffectState, OutcomeKind, State
from sayso.cards.card import card_of
from sayso.sandbox.faults import Status

KEY = "a-static-key-0123456789"


async def test_a_token_that_died_while_people_thought_does_not_matter(redis_url: str) -> None:
    """Tokens live 60 s, the wait takes a day; the tool's token is a new one and works (S24)."""
    async with a_provider(lifetime=60) as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        office = Office()
        world = a_world(crm_tool(office, limit=timedelta(seconds=30)), a_source(provider, grants))
        await world.ask()
        request = await world.open_request()
        assert request.proposal.action.credential == CRM  # the approver sees whose account it is
        at_the_pause = [one.token for one in provider.issued]
        provider.advance(86_400)
        await world.answer(request)
        await world.work()
        assert (await world.request(request)).state is State.CLOSED
        (shown,) = office.shown
        assert provider.is_valid(shown)
        assert at_the_pause
        assert not any(map(provider.is_valid, at_the_pause))


async def test_what_no_sign_in_mends_is_told_and_nothing_is_done(redis_url: str) -> None:
    """The app's own secret was changed: requester and approver read it, and a tool that could not run uses up nothing."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        office = Office()
        world = a_world(crm_tool(office), a_source(provider, grants))
        await world.ask()
        request = await world.open_request()
        provider.client_secret = "another-secret-0123456789"
        await world.answer(request)
        await world.work()
        ended = await world.request(request)
        assert ended.outcome is not None
        assert "(invalid_client)" in ended.outcome.words
        assert (office.shown, ended.effect) == ([], None)
        (report,) = await world.reports()
        assert "(invalid_client)" in report


async def test_a_dead_sign_in_is_flagged_when_the_card_opens(redis_url: str) -> None:
    """Nobody has to find out by approving."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        world = a_world(crm_tool(Office()), a_source(provider, grants))
        await world.ask()
        card = card_of(await world.open_request(), name=str)
        assert card.flags[0] == "Credential is dead"
        assert "crm has not signed in to hubspot. Whoever owns it" in str(card.rows)


async def test_while_the_provider_is_down_nothing_is_used_up(redis_url: str) -> None:
    """The approved action waits and runs once the provider answers again."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        office = Office()
        world = a_world(crm_tool(office), a_source(provider, grants))
        await world.ask()
        request = await world.open_request()
        provider.faults.add(Status(503), times=2)
        await world.answer(request)
        await world.work()
        ended = await world.request(request)
        assert ended.effect is not None
        assert ended.effect.state is EffectState.DONE
        assert len(office.shown) == 1


async def test_a_provider_that_is_down_for_long_is_waited_for(redis_url: str) -> None:
    """Nobody has to approve again and nobody is paged: it is tried every ten minutes while the approval holds."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))
        office = Office()
        world = a_world(crm_tool(office), a_source(provider, grants))
        await world.ask()
        request = await world.open_request()
        provider.faults.add(Status(503), times=1_000)
        await world.answer(request)
        for _ in range(2):
            await world.work()
            waiting = await world.request(request)
            assert (waiting.state, waiting.effect, waiting.stuck_at) == (State.RESUMING, None, None)
            assert "Nothing has been done yet; it is tried again by itself." in str(
                card_of(waiting, name=str).rows
            )
            world.store.advance(timedelta(minutes=11))
            await world.store.change(request.id, machine.fire)
        provider.faults.clear()
        await world.work()
        done = await world.request(request)
        assert done.outcome is not None
        assert (done.outcome.kind, len(office.shown)) == (OutcomeKind.EXECUTED, 1)
        assert not [one for one in world.store._notices.values() if one.kind in ("sign in", "stuck")]


async def test_a_static_key_is_given_to_its_own_account_only() -> None:
    """No provider is asked; another subject has to have its own."""
    source = StaticSource(KEY, name="billing", service="crm")
    office = Office()
    ref = CredentialRef(provider="billing", subject="crm")
    world = a_world(crm_tool(office, name="billing", credential=ref), source, "billing")
    await world.ask()
    await world.answer(await world.open_request())
    await world.work()
    assert office.shown == [KEY]
    assert world.live.occur_in(f"key={KEY}".encode())
    assert "without an end" in str(await source.fetch(ref))
    with pytest.raises(CredentialDead, match="crm's, not alex's"):
        await source.fetch(CredentialRef(provider="billing", subject="alex"))


def test_a_key_that_could_not_be_guarded_is_refused_at_the_start() -> None:
    """Too short to be told from ordinary text; the words do not quote it."""
    with pytest.raises(BadSetting, match="fewer than 16") as refused:
        StaticSource("short-key", name="billing", service="crm")
    assert "short-key" not in str(refused.value)


async def test_a_tool_gets_no_other_providers_token() -> None:
    """A name that the action does not name is a mistake of the tool's author, and no token leaves."""
    office = Office()
    ref = CredentialRef(provider="billing", subject="crm")
    tool = crm_tool(office, name="hubspot", credential=ref)
    world = a_world(tool, StaticSource(KEY, name="billing", service="crm"), "billing")
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    ended = await world.request(request)
    assert ended.effect is not None
    assert (office.shown, ended.effect.state) == ([], EffectState.UNKNOWN)


async def test_an_action_may_name_another_account_than_its_tool() -> None:
    """What the plan names goes before what the tool says."""
    other = CredentialRef(provider="hubspot", subject="alex")
    tool = crm_tool(Office())
    assert a_refund(tool, credential=other).credential == other
    assert a_refund(tool, credential=None).credential == CRM
    assert a_refund(refund_tool(Ledger()), credential=None).credential is None


async def test_no_token_is_left_anywhere_in_redis(redis_url: str, redis_client: redis.Redis) -> None:
    """Records, audit, queue and grants after a whole run; the tool's own words quote its token."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, provider.signed_in("crm"))

        @effect(name="issue_refund", category="financial_transaction", irreversibility="high", credential=CRM)
        async def chatty(order: int, amount: Decimal, currency: str = "USD") -> str:
            return f"Called it with {token()}."

        store = await RedisStore.connect(redis_url, prefix="sayso", demo=True)
        try:
            world = a_world(chatty, a_source(provider, grants), store=store)
            await world.ask()
            await world.answer(await world.open_request())
            await world.work()
            standing = list(in_redis(redis_client))
        finally:
            await store.close()
        assert provider.exchanges == 2
        for secret in provider.secrets_seen:
            assert not [place for place, value in standing if secret.encode() in value]


async def test_a_tool_of_several_providers_names_the_one_it_means() -> None:
    """Each token is there, awaited or at once; without a name nobody could say which was meant."""
    office = Office()
    books, crm = (CredentialRef(provider=name, subject="crm") for name in ("books", "hubspot"))

    @effect(
        name="issue_refund", category="financial_transaction", irreversibility="high", credential=(books, crm)
    )
    async def two(order: int, amount: Decimal, currency: str = "USD") -> str:
        office.shown += [f"{await token('hubspot')} {token('books')}", token("books").upper()]
        with pytest.raises(NotActing, match="books and hubspot: say whose"):
            token()
        with pytest.raises(NotActing, match="no token of google"):
            token("google")
        return "Refunded."

    world = a_world(two, StaticSource(KEY, name="hubspot", service="crm"))
    world.sources["books"] = StaticSource(f"{KEY}-too", name="books", service="crm")  # type: ignore[index]
    world.worker = world.another_worker("w2")
    await world.ask()
    request = await world.open_request()
    assert request.proposal.action.credentials == (books, crm)
    await world.answer(request)
    await world.work()
    assert office.shown == [f"{KEY} {KEY}-too", f"{KEY}-too".upper()]
    assert (await world.events()).count("credential used") == 2


def test_two_accounts_of_one_provider_are_refused_where_they_are_declared() -> None:
    """No tool could tell their tokens apart."""
    with pytest.raises(ValueError, match="one account of each provider"):
        crm_tool(Office(), credential=(CRM, CredentialRef(provider="hubspot", subject="alex")))
