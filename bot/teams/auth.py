"""Who may speak for Teams: the token of each delivery is checked before a byte of its body is read.

No SDK is involved: both transports let in exactly the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jwt

from .keys import ChannelKey, KeysDown
from .registration import Registration

#: How far clocks may be apart, in seconds.
LEEWAY = 300
#: The only channel we serve: others let clients say themselves who they are.
CHANNEL = "msteams"
_LONGEST_TOKEN = 8_000  # characters; Microsoft's have about a thousand
_NEEDED = ("exp", "iss", "aud", "serviceurl")


class Refused(Exception):
    """A request that did not come from Teams (401), says nothing we understand (400), or cannot be judged (503).

    Attributes:
        status: HTTP status; the words tell an outsider nothing.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Keys(Protocol):
    """Where the issuer's keys come from."""

    async def get(self, kid: str) -> ChannelKey | None:
        """Raises: KeysDown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What an authentic token vouches for: one service URL, and the channels its key may speak for."""

    service_url: str
    endorsements: frozenset[str]

    def check(self, activity: Mapping[str, Any]) -> None:
        """Whether the token was made for this activity. Raises: Refused."""
        if activity.get("serviceUrl") != self.service_url:
            raise Refused(401, "another service url")
        if activity.get("channelId") != CHANNEL or CHANNEL not in self.endorsements:
            raise Refused(401, "a channel the key does not speak for")


class Doorkeeper:
    """Checks `Authorization` headers."""

    def __init__(self, registration: Registration, keys: Keys) -> None:
        self._registration = registration
        self._keys = keys

    async def checked(self, authorization: str) -> Verified:
        """What the token vouches for. Raises: Refused."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise Refused(401, "no bearer token")
        try:
            key = await self._keys.get(_key_id(token))
        except KeysDown:
            raise Refused(503, "no keys") from None
        if key is None:
            raise Refused(401, "unknown key")
        claims = self._claims(token, key)
        return Verified(service_url=str(claims["serviceurl"]), endorsements=key.endorsements)

    def _claims(self, token: str, key: ChannelKey) -> Mapping[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key.public, algorithms=["RS256"], audience=self._registration.app_id,
                issuer=self._registration.issuer, leeway=LEEWAY, options={"require": list(_NEEDED)},
            )  # fmt: skip
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise Refused(401, type(error).__name__) from None
        return claims


def _key_id(token: str) -> str:
    """Which key a token says it is signed with. Raises: Refused."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, TypeError):
        raise Refused(401, "no token") from None
    kid = header.get("kid")
    if header.get("alg") != "RS256" or not isinstance(kid, str) or not kid:
        raise Refused(401, "not signed as Microsoft signs")
    return kid
