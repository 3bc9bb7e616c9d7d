"""`create_agent` with governed tools: harmless calls run at once, the others wait for people, each for its own.

    sayso run governed "Dana's order 1042 arrived broken: look it up, refund it, and write to dana@example.com" --as alex

The model may make several calls in one turn. Each becomes a request of its own; they are answered in any order, by
whoever may; and whatever people decide, the model reads it as the result of its call and goes on. An approved tool
runs once, even if workers die around it.
"""

from __future__ import annotations

from decimal import Decimal

from langchain.agents import create_agent
from sayso import effect, govern, idempotency_key
from scripted import chat_model, turn


def look_up_order(order: int) -> dict[str, str]:
    """What is known of an order. A plain function; the policy rates it as harmless, so nobody is asked."""
    return {"order": str(order), "customer": "dana@example.com", "paid": "129.90"}


def send_mail(to: str, text: str) -> str:
    """Write to a customer. It leaves the company, so the policy has people decide."""
    return f"Sent to {to}: {text}"


@effect(
    category="financial_transaction",
    irreversibility="high",
    idempotent=True,  # the payment provider knows the key: after a crash it may be run again without asking
    summary="Refund {amount} USD for order {order}",
)
async def issue_refund(order: int, amount: Decimal) -> str:
    """Pay money back."""
    return f"Refunded {amount} USD for order {order} ({idempotency_key()})."


model = chat_model(
    turn("Let me see.", look_up_order={"order": 1042}),
    turn(
        "It was paid and arrived broken: policy R-7 allows a full refund.",
        issue_refund={"order": 1042, "amount": "129.90"},
        send_mail={"to": "dana@example.com", "text": "Your refund is on its way."},
    ),
)

graph = create_agent(
    model,
    govern([look_up_order, send_mail, issue_refund]),
    system_prompt="You settle complaints. Say in one sentence why before you call a tool that changes something.",
)
