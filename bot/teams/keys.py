"""The keys with which Microsoft signs what Teams sends: fetched in a thread, kept, and fetched again when rotated."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import jwt

from .registration import on_this_machine

log = logging.getLogger(__name__)

#: Keys older than this are fetched again while the old ones still serve; older than a day they serve no more.
STALE, DEAD = timedelta(hours=1), timedelta(hours=24)
#: An unknown key id is looked up at most this often, so that forged ones cost nothing.
LEAST_PAUSE = timedelta(minutes=1)
#: Pause after an answer that did not come.
AFTER_FAILURE = timedelta(seconds=5)
_PATIENCE = 5.0  # seconds for one document


class KeysDown(Exception):
    """The keys cannot be had right now, so nobody can be told from anybody."""


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """One published key, and the channels ("msteams") it may speak for."""

    public: jwt.PyJWK
    endorsements: frozenset[str]


class ChannelKeys:
    """Keys by id; one fetch under way at most."""

    def __init__(self, metadata_url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = metadata_url
        self._monotonic = monotonic
        self._keys: Mapping[str, ChannelKey] = {}
        self._fetched_at: float | None = None
        self._next_at = float("-inf")
        self._fetch: asyncio.Task[None] | None = None

    async def get(self, kid: str) -> ChannelKey | None:
        """The key with this id; None when the issuer publishes none like it. Raises: KeysDown."""
        age = self._age()
        if kid not in self._keys or age > DEAD:
            await self._refreshed()
        elif age > STALE:
            self._begin()
        if self._age() > DEAD:
            raise KeysDown
        return self._keys.get(kid)

    def _age(self) -> timedelta:
        if self._fetched_at is None:
            return timedelta.max
        return timedelta(seconds=self._monotonic() - self._fetched_at)

    async def _refreshed(self) -> None:
        """Wait for a fetch, if one may begin or is under way."""
        if (fetch := self._begin()) is not None:
            await asyncio.shield(fetch)

    def _begin(self) -> asyncio.Task[None] | None:
        if self._fetch is not None and not self._fetch.done():
            return self._fetch
        if self._monotonic() < self._next_at:
            return None
        self._fetch = asyncio.create_task(self._refresh(), name="teams-keys")
        return self._fetch

    async def _refresh(self) -> None:
        began = self._monotonic()
        try:
            # In a thread: trust stores and key sets are read and parsed apart from the event loop.
            keys = await asyncio.to_thread(_fetched, self._url)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError) as error:
            self._next_at = began + AFTER_FAILURE.total_seconds()
            log.warning("teams.keys_down error=%s", type(error).__name__)
            return
        self._keys, self._fetched_at = keys, began
        self._next_at = began + LEAST_PAUSE.total_seconds()


def _fetched(metadata_url: str) -> Mapping[str, ChannelKey]:
    """Ask for the metadata and the key set. Raises what httpx raises; for nonsense ValueError and its like."""
    with httpx.Client(timeout=_PATIENCE, trust_env=not on_this_machine(metadata_url)) as http:
        metadata = http.get(metadata_url).raise_for_status().json()
        keys = http.get(metadata["jwks_uri"]).raise_for_status().json()["keys"]
    return {str(key["kid"]): parsed for key in keys if (parsed := _parsed(key)) is not None}


def _parsed(key: Any) -> ChannelKey | None:
    """An RSA key for signatures; None for any other kind, and for nonsense: the others serve all the same."""
    try:
        if key.get("kty") != "RSA" or key.get("use", "sig") != "sig" or "kid" not in key:
            return None
        public = jwt.PyJWK(dict(key), algorithm="RS256")
        return ChannelKey(public, frozenset(str(one) for one in key.get("endorsements", ())))
    except (jwt.PyJWKError, jwt.InvalidKeyError, ValueError, TypeError, AttributeError):
        return None
