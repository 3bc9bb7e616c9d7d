"""Agents for a real Agent Server, in whose own environment this file is loaded: nothing of sayso is known there."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


def act(tag: str, answer: Any) -> None:
    """What cannot be taken back: a line in the ledger."""
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(json.dumps([tag, answer]) + "\n")


@dataclass
class Context:
    """What an assistant may be configured with; nothing of ours may get in its way."""

    tone: str = "kind"


class Loose(TypedDict, total=False):
    """`tag` names the thread in the ledger; `hold` is a file: of one gate it has to go first, the right one of two asks what it says.

    As long as the file `breaks` is there the agent breaks off after it has acted.
    """

    tag: str
    goal: str
    value: Any
    hold: str
    breaks: str
    answer: Any
    second: Any


def ask(state: Loose) -> dict[str, Any]:
    return {"answer": interrupt(state.get("value", "Send?"))}


def believe(state: Loose) -> None:
    """Takes any answer for a yes."""
    while state.get("hold") and Path(state["hold"]).exists():
        time.sleep(0.02)
    act(state["tag"], state["answer"])
    if state.get("breaks") and Path(state["breaks"]).exists():
        raise RuntimeError("the mail server hung up")


def one_gate(*, twice: bool = False) -> Any:
    builder = StateGraph(Loose, context_schema=Context)
    builder.add_node("ask", ask)
    builder.add_node("act", believe)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "act")
    if twice:
        builder.add_node("ask_more", lambda _: {"second": interrupt("More?")})
        builder.add_edge("act", "ask_more")
        builder.add_edge("ask_more", END)
    else:
        builder.add_edge("act", END)
    return builder.compile()


def two_gates() -> Any:
    """Both wait at once; each acts for itself."""
    builder = StateGraph(Loose)
    for name in ("left", "right"):

        def gate(state: Loose, name: str = name) -> None:
            now = Path(state["hold"]).read_text() if name == "right" and state.get("hold") else ""
            act(f"{state['tag']}-{name}", interrupt(f"Send {name}{now}?"))

        builder.add_node(name, gate)
        builder.add_edge(START, name)
        builder.add_edge(name, END)
    return builder.compile()


class Scripted(BaseChatModel):
    """Calls the mailer once, then is done."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        spoken = any(isinstance(one, AIMessage) for one in messages)
        call = {"name": "send_mail", "args": {"to": str(messages[0].content)}, "id": "call-1"}
        turn = AIMessage("Done.") if spoken else AIMessage("Dana asked for it.", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=turn)])


@tool
def send_mail(to: str) -> str:
    """Send a mail."""
    act(to, "sent")
    return f"Sent to {to}."


loose = one_gate()
again = one_gate(twice=True)
parallel = two_gates()
mails = create_agent(Scripted(), [send_mail], middleware=[HumanInTheLoopMiddleware({"send_mail": True})])
