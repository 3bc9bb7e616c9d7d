"""Whether people's edit of an action needs more than the votes it got, by the policies of whoever acts on it (pure).

The bot scores an edit by its own settings. It does not know the policy that an author gave to `govern`, nor that of a
worker whose settings are newer, and both may be stricter.
"""

from __future__ import annotations

from ..approvals.request import Edits, Request
from ..approvals.risk import RiskAssessment
from ..approvals.route import asks_others
from ..approvals.verdict import Approve
from .effect import Effect
from .outcome import closing
from .policy import Policy
from .risk import strictness


def outgrown(tool: Effect, policy: Policy, request: Request) -> str:
    """Why what people allowed is too much for the votes it got; empty where it is not, or was not edited.

    Whoever approved the edited action after its editor has seen it as it is: that is what asking again would bring.
    """
    if not request.revisions or request.ask.edits is not Edits.APPLY or closing(request) is not None:
        return ""
    if any(isinstance(vote.verdict, Approve) for vote in request.votes):
        return ""
    last = request.revisions[-2] if len(request.revisions) > 1 else request.ask.first
    before, after = last.proposal.action, request.proposal.action
    if any(map(_rises, tool.judgements(before, policy), tool.judgements(after, policy))):
        return _words("it is riskier than what was asked")
    if asks_others(policy.route_for, before, after):
        return _words("others have to agree to it")
    return ""


def _rises(before: RiskAssessment, after: RiskAssessment) -> bool:
    return any(new > old for new, old in zip(strictness(after), strictness(before), strict=True))


def _words(why: str) -> str:
    return f"As it was changed, {why} by the policy of its agent, so one answer is not enough; say in words what is wanted instead."
