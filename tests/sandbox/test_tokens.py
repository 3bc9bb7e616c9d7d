"""The token service through real msal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msal
import pytest
import requests
from sayso.sandbox import Status, Workplace

SCOPE = ["api://backoffice/.default"]


@pytest.fixture
def http(workplace: Workplace) -> Iterator[requests.Session]:
    """One HTTP session for msal, closed at the end (msal does not close its own)."""
    with requests.Session() as session:
        session.verify = workplace.tokens.ca_file
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win over `verify`
        yield session


def an_app(workplace: Workplace, http: requests.Session, secret: str = "") -> Any:
    tokens = workplace.tokens
    return msal.ConfidentialClientApplication(
        tokens.client_id, authority=tokens.authority, client_credential=secret or tokens.client_secret,
        instance_discovery=False, http_client=http,
    )  # fmt: skip


async def test_msal_gets_a_token_for_the_client(workplace: Workplace, http: requests.Session) -> None:
    """From the cache the second time; a wrong secret is an answer, not an exception."""
    app = await asyncio.to_thread(an_app, workplace, http)
    first = await asyncio.to_thread(app.acquire_token_for_client, SCOPE)
    second = await asyncio.to_thread(app.acquire_token_for_client, SCOPE)
    assert first["access_token"] == second["access_token"] == workplace.tokens.issued[0].token
    assert workplace.tokens.is_valid(first["access_token"])
    wrong = await asyncio.to_thread(an_app, workplace, http, "wrong")
    assert (await asyncio.to_thread(wrong.acquire_token_for_client, SCOPE))["error"] == "invalid_client"


async def test_a_refresh_token_is_good_once(workplace: Workplace, http: requests.Session) -> None:
    """It rotates; the used one is an invalid grant, and so is a revoked one."""
    first = workplace.tokens.refresh_token_for("alex")

    async def refresh(token: str) -> dict[str, Any]:
        app = await asyncio.to_thread(
            an_app, workplace, http
        )  # msal remembers a refusal, so a new one each time
        answer: dict[str, Any] = await asyncio.to_thread(
            app.acquire_token_by_refresh_token, token, ["backoffice.write"]
        )
        return answer

    fresh = await refresh(first)
    assert workplace.tokens.claims(fresh["access_token"])["sub"] == "alex"  # type: ignore[index]
    assert fresh["refresh_token"] != first
    assert (await refresh(first))["error"] == "invalid_grant"
    assert "access_token" in (again := await refresh(fresh["refresh_token"]))
    workplace.tokens.revoke_refresh_tokens_of("alex")
    assert (await refresh(again["refresh_token"]))["error"] == "invalid_grant"
    assert {first, fresh["refresh_token"]} <= set(workplace.tokens.refresh_tokens_seen)


async def test_a_service_acts_on_behalf_of_a_person(workplace: Workplace, http: requests.Session) -> None:
    """The assertion must still be valid."""
    app = await asyncio.to_thread(an_app, workplace, http)
    assertion = workplace.tokens.access_token_for("alex")
    answer = await asyncio.to_thread(app.acquire_token_on_behalf_of, assertion, ["backoffice.write"])
    assert workplace.tokens.claims(answer["access_token"])["sub"] == "alex"  # type: ignore[index]
    workplace.tokens.advance(3601)
    stale = await asyncio.to_thread(
        (await asyncio.to_thread(an_app, workplace, http)).acquire_token_on_behalf_of,
        assertion,
        ["backoffice.read"],
    )
    assert stale["error"] == "invalid_grant"


async def test_a_back_office_refuses_what_has_expired(workplace: Workplace, http: requests.Session) -> None:
    """By asking the service, whose clock can be pushed forward."""
    tokens = workplace.tokens
    token = tokens.access_token_for("alex")

    def introspect(what: str) -> dict[str, Any]:
        answer: dict[str, Any] = http.post(f"{tokens.url}/introspect", data={"token": what}, timeout=5).json()
        return answer

    fresh = await asyncio.to_thread(introspect, token)
    assert (fresh["active"], fresh["sub"]) == (True, "alex")
    head, body, tail = token.split(".")
    assert not tokens.is_valid(f"{head}.{body}x.{tail}")
    tokens.advance(tokens.lifetime + 1)
    assert await asyncio.to_thread(introspect, token) == {"active": False}
    assert tokens.is_valid(tokens.access_token_for("alex"))


async def test_the_keys_are_published(workplace: Workplace, http: requests.Session) -> None:
    """A resource server can check signatures by itself; what is not offered is 404 and counts."""
    tokens = workplace.tokens
    keys = await asyncio.to_thread(http.get, f"{tokens.authority}/discovery/v2.0/keys")
    assert keys.json()["keys"][0]["alg"] == "RS256"
    assert "d" not in keys.json()["keys"][0]
    other = await asyncio.to_thread(http.get, f"{tokens.url}/users")
    assert other.status_code == 404
    tokens.faults.add(Status(503))
    broken = await asyncio.to_thread(http.get, f"{tokens.url}/users")
    assert broken.status_code == 503
    assert len(workplace.violations.take()) == 1
