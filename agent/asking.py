"""From a frozen proposal to what is asked: the policy's route, chain and edits, put together at one place."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ..approvals import canonical
from ..approvals.deadline import Chain
from ..approvals.errors import SaysoError
from ..approvals.naming import PauseKey
from ..approvals.request import Ask, Proposal, Revision, Run
from ..approvals.risk import Oversight
from ..approvals.route import compose
from ..approvals.verdict import RequestId
from .policy import Policy


class CannotAsk(SaysoError):
    """Nobody may be asked about this action, so it is not done."""


def ask_of(
    run: Run, frozen: str, *, key: PauseKey, policy: Policy, now: datetime, schema: str, fingerprint: str = "",
    revises: RequestId | None = None, chain: Chain | None = None, watched: bool = False,
) -> Ask:  # fmt: skip
    """What is asked about a frozen proposal of this run.

    Args:
        chain: Its clock, where it shares one with others; else that of its tool.
        watched: Whether it runs at once, for people to see afterwards.

    Raises:
        CannotAsk: The proposal belongs to another thread, or nobody known stands behind the run and the route
            takes no such runs.
        UnknownRoute: The policy names no such route.
    """
    proposal = canonical.decode(Proposal, frozen)
    if proposal.thread != run.thread:
        raise CannotAsk("The proposal was frozen in another thread.")
    action, tool = proposal.action, policy.of(proposal.action.tool)
    route = policy.route_for(action)
    if proposal.assessment.oversight is not Oversight.FREE and not run.requesters and not route.unattended:
        raise CannotAsk(f"Nobody known asked for this run, and the route {route.name!r} takes no such runs.")
    ask = compose(
        key=key, run=replace(run, input=""), first=Revision(number=1, frozen=frozen), route=route, ttl_class=policy.ttl_class_for(action),
        chain=chain or policy.chain_for(action), opened_at=now, edits=tool.edits, schema=schema,
        fingerprint=fingerprint, revises=revises,
    )  # fmt: skip
    return replace(ask, watched=watched)
