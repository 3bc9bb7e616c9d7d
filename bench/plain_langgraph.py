"""The yardstick: the same gate in plain LangGraph, resumed in one process, without Slack, signatures, audit or queue."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from sayso.bench.figures import line, machine, rate

SAVERS = ("InMemorySaver", "AsyncSqliteSaver")


class Refund(TypedDict, total=False):
    """The state of the gate's graph."""

    order: int
    amount: str
    approved: bool
    executed_at: float


def plan(state: Refund) -> Refund:
    return {"order": state["order"], "amount": "0.01"}


def gate(state: Refund) -> Refund:
    return {"approved": bool(interrupt({"tool": "issue_refund", "order": state["order"]}))}


def act(state: Refund) -> Refund:
    assert state["approved"]
    return {"executed_at": time.perf_counter()}


def graph(saver: Any) -> Any:
    """Plan -> gate -> act."""
    builder = StateGraph(Refund)
    builder.add_node("plan", plan)
    builder.add_node("gate", gate)
    builder.add_node("act", act)
    for edge in ((START, "plan"), ("plan", "gate"), ("gate", "act"), ("act", END)):
        builder.add_edge(*edge)
    return builder.compile(checkpointer=saver)


@asynccontextmanager
async def opened(saver: str) -> AsyncIterator[Any]:
    """The graph on a fresh saver."""
    if saver == "InMemorySaver":
        yield graph(InMemorySaver())
        return
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "checkpoints.db")) as sqlite:
            yield graph(sqlite)


async def resumed(compiled: Any, thread: str) -> float:
    """Seconds from the answer to the tool."""
    began = time.perf_counter()
    config = {"configurable": {"thread_id": thread}}
    state = await compiled.ainvoke(Command(resume=True), config, durability="sync")
    return float(state["executed_at"]) - began


async def measure(saver: str, one_by_one: int, at_once: int) -> tuple[list[float], float]:
    """Seconds of each sequential resume, and of `at_once` resumes together."""
    async with opened(saver) as compiled:
        for n in range(one_by_one + at_once):
            config = {"configurable": {"thread_id": f"t{n}"}}
            await compiled.ainvoke({"order": n}, config, durability="sync")
        alone = [await resumed(compiled, f"t{n}") for n in range(one_by_one)]
        began = time.perf_counter()
        await asyncio.gather(*(resumed(compiled, f"t{n}") for n in range(one_by_one, one_by_one + at_once)))
        return alone, time.perf_counter() - began


async def main(one_by_one: int, at_once: int) -> None:
    """Print the yardstick."""
    print(f"Plain LangGraph, one process: answer -> tool executed. {machine()}")
    for saver in SAVERS:
        alone, together = await measure(saver, one_by_one, at_once)
        print(line(f"{saver}, {one_by_one} one after the other", alone))
        print(rate(f"{saver}, {at_once} pending resumed at once", at_once, together))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:3] or (200, 1000))))
