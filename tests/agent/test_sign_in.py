"""Signing in by authorization code: proven, once, to the registered address, and what waited goes on."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from gated import World
from named_tokens import Office, a_world, crm_tool
from oauth_scene import CRM, NAME, a_provider, a_source, kept_in
from sayso.agent.credentials import CredentialSourceDown
from sayso.agent.oauth import OAuthSource
from sayso.agent.sign_in import SignIn, SignInRefused, begun, code_of
from sayso.approvals import machine
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.bot.signed_in import signed_in
from sayso.sandbox.faults import Status
from sayso.sandbox.oauth import OAuthProvider

BACK = "http://127.0.0.1:8791/callback"


async def a_browser_at(provider: OAuthProvider, address: str) -> dict[str, str]:
    """What somebody's browser brings back from there."""
    async with httpx.AsyncClient(verify=tls(provider), trust_env=False) as browser:
        sent = await browser.get(address)
    assert sent.status_code == 302, sent.text
    back = sent.headers["Location"]
    assert back.startswith(f"{BACK}?")
    return dict(parse_qsl(urlsplit(back).query))


def tls(provider: OAuthProvider) -> ssl.SSLContext:
    """What trusts the provider."""
    return ssl.create_default_context(cafile=provider.ca_file)


async def signs_in(provider: OAuthProvider, source: OAuthSource) -> SignIn:
    """Somebody signs in as people do, and the grant is kept."""
    provider.redirects.add(BACK)
    sign_in = begun(BACK)
    said = await a_browser_at(provider, source.where_to_sign_in(sign_in, ("crm.read", "crm.write")))
    sign_in.must_own(said)
    await source.sign_in(CRM, sign_in, code_of(said, name="hubspot"))
    return sign_in


async def test_a_sign_in_gives_a_grant_that_is_renewed_from_then_on(redis_url: str) -> None:
    """The code is shown once with its proof; what is kept is the refresh token, sealed."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        source = a_source(provider, grants)
        await signs_in(provider, source)
        kept = await grants.get(NAME)
        assert kept is not None
        assert kept.refresh_token == provider.current_of("crm")
        assert provider.is_valid((await source.fetch(CRM)).value)
        assert provider.sign_ins == 1


async def test_a_code_without_its_proof_is_worth_nothing(redis_url: str) -> None:
    """Who reads the browser's address bar has the code, and not the verifier."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        source = a_source(provider, grants)
        provider.redirects.add(BACK)
        sign_in = begun(BACK)
        said = await a_browser_at(provider, source.where_to_sign_in(sign_in, ()))
        thief = SignIn(state=sign_in.state, verifier="another-verifier-0123456789", redirect_uri=BACK)
        with pytest.raises(SignInRefused, match="invalid_grant"):
            await source.sign_in(CRM, thief, said["code"])
        assert await grants.get(NAME) is None


def test_an_answer_of_another_sign_in_is_none_of_ours() -> None:
    """Somebody else's link cannot put their account in place of ours."""
    ours, theirs = begun(BACK), begun(BACK)
    for state in (theirs.state, "", ours.state[:-1]):
        with pytest.raises(SignInRefused, match="another sign-in"):
            ours.must_own({"state": state, "code": "c"})


async def test_who_refuses_is_believed(redis_url: str) -> None:
    """No consent, no code, and the words do not repeat what the address says."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        provider.redirects.add(BACK)
        provider.consents = False
        sign_in = begun(BACK)
        said = await a_browser_at(provider, a_source(provider, grants).where_to_sign_in(sign_in, ()))
        with pytest.raises(SignInRefused, match="was refused; nothing was kept"):
            code_of({**said, "error_description": "<b>boo</b>"}, name="hubspot")
        with pytest.raises(SignInRefused, match="did not go through"):
            code_of({"error": "<script>"}, name="hubspot")


async def test_a_provider_that_is_down_at_the_exchange_is_told_as_that(redis_url: str) -> None:
    """Nothing is kept, and what was there stays."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        await grants.add(NAME, "the-grant-from-before")
        source = a_source(provider, grants)
        provider.faults.add(Status(503), on="/token")
        with pytest.raises((SignInRefused, CredentialSourceDown)):
            await signs_in(provider, source)
        kept = await grants.get(NAME)
        assert kept is not None
        assert kept.refresh_token == "the-grant-from-before"


# ---- what waits for it


async def approved_and_dead(provider: OAuthProvider, world: World) -> Request:
    """An approved action whose sign-in ended while people thought."""
    await world.ask()
    request = await world.open_request()
    assert request.dead_credential is None
    provider.revoke_all()
    await world.answer(request)
    await world.work()
    return await world.request(request)


async def test_what_was_approved_waits_for_the_sign_in_and_then_runs_once(redis_url: str) -> None:
    """Nothing is used up; approvers and requester are told; nobody has to approve again."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        office, source = Office(), a_source(provider, grants)
        await signs_in(provider, source)
        world = a_world(crm_tool(office), source)
        waiting = await approved_and_dead(provider, world)
        assert (waiting.state, waiting.effect, office.shown) == (State.RESUMING, None, [])
        assert waiting.dead_credential is not None
        assert "invalid_grant" in waiting.dead_credential.words
        told = [one for one in world.store._notices.values() if one.kind == "sign in"]
        assert [one.place for one in told] == [""]  # beside every card, and one stands where it was asked for
        assert waiting.ask.run.origin in waiting.card_places
        await signs_in(provider, source)
        assert await signed_in(world.store, CRM, by="bo") == 1
        await world.work()
        done = await world.request(waiting)
        assert done.effect is not None
        assert (done.effect.state, len(office.shown), done.dead_credential) == (EffectState.DONE, 1, None)
        assert done.decision == waiting.decision
        assert await signed_in(world.store, CRM, by="bo") == 0
        events = await world.events()
        assert [e for e in events if e.startswith("credential")] == [
            "credential refused", "credential added", "credential used",
        ]  # fmt: skip


async def test_a_sign_in_that_nobody_tells_is_found_by_the_clock(redis_url: str) -> None:
    """The process that kept it died before it could say so: ten minutes later it runs all the same, and nobody is paged."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        office, source = Office(), a_source(provider, grants)
        await signs_in(provider, source)
        world = a_world(crm_tool(office), source)
        waiting = await approved_and_dead(provider, world)
        world.store.advance(timedelta(minutes=11))
        await world.store.change(waiting.id, machine.fire)
        await world.work()
        again = await world.request(waiting)
        assert (again.paged_at, again.stuck_at, office.shown) == (None, None, [])
        await signs_in(provider, source)
        world.store.advance(timedelta(minutes=11))
        await world.store.change(waiting.id, machine.fire)
        await world.work()
        assert len(office.shown) == 1
        told = [one for one in world.store._notices.values() if one.kind == "sign in"]
        assert len(told) == 1  # however often it was tried


async def test_where_nobody_signs_in_it_ends_with_its_approval(redis_url: str) -> None:
    """A day after the last possible decision nothing can be done with it any more, and it says why."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        office, source = Office(), a_source(provider, grants)
        await signs_in(provider, source)
        world = a_world(crm_tool(office), source)
        waiting = await approved_and_dead(provider, world)
        world.store.advance(timedelta(days=3))
        await world.store.change(waiting.id, machine.fire)
        ended = await world.request(waiting)
        assert ended.outcome is not None
        assert (ended.outcome.kind, office.shown) == (OutcomeKind.FAILED, [])
        assert "no longer works" in ended.outcome.words
        assert "Nothing was done." in ended.outcome.words


async def test_a_flag_goes_once_somebody_has_signed_in(redis_url: str) -> None:
    """Known when the card opens, mended while it is open, decided as if nothing had been."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        office, source = Office(), a_source(provider, grants)
        world = a_world(crm_tool(office), source)
        await world.ask()
        flagged = await world.open_request()
        assert flagged.dead_credential is not None
        assert "has not signed in" in flagged.dead_credential.words
        await signs_in(provider, source)
        await signed_in(world.store, CRM, by="bo")
        mended = await world.request(flagged)
        assert (mended.dead_credential, mended.question) == (None, flagged.question)
        await world.answer(mended)
        await world.work()
        assert len(office.shown) == 1


async def test_another_accounts_sign_in_lets_nothing_go_on(redis_url: str) -> None:
    """What waits for the CRM's account does not run under Alex's."""
    async with a_provider() as provider, kept_in(redis_url) as grants:
        source = a_source(provider, grants)
        await signs_in(provider, source)
        world = a_world(crm_tool(Office()), source)
        waiting = await approved_and_dead(provider, world)
        assert await signed_in(world.store, replace(CRM, subject="alex"), by="bo") == 0
        assert (await world.request(waiting)).dead_credential == waiting.dead_credential
