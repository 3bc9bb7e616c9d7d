"""Three gates at once: each action has its own card, its own people and its own end; the report waits for all three.

    sayso run parallel "refund 1042 129.90, 1043 20.00 and 1044 5.50" --as alex

Gate and act are one subgraph, so what is approved runs at once, while the others still wait.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from sayso import Action, Entity, Gate, GateState, effect


class State(GateState, total=False):
    """What this agent remembers beside what its gates need."""

    goal: str
    wanted: list[list[str]]
    report: str


@effect(category="financial_transaction", irreversibility="high")
async def issue_refund(order: int, amount: Decimal) -> str:
    """Pay money back; call your payment provider here, with `sayso.idempotency_key()`."""
    return f"Refunded {amount} USD for order {order}."


def plan(state: State) -> dict[str, Any]:
    """Read "1042 129.90" as often as it stands there."""
    return {"wanted": [list(found) for found in re.findall(r"(\d+) (\d+\.\d\d)", state["goal"])]}


def to_gates(state: State) -> list[Send]:
    """One gate per refund, each with its own frozen action."""
    return [
        Send("gate", {"action": refund(order, amount, state["goal"])}) for order, amount in state["wanted"]
    ]


def refund(order: str, amount: str, goal: str) -> Action:
    """Everything the reviewer needs."""
    return Action.of(
        issue_refund,
        order=int(order),
        amount=Decimal(amount),
        goal=goal,
        summary=f"Refund {amount} USD for order {order}",
        reasoning="It was asked for in the support channel.",
        targets=[Entity("order", order, link=f"https://shop.example/orders/{order}")],
        confidence=0.9,
    )


def report(state: State) -> dict[str, str]:
    """The agent's last words, once all have ended."""
    return {
        "report": "\n".join(sorted(f"{one['summary']}: {one['words']}" for one in state["outcomes"].values()))
    }


builder = StateGraph(State)
builder.add_node("plan", plan)
builder.add_node("gate", Gate(issue_refund).graph)
builder.add_node("report", report)
builder.add_edge(START, "plan")
builder.add_conditional_edges("plan", to_gates, ["gate"])
builder.add_edge("gate", "report")
builder.add_edge("report", END)
graph = builder.compile()
