"""What may run because somebody trusts it for a while: what this worker finds and believes."""

from __future__ import annotations

import logging
from dataclasses import replace

from pydantic import ValidationError

from ..approvals.request import Proposal
from ..approvals.sealing import CannotOpen
from ..approvals.trust import Trust, trusted_as
from .effect import Effect
from .never_trusted import never_trusted
from .runtime import Runtime

_log = logging.getLogger(__name__)

NOT_UNASKED = "This worker's own policy does not let this action run without asking, and nobody's trust in it holds (any more)."


async def trust_in(runtime: Runtime, tool: Effect, proposal: Proposal) -> Trust | None:
    """Who lets exactly this run now without asking, as far as this worker can verify; None when nobody does.

    What it goes by is judged anew: what a checkpoint says of its risk or of who asked counts for nothing.
    """
    action, run, policy = proposal.action, runtime.run, runtime.policy
    try:
        if run.asked_by is None or never_trusted(action, policy, run.graph):
            return None
        now_is = replace(proposal, assessment=tool.judge(action, policy), asked_by=run.asked_by)
        found = await runtime.store.trusted(id := trusted_as(now_is, run.graph))
    except (CannotOpen, ValidationError) as error:
        _log.error("trust.unreadable", extra={"thread": run.thread, "error": type(error).__name__})
        return None
    if found is None or found.id != id or not runtime.verifier.believes_trust(found):
        return None
    known = now_is.assessment.policy == policy.version and found.by not in run.requesters | policy.denied
    return found if known and found.holds(await runtime.store.now()) else None
