"""Agents of LangChain's with governed tools in our small world: a scripted model, a mailer, a look-up, a refund."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from foreign import Scripted
from gated import LOW, Ledger, World
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from sayso import effect, govern
from sayso.agent.effect import Effect
from sayso.agent.policy_file import read_policy
from sayso.agent.runtime import idempotency_key
from sayso.approvals.request import Request, State

POLICY: dict[str, Any] = {
    "default_route": "desk",
    "routes": {"desk": {"places": ["slack:C0FIN"], "approvers": ["finance"], "pager": "primary"}},
    "tools": {
        "send_mail": {"category": "external_communication", **LOW},
        "look_up": {"category": "read", **LOW},
        "issue_refund": {"category": "financial_transaction", **LOW, "irreversibility": "high"},
        "ask_billing": {"category": "internal_change", **LOW},
    },
}


def call(number: int, name: str = "send_mail", **arguments: Any) -> dict[str, Any]:
    """One call of a tool by the model."""
    return {"name": name, "args": arguments or {"to": f"p{number}@example.com"}, "id": f"call-{number}"}


def says(text: str, *calls: dict[str, Any]) -> AIMessage:
    """One turn of the model."""
    return AIMessage(text, tool_calls=list(calls))


def mailer(ledger: Ledger, breaks: Callable[[], None] = lambda: None) -> Any:
    """LangChain's own kind of tool."""

    @tool
    async def send_mail(to: str, urgent: bool = False) -> str:
        """Send a mail."""
        ledger.done.append(("send_mail", {"to": to, "urgent": urgent}, idempotency_key()))
        breaks()
        return f"Sent to {to}."

    return send_mail


def reader(ledger: Ledger) -> Any:
    """A plain function."""

    def look_up(order: int) -> dict[str, Any]:
        """Look an order up."""
        ledger.done.append(("look_up", {"order": order}, idempotency_key()))
        return {"order": order, "paid": True}

    return look_up


def refunder(ledger: Ledger, breaks: Callable[[], None] = lambda: None, **options: Any) -> Effect:
    """One of ours."""
    said = {"summary": "Refund {amount} for {order}", **options}

    @effect(category="financial_transaction", irreversibility="high", **said)
    async def issue_refund(order: int, amount: Decimal) -> str:
        """Pay money back."""
        ledger.done.append(("issue_refund", {"order": order, "amount": amount}, idempotency_key()))
        breaks()
        return f"Refunded {amount}."

    return issue_refund


def governed_agent(ledger: Ledger, turns: Sequence[AIMessage], tools: Sequence[Any] = ()) -> Any:
    """`create_agent`, as its author writes it."""
    mine = tools or [mailer(ledger), reader(ledger), refunder(ledger)]
    return create_agent(Scripted(turns=list(turns)), govern(mine))


def governed_world(
    *turns: AIMessage,
    graph: Any = None,
    ledger: Ledger | None = None,
    tools: Sequence[Any] = (),
    **options: Any,
) -> World:
    """That agent in a world whose policy knows its tools."""
    ledger = ledger or Ledger()
    agent = graph or governed_agent(ledger, turns, tools)
    return World(graph=agent, ledger=ledger, policy=read_policy(POLICY), **options)


async def open_requests(world: World) -> list[Request]:
    """Everything that is open, by what it says."""
    live = [one for one in await world.store.live() if one.state is State.OPEN]
    return sorted(live, key=lambda one: one.proposal.action.summary)


async def told(world: World) -> list[tuple[str, str]]:
    """What the model read of its calls: (status, words)."""
    messages = (await world.state())["messages"]
    return [(one.status, str(one.content)) for one in messages if one.type == "tool"]
