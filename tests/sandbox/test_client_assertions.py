"""What an application signs instead of a secret: one thing wrong at a time, and nothing passes twice."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sayso.sandbox import Workplace
from sayso.sandbox.certificates import client_certificate
from sayso.sandbox.client_assertions import TYPE

SCOPE = "api://backoffice/.default"


def an_assertion(
    workplace: Workplace, pem: bytes, *, alg: str = "PS256", signed_by: bytes = b"", **changed: object
) -> str:
    """A good one but for what is `changed`; None leaves a claim out."""
    tokens, now = workplace.tokens, workplace.tokens.now()
    claims = {
        "aud": f"{tokens.authority}/oauth2/v2.0/token", "iss": tokens.client_id, "sub": tokens.client_id,
        "iat": now, "exp": now + 600, "jti": str(uuid.uuid4()),
    }  # fmt: skip
    claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    print_ = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256())
    headers = {"x5t#S256": jwt.utils.base64url_encode(print_).decode()}
    key = "a shared word that is long enough" if alg == "HS256" else signed_by or pem
    return jwt.encode(claims, key, algorithm=alg, headers=headers)


async def asked(workplace: Workplace, assertion: str, **changed: str) -> dict[str, Any]:
    """The service's answer to this proof."""
    form = {
        "client_id": workplace.tokens.client_id, "client_assertion_type": TYPE, "client_assertion": assertion,
        "grant_type": "client_credentials", "scope": SCOPE, **changed,
    }  # fmt: skip
    with requests.Session() as http:
        http.trust_env = False
        answer = await asyncio.to_thread(
            http.post, f"{workplace.tokens.authority}/oauth2/v2.0/token", data=form,
            verify=workplace.tokens.ca_file,
        )  # fmt: skip
    body: dict[str, Any] = answer.json()
    return body


def registered(workplace: Workplace, *, days: int = 30) -> bytes:
    return Path(workplace.tokens.new_certificate(days=days)).read_bytes()


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
async def test_a_signed_assertion_is_good_once(workplace: Workplace, alg: str) -> None:
    """Both signatures pass; the same assertion again does not."""
    assertion = an_assertion(workplace, registered(workplace), alg=alg)
    assert workplace.tokens.is_valid((await asked(workplace, assertion))["access_token"])
    again = await asked(workplace, assertion)
    assert again["error"] == "invalid_client"
    assert "shown before" in again["error_description"]


async def test_each_claim_is_looked_at(workplace: Workplace) -> None:
    """Audience, issuer, subject, both times, an id; a proof in another's name or of an unknown type."""
    pem, now = registered(workplace), time.time()
    for changed in (
        {"aud": "https://login.elsewhere.test/token"}, {"aud": None}, {"iss": "another"}, {"iss": None},
        {"sub": "another"}, {"sub": None}, {"exp": now - 1}, {"exp": now + 90_000}, {"exp": None},
        {"iat": now + 900, "exp": now + 1000}, {"iat": None}, {"jti": None},
    ):  # fmt: skip
        answer = await asked(workplace, an_assertion(workplace, pem, **changed))
        assert answer.get("error") == "invalid_client", changed
    for form in ({"client_id": "another"}, {"client_assertion_type": "another"}):
        assert (await asked(workplace, an_assertion(workplace, pem), **form))["error"] == "invalid_client"
    assert "access_token" in await asked(workplace, an_assertion(workplace, pem))


async def test_only_a_registered_and_living_certificate_signs(workplace: Workplace) -> None:
    """Not one nobody registered, nor one that expired, nor another key under a known thumbprint, nor none at all."""
    pem, stranger = registered(workplace), client_certificate()
    for assertion in (
        an_assertion(workplace, stranger),
        an_assertion(workplace, registered(workplace, days=-1)),
        an_assertion(workplace, pem, signed_by=stranger),
        an_assertion(workplace, pem, alg="HS256"),
        "garbage",
        "",
    ):
        assert (await asked(workplace, assertion))["error"] == "invalid_client"
