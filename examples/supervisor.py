"""An agent with other agents as its tools: whoever deep inside wants to act, the same people are asked the same way.

    sayso run supervisor "Order 1042 arrived broken. Settle it." --as alex

The supervisor itself does nothing consequential: its tools are other agents, rated as harmless in the policy. The
billing agent's tools are governed, so its refund pauses the whole run, inside the agent inside the tool. A worker
finds the refund in here because `ask_billing` names the agent; an agent that is made anew in every call works too,
but then only the worker that acts can see that its code has changed meanwhile.
"""

from __future__ import annotations

from decimal import Decimal

from langchain.agents import create_agent
from sayso import effect, govern
from scripted import chat_model, turn


@effect(
    category="financial_transaction", irreversibility="high", summary="Refund {amount} USD for order {order}"
)
async def issue_refund(order: int, amount: Decimal) -> str:
    """Pay money back."""
    return f"Refunded {amount} USD for order {order}."


def stock_of(article: str) -> str:
    """How many are left."""
    return f"{article}: 7 left"


billing = create_agent(
    chat_model(turn("Policy R-7 allows it.", issue_refund={"order": 1042, "amount": "129.90"})),
    govern([issue_refund]),
    system_prompt="You are billing. Say why before you refund.",
    name="billing",
)
warehouse = create_agent(
    chat_model(turn("", stock_of={"article": "lamp"})),
    govern([stock_of]),
    system_prompt="You are the warehouse.",
    name="warehouse",
)


async def ask_billing(task: str) -> str:
    """Have billing do something about money."""
    said = await billing.ainvoke({"messages": [{"role": "user", "content": task}]})
    return str(said["messages"][-1].text)


async def ask_warehouse(task: str) -> str:
    """Ask the warehouse."""
    said = await warehouse.ainvoke({"messages": [{"role": "user", "content": task}]})
    return str(said["messages"][-1].text)


model = chat_model(
    turn(
        "Both have to look.", ask_billing={"task": "Refund order 1042"}, ask_warehouse={"task": "A new lamp?"}
    )
)
graph = create_agent(
    model, [ask_billing, ask_warehouse], system_prompt="You settle complaints with your colleagues."
)
