"""The chat model of these examples: a script that needs no network, or a real one that `SAYSO_MODEL` names.

`SAYSO_MODEL=anthropic:claude-sonnet-4-5 sayso serve -s examples/agents.toml`; its package and key are yours to bring.
"""

from __future__ import annotations

import os
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Script(BaseChatModel):
    """Says its next turn by how often it spoke in this conversation, so that any process can go on with it."""

    turns: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        """A script knows what it will call."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        spoken = sum(isinstance(one, AIMessage) for one in messages)
        read = "; ".join(str(one.text) for one in messages if one.type == "tool")
        turn = self.turns[spoken] if spoken < len(self.turns) else AIMessage(f"Finished. {read}")
        return ChatResult(generations=[ChatGeneration(message=turn)])


def turn(text: str, **calls: Any) -> AIMessage:
    """What the model says, and the tools that it calls at once: `turn("Why", send_mail={"to": "dana"})`.

    Several calls of one tool are a list of their arguments.
    """
    asked = [
        (name, one)
        for name, given in calls.items()
        for one in (given if isinstance(given, list) else [given])
    ]
    numbered = [{"name": name, "args": one, "id": f"{name}-{n}"} for n, (name, one) in enumerate(asked)]
    return AIMessage(text, tool_calls=numbered)


def chat_model(*turns: AIMessage) -> BaseChatModel:
    """The real model if one is named, else these turns; after the last one the script says what its tools said."""
    if name := os.environ.get("SAYSO_MODEL"):
        model: BaseChatModel = init_chat_model(name, temperature=0)
        return model
    return Script(turns=list(turns))
