"""A graph that pauses, and checkpoints with boring values: for the tests of the saver and of the fence."""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from sayso.agent.checkpoints import RedisSaver
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    amount: Decimal
    grace: timedelta
    asked_at: datetime
    by_number: dict[int, str]
    log: Annotated[list[str], operator.add]
    answer: str


def plan(state: State) -> State:
    return {
        "amount": Decimal("1250.10"),
        "grace": timedelta(hours=4),
        "asked_at": datetime(2030, 1, 1, 12, tzinfo=UTC),
        "by_number": {7: "x"},
        "log": ["plan"],
    }


def gate(state: State) -> State:
    return {"answer": interrupt({"amount": str(state["amount"])})["type"], "log": ["gate"]}


def act(state: State) -> State:
    return {"log": [f"act on {state['amount']} after {state['grace']}"]}


def a_graph(saver: RedisSaver) -> Any:
    """Plan, gate, act: made anew as another process would."""
    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_node("gate", gate)
    graph.add_node("act", act)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "gate")
    graph.add_edge("gate", "act")
    graph.add_edge("act", END)
    return graph.compile(checkpointer=saver)


def a_config(thread: str = "t1", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


async def store(saver: RedisSaver, config: RunnableConfig, **values: Any) -> RunnableConfig:
    """Put one checkpoint with these values, all of them new."""
    versions = dict.fromkeys(values, saver.get_next_version(None, None))
    checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": versions}
    return await saver.aput(config, checkpoint, {"source": "loop", "step": 1}, versions)  # type: ignore[arg-type]


async def the_checkpoint(saver: RedisSaver, config: RunnableConfig) -> CheckpointTuple:
    found = await saver.aget_tuple(config)
    assert found is not None
    return found
