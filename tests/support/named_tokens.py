"""A tool that asks for its token by name, in a small world whose plan names no credential."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gated import Ledger, World, a_refund, an_agent
from oauth_scene import CRM
from sayso.agent.effect import Effect, effect
from sayso.agent.runtime import token
from sayso.approvals.store import Store


@dataclass
class Office:
    """What the tool showed its back office: a token, checked at once."""

    shown: list[str] = field(default_factory=list)


def crm_tool(office: Office, *, name: str = "hubspot", **options: Any) -> Effect:
    """A refund that runs in the account of the CRM, whoever plans it."""
    options = {"category": "financial_transaction", "irreversibility": "high", "credential": CRM, **options}

    @effect(name="issue_refund", **options)
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        office.shown.append(token(name))
        return "Refunded."

    return issue_refund


def a_world(tool: Effect, source: Any, provider: str = "hubspot", store: Store | None = None) -> World:
    """The small world, with this tool and this provider; its plan names no credential."""
    ledger = Ledger()

    def plan(state: Any) -> dict[str, Any]:
        return {"action": a_refund(tool, credential=None)}

    graph = an_agent(tool, ledger, plan=plan)
    return World(tool, ledger=ledger, graph=graph, sources={provider: source}, store=store)
