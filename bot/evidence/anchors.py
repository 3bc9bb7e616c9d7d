"""Anchors: where each partition's trail had got to, said outside the store each minute, so that nobody can shorten it.

An anchor is one line of JSON. It goes to the log, to a file, and signed to an address, whichever the settings name; each
one covers everything before it, so one that did not get out is made up for by the next.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from ...approvals.inspecting import ANCHORED_DIGITS, Anchored
from ...approvals.linking import Link, LinkKeys, Mark, UnknownLinkKey
from ...approvals.redis_store import RedisStore
from ..api.signature import CallbackSecret

log = logging.getLogger(__name__)

#: How often one process of all anchors; shorter than a minute by as much as the others may come late.
EVERY = timedelta(seconds=55)
#: How often each process asks whether it is its turn.
LOOK_EVERY = timedelta(seconds=5)
#: How long the address may take, seconds.
SECONDS = 10.0

_ABOUT = "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that takes anchors, signed as Standard Webhooks are."""

    url: str
    secret: CallbackSecret


class Anchors:
    """Says outside how far the trail is linked."""

    def __init__(
        self, store: RedisStore, keys: LinkKeys, *, holder: str, file: Path | None = None, webhook: Webhook | None = None
    ) -> None:  # fmt: skip
        self._store = store
        self._keys = keys
        self._holder = holder
        self._file = file
        self._webhook = webhook
        self._said: Sequence[Mark] = ()

    async def look(self) -> None:
        """Anchor what is new, if it is this process's turn. Raises: StoreDown, OSError, httpx.HTTPError."""
        if await self._store.anchor_turn(self._holder, EVERY):
            await self.anchor()

    async def anchor(self) -> None:
        """Anchor what is new since this process's last anchor. Raises: as `look`, when it did not get out everywhere."""
        heads = await self._store.heads()
        new = [mark for mark in heads if mark not in self._said]
        if not new:
            return
        text = anchor_text(self._keys, new, await self._store.now())
        log.info("audit.anchored", extra={"anchor": text})
        if self._file is not None:
            await asyncio.to_thread(_append, self._file, text)
        if self._webhook is not None:
            await _send(self._webhook, text.encode())
        self._said = heads


def anchor_text(keys: LinkKeys, marks: Sequence[Mark], at: datetime) -> str:
    """One line."""
    heads = {f"{mark.partition:02x}": [mark.number, mark.link[:ANCHORED_DIGITS]] for mark in marks}
    said = {"at": at.astimezone(UTC).isoformat(timespec="seconds"), "heads": heads}
    mac = keys.mac(_ABOUT, [said["at"], heads])
    return json.dumps({**said, "key": mac.key, "mac": mac.text}, separators=(",", ":"))


def read_anchors(text: str, keys: LinkKeys) -> tuple[list[Anchored], list[str]]:
    """The anchors in a file or a log, and what is wrong with those that are none of ours; other lines are passed over."""
    found, wrong = list[Anchored](), list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if '"heads":' not in line:
            continue
        try:
            found += _read(line[line.index('{"at":') :], keys)
        except (ValueError, KeyError, TypeError, AttributeError, UnknownLinkKey) as error:
            why = str(error) if isinstance(error, UnknownLinkKey) else "it was changed, or is none of ours"
            wrong.append(f"anchor in line {number}: {why}")
    return found, wrong


def _read(text: str, keys: LinkKeys) -> list[Anchored]:
    said = json.loads(text)
    if not keys.made(Link(said["mac"], said["key"]), _ABOUT, [said["at"], said["heads"]]):
        raise ValueError
    at = datetime.fromisoformat(said["at"])
    return [
        Anchored(partition=int(partition, 16), number=number, link=link, at=at)
        for partition, (number, link) in said["heads"].items()
    ]


def _append(file: Path, text: str) -> None:
    """Add a line, safe on disk."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as lines:
        lines.write(f"{text}\n")
        lines.flush()
        os.fsync(lines.fileno())


async def _send(webhook: Webhook, body: bytes) -> None:
    id = f"anchor_{hashlib.sha256(body).hexdigest()[:32]}"
    headers = {**webhook.secret.headers(id, datetime.now(UTC), body), "content-type": "application/json"}
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS) as http,
        asyncio.timeout(SECONDS),
        http.stream(
            "POST", webhook.url, content=body, headers=headers
        ) as answer,  # its body is of no account
    ):
        answer.raise_for_status()
