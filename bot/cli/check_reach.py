"""What `sayso check` looks at between people and places: whether those who may answer have an account where cards stand."""

from __future__ import annotations

from collections.abc import Iterator

from ...approvals.route import Route
from ..settings import Settings
from .looks import Doubtful, Look


def out_of_reach(settings: Settings) -> Iterator[tuple[str, Look]]:
    """A line for each route whose approvers cannot press a button where its cards stand; members of groups not counted."""
    for route in settings.policy.routes.values():
        where = {place.partition(":")[0] for place in route.places}
        if "person" in where:
            continue
        if where and (names := _without(route, where, settings)):
            yield f"routes.{route.name}", _doubt(names, where)
        for platform in sorted(where) if len(where) > 1 else ():
            names = _without(route, {platform}, settings)
            if names and names == _listed(route, settings) and not _grouped(route, platform, settings):
                yield f"routes.{route.name}", _doubt(names, {platform})


def _listed(route: Route, settings: Settings) -> list[str]:
    """Approvers that are named one by one."""
    return sorted({person for name in route.rule.approvers for person in settings.sets[name].people})


def _without(route: Route, where: set[str], settings: Settings) -> list[str]:
    """Those of them that have no account on any of these platforms."""
    return [one for one in _listed(route, settings) if not where & set(settings.people[one].accounts)]


def _grouped(route: Route, platform: str, settings: Settings) -> bool:
    """Whether a group may have approvers there."""
    groups = [group for name in route.rule.approvers for group in settings.sets[name].groups]
    return any(group.partition(":")[0] == platform for group in groups)


def _doubt(names: list[str], where: set[str]) -> Look:
    platforms = " or ".join(sorted(one.capitalize() for one in where))

    async def look() -> str:
        raise Doubtful(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} no account in {platforms}, "
            "where its cards stand, and cannot answer them there."
        )

    return look
