"""An agent that is careless with every credential it comes across, in the way that its goal names; loaded by a worker."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

import httpx
from langgraph.graph import END, START, StateGraph
from sayso.agent.effect import NothingDone, effect
from sayso.agent.gate import Gate, GateState
from sayso.agent.runtime import token
from sayso.approvals.action import Action, Entity, Evidence
from sayso.approvals.credential import CredentialRef

CANARIES = json.loads(os.environ.get("LEAKY_CANARIES", "[]")) or [""]
ALL = " | ".join(CANARIES)
BACK_OFFICE = CredentialRef(provider="entra", subject="ops-agent", scopes=("api://backoffice/.default",))


class Careless(GateState, total=False):
    """What it is asked, and what it says."""

    goal: str
    report: str


@effect(category="deletion", irreversibility="high", blast_radius="low", compliance="low")
async def leak(how: str) -> Any:
    """Hands back, raises or logs whatever it holds."""
    request = httpx.Request(
        "GET", f"http://127.0.0.1:9/?access_token={CANARIES[0]}", headers={"authorization": token()}
    )
    error = httpx.HTTPStatusError(
        f"401: {dict(request.headers)} {ALL}", request=request, response=httpx.Response(401)
    )
    logging.getLogger("httpx").error("request failed: %s", error, exc_info=error)
    if how == "refuses":
        raise NothingDone(f"The service said: {ALL} {token()}")
    if how == "breaks":
        raise error
    return {"headers": {"authorization": f"Bearer {token()}"}, "body": CANARIES, ALL: how}


def plan(state: Careless) -> dict[str, Any]:
    """Asks to leak, clean or not."""
    way, _, _ = state["goal"].partition(" ")
    if way == "crashes":
        raise RuntimeError(ALL)
    said = ALL if way == "reasons" else "It was asked for."
    name = ALL if way == "names" else "things"
    action = Action.of(
        leak, how=way, goal="See what is kept", summary=f"Leak, which {way}", reasoning=said, credential=BACK_OFFICE,
        targets=[Entity("thing", "1", name=name, facts={"key": name})], evidence=[Evidence(name)],
    )  # fmt: skip
    return {"action": action}


def report(state: Careless) -> dict[str, str]:
    """Says what became of it, and all it knows besides."""
    outcome = state["outcome"]
    assert outcome is not None
    return {
        "report": ALL if outcome["arguments"]["how"] == "tells" else f"{outcome['kind']}: {outcome['words']}"
    }


graph = StateGraph(Careless)
graph.add_node("plan", plan)
Gate(leak, on_modify="plan").add_to(graph)
graph.add_node("report", report)
graph.add_edge(START, "plan")
graph.add_edge("plan", "gate")
graph.add_edge("report", END)
