"""What today's policy says about who decides: the port that the desk asks; `agent.policy.Policy` is one."""

from __future__ import annotations

from typing import Protocol

from ..approvals.action import Action
from ..approvals.people import PersonId
from ..approvals.route import Route


class Rules(Protocol):
    """Today's policy."""

    @property
    def version(self) -> str: ...
    @property
    def denied(self) -> frozenset[PersonId]: ...
    def route_for(self, action: Action) -> Route:
        """Where this action's requests go. Raises: SaysoError, when there is no such route any more."""
        ...

    def sets_for(self, action: Action) -> frozenset[str]:
        """Every set that may ever decide it: its route's, and those that its chain adds. Raises: SaysoError."""
        ...
