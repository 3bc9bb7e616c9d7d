"""The agents of the storm, their tools that write one line per effect, and what a worker of theirs stands on."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from gated import LOW, AgentState, Fresh, a_refund, a_serializer, reporting
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from sayso import govern
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.credentials import Broker
from sayso.agent.effect import Effect, effect
from sayso.agent.gate import Gate
from sayso.agent.kept import compiled
from sayso.agent.policy import Policy
from sayso.agent.policy_file import read_policy
from sayso.agent.runtime import current, idempotency_key
from sayso.agent.secrets import LiveTokens
from sayso.agent.thread_lock import ThreadLock
from sayso.agent.worker import Worker
from sayso.approvals import canonical
from sayso.approvals.change import Applied
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import EffectState
from sayso.approvals.signing import Verifier
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import RequestId

#: Short enough for a test, long enough for a busy machine to renew.
LEASE = timedelta(milliseconds=1500)
#: How many runs a worker has in its hands at once.
AT_ONCE = 3
#: How many different people have to agree before a tool runs.
NEEDED: Mapping[str, int] = {"issue_refund": 2, "send_mail": 1}
POLICY: Mapping[str, Any] = {
    "default_route": "desk",
    "routes": {
        "desk": {"places": ["slack:C0FIN"], "approvers": ["finance"], "pager": "primary"},
        "board": {"places": ["slack:C0FIN"], "approvers": ["finance"], "pager": "primary", "needed": 2},
    },
    "tools": {
        "issue_refund": {
            "category": "financial_transaction",
            **LOW,
            "irreversibility": "high",
            "route": "board",
        },
        "send_mail": {"category": "external_communication", **LOW},
    },
}


class Book:
    """A file to which many processes append: one write per line, so that a line is there whole or not at all."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, line: Mapping[str, object]) -> None:
        raw = json.dumps(line).encode() + b"\n"
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            assert os.write(file, raw) == len(raw)
        finally:
            os.close(file)

    def read(self) -> list[dict[str, Any]]:
        text = self._file.read_text() if self._file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


async def _takes_a_while() -> None:
    """As real tools do: mostly a little, at times so long that its lease has to be renewed."""
    await asyncio.sleep(random.choice([0.0, 0.01, 0.03, 0.4]))


def refunds(ledger: Book, name: str = "issue_refund", **options: Any) -> Effect:
    """Moves money: a line in the ledger."""

    @effect(name=name, category="financial_transaction", irreversibility="high", **options)
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        await _takes_a_while()
        done = {"order": order, "amount": str(amount), "currency": currency}
        ledger.write({"key": idempotency_key(), "done": done, "by": current().worker})
        await _takes_a_while()
        return "Refunded."

    return issue_refund


def one_after_the_other(tool: Effect, *, gates: int) -> StateGraph[Any, Any, Any, Any]:
    """Plans and asks so many times in a row; whatever became of one refund, the next is planned."""
    builder = StateGraph(AgentState)
    for number in range(gates):
        then = f"plan{number + 1}" if number + 1 < gates else "report"
        builder.add_node(f"plan{number}", _planning(tool, number))
        gate = Gate(tool, on_modify=f"plan{number}", on_reject=then, then=then)
        gate.add_to(builder, f"gate{number}")
        builder.add_edge(f"plan{number}", f"gate{number}")
    builder.add_node("report", reporting)
    builder.add_edge(START, "plan0")
    builder.add_edge("report", END)
    return builder


def _planning(tool: Effect, number: int) -> Any:
    def plan(state: AgentState) -> dict[str, Any]:
        order, outcome = int(state["goal"]) * 10 + number, state.get("outcome")
        told = outcome["instruction"] if outcome else ""
        return {"action": a_refund(tool, order, told or f"{number + 12}.90")}

    return plan


def side_by_side(tool: Effect) -> StateGraph[Any, Any, Any, Any]:
    """Two refunds at once, each behind the same gate; whoever is told to think again gives up."""

    def fan_out(state: AgentState) -> list[Send]:
        orders = [int(state["goal"]) * 10 + number for number in range(2)]
        return [Send("gate", {"action": a_refund(tool, order, "10.00")}) for order in orders]

    builder = StateGraph(AgentState)
    builder.add_node("plan", lambda _: {})
    Gate(tool, on_modify="report").add_to(builder)
    builder.add_node("report", lambda state: {"report": f"{len(state['outcomes'])} ended"})
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", fan_out, ["gate"])
    builder.add_edge("report", END)
    return builder


class _Mailing(BaseChatModel):
    """Wants two mails sent for the run's number, all in one turn, then says that it is done."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        turn = AIMessage("Done.")
        if not any(isinstance(one, AIMessage) for one in messages):
            calls = [
                {"name": "send_mail", "args": {"to": f"{name}-{messages[0].content}"}, "id": f"call-{name}"}
                for name in ("dana", "evan")
            ]
            turn = AIMessage("Both asked for it.", tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=turn)])


def two_mails(ledger: Book) -> Any:
    """LangChain's own agent behind its own middleware, which asks about both mails in one pause."""

    @tool
    async def send_mail(to: str, urgent: bool = False) -> str:
        """Send a mail."""
        await _takes_a_while()
        ledger.write({"key": to, "done": {"to": to, "urgent": urgent}, "by": current().worker})
        return f"Sent to {to}."

    middleware = HumanInTheLoopMiddleware({"send_mail": True})
    return create_agent(_Mailing(), [send_mail], middleware=[middleware])


def governed(ledger: Book, policy: Policy) -> Any:
    """The same agent without middleware: each call of its mailer asks for itself, beside the other."""

    @tool
    async def send_mail(to: str, urgent: bool = False) -> str:
        """Send a mail."""
        await _takes_a_while()
        ledger.write({"key": idempotency_key(), "done": {"to": to, "urgent": urgent}, "by": current().worker})
        await _takes_a_while()
        return f"Sent to {to}."

    return create_agent(_Mailing(), govern([send_mail], policy))


def agents(ledger: Book) -> dict[str, Any]:
    """Every graph of the storm, by the name that runs use."""
    refund = refunds(ledger)
    return {
        "single": one_after_the_other(refund, gates=1), "row": one_after_the_other(refund, gates=2),
        "parallel": side_by_side(refund), "mailer": two_mails(ledger),
        "governed": governed(ledger, read_policy(POLICY)),
    }  # fmt: skip


class Watched(RedisStore):
    """The store, which writes down what stood in the record each time an approval was burnt, before the tool runs."""

    burns: Book

    async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
        applied = await super().change(id, step, token=token)
        effect = applied.request.effect
        if token.startswith("burn-") and effect is not None and effect.state is EffectState.STARTED:
            record = canonical.encode(applied.request).decode()
            self.burns.write({"key": id, "by": effect.worker, "attempt": effect.attempt, "record": record})
        return applied


@asynccontextmanager
async def a_worker(
    url: str, folder: Path, graphs: Mapping[str, Any], name: str, policy: Policy | None = None
) -> AsyncIterator[Worker]:
    """One over Redis throughout, which notices soon that another is gone."""
    client, sync_client = open_redis(url), open_sync_redis(url)
    store, live = await Watched.connect(url, demo=True), LiveTokens()
    assert isinstance(store, Watched)
    store.burns = Book(folder / "burns")
    saver = RedisSaver(client, sync_client, serde=a_serializer(live), require_fence=True)
    try:
        yield Worker(
            store, {key: compiled(graph, saver) for key, graph in graphs.items()}, name=name,
            locks=ThreadLock(client, sync_client), policy=policy or read_policy(POLICY),
            verifier=Verifier([(folder / "public").read_bytes()]), broker=Broker({"entra": Fresh()}, live),
            concurrency=AT_ONCE, lease=LEASE, idle=LEASE, backoff=(0, 0.1, 0.2, 0.4, 0.8),
            wait=timedelta(milliseconds=300),
        )  # fmt: skip
    finally:
        await store.close()
        await client.aclose()
        sync_client.close()
