"""Values with boring defaults for tests: say only what matters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sayso.approvals import canonical
from sayso.approvals.action import Action, Entity, Evidence
from sayso.approvals.deadline import CHAINS, Chain, TtlClass
from sayso.approvals.naming import PauseKey
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import Ask, Edits, Proposal, Request, Revision, Run
from sayso.approvals.risk import Dimension, Finding, Level, Oversight, RiskAssessment
from sayso.approvals.route import Route, compose
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import Approve, Rule, ThreadId, Verdict, Vote

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ALEX, BO, CY, DI = PersonId("alex"), PersonId("bo"), PersonId("cy"), PersonId("di")
FINANCE = Route(
    name="finance", places=(Place("slack:C0FIN"),), rule=Rule(approvers=("finance",)),
    second_line="seniors", supervisor="supervisors", on_call="on-call", pager="primary", on_call_decides=True,
)  # fmt: skip
REFUND_SCHEMA = (
    '{"type":"object","properties":{"order":{"type":"integer"},'
    '"amount":{"type":"string","format":"decimal","pattern":"^[0-9]+([.][0-9]{1,2})?$"},'
    '"currency":{"type":"string","enum":["USD","EUR"]}},'
    '"required":["order","amount","currency"],"additionalProperties":false}'
)


def an_action(**overrides: object) -> Action:
    """A refund of 129.90 USD to Dana Smith."""
    values: dict[str, object] = {
        "tool": "issue_refund",
        "arguments": {"order": 1042, "amount": "129.90", "currency": "USD"},
        "category": "financial_transaction",
        "goal": "Settle Dana's complaint about order 1042",
        "summary": "Refund 129.90 USD to Dana Smith for order 1042",
        "reasoning": "The parcel arrived broken; policy R-7 allows a full refund within 30 days.",
        "targets": (
            Entity("order", "1042", link="https://shop.example/orders/1042", facts={"paid": "129.90 USD on 12 Nov"}),
            Entity("customer", "c-77", name="Dana Smith", link="https://shop.example/customers/77",
                   facts={"lifetime": "4,310 USD", "refunds in 90 days": "2"}),
        ),
        "evidence": (Evidence("customer's message of 14 Nov", link="https://shop.example/mails/9"),),
        "confidence": 0.62,
        "unsure": "two orders match the description; 1042 is the later one",
    }  # fmt: skip
    return Action(**{**values, **overrides})  # type: ignore[arg-type]


def an_assessment(**overrides: object) -> RiskAssessment:
    """High on irreversibility and confidence: a gate."""
    values: dict[str, object] = {
        "findings": (
            Finding(Dimension.IRREVERSIBILITY, Level.HIGH, "A refund cannot be called back."),
            Finding(Dimension.BLAST_RADIUS, Level.LOW, "One customer."),
            Finding(Dimension.COMPLIANCE, Level.MEDIUM, "Money leaves the company."),
            Finding(Dimension.CONFIDENCE, Level.HIGH, "62 % is below 70 %."),
        ),
        "oversight": Oversight.GATE,
        "reasons": ("Two dimensions are high.", "Money is always gated."),
        "flags": ("Cannot be undone", "Money", "Confidence 62 %"),
        "policy": "p1",
    }
    return RiskAssessment(**{**values, **overrides})  # type: ignore[arg-type]


def a_run(thread: str = "t1", asked_by: PersonId | None = ALEX, origin: str = "slack:C0SUP/1700.1") -> Run:
    """Alex asked the ops agent in #support."""
    return Run(
        thread=ThreadId(thread), graph="ops", asked_by=asked_by, origin=Place(origin),
        goal="refund order 1042 129.90",
    )  # fmt: skip


def an_ask(
    *, thread: str = "t1", interrupt: str = "i1", action: Action | None = None, route: Route = FINANCE,
    ttl_class: TtlClass = TtlClass.SENSITIVE, chain: Chain | None = None, opened_at: datetime = NOON,
    edits: Edits = Edits.APPLY, assessment: RiskAssessment | None = None, run: Run | None = None,
    schema: str = REFUND_SCHEMA,
) -> Ask:  # fmt: skip
    """What a gate would ask."""
    run = run or a_run(thread)
    proposal = Proposal(
        action=action or an_action(), assessment=assessment or an_assessment(), thread=run.thread,
        asked_by=run.asked_by,
    )  # fmt: skip
    first = Revision(number=1, frozen=canonical.encode(proposal).decode())
    return compose(
        key=PauseKey(thread=run.thread, interrupt=interrupt), run=run, first=first, route=route,
        ttl_class=ttl_class, chain=chain or CHAINS[ttl_class], opened_at=opened_at, edits=edits, schema=schema,
    )  # fmt: skip


def a_request(**overrides: object) -> Request:
    """An open request; every argument of `an_ask` can be given."""
    return Request(ask=an_ask(**overrides))  # type: ignore[arg-type]


def a_vote(
    request: Request, person: PersonId = BO, verdict: Verdict | None = None, *,
    at: datetime = NOON + timedelta(minutes=5), signer: Signer | None = None, changed: Mapping[str, object] | None = None,
) -> Vote:  # fmt: skip
    """A vote on the newest revision; signed when a signer is given."""
    values: dict[str, object] = {
        "request": request.id, "thread": request.ask.run.thread, "revision": request.revision,
        "digest": request.current.digest, "person": person, "verdict": verdict or Approve(), "at": at,
        "expires": request.ask.deadline.expires_at + timedelta(days=1), "rule": request.ask.rule,
        "via": f"slack:T1/{person}",
    }  # fmt: skip
    vote = Vote(**{**values, **(changed or {})})  # type: ignore[arg-type]
    return signer.sign(vote) if signer else vote
