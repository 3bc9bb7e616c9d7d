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
        if "person" not in where and where and (names := _without(route, where, settings)):
            yield f"routes.{route.name}", _doubt(names, where)


def _without(route: Route, where: set[str], settings: Settings) -> list[str]:
    """Approvers that are listed one by one and have no account on any platform of the route's places."""
    listed = {person for name in route.rule.approvers for person in settings.sets[name].people}
    return sorted(person for person in listed if not where & set(settings.people[person].accounts))


def _doubt(names: list[str], where: set[str]) -> Look:
    platforms = " or ".join(sorted(one.capitalize() for one in where))

    async def look() -> str:
        raise Doubtful(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} no account in {platforms}, "
            "where its cards stand, and cannot answer them there."
        )

    return look
