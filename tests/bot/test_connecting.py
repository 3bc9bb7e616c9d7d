"""The link on the card of a dead credential: for whoever may decide, once, for ten minutes, in one browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from browsing import SITE, Browser, a_browser
from leaks import in_redis
from oauth_scene import CRM, NAME, a_provider, a_source, kept_in
from office import Office, office
from sayso.agent.redis_grants import RedisGrants
from sayso.approvals import lacking, machine
from sayso.approvals.change import Change, Event
from sayso.approvals.connection import open_redis
from sayso.approvals.credential import DeadCredential, Mending
from sayso.approvals.people import Identity
from sayso.approvals.request import Request
from sayso.approvals.sealing import Seal
from sayso.approvals.verdict import Approve
from sayso.bot.connecting import COOKIE, Connectable, Connecting
from sayso.bot.desk import Desk
from sayso.bot.tickets import Tickets
from sayso.cards.words import LINK_WORDS
from sayso.sandbox.oauth import OAuthProvider
from scenes import an_action
from teams_office import teams_office

DEAD = DeadCredential(ref=CRM, words="crm has not signed in to hubspot.", mending=Mending.LINK)
RECONNECT = "Reconnect hubspot…"
BO = Identity(platform="slack", tenant="T0WORKPLACE", user="U0BO")


@asynccontextmanager
async def a_hubspot(url: str) -> AsyncIterator[tuple[OAuthProvider, RedisGrants, Callable[..., Connecting]]]:
    """A provider, where its grants are kept, and what makes the bot's door to it."""
    client = open_redis(url)
    async with a_provider() as provider, kept_in(url) as grants:
        provider.redirects.add(f"{SITE}/connect/hubspot/callback")

        def connecting(desk: Desk, directory: Any, store: Any) -> Connecting:
            source = Connectable(source=a_source(provider, grants), scopes=("crm.read",))
            return Connecting(
                desk=desk, directory=directory, store=store, url=SITE, providers={"hubspot": source},
                tickets=Tickets(client, Seal([b"k" * 32]), prefix="sayso"),
            )  # fmt: skip

        try:
            yield provider, grants, connecting
        finally:
            await client.aclose()


async def asked(o: Any) -> Request:
    """A question about an action whose credential is known to be dead."""
    request = await o.asks(action=an_action(credential=CRM))
    applied = await o.store.change(request.id, lambda one, _: lacking.flagged(Change(request=one), DEAD))
    await o.deliver()
    found: Request = applied.request
    return found


async def link_in_slack(o: Office, name: str = "bo") -> str:
    """What is whispered to whoever presses Reconnect."""
    click = await o.slack.person(name).clicks(o.card(), RECONNECT)
    assert LINK_WORDS.split(":")[0] in await click.whispered()
    (found,) = re.findall(rf"{SITE}/connect/[^|>'\"]+", str(click.ephemerals[-1].blocks))
    return str(found)


async def test_bo_reconnects_from_a_card_in_slack(redis_url: str, redis_client: redis.Redis) -> None:
    """Pressed, signed in, kept sealed, and every card loses its flag; the trail says who did it."""
    async with a_hubspot(redis_url) as (provider, grants, connects), office(connects=connects) as o:
        request = await asked(o)
        assert "Credential is dead" in o.card().text_as_seen()
        assert o.card().buttons() == ["Approve", "Modify…", "Reject…", RECONNECT, "Details"]
        link = await link_in_slack(o)
        async with a_browser(connects(o.desk, o.directory, o.store), provider) as browser:
            done = await browser.signs_in(link)
        assert (done.status_code, "hubspot is connected" in done.text) == (200, True)
        kept = await grants.get(NAME)
        assert kept is not None
        assert kept.refresh_token == provider.current_of("crm")
        assert (await o.now(request)).dead_credential is None
        await o.deliver()
        assert "Credential is dead" not in o.card().text_as_seen()
        trail = await o.store.trail(request.ask.run.thread)
        (added,) = [one.entry for one in trail if one.entry.event is Event.CREDENTIAL_ADDED]
        assert (added.by, added.facts) == ("bo", {"provider": "hubspot", "subject": "crm"})
        standing = (
            str(list(in_redis(redis_client))) + str(o.store._requests) + str(trail) + o.card().text_as_seen()
        )
        for secret in (*provider.secrets_seen, link.partition("ticket=")[2]):
            assert secret not in standing


async def test_bo_reconnects_what_was_approved_already(redis_url: str) -> None:
    """The short card says what is missing; who asked may not mend it, and afterwards its worker has it again."""
    async with a_hubspot(redis_url) as (provider, _, connects), office(connects=connects) as o:
        request = await o.asks(action=an_action(credential=CRM))
        await o.desk.answer(request.id, 1, Approve(), BO, token="click-1")
        await o.store.change(request.id, lambda one, now: machine.resuming(one, "w1", now))
        await o.store.change(request.id, lambda one, now: lacking.lacks(one, DEAD, "w1", now))
        await o.deliver()
        assert o.card().buttons() == [RECONNECT, "Details"]
        assert (
            "waits for a sign-in and then goes on by itself. crm has not signed in" in o.card().text_as_seen()
        )
        said = "\n".join(one.text_as_seen() for one in o.slack.messages("#support"))
        assert "It cannot run yet, and nothing has been done" in said
        alex = await o.slack.person("alex").clicks(o.card("#support"), RECONNECT)
        assert "You asked for this" in await alex.whispered()
        link = await link_in_slack(o, "cy")
        worked = len(o.store._work)
        async with a_browser(connects(o.desk, o.directory, o.store), provider) as browser:
            assert (await browser.signs_in(link)).status_code == 200
        assert (await o.now(request)).dead_credential is None
        assert len(o.store._work) == worked + 1


async def test_bo_reconnects_from_a_card_in_teams(redis_url: str) -> None:
    """The link stands where the card stood, for Bo alone."""
    async with a_hubspot(redis_url) as (provider, _, connects), teams_office(connects=connects) as o:
        request = await asked(o)
        bo, cy = o.teams.person("bo"), o.teams.person("cy")
        await bo.clicks(o.card(), RECONNECT)
        assert LINK_WORDS.split(":")[0] in bo.reads(o.card())
        assert LINK_WORDS.split(":")[0] not in cy.reads(o.card())
        (link,) = re.findall(rf"{SITE}/connect/[^)\"\s]+", str(o.card().card_for("bo")))
        async with a_browser(connects(o.desk, o.directory, o.store), provider) as browser:
            assert (await browser.signs_in(link)).status_code == 200
        assert (await o.now(request)).dead_credential is None


@pytest.mark.parametrize(("name", "words"), [("alex", "You asked for this"), ("kim", "not an approver")])
async def test_who_may_not_decide_gets_no_link(name: str, words: str, redis_url: str) -> None:
    """Neither who asked nor an outsider, and the refusal is on record."""
    async with a_hubspot(redis_url) as (_, _, connects), office(connects=connects) as o:
        request = await asked(o)
        card = o.card("#support" if name == "alex" else "#finance-approvals")
        assert words in await (await o.slack.person(name).clicks(card, RECONNECT)).whispered()
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


async def test_a_link_is_good_once_and_looking_at_it_costs_nothing(redis_url: str) -> None:
    """Mail scanners open links; who presses the button first has it."""
    async with _begun(redis_url) as scene:
        for _ in range(3):
            assert "Bo" in (await scene.browser.looks(scene.link)).text
        assert (await scene.browser.goes_on(scene.link)).status_code == 303
        again = await scene.browser.goes_on(scene.link)
        assert (again.status_code, "used already" in again.text) == (400, True)
        assert (await scene.browser.looks(scene.link)).status_code == 400


async def test_a_link_lives_ten_minutes_of_the_stores_clock(redis_url: str) -> None:
    """And so does the sign-in that was begun with it."""
    async with _begun(redis_url) as scene:
        begun = await scene.browser.goes_on(scene.link)
        back = await scene.browser.comes_back(begun.headers["Location"])
        other = await scene.another_link()
        scene.office.store.advance(timedelta(minutes=10))
        assert (await scene.browser.looks(other)).status_code == 400
        assert "ten minutes are over" in (await scene.browser.looks(back)).text
        assert scene.provider.sign_ins == 0


async def test_a_callback_in_another_browser_is_refused(redis_url: str) -> None:
    """Nobody puts an account of their own in place of ours by sending us their callback; the right browser still may."""
    async with _begun(redis_url) as scene:
        begun = await scene.browser.goes_on(scene.link)
        back = await scene.browser.comes_back(begun.headers["Location"])
        async with a_browser(scene.connecting, scene.provider) as foreign:
            refused = await foreign.looks(back)
            assert (refused.status_code, "another browser" in refused.text) == (400, True)
            foreign.site.cookies.set(COOKIE, "guessed", domain="sayso.example.com")
            assert (await foreign.looks(back)).status_code == 400
        assert scene.provider.sign_ins == 0
        assert (await scene.browser.looks(back)).status_code == 200


async def test_a_callback_shown_again_changes_nothing(redis_url: str) -> None:
    """The code is exchanged once, whatever the browser's back button does."""
    async with _begun(redis_url) as scene:
        begun = await scene.browser.goes_on(scene.link)
        back = await scene.browser.comes_back(begun.headers["Location"])
        assert (await scene.browser.looks(back)).status_code == 200
        assert (await scene.browser.looks(back)).status_code == 400
        assert scene.provider.sign_ins == 1


@pytest.mark.parametrize(
    "changed",
    [lambda at: at.replace("state=", "state=x"), lambda at: re.sub("state=[^&]*", "", at),
     lambda at: at.replace("/hubspot/", "/google/"), lambda at: at.replace("/callback", "/callback/x")],
)  # fmt: skip
async def test_a_callback_that_was_bent_is_refused(changed: Callable[[str], str], redis_url: str) -> None:
    """Another state, none, another provider, another path: nothing is exchanged."""
    async with _begun(redis_url) as scene:
        begun = await scene.browser.goes_on(scene.link)
        back = changed(await scene.browser.comes_back(begun.headers["Location"]))
        assert (await scene.browser.looks(back)).status_code in (400, 404)
        assert scene.provider.sign_ins == 0


async def test_who_says_no_at_the_provider_reads_that_nothing_was_kept(redis_url: str) -> None:
    """And the card offers it again."""
    async with _begun(redis_url) as scene:
        scene.provider.consents = False
        assert "was refused; nothing was kept" in (await scene.browser.signs_in(scene.link)).text
        assert (await scene.office.now(scene.request)).dead_credential == DEAD


async def test_a_ticket_written_into_redis_by_hand_lets_nobody_in(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """Only what our key has sealed, for the very secret it stands under, is one."""
    async with _begun(redis_url) as scene:
        (place,) = list(redis_client.keys("*:ticket:*"))
        other = await scene.another_link()
        (second,) = set(redis_client.keys("*:ticket:*")) - {place}
        redis_client.set(second, redis_client.get(place) or b"")
        assert (await scene.browser.looks(other)).status_code == 400
        redis_client.set(place, b'{"person": "bo"}')
        assert (await scene.browser.looks(scene.link)).status_code == 400


async def test_what_is_mended_already_needs_no_link(redis_url: str) -> None:
    """A second approver who comes later is told so, before and after they have a link."""
    async with _begun(redis_url) as scene:
        second = await scene.another_link()
        assert (await scene.browser.signs_in(scene.link)).status_code == 200
        assert "Nobody has to sign in" in (await scene.browser.goes_on(second)).text
        click = await scene.office.slack.person("cy").clicks(scene.office.card(), RECONNECT)
        assert "Nobody has to sign in" in await click.whispered()


async def test_the_pages_run_nothing_and_are_kept_nowhere(redis_url: str) -> None:
    """A provider's name or a person's is text, and the address is told to nobody."""
    async with _begun(redis_url) as scene:
        seen = await scene.browser.looks(scene.link)
        assert "default-src 'none'" in seen.headers["content-security-policy"]
        assert (seen.headers["cache-control"], seen.headers["referrer-policy"]) == ("no-store", "no-referrer")
        begun = await scene.browser.goes_on(scene.link)
        cookie = begun.headers["set-cookie"]
        for word in (f"{COOKIE}=", "Secure", "HttpOnly", "SameSite=lax", "Path=/"):
            assert word in cookie
        assert "domain" not in cookie.lower()


# ---- inside


class _Scene:
    """A link in Bo's hands."""

    def __init__(
        self, o: Office, provider: OAuthProvider, connecting: Connecting, request: Request, browser: Browser
    ) -> None:
        self.office, self.provider, self.connecting = o, provider, connecting
        self.request, self.browser = request, browser
        self.link = ""

    async def another_link(self) -> str:
        return await self.connecting.link(self.request.id, BO, token="")


@asynccontextmanager
async def _begun(redis_url: str) -> AsyncIterator[_Scene]:
    async with a_hubspot(redis_url) as (provider, _, connects), office(connects=connects) as o:
        request = await asked(o)
        connecting = connects(o.desk, o.directory, o.store)
        async with a_browser(connecting, provider) as browser:
            scene = _Scene(o, provider, connecting, request, browser)
            scene.link = await scene.another_link()
            yield scene
