"""Who may answer a request: pure rules over looked-up members; anything not certain is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import NotAllowed, WhyNot
from .people import PersonId, Place
from .request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Who is who right now.

    Attributes:
        frozen: Members of the sets the request was opened with (and of the circles added since).
        current: Members of the sets today's policy names for the same route, circles included.
        denied: Persons barred from deciding anything.
    """

    frozen: Mapping[str, frozenset[PersonId]]
    current: frozenset[PersonId]
    denied: frozenset[PersonId] = field(default_factory=frozenset)

    def may_decide(self, request: Request) -> frozenset[PersonId]:
        """Everybody who may decide: in a frozen set **and** allowed today, not barred, not a requester."""
        frozen = frozenset().union(*(self.frozen.get(name, frozenset()) for name in request.approver_sets))
        return (frozen & self.current) - self.denied - request.requesters

    def check(self, request: Request, person: PersonId) -> None:
        """Raises: NotAllowed, with the reason that helps most."""
        if person in request.requesters:
            raise NotAllowed(WhyNot.OWN_REQUEST)
        if person in self.denied:
            raise NotAllowed(WhyNot.DENIED)
        if not self.may_decide(request):
            raise NotAllowed(WhyNot.NO_APPROVERS)
        if person not in self.may_decide(request):
            in_frozen = any(person in self.frozen.get(name, ()) for name in request.approver_sets)
            raise NotAllowed(WhyNot.NOT_ANY_MORE if in_frozen else WhyNot.NOT_AN_APPROVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glass:
    """Who may break the glass, and the channels that hear of it at once."""

    people: frozenset[PersonId] = frozenset()
    tell: tuple[Place, ...] = ()
