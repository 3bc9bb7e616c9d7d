"""What `sayso dead-letters` does: the list of what could not be delivered, and its replay."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...approvals.errors import SaysoError
from ...approvals.store import DeadLetter, Store, Target, TargetKind
from ...cards.escape import cut, line
from ..opening import open_store
from ..settings import Settings, load_settings
from .terminal import console, span_words

#: The shortest beginning of a request's id that is taken for it.
SHORTEST_PREFIX = 6


class NoSuchLetter(SaysoError):
    """There is no such dead letter."""


def letter_id(target: Target) -> str:
    """What a letter is called in the terminal: the same as long as it is on the list."""
    return hashlib.sha256(str(target).encode()).hexdigest()[:8]


def print_letters(settings_file: Path | None, *, as_json: bool) -> None:
    """List every dead letter, oldest first."""
    letters, now = asyncio.run(_letters(load_settings(settings_file)))
    out = console()
    if as_json:
        print(json.dumps([_as_json(letter) for letter in letters], indent=2))
    elif letters:
        out.print(_table(letters, now))
        if out.is_terminal:
            words = "\nsayso dead-letters replay ID tries one again, --all all of them."
            out.print(words, style="dim")
    else:
        out.print("There are no dead letters: everything could be delivered.")


def replay_letters(settings_file: Path | None, ids: Sequence[str]) -> None:
    """Have these tried again; without ids all. Raises: NoSuchLetter, and then none is tried."""
    asyncio.run(_replay(load_settings(settings_file), ids, console()))


async def _letters(settings: Settings) -> tuple[Sequence[DeadLetter], datetime]:
    async with open_store(settings) as store:
        return await store.dead_letters(), await store.now()


async def _replay(settings: Settings, ids: Sequence[str], out: Console) -> None:
    async with open_store(settings) as store:
        chosen = _chosen(await store.dead_letters(), ids)
        for letter in chosen:
            await _try_again(store, letter, out)
        if not chosen:
            out.print("There are no dead letters: nothing to try again.")
        else:
            out.print("The running bot tries them now; what fails again is back on the list.")


async def _try_again(store: Store, letter: DeadLetter, out: Console) -> None:
    done = await store.replay(letter.target)
    what = f"{letter.target.kind} of {_about(letter)} in {_places(letter)}"
    words = f"{letter_id(letter.target)}  {what}" if done else f"{what} is no dead letter any more"
    out.print(line(words), soft_wrap=True)


def _chosen(letters: Sequence[DeadLetter], ids: Sequence[str]) -> Sequence[DeadLetter]:
    """Each named letter once, oldest first; all without ids. Raises: NoSuchLetter."""
    for id in ids:
        if not any(_is_meant(letter, id) for letter in letters):
            raise NoSuchLetter(f"There is no dead letter {id!r}; `sayso dead-letters` lists them.")
    return [letter for letter in letters if not ids or any(_is_meant(letter, id) for id in ids)]


def _is_meant(letter: DeadLetter, id: str) -> bool:
    of_request = letter.request is not None and len(id) >= SHORTEST_PREFIX and letter.request.startswith(id)
    return letter_id(letter.target) == id or of_request


def _table(letters: Sequence[DeadLetter], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in ("Id", "Since", "What"):
        table.add_column(head, no_wrap=True)
    table.add_column("Request", overflow="fold", max_width=24)
    table.add_column("Where", overflow="fold")
    table.add_column("Why", ratio=1, overflow="fold")
    for one in letters:
        table.add_row(*map(Text, (
            letter_id(one.target), span_words(now - one.since, 1), one.target.kind, _about(one), _places(one),
            cut(line(one.why), 200),
        )))  # fmt: skip
    return table


def _about(letter: DeadLetter) -> str:
    return letter.request or f"run {letter.thread}"


def _places(letter: DeadLetter) -> str:
    if letter.target.kind is TargetKind.PAGE:
        return f"{letter.target.where} (pager)"
    return ", ".join(letter.places) or "no place"


def _as_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter_id(letter.target), "kind": letter.target.kind, "request": letter.request,
        "run": letter.thread, "places": list(letter.places), "why": letter.why,
        "since": letter.since.isoformat(), "tries": letter.tries,
    }  # fmt: skip
