"""Other people's agents in our small world: LangChain's own, with a scripted model, and small hand-written ones."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from gated import LOW, World
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt
from sayso.agent.policy_file import read_policy
from sayso.approvals.request import Request, State
from typing_extensions import TypedDict

POLICY: Mapping[str, Any] = {
    "default_route": "desk",
    "routes": {"desk": {"places": ["slack:C0FIN"], "approvers": ["finance"], "pager": "primary"}},
    "tools": {"send_mail": {"category": "external_communication", **LOW}},
}


class Scripted(BaseChatModel):
    """Says its next turn by how often it spoke in this conversation before, in whichever process; then "Done."."""

    turns: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        spoken = sum(isinstance(one, AIMessage) for one in messages)
        turn = self.turns[spoken] if spoken < len(self.turns) else AIMessage("Done.")
        return ChatResult(generations=[ChatGeneration(message=turn)])


def call(number: int, to: str, **more: Any) -> dict[str, Any]:
    """The model's call of the mailer."""
    return {"name": "send_mail", "args": {"to": to, **more}, "id": f"call-{number}"}


def says(text: str, *calls: dict[str, Any]) -> AIMessage:
    """One turn of the model."""
    return AIMessage(text, tool_calls=list(calls))


def mailing_agent(
    sent: list[dict[str, Any]], turns: Sequence[AIMessage], *, allowed: Sequence[str] = (), mode: str = "batched",
    breaks: Callable[[], None] = lambda: None, also: str = "",
) -> Any:  # fmt: skip
    """LangChain's agent with a mailer behind its own middleware; `also` is a tool that no policy knows."""

    @tool
    def send_mail(to: str, urgent: bool = False) -> str:
        """Send a mail."""
        sent.append({"to": to, "urgent": urgent})
        breaks()
        return f"Sent to {to}."

    model = Scripted(turns=list(turns))

    @tool(also or "unused")
    def other() -> str:
        """Do something."""
        return "Done."

    gated: Any = {
        also or "unused": True,
        "send_mail": {"allowed_decisions": list(allowed)} if allowed else True,
    }
    middleware = HumanInTheLoopMiddleware(gated, interrupt_mode=mode)  # type: ignore[arg-type]
    return create_agent(model, [send_mail, other], middleware=[middleware])


class Loose(TypedDict, total=False):
    """The state of a hand-written agent."""

    goal: str
    messages: list[AnyMessage]
    answer: Any
    report: str


def believing(acted: list[Any], value: Any, schema: Any = None) -> StateGraph[Any, Any, Any, Any]:
    """The agent that takes any answer for a yes: `if answer: act()`."""

    def ask(state: Loose) -> dict[str, Any]:
        answer = interrupt(value, response_schema=schema)
        if answer:
            acted.append(answer)
        return {"report": f"Acted {len(acted)} times."}

    builder = StateGraph(Loose)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    return builder


def foreign_world(graph: Any, **options: Any) -> World:
    """That agent in a world with a policy that knows its mailer."""
    return World(graph=graph, policy=read_policy(POLICY), **options)


async def open_requests(world: World) -> list[Request]:
    """Everything that is open, in the order of the pause."""
    live = [one for one in await world.store.live() if one.state is State.OPEN]
    return sorted(live, key=lambda one: (one.ask.key.interrupt, one.ask.key.index))


async def messages(world: World) -> list[Any]:
    """What the agent's state holds of its conversation."""
    return list((await world.state())["messages"])


class Shared(TypedDict, total=False):
    """The state of agents that do several things at once."""

    goal: str
    number: int
    done: Annotated[list[int], operator.add]
    report: str


def one_node(work: Any) -> StateGraph[Any, Any, Any, Any]:
    """An agent of a single node."""
    builder = StateGraph(Shared)
    builder.add_node("ask", work)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    return builder


def asking(prompt: str, acted: list[str], name: str = "ask") -> StateGraph[Any, Any, Any, Any]:
    """An agent that asks this and, told anything but nothing, does it."""
    builder = StateGraph(Shared)

    def work(state: Shared) -> dict[str, Any]:
        if interrupt(prompt):
            acted.append(prompt)
        return {"report": "Done."}

    builder.add_node(name, work)
    builder.add_edge(START, name)
    builder.add_edge(name, END)
    return builder


def asks_first(act: Any) -> StateGraph[Any, Any, Any, Any]:
    """An agent that asks in one node and acts in the next."""
    builder = one_node(lambda state: {"number": int(bool(interrupt("Send?")))})
    builder.add_node("act", act)
    builder.add_edge("ask", "act")
    return builder


def senders(
    acted: list[str], breaks: Callable[[int], None] = lambda _: None
) -> StateGraph[Any, Any, Any, Any]:
    """Three at once, each asks in its own node and acts there: `if interrupt(...): act()`."""

    def work(state: Shared) -> dict[str, Any]:
        number = state["number"]
        if interrupt(f"Send {number}?"):
            acted.append(f"sent {number}")
            breaks(number)
        return {"done": [number]}

    builder = StateGraph(Shared)
    builder.add_node("plan", lambda state: {})
    builder.add_node("work", work)
    builder.add_node("report", lambda state: {"report": f"Sent {sorted(state['done'])}."})
    builder.add_edge(START, "plan")
    builder.add_conditional_edges(
        "plan", lambda _: [Send("work", {"number": n}) for n in (1, 2, 3)], ["work"]
    )
    builder.add_edge("work", "report")
    return builder


async def by_summary(world: World) -> list[Request]:
    """Everything that is open, by what it asks."""
    return sorted(await open_requests(world), key=lambda one: one.proposal.action.summary)


async def the_one(world: World) -> Request:
    """The one open request."""
    (request,) = await open_requests(world)
    return request
