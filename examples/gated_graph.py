"""A whole gated agent: it plans a refund, people decide, and only then the refund is issued."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from langgraph.graph import END, START, StateGraph
from sayso import Action, Entity, Gate, GateState, effect


class State(GateState, total=False):
    """What this agent remembers beside what the gate needs."""

    goal: str
    report: str


@effect(category="financial_transaction", irreversibility="high")
async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
    """Pay money back; call your payment provider here, with `sayso.idempotency_key()`."""
    return f"Refunded {amount} {currency} for order {order}."


def plan(state: State) -> dict[str, Any]:
    """Everything the reviewer needs, frozen before the pause. Expects a goal like "refund order 1042 129.90"."""
    order, amount = re.findall(r"\d+(?:\.\d\d)?", state["goal"])[:2]
    before = state.get("outcome")
    if before and before["kind"] == "revised":  # somebody wants it otherwise: plan again from their changes
        amount = str(before["changes"].get("amount", amount))
    return {
        "action": Action.of(
            issue_refund,
            order=int(order),
            amount=Decimal(amount),
            goal=state["goal"],
            summary=f"Refund {amount} USD for order {order}",
            reasoning="It was asked for in the support channel.",
            targets=[Entity("order", order, link=f"https://shop.example/orders/{order}")],
            confidence=0.9,
        )
    }


def report(state: State) -> dict[str, str]:
    """The agent's last words; they are told where it was asked."""
    outcome = state.get("outcome")
    return {"report": outcome["words"] if outcome else "Nothing was done."}


def graph() -> StateGraph[Any, Any, Any, Any]:
    """The graph; sayso compiles it with its own durable checkpoints."""
    builder = StateGraph(State)
    builder.add_node("plan", plan)
    builder.add_node("report", report)
    Gate(issue_refund, on_modify="plan", on_reject="report").add_to(builder)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "gate")
    builder.add_edge("report", END)
    return builder
