"""`sayso show pauses` and `sayso show hand-overs`: what is about no single request, as it holds now and as it came about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

from ...approvals.change import AuditRecord
from ...approvals.errors import BadSetting
from ...approvals.halt import HALTS
from ...approvals.handover import HANDOVERS, HandOver
from ...approvals.store import Store
from ...approvals.verdict import ThreadId
from ...cards.escape import cut, line
from ..halting import Halting
from ..opening import open_store
from ..settings import Settings, load_settings
from ..signing_keys import load_verifier
from .halting import words_of
from .terminal import console, local_zone, namer
from .timeline import print_trail

#: Longest reason in a line, characters.
WHY = 300


def print_pauses(file: Path | None) -> None:
    """Who paused what now, and the record of all pauses. Raises: BadSetting, and what opening the store raises."""
    settings = load_settings(file)

    async def now(store: Store) -> Sequence[str]:
        return [f"{words_of(one, settings)}." for one in await Halting(store=store, operators=()).standing()]

    _print(settings, *asyncio.run(_read(settings, now, HALTS)), nothing="Nothing is paused.")


def print_hand_overs(file: Path | None) -> None:
    """Whose authority is in whose hands, or will be, and the record of that. Raises: as `print_pauses`."""
    settings = load_settings(file)
    believed = _believed(settings)

    async def now(store: Store) -> Sequence[str]:
        at = await store.now()
        given = sorted((one for one in await store.handovers() if at < one.until), key=lambda one: one.since)
        return [f"{_handed(one, settings, at)}{believed(one)}" for one in given]

    nothing = "Nobody's authority is in a colleague's hands."
    _print(settings, *asyncio.run(_read(settings, now, HANDOVERS)), nothing=nothing)


async def _read(
    settings: Settings, now: Callable[[Store], Awaitable[Sequence[str]]], thread: ThreadId
) -> tuple[Sequence[str], Sequence[AuditRecord]]:
    async with open_store(settings) as store:
        return await now(store), await store.trail(thread)


def _print(settings: Settings, lines: Sequence[str], trail: Sequence[AuditRecord], *, nothing: str) -> None:
    out = console()
    for one in lines or (nothing,):
        out.print(one, soft_wrap=True)
    if trail:
        out.print()
        print_trail(trail, namer(settings), out)


def _handed(given: HandOver, settings: Settings, now: datetime) -> str:
    name, zone = namer(settings), local_zone()
    since, until = (f"{one.astimezone(zone):%a %d %b %Y %H:%M}" for one in (given.since, given.until))
    begins = "decides" if given.since <= now else f"will decide from {since} on"
    why = f": “{cut(line(given.why), WHY)}”" if given.why else ""
    return f"{line(name(given.to))} {begins} in place of {line(name(given.by))} until {until}{why}."


def _believed(settings: Settings) -> Callable[[HandOver], str]:
    """What is said of a signature; nothing of one that fits."""
    try:
        verifier = load_verifier(settings)
    except BadSetting as error:
        words = f" (Its signature cannot be checked here: {error})"
        return lambda _: words
    return lambda given: (
        "" if verifier.believes(given) else " The bot has not signed this: it gives nobody anything."
    )
