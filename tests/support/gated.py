"""A small gated agent in a small world: real graph, real worker, real votes; people answer by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from sayso.agent.credentials import Broker, CredentialDead, CredentialSourceDown, Token, TokenSource
from sayso.agent.effect import Effect, effect
from sayso.agent.gate import STATE_TYPES, Gate, GateState
from sayso.agent.kept import compiled
from sayso.agent.memory_lock import MemoryLock
from sayso.agent.policy import Policy
from sayso.agent.policy_file import read_policy
from sayso.agent.runtime import idempotency_key, token
from sayso.agent.secrets import LiveTokens
from sayso.agent.serializer import StateSerializer
from sayso.agent.worker import Worker
from sayso.approvals import editing, machine
from sayso.approvals.action import Action, Entity
from sayso.approvals.change import Applied
from sayso.approvals.credential import CredentialRef
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import PersonId
from sayso.approvals.request import Request, Run, State
from sayso.approvals.signing import Signer, Verifier
from sayso.approvals.store import Store
from sayso.approvals.verdict import Approve, Modify, Reject, Verdict
from scenes import ALEX, BO, NOON, a_run, a_vote

TEAM = frozenset({BO, PersonId("cy")})
ENTRA = CredentialRef(provider="entra", subject="ops-agent")
LOW = {"irreversibility": "low", "blast_radius": "low", "compliance": "low"}
POLICY: Mapping[str, Any] = {
    "default_route": "finance",
    "routes": {"finance": {"places": ["slack:C0FIN"], "approvers": ["finance"], "pager": "primary"}},
    "tools": {
        "issue_refund": {"category": "financial_transaction", **LOW, "irreversibility": "high"},
        "look_up": {"category": "read", **LOW},
        "replan_me": {"category": "deletion", **LOW, "edits": "replan"},
    },
}


class AgentState(GateState, total=False):
    """The sample agent's state."""

    goal: str
    report: str


@dataclass
class Fresh:
    """A token service that numbers its tokens; `dead` refuses for good, `down` does not answer."""

    dead: bool = False
    down: bool = False
    issued: list[str] = field(default_factory=list)

    async def fetch(self, ref: CredentialRef) -> Token:
        if self.dead:
            raise CredentialDead("ops-agent has to sign in again.")
        if self.down:
            raise CredentialSourceDown
        self.issued.append(f"an-opaque-access-token-number-{len(self.issued) + 1}")
        return Token(value=self.issued[-1], expires_at=NOON.replace(year=2099))


@dataclass
class Ledger:
    """What the tools really did: (tool, arguments, idempotency key)."""

    done: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    planned: int = 0
    tokens: list[str] = field(default_factory=list)

    @property
    def amounts(self) -> list[Decimal]:
        return [arguments["amount"] for _, arguments, _ in self.done]


def a_refund(tool: Effect, order: int = 1042, amount: str = "129.90", **words: Any) -> Action:
    """A refund somebody has to allow."""
    said: dict[str, Any] = {
        "goal": f"Settle the complaint about order {order}",
        "summary": f"Refund {amount} USD for order {order}",
        "reasoning": "The parcel arrived broken.", "confidence": 0.95,
        "targets": [Entity("order", str(order))], "credential": ENTRA,
    }  # fmt: skip
    return Action.of(tool, order=order, amount=Decimal(amount), **{**said, **words})


def refund_tool(ledger: Ledger, **options: Any) -> Effect:
    """Refunds into the ledger."""

    @effect(name="issue_refund", category="financial_transaction", irreversibility="high", **options)
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        ledger.tokens.append(token())
        arguments = {"order": order, "amount": amount, "currency": currency}
        ledger.done.append(("issue_refund", arguments, idempotency_key()))
        return f"Refunded {amount} {currency}."

    return issue_refund


def lookup_tool(ledger: Ledger) -> Effect:
    """A tool nobody is asked about."""

    @effect(name="look_up", category="read")
    async def look_up(order: int, amount: Decimal) -> str:
        ledger.done.append(("look_up", {"order": order, "amount": amount}, idempotency_key()))
        return "There."

    return look_up


def planning(tool: Effect, ledger: Ledger) -> Any:
    """A planner that refunds what its goal names, or what it was told instead."""

    def plan(state: AgentState) -> dict[str, Any]:
        ledger.planned += 1
        outcome = state.get("outcome")
        amount = outcome["instruction"] if outcome else state["goal"]
        return {"action": a_refund(tool, amount=amount)}

    return plan


def reporting(state: AgentState) -> dict[str, str]:
    """Says what became of the action."""
    outcome = state["outcome"]
    assert outcome is not None
    return {"report": f"{outcome['kind']}: {outcome['words']}"}


def an_agent(
    tool: Effect, ledger: Ledger, *, plan: Any = None, report: Any = reporting
) -> StateGraph[Any, Any, Any, Any]:
    """The sample agent: plan -> gate -> report."""
    builder = StateGraph(AgentState)
    builder.add_node("plan", plan or planning(tool, ledger))
    Gate(tool, on_modify="plan", on_reject="report").add_to(builder)
    builder.add_node("report", report)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "gate")
    builder.add_edge("report", END)
    return builder


def a_serializer(live: LiveTokens | None = None) -> StateSerializer:
    """What production uses."""
    return StateSerializer(STATE_TYPES, live=live)


class World:
    """A store, a worker, an agent and the people around it."""

    def __init__(
        self, tool: Effect | None = None, *, graph: StateGraph[Any, Any, Any, Any] | None = None,
        ledger: Ledger | None = None, store: Store | None = None, locks: Any = None,
        saver: BaseCheckpointSaver[Any] | None = None, policy: Policy | None = None,
        sources: Mapping[str, TokenSource] | None = None,
    ) -> None:  # fmt: skip
        self.ledger = ledger or Ledger()
        self.tool = tool or refund_tool(self.ledger)
        self.store: Any = store or MemoryStore(NOON)
        self.live = LiveTokens()
        self.saver = saver or InMemorySaver(serde=a_serializer(self.live))
        self.locks = locks or MemoryLock()
        self.policy = policy or read_policy(POLICY)
        self.signer = Signer(b"s" * 32)
        self.source = Fresh()
        self.sources = sources or {"entra": self.source}
        self.builder = graph or an_agent(self.tool, self.ledger)
        self.worker = self.another_worker("w1")

    def another_worker(
        self, name: str, builder: StateGraph[Any, Any, Any, Any] | None = None, knows: str = "ops",
        **options: Any,
    ) -> Worker:  # fmt: skip
        """A worker of another process on the same store and checkpoints."""
        graph = compiled(builder or self.builder, self.saver)
        return Worker(
            self.store, {knows: graph}, locks=self.locks, policy=self.policy, name=name,
            verifier=Verifier([self.signer.public_key]), broker=Broker(self.sources, self.live),
            backoff=(0, 0, 0, 0, 0), wait=timedelta(0), **options,
        )  # fmt: skip

    async def start(self, goal: str = "129.90", thread: str = "t1", asked_by: PersonId | None = ALEX) -> Run:
        """Queue a run."""
        run = replace(a_run(thread, asked_by), graph="ops", goal=goal)
        assert await self.store.start(run)
        return run

    async def ask(self, goal: str = "129.90", thread: str = "t1", asked_by: PersonId | None = ALEX) -> Run:
        """Start a run and let it come to its first pause."""
        run = await self.start(goal, thread, asked_by)
        await self.work()
        return run

    async def work(self, worker: Worker | None = None) -> None:
        """Do all work there is."""
        while await (worker or self.worker).work_once():
            pass

    async def open_request(self) -> Request:
        """The one open request."""
        live: Sequence[Request] = await self.store.live()
        (request,) = [r for r in live if r.state is State.OPEN]
        return request

    async def answer(
        self, request: Request, verdict: Verdict | None = None, person: PersonId = BO
    ) -> Request:
        """A person answers; the vote is signed and counted as the desk does it."""
        verdict = verdict or Approve()
        if (
            isinstance(verdict, Modify)
            and verdict.changes
            and not verdict.instruction
            and request.ask.edits == "apply"
        ):
            return await self._edit(request, verdict, person)
        vote = a_vote(request, person, verdict, signer=self.signer)
        applied: Applied = await self.store.change(
            request.id, lambda record, now: machine.vote(record, vote, TEAM, 1, now)
        )
        return applied.request

    async def _edit(self, request: Request, verdict: Modify, person: PersonId) -> Request:
        revision, _ = editing.edited(request, verdict.changes, person, lambda _: request.proposal.assessment)
        vote = a_vote(
            request, person, verdict, signer=self.signer,
            changed={"revision": revision.number, "digest": revision.digest},
        )  # fmt: skip
        applied: Applied = await self.store.change(
            request.id,
            lambda record, now: machine.edit(record, revision, vote, TEAM, 1, ask_again=False, now=now),
        )
        return applied.request

    async def expire(self, request: Request) -> None:
        """Nobody answers."""
        self.store.advance(request.ask.deadline.expires_at - await self.store.now())
        await self.store.change(request.id, machine.fire)

    async def request(self, request: Request) -> Request:
        """As it stands now."""
        found: Request = await self.store.get(request.id)
        return found

    async def events(self, thread: str = "t1") -> list[str]:
        """The audit trail, event by event."""
        return [record.entry.event.value for record in await self.store.trail(thread)]

    async def reports(self) -> list[str]:
        """What was told where the run was asked for."""
        return [n.text for n in self.store._notices.values() if n.kind == "report"]

    @property
    def graph(self) -> Any:
        return self.worker.runner.graphs["ops"]

    async def state(self, thread: str = "t1") -> dict[str, Any]:
        """The graph's state."""
        snapshot = await self.graph.aget_state({"configurable": {"thread_id": thread}})
        return dict(snapshot.values)


REJECT = Reject("Wrong customer.")
