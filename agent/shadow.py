"""What another policy would have done with the actions on record: which gates would vanish, which would appear; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..approvals.request import Request
from ..approvals.risk import Dimension, Level, Oversight
from .policy import Policy, UnknownRoute
from .risk import assess, assess_call


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One action that two policies treat differently.

    Attributes:
        before, after: What the one and what the other policy has a person do.
        routes: Where each would ask; empty where it asks nobody or has no such route.
        reason: Why the other policy does so.
    """

    request: Request
    before: Oversight
    after: Oversight
    routes: tuple[str, str]
    reason: str

    @property
    def tool(self) -> str:
        return self.request.ask.first.proposal.action.tool

    @property
    def kind(self) -> tuple[str, str]:
        """What would happen to what, in words."""
        if self.before is self.after:
            return "action", "would be asked about on another route"
        if self.before is Oversight.GATE:
            return "gate", "would vanish"
        return (
            ("gate", "would appear") if self.after is Oversight.GATE else ("action", "would change oversight")
        )


def differences(requests: Iterable[Request], live: Policy, other: Policy) -> tuple[Difference, ...]:
    """Each action, as its agent first froze it, under both policies; those that come out the same are left out."""
    found = (difference(request, live, other) for request in requests)
    return tuple(one for one in found if one is not None)


def difference(request: Request, live: Policy, other: Policy) -> Difference | None:
    """None where both agree, and for agents that pause by themselves: no policy decides whether they do."""
    if request.ask.dialect or request.ask.undoes:
        return None
    action = request.ask.first.proposal.action
    judge = assess_call if _is_bare_call(request) else assess
    before, after = judge(action, live), judge(action, other)
    routes = tuple(
        _route(request, policy) if found.oversight is not Oversight.FREE else ""
        for found, policy in ((before, live), (after, other))
    )
    if before.oversight is after.oversight and routes[0] == routes[1]:
        return None
    return Difference(
        request=request, before=before.oversight, after=after.oversight, routes=(routes[0], routes[1]),
        reason=next((one for one in after.reasons if one not in before.reasons), after.reasons[-1]),
    )  # fmt: skip


def _is_bare_call(request: Request) -> bool:
    """Whether a model called the tool, which has no words for how sure it is: nothing harmless was asked about then."""
    proposal = request.ask.first.proposal
    if proposal.action.confidence is not None:
        return False
    harmless = all(
        one.level is Level.LOW
        for one in proposal.assessment.findings
        if one.dimension is not Dimension.CONFIDENCE
    )
    return proposal.assessment.oversight is Oversight.FREE or not harmless


def _route(request: Request, policy: Policy) -> str:
    try:
        return policy.route_for(request.ask.first.proposal.action).name
    except UnknownRoute:
        return ""
