"""The keys with which Microsoft signs what it sends to bots: published, rotated, and misused on purpose."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from ..loopback import Json

ISSUER = "https://api.botframework.com"
#: Who signs for the Bot Framework Emulator; a bot in production must not listen to it.
EMULATOR_ISSUER = "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"

HOUR = 3600.0
_MINUTE = 60.0


#: Kept for the whole process: making one takes a fifth of a second.
_MADE: dict[str, rsa.RSAPrivateKey] = {}


def _made_once(name: str) -> rsa.RSAPrivateKey:
    if name not in _MADE:
        _MADE[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _MADE[name]


class SigningKeys:
    """One issuer's keys; only the newest signs.

    Args:
        endorsements: The channels the keys may speak for; change the list to take one away.
    """

    def __init__(self, name: str, endorsements: list[str]) -> None:
        self.endorsements = endorsements
        self._name = name
        self._turn = 0
        self._kid = secrets.token_urlsafe(20)
        self._published: dict[str, rsa.RSAPrivateKey] = {self._kid: self.newest}

    @property
    def kid(self) -> str:
        """Id of the key that signs."""
        return self._kid

    @property
    def newest(self) -> rsa.RSAPrivateKey:
        """The key that signs."""
        return _made_once(f"{self._name} {self._turn % 2}")

    def rotate(self, *, keep_old: bool) -> None:
        """Sign with another key from now on; the old ones are still published if `keep_old`."""
        self._turn += 1
        self._kid = secrets.token_urlsafe(20)
        kept = self._published if keep_old else {}
        self._published = {**kept, self._kid: self.newest}

    def as_json(self) -> Json:
        """The published key set, with the endorsements Bot Framework adds to it."""
        return {"keys": [self._as_jwk(kid, key) for kid, key in self._published.items()]}

    def signed(self, claims: Mapping[str, object], *, headers: Mapping[str, object] | None = None) -> str:
        """A token over exactly these claims."""
        named = {"kid": self._kid, **(headers or {})}
        return jwt.encode(dict(claims), self.newest, algorithm="RS256", headers=named)

    def _as_jwk(self, kid: str, key: rsa.RSAPrivateKey) -> Json:
        public: Json = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
        return {**public, "kid": kid, "x5t": kid, "use": "sig", "alg": "RS256",
                "endorsements": list(self.endorsements)}  # fmt: skip


def claims_for(app_id: str, service_url: str, **changed: object) -> dict[str, Any]:
    """What the Connector says to the bot; `name=None` leaves a claim out."""
    now = time.time()
    whole: dict[str, object] = {
        "iss": ISSUER, "aud": app_id, "serviceurl": service_url, "nbf": int(now - 5 * _MINUTE),
        "iat": int(now), "exp": int(now + HOUR), **changed,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def bad_authorizations(
    keys: SigningKeys, emulator: SigningKeys, *, app_id: str, service_url: str
) -> dict[str, str | None]:
    """`Authorization` headers that a bot must answer with 401, by what is wrong; None is no header."""
    now = time.time()
    good = claims_for(app_id, service_url)

    def claiming(**changed: object) -> str:
        return f"Bearer {keys.signed(claims_for(app_id, service_url, **changed))}"

    past = int(now - 10 * _MINUTE)
    return {
        "no header": None,
        "empty": "",
        "no token": "Bearer ",
        "garbage": "Bearer not.a.token",
        "not a bearer": f"Basic {keys.signed(good)}",
        **_wrongly_signed(keys, good),
        "expired 10 minutes ago": claiming(exp=past, iat=past - 60, nbf=past - 60),
        "valid in 10 minutes": claiming(nbf=int(now + 10 * _MINUTE)),
        "no exp": claiming(exp=None),
        "another bot's": claiming(aud="00000000-0000-4000-8000-000000000000"),
        "no aud": claiming(aud=None),
        "another issuer": claiming(iss="https://login.example/"),
        "no issuer": claiming(iss=None),
        "another service url": claiming(serviceurl="https://evil.example/"),
        "no service url": claiming(serviceurl=None),
        "a skill's": claiming(iss="https://sts.windows.net/skill/", ver="1.0", appid=app_id),
        "the emulator's": "Bearer "
        + emulator.signed(
            claims_for(app_id, service_url, iss=EMULATOR_ISSUER, ver="1.0", appid=app_id, serviceurl=None)
        ),
    }


def _wrongly_signed(keys: SigningKeys, good: dict[str, Any]) -> dict[str, str | None]:
    forger = _made_once("forger")
    named: dict[str, Any] = {"kid": keys.kid}

    def forged(**headers: object) -> str:
        return jwt.encode(good, forger, algorithm="RS256", headers=headers)

    tampered = keys.signed(good).split(".")
    tampered[1] = keys.signed({**good, "exp": good["exp"] + 60}).split(".")[1]
    tokens = {
        "a forged key": forged(kid=keys.kid),
        "an unknown key": forged(kid="unknown"),
        "no key id": forged(),
        "tampered claims": ".".join(tampered),
        "no signature (alg none)": jwt.encode(good, "", algorithm="none", headers=named),
        "HS256": jwt.encode(good, secrets.token_hex(32), algorithm="HS256", headers=named),
        "RS512": jwt.encode(good, keys.newest, algorithm="RS512", headers=named),
    }
    return {what: f"Bearer {token}" for what, token in tokens.items()}
