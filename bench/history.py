"""Whether a thread with 500 pauses behind it resumes as fast as one with 5: medians of resumes in turns."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from sayso.agent.checkpoints import RedisSaver
from sayso.bench.figures import line, machine
from sayso.bot.valkey import EmbeddedValkey

#: How much slower or faster the long history may be.
PROMISED = 0.2


class Talk(TypedDict, total=False):
    """Twenty messages that stay as they are, and the answer, which is new each time."""

    messages: list[str]
    answer: int


def graph(saver: Any) -> Any:
    """Asks again after each answer."""
    builder = StateGraph(Talk)
    builder.add_node("gate", lambda state: {"answer": interrupt({"after": state.get("answer")})})
    builder.add_edge(START, "gate")
    builder.add_edge("gate", "gate")
    return builder.compile(checkpointer=saver)


async def paused(compiled: Any, thread: str, pauses: int) -> None:
    """A thread that stands at its last pause of so many."""
    config = {"configurable": {"thread_id": thread}}
    messages = [f"message {number} " * 90 for number in range(20)]
    await compiled.ainvoke({"messages": messages}, config, durability="sync")
    for number in range(pauses - 1):
        await compiled.ainvoke(Command(resume=number), config, durability="sync")


async def resumed(compiled: Any, thread: str) -> float:
    """Seconds from an answer to the next pause."""
    config = {"configurable": {"thread_id": thread}}
    began = time.perf_counter()
    await compiled.ainvoke(Command(resume=-1), config, durability="sync")
    return time.perf_counter() - began


async def measure(compiled: Any, *, short: int, long: int, times: int) -> tuple[list[float], list[float]]:
    """Seconds of `times` resumes after few pauses and after many, in turns; one long history, which grows meanwhile."""
    await paused(compiled, "long", long)
    after: tuple[list[float], list[float]] = ([], [])
    for number in range(times):
        await paused(compiled, f"short-{number}", short)
        threads = (f"short-{number}", "long")
        for which in (0, 1) if number % 2 else (1, 0):
            after[which].append(await resumed(compiled, threads[which]))
    return after


async def main(short: int, long: int, times: int) -> int:
    """Print both medians; 1 when they are further apart than promised."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        saver = RedisSaver.at(server.url)
        try:
            few, many = await measure(graph(saver), short=short, long=long, times=times)
        finally:
            await saver.aclose()
    print(machine())
    print(line(f"resume after {short} pauses", few))
    print(line(f"resume after {long} pauses", many))
    apart = statistics.median(many) / statistics.median(few)
    kept = abs(apart - 1) <= PROMISED
    print(f"  the long one takes {apart:.2f} times as long: {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=int, default=5)
    parser.add_argument("--long", type=int, default=500)
    parser.add_argument("--times", type=int, default=100)
    asked = parser.parse_args()
    sys.exit(asyncio.run(main(asked.short, asked.long, asked.times)))
