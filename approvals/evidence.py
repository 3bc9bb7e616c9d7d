"""What goes on record beside an event, so that it can be proven later: for whom, who could decide, what was signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from . import canonical
from .change import AuditEntry, Change, Event
from .people import PersonId
from .request import Ask, Run
from .verdict import Vote


def run_started(run: Run) -> AuditEntry:
    """On whose behalf a run acts, and where it was asked for."""
    said = {
        "graph": run.graph, "asked_by": run.asked_by, "owner": run.owner, "service": run.service,
        "origin": run.origin,
    }  # fmt: skip
    return AuditEntry(
        event=Event.RUN_STARTED, words=f"A run of {run.graph} was asked for",
        facts={name: str(value) for name, value in said.items() if value},
    )  # fmt: skip


def facts_of_ask(ask: Ask) -> Mapping[str, str]:
    """What was asked, for whom, by which policy and of whom; the digest covers every word of it."""
    proposal = ask.first.proposal
    said = {
        "digest": ask.first.digest, "tool": proposal.action.tool, "policy": proposal.assessment.policy,
        "oversight": str(proposal.assessment.oversight), "route": ask.route, "asked_by": proposal.asked_by,
        "owner": ask.run.owner, "service": ask.run.service, "sets": " ".join(ask.rule.approvers),
        "needed": str(ask.rule.needed), "seats": " ".join(f"{one.approvers}={one.needed}" for one in ask.rule.seats),
        "veto": " ".join(ask.rule.veto), "revises": ask.revises,
    }  # fmt: skip
    return {name: str(value) for name, value in said.items() if value}


def of_answer(
    change: Change, person: PersonId, account: str, *, able: Mapping[str, frozenset[PersonId]], policy: str
) -> Change:
    """The change that an answer brings about, with the proof beside what its person did.

    Args:
        account: The account that answered, as text.
        able: Members of each approver set as they were looked up for this answer.
        policy: Version of the policy that let them.
    """
    facts = {"via": account, "approvers": _members(able), "policy": policy}
    votes = [vote for vote in change.request.votes if vote.person == person]
    return replace(
        change,
        audit=tuple(_with(entry, facts, votes) if entry.by == person else entry for entry in change.audit),
    )


def _with(entry: AuditEntry, facts: Mapping[str, str], votes: Sequence[Vote]) -> AuditEntry:
    """A counted vote also as it was signed: whoever has the public key can check it without the record."""
    if entry.event is Event.VOTED and votes:
        facts = {**facts, "vote": canonical.encode(votes[-1]).decode()}
    return replace(entry, facts={**entry.facts, **facts})


def _members(able: Mapping[str, frozenset[PersonId]]) -> str:
    return "; ".join(f"{name}: {' '.join(sorted(members))}" for name, members in able.items())
