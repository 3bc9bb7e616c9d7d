"""`sayso pause` and `sayso unpause`: stops everything that agents do, or one agent, and lets it go on again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ...approvals.errors import BadSetting
from ...approvals.halt import Halt
from ...approvals.people import PersonId
from ...cards.words import paused, paused_what
from ..halting import Halting, NothingPaused, PausedLonger, span_of
from ..opening import open_store
from ..settings import Settings, load_settings
from .terminal import console, local_zone, namer
from .withdraw import OPERATOR

_RUNS_ON = (
    "Tools that had started finish; questions, reminders and deadlines run on. `sayso unpause` ends it."
)


def pause(file: Path | None, graph: str, span: str, why: str, as_person: str | None) -> None:
    """Raises: BadSetting, NoSpan, NoReason, NotOperator, PausedLonger, and what opening the store raises."""
    settings, length = load_settings(file), span_of(span)
    _known(settings, graph, as_person)

    async def paused_now() -> Halt:
        async with open_store(settings) as store:
            halting = Halting(store=store, operators=settings.operators)
            by = await _permitted(halting, as_person, "pause sayso")
            try:
                return await halting.pause(graph, length, why, by=by)
            except PausedLonger:
                (standing,) = [one for one in await halting.standing() if one.graph == graph]
                raise PausedLonger(f"{words_of(standing, settings)}. {PausedLonger()}") from None

    halt = asyncio.run(paused_now())
    console().print(f"{words_of(halt, settings)}.\n{_RUNS_ON}", soft_wrap=True)


def unpause(file: Path | None, graph: str, why: str, as_person: str | None) -> None:
    """Raises: BadSetting, NotOperator, NothingPaused, and what opening the store raises."""
    settings = load_settings(file)
    _known(settings, graph, as_person)

    async def ended_now() -> Sequence[Halt]:
        async with open_store(settings) as store:
            halting = Halting(store=store, operators=settings.operators)
            by = await _permitted(halting, as_person, "end a pause")
            try:
                return await halting.unpause(graph, why, by=by)
            except NothingPaused:
                others = await halting.standing()
                raise NothingPaused("; ".join(words_of(one, settings) for one in others)) from None

    ended = asyncio.run(ended_now())
    console().print(f"{' and '.join(map(paused_what, ended))} goes on.", soft_wrap=True)


def words_of(halt: Halt, settings: Settings) -> str:
    """Who paused what, until when, and why, for a terminal."""
    name = namer(settings)
    return paused(halt, name=name, tz=local_zone())


async def standing(settings: Settings) -> Sequence[Halt]:
    """What is paused now."""
    async with open_store(settings) as store:
        return await Halting(store=store, operators=()).standing()


def _known(settings: Settings, graph: str, as_person: str | None) -> None:
    if as_person is not None and as_person not in settings.people:
        raise BadSetting(f"There is no person {as_person!r} in {settings.file}.")
    if graph and graph not in settings.graphs and not settings.servers:
        raise BadSetting(f"There is no graph {graph!r} in {settings.file}.")


async def _permitted(halting: Halting, as_person: str | None, what: str) -> str:
    """Who it is on record for; whoever says no name has the store, so they operate it."""
    if as_person is None:
        return OPERATOR
    await halting.permit(PersonId(as_person), what)
    return as_person
