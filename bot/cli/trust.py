"""`sayso trust`: lists what runs without asking for a while because somebody trusts it, and ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ...approvals.errors import BadSetting
from ...approvals.trust import Trust
from ...cards.words import trusts
from ..opening import open_store
from ..settings import Settings, load_settings
from ..trusting import Trusted
from .options import SettingsFile
from .terminal import console, local_zone, namer
from .withdraw import OPERATOR

app = typer.Typer(
    help="What runs without asking for a while because an approver trusts it.", no_args_is_help=True
)


@app.command(name="list")
def listed(settings: SettingsFile = None) -> None:
    """List what is trusted now, the first to end first. Approvers say “trust 30m: why” in the thread of a card."""
    read = load_settings(settings)
    standing, now = asyncio.run(_standing(read))
    out = console()
    for one in standing:
        out.print(words_of(one, read, now), soft_wrap=True)
    if not standing:
        out.print("Nothing is trusted ahead.")


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="As `sayso trust list` shows it; its beginning is enough.")],
    as_person: Annotated[
        str | None, typer.Option("--as", help="Id of the person who does this: who gave it, or an operator.")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """End it at once, for every worker: what has not started is asked about again, or is not done."""
    ended = asyncio.run(_revoked(settings, id.strip().lower(), as_person))
    console().print(f"People are asked again about {ended.tool} of {ended.graph}.", soft_wrap=True)


def words_of(trust: Trust, settings: Settings, now: datetime) -> str:
    """One line for a terminal."""
    return trusts(trust, name=namer(settings), now=now, tz=local_zone())


async def _standing(settings: Settings) -> tuple[Sequence[Trust], datetime]:
    async with open_store(settings) as store:
        return await Trusted(store=store).standing(), await store.now()


async def _revoked(file: Path | None, id: str, as_person: str | None) -> Trust:
    """Raises: BadSetting, NoSuchTrust, NotTheirTrust, and what opening the store raises."""
    settings = load_settings(file)
    if as_person is not None and as_person not in settings.people:
        raise BadSetting(f"There is no person {as_person!r} in {settings.file}.")
    async with open_store(settings) as store:
        trusted = Trusted(store=store)
        if as_person is None:  # whoever says no name has the store, so they operate it
            return await trusted.revoke(id, by=OPERATOR)
        return await trusted.revoke(id, by=as_person, operators=settings.operators)
