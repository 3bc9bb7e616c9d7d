"""Time-boxed trust (pure): one person lets one tool run with exactly these arguments for a while, signed by the bot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType, Protocol

from . import canonical
from .change import AuditEntry, Event
from .people import PersonId
from .request import Proposal
from .verdict import RequestId, ThreadId

#: What is trusted: the SHA-256 of everything that has to be the same, 64 hex digits.
TrustId = NewType("TrustId", str)

#: Under this name the audit trail tells who trusted what: it is about no single run.
TRUSTS = ThreadId("sayso-trusts")
#: No trust lasts longer.
LONGEST = timedelta(hours=8)
#: Nor does any hold longer than this without the bot having seen again that its giver may still decide.
FRESH = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Until its end this very action runs without asking.

    Attributes:
        id: What is trusted (`trusted_as`).
        tool, graph, asked_by: The same for people to read; `asked_by` is whom the agent acts for.
        request: Which approved request showed it.
        by: Who trusts it; they had approved that request.
        since, until: UTC; it holds from `since` on, and at `until` no more.
        seen: UTC; when the bot last found that `by` may decide about this. None is never.
        why: In the giver's words, at most 300 characters, never empty.
        via: The account that gave it (`Identity` as text).
        key, signature: As of a `Vote`; what the bot has not signed lets nothing run.
    """

    id: TrustId
    tool: str
    graph: str
    asked_by: PersonId
    request: RequestId
    by: PersonId
    since: datetime
    until: datetime
    why: str
    seen: datetime | None = None
    via: str = ""
    key: str = ""
    signature: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it holds at this instant; one that was to last too long never does."""
        return self.seen is not None and self._stands(now) and now < self.seen + FRESH

    def is_over(self, now: datetime) -> bool:
        """Whether it holds no more, whatever the bot finds."""
        return now >= self.since and not self._stands(now)

    def _stands(self, now: datetime) -> bool:
        return self.since <= now < self.until <= self.since + LONGEST


def trusted_as(proposal: Proposal, graph: str) -> TrustId:
    """What has to be the same for an action to be the trusted one: its arguments to the byte, and everything that
    decides about it; only the agent's words about it may differ.
    """
    action, assessment = proposal.action, proposal.assessment
    said = canonical.plain(action)
    same = ("tool", "arguments", "category", "targets", "scope", "credential")
    return TrustId(
        canonical.digest(
            canonical.encode(
                {
                    "graph": graph,
                    "asked_by": proposal.asked_by,
                    "action": {name: said[name] for name in same},
                    "policy": assessment.policy,
                    "levels": [(one.dimension, int(one.level)) for one in assessment.findings],
                    "flags": list(assessment.flags),
                }
            )
        )
    )


def ran_on(trust: Trust, worker: str) -> AuditEntry:
    """That an action runs because somebody trusts it: who, until when, and the signature that proves it."""
    words = f"Not asked: {trust.by} trusts this until {trust.until:%Y-%m-%d %H:%M} UTC: {trust.why}"
    facts = {
        "trust": trust.id, "by": str(trust.by), "of": trust.request, "key": trust.key, "signature": trust.signature,
    }  # fmt: skip
    return AuditEntry(event=Event.RAN_TRUSTED, by=worker, words=words[:300], facts=facts)


class Trusts(Protocol):
    """What is trusted; whoever reads it believes only what the bot has signed."""

    async def trust(self, given: Trust, ended: Sequence[TrustId], entry: AuditEntry, *, token: str) -> bool:
        """Keep it in place of an earlier one of the same id, and forget those that have `ended`.

        Returns: False when this `token` was used before: a message that is delivered again trusts nothing anew.
        """
        ...

    async def distrust(self, id: TrustId, entry: AuditEntry) -> bool:
        """Forget it; False when there was none, and nothing is on record then."""
        ...

    async def confirm(self, before: Trust, after: Trust) -> bool:
        """Keep `after` in place of `before`; False, and nothing is changed, when that is not what is kept."""
        ...

    async def end(self, before: Trust, entry: AuditEntry) -> bool:
        """Forget exactly this one; False, and nothing is on record, when it is not what is kept."""
        ...

    async def trusted(self, id: TrustId) -> Trust | None:
        """What is kept under this id, also when it holds no more. Raises: CannotOpen."""
        ...

    async def trusts(self) -> Sequence[Trust]:
        """All that are kept, also those that hold no more. Raises: CannotOpen."""
        ...
