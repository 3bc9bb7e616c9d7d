"""What one check of `sayso check` is, and how it says that something is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from ...approvals.errors import SaysoError
from ..settings import Settings

#: Looks at one thing and says in words what it found. Raises: SaysoError, with what is wrong and what to do.
Look = Callable[[], Awaitable[str]]


class Wrong(SaysoError):
    """Something is not as it has to be."""


class Doubtful(SaysoError):
    """Something works, but is probably not meant."""


def present(settings: Settings, name: str, why: str) -> Look:
    """Whether a secret is in the environment."""

    async def look() -> str:
        settings.secret(name, why)
        return "set"

    return look


def said(ask: Callable[[str], Awaitable[str]], id: str) -> Look:
    """What a platform says about the thing with this id."""
    return lambda: ask(id)


def listed(ask: Callable[[str], Awaitable[frozenset[str]]], group: str, accounts: Collection[str]) -> Look:
    """How many of a platform's group are people of the settings."""

    async def look() -> str:
        members = await ask(group)
        known = members & set(accounts)
        if not known:
            raise Wrong("nobody in this user group is listed under [people], so nobody in it can decide")
        return f"{len(known)} of its {len(members)} members are listed under [people]"

    return look


def places_on(platform: str, settings: Settings) -> Mapping[str, str]:
    """The places of all routes on a platform, each once with the routes that name it."""
    routes: dict[str, list[str]] = {}
    for route in settings.policy.routes.values():
        for place in (*route.places, route.fallback):
            if place.startswith(f"{platform}:"):
                routes.setdefault(place, []).append(f"routes.{route.name}")
    return {place: ", ".join(names) for place, names in routes.items()}
