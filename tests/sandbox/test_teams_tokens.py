"""Who may speak to the bot: every bad token, bad bodies, and keys that change."""

from __future__ import annotations

import time

import pytest
import requests
from sayso.sandbox import Workplace
from tiny_bot import TinyBot

BAD = (
    "no header", "empty", "no token", "garbage", "not a bearer", "a forged key", "an unknown key", "no key id",
    "tampered claims", "no signature (alg none)", "HS256", "RS512", "expired 10 minutes ago", "valid in 10 minutes",
    "no exp", "another bot's", "no aud", "another issuer", "no issuer", "another service url", "no service url",
    "a skill's", "the emulator's",
)  # fmt: skip


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_token_is_told_from_a_good_one(workplace: Workplace, bot: TinyBot, what: str) -> None:
    """Each differs from the good one in one thing only, so a good verifier refuses all of them."""
    activity = workplace.teams.activity("alex", "#support", "@sayso refund")
    header = workplace.teams.bad_authorizations()[what]
    assert (await workplace.teams.deliver(activity, authorization=header)).status == 401
    assert (await workplace.teams.deliver(activity)).status == 200
    assert len(bot.received) == 1


async def test_every_bad_token_has_its_row(workplace: Workplace) -> None:
    """What the stand-in can forge is what is tried above."""
    assert set(workplace.teams.bad_authorizations()) == set(BAD)


async def test_a_body_that_does_not_fit_its_token(workplace: Workplace, bot: TinyBot) -> None:
    """Another service URL, none, or a channel the key does not speak for."""
    teams = workplace.teams
    for changed in ({"serviceUrl": "https://evil.example/"}, {"serviceUrl": None}, {"channelId": "webchat"}):
        hostile = teams.activity("alex", "#support", "@sayso refund", **changed)
        assert (await teams.deliver(hostile)).status == 401
    teams.endorse("webchat")
    assert (await teams.deliver(teams.activity("alex", "#support", "@sayso refund"))).status == 401
    assert bot.received == []


async def test_keys_rotate(workplace: Workplace, bot: TinyBot) -> None:
    """The new one is published; the old one only if it is kept."""
    teams = workplace.teams
    old = f"Bearer {teams.token()}"
    teams.rotate_keys(keep_old=True)
    activity = teams.activity("alex", "#support", "@sayso refund")
    assert (await teams.deliver(activity, authorization=old)).ok
    teams.rotate_keys()
    assert (await teams.deliver(activity, authorization=old)).status == 401
    assert (await teams.deliver(activity)).ok
    assert len(bot.received) == 2


async def test_claims_can_be_bent(workplace: Workplace, bot: TinyBot) -> None:
    """Four minutes late is within the leeway of five."""
    activity = workplace.teams.activity("alex", "#support", "@sayso refund")
    late = f"Bearer {workplace.teams.token(exp=int(time.time()) - 240)}"
    assert (await workplace.teams.deliver(activity, authorization=late)).ok


async def test_keys_and_tokens_are_served_while_the_programs_loop_is_blocked(workplace: Workplace) -> None:
    """Microsoft's libraries block: a stand-in on the same loop would be a deadlock."""
    fetch_everything(workplace)


def fetch_everything(workplace: Workplace) -> None:
    """Key documents and a token, without giving the loop a chance."""
    with requests.Session() as session:
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win over `verify`
        kids = set()
        for url in (workplace.teams.open_id_metadata_url, workplace.teams.emulator_metadata_url):
            (key,) = session.get(session.get(url, timeout=5).json()["jwks_uri"], timeout=5).json()["keys"]
            kids.add((key["kid"], *key["endorsements"]))
        assert sorted(len(one) for one in kids) == [1, 2]  # nobody endorses the emulator
        form = {"client_id": workplace.tokens.client_id, "client_secret": workplace.tokens.client_secret,
                "grant_type": "client_credentials", "scope": workplace.teams.scope}  # fmt: skip
        url, trusted = f"{workplace.tokens.authority}/oauth2/v2.0/token", workplace.tokens.ca_file
        token = session.post(url, data=form, timeout=5, verify=trusted).json()["access_token"]
        assert (workplace.tokens.claims(token) or {})["aud"] == "https://api.botframework.com"
        assert session.get(f"{workplace.teams.service_url}nothing", timeout=5).status_code == 404
    assert "unexpected call GET" in str(workplace.violations.take()[0])
