"""What nobody may let run unasked for a while (pure)."""

from __future__ import annotations

from ..approvals.action import Action
from ..approvals.naming import OWN
from .policy import Policy
from .risk import always_asked


def never_trusted(action: Action, policy: Policy, graph: str) -> str:
    """Why people are asked about this action every time; empty when it may be trusted for a while.

    Raises: UnknownRoute.
    """
    if always := always_asked(action, policy.of(action.tool)):
        return f"{always[0].reason} It cannot be trusted ahead."
    if policy.route_for(action).rule.needed > 1:
        return "More than one person has to agree to this, so one alone cannot trust it ahead."
    if graph.startswith(OWN):
        return "Its run ends with its owner's process, so people are asked every time."
    return ""
