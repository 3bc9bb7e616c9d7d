"""An agent that stays in its owner's program: it asks through sayso's bot, which may run on another machine.

`python examples/own_process.py 1042 129.90`, while `sayso serve -s examples/sayso.toml` runs over the same store.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import sayso
from langgraph.graph import END, START, StateGraph
from sayso import Action, Entity, Gate, GateState, effect


class State(GateState, total=False):
    """What this agent is given, beside what the gate needs."""

    order: str
    amount: str


@effect(category="financial_transaction", irreversibility="high")
async def issue_refund(order: int, amount: Decimal) -> str:
    """Pay money back; call your payment provider here, with `sayso.idempotency_key()`."""
    return f"Refunded {amount} USD for order {order}."


def plan(state: State) -> dict[str, Any]:
    """Everything the reviewer needs, frozen before the pause."""
    order, amount = state["order"], state["amount"]
    return {
        "action": Action.of(
            issue_refund,
            order=int(order),
            amount=Decimal(amount),
            goal=f"Settle the complaint about order {order}",
            summary=f"Refund {amount} USD for order {order}",
            reasoning="The parcel never arrived.",
            targets=[Entity("order", order)],
            confidence=0.9,
        )
    }


def graph() -> StateGraph[Any, Any, Any, Any]:
    """Plan, ask, and act only if people allow it."""
    builder = StateGraph(State)
    builder.add_node("plan", plan)
    Gate(issue_refund, on_modify="plan", on_reject=END, then=END).add_to(builder)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "gate")
    return builder


async def refund(order: str, amount: str, settings: Path) -> str:
    """Ask for a refund as Alex, wait for whoever decides, and say what became of it.

    The name of the run makes it safe to start this program again after a crash: it goes on where it stood.
    """
    given = {"order": order, "amount": amount}
    ended = await sayso.run(graph(), given, asked_by="alex", thread=f"refund-{order}", settings=settings)
    return str(ended["outcome"]["words"])


if __name__ == "__main__":
    print(asyncio.run(refund(sys.argv[1], sys.argv[2], Path(__file__).with_name("sayso.toml"))))
