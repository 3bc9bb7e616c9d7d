"""An agent written for LangChain's agent-inbox: it raises `HumanInterrupt`, and reads a list of one answer.

    sayso run inbox "Invite Dana to the review on Tuesday" --as alex

`sayso_reads` says that its code understands every answer of agent-inbox: then people may also edit, ignore and answer
in words. Without that line they have yes and no, and a no ends the run, because sayso cannot know what a stranger's
code takes for a yes.
"""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    """What this agent remembers."""

    goal: str
    invitation: dict[str, Any]
    report: str


def draft(state: State) -> dict[str, Any]:
    """Write the invitation; a real agent would ask a model here."""
    return {"invitation": {"to": "dana@example.com", "when": "Tuesday, 10:00", "about": state["goal"]}}


def ask(state: State) -> dict[str, Any]:
    """Pause, and do as told. Nothing happens before `interrupt` returns, because this node runs again then."""
    (answer,) = interrupt(
        [
            {
                "action_request": {"action": "send_invitation", "args": state["invitation"]},
                "config": {
                    "allow_accept": True,
                    "allow_edit": True,
                    "allow_ignore": True,
                    "allow_respond": True,
                },
                "description": "An invitation in your name.",
            }
        ]
    )
    match answer:
        case {"type": "accept"}:
            return {"report": sent(state["invitation"])}
        case {"type": "edit", "args": {"args": changed}}:
            return {"report": sent(changed)}
        case {"type": "response", "args": words}:
            return {"report": f"Not sent. You said: {words}"}
        case _:
            return {"report": "Not sent."}


def sent(invitation: dict[str, Any]) -> str:
    """Send it; call your calendar here."""
    return f"Invited {invitation['to']} for {invitation['when']}."


builder = StateGraph(State)
builder.add_node("draft", draft)
builder.add_node("ask", ask)
builder.add_edge(START, "draft")
builder.add_edge("draft", "ask")
builder.add_edge("ask", END)
graph = builder.compile().with_config(metadata={"sayso_reads": "agent-inbox"})
