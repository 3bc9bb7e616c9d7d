"""An agent that plans again as it is told: it asks anew, does it freely, says that there is nothing, or breaks."""

from __future__ import annotations

from typing import Any

from gated import AgentState, Ledger, a_refund
from langgraph.graph import END, START, StateGraph
from sayso.agent.effect import Effect
from sayso.agent.gate import Gate

NOTHING = "I did nothing: There is no order 999999."


def correcting_agent(tool: Effect, ledger: Ledger, *, free: Effect | None = None) -> Any:
    """Wishes: an amount is asked for; "nothing" ends the run; "free" asks nobody; "break" raises."""

    def plan(state: AgentState) -> dict[str, Any]:
        ledger.planned += 1
        outcome = state.get("outcome")
        wish = outcome["instruction"] if outcome else state["goal"]
        match wish:
            case "nothing":
                return {"report": NOTHING}
            case "break":
                raise ValueError("The planner does not know what to do.")
            case "free":
                assert free is not None
                return {"action": a_refund(free, amount="1.00", credential=None)}
            case _:
                return {"action": a_refund(tool, amount=wish), "report": ""}

    def report(state: AgentState) -> dict[str, str]:
        outcome = state["outcome"]
        assert outcome is not None
        return {"report": state.get("report") or f"{outcome['kind']}: {outcome['words']}"}

    builder = StateGraph(AgentState)
    builder.add_node("plan", plan)
    Gate(tool, *([free] if free else []), on_modify="plan", on_reject="report").add_to(builder)
    builder.add_node("report", report)
    builder.add_edge(START, "plan")
    builder.add_conditional_edges(
        "plan", lambda state: "report" if state.get("report") else "gate", ["gate", "report"]
    )
    builder.add_edge("report", END)
    return builder
