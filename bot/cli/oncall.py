"""`sayso oncall`: who is on call, now and next, as the next page would find them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.text import Text

from ...approvals.errors import DirectoryDown
from ...approvals.people import PersonId
from ..app import directory_opened
from ..directory import ConfiguredDirectory
from ..settings import Settings, load_settings
from .terminal import console


def print_on_call(file: Path | None) -> int:
    """A line or two for each set that is asked as on-call; 1 when nobody is on call somewhere. Raises: BadSetting."""
    settings = load_settings(file)
    now = datetime.now(UTC)

    async def looked() -> Sequence[tuple[str, str, bool]]:
        async def wall() -> datetime:
            return now

        async with directory_opened(settings, now=wall) as directory:
            return [await _of(name, settings, directory, now) for name in _asked(settings)]

    found = asyncio.run(looked())
    out = console()
    if not found:
        out.print("No route names an on_call set, and no set has a rotation: docs/waiting.md shows how.")
    for name, words, somebody in found:
        out.print(Text.assemble((f"{name:<16} ", "bold"), (words, "" if somebody else "red")), soft_wrap=True)
    return 0 if all(somebody for *_, somebody in found) else 1


def _asked(settings: Settings) -> Sequence[str]:
    """Sets that routes page, and those in which somebody is on call."""
    paged = [route.on_call for route in settings.policy.routes.values() if route.on_call]
    turns = [name for name, one in settings.sets.items() if one.rotation or one.pagerduty_schedule]
    return tuple(dict.fromkeys((*paged, *turns)))


async def _of(
    name: str, settings: Settings, directory: ConfiguredDirectory, now: datetime
) -> tuple[str, str, bool]:
    try:
        members = await directory.members(name)
    except DirectoryDown as error:
        return name, f"nobody can say: {error}", False
    who = _names(members, directory) or "nobody"
    table = settings.sets[name]
    if name not in settings.rotations:
        source = ", ".join(table.groups) or "listed"
        return name, f"{who} ({source})", bool(members)
    rotation = settings.rotations[name].rotation
    shift = rotation.shift(now)
    instead = (
        f" (nobody by the rotation; {table.fallback} stands in)" if not shift.who and table.fallback else ""
    )
    if shift.until is None:
        return name, f"{who}{instead}", bool(members)
    following = rotation.on_call(shift.until)
    local = shift.until.astimezone(ZoneInfo(rotation.zone))
    next_one = _names([following], directory) if following else table.fallback or "nobody"
    when = f"{local:%a %d %b %Y %H:%M} {rotation.zone}"
    return name, f"{who}{instead} until {when}, then {next_one}", bool(members)


def _names(people: frozenset[PersonId] | Sequence[PersonId], directory: ConfiguredDirectory) -> str:
    known = (directory.known(id) for id in sorted(people))
    return ", ".join(person.name for person in known if person)
