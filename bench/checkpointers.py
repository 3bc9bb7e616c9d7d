"""How quick a pause and a resume are with each checkpoint saver, all of them in one run, in turns: medians of paired rounds."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from postgres_server import a_postgres, in_postgres
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.secrets import LiveTokens
from sayso.agent.serializer import StateSerializer
from sayso.approvals.connection import open_redis
from sayso.bench.figures import machine
from sayso.bot.valkey import EmbeddedValkey

OURS, PLAIN, POSTGRES = "sayso", "plainredis", "postgres"
SIZES, THREADS, VERBS = (20, 200), (1, 50), ("pause", "resume")
#: Threads one after the other whose median stands for "one thread".
ALONE = 10


class Talk(TypedDict, total=False):
    """The state: a conversation of so many KB, and the answer."""

    messages: list[str]
    answer: str
    done: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table.

    Attributes:
        size: Of the state, KB.
        threads: How many at once.
    """

    verb: str
    size: int
    threads: int


def graph(saver: Any) -> Any:
    """Plan -> gate -> act, the conversation carried along unchanged."""
    builder = StateGraph(Talk)
    builder.add_node("plan", lambda _: {"done": False})
    builder.add_node("gate", lambda _: {"answer": interrupt({"tool": "issue_refund", "order": 1042})})
    builder.add_node("act", lambda state: {"done": state["answer"] == "approve"})
    for edge in ((START, "plan"), ("plan", "gate"), ("gate", "act"), ("act", END)):
        builder.add_edge(*edge)
    return builder.compile(checkpointer=saver)


def messages(size: int) -> list[str]:
    """Twenty messages of English-looking words, `size` KB together."""
    words, chance = (["the", "parcel", "arrived", "broken", "please", "refund", "order"]), random.Random(size)  # noqa: S311 words, no secrets
    share = size * 1024 // 20
    return [
        "".join(f"{chance.choice(words)} {chance.random():.4f} " for _ in range(share))[:share]
        for _ in range(20)
    ]


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Any]:
    """As production has it: closed list of types, scan for tokens."""
    live = LiveTokens()
    for number in range(10):
        live.remember(f"{number}-an-opaque-access-token" * 40)  # as long as Entra's
    with EmbeddedValkey(folder / OURS) as server:
        saver = RedisSaver.at(server.url, serde=StateSerializer(live=live))
        yield saver
        await saver.aclose()


@asynccontextmanager
async def plainredis(folder: Path) -> AsyncIterator[Any]:
    """On a server like ours, with a client like ours."""
    package = importlib.import_module("langgraph_checkpoint_plainredis")  # for the bench only, may be absent
    with EmbeddedValkey(folder / PLAIN) as server:
        client = open_redis(server.url)
        yield package.AsyncRedisSaver(client)
        await client.aclose()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Any]:
    """A file, in write-ahead mode."""
    async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
        await saver.conn.execute("PRAGMA synchronous=FULL")
        yield saver


@asynccontextmanager
async def postgres(_: Path) -> AsyncIterator[Any]:
    """PostgreSQL on a socket, with a pool (its saver still does one thing at a time)."""
    with a_postgres() as server:
        async with in_postgres(server.url) as saver:
            yield saver


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Any]:
    """Nothing is kept."""
    yield InMemorySaver()


SAVERS: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Any]]] = {
    OURS: ours, PLAIN: plainredis, "sqlite": sqlite, POSTGRES: postgres, "memory": memory,
}  # fmt: skip


async def measured(compiled: Any, size: int, threads: int, names: Iterator[int]) -> dict[Case, float]:
    """Milliseconds per thread of one round: of pausing, and of bringing back."""
    configs = [{"configurable": {"thread_id": f"t{next(names)}"}} for _ in range(max(threads, ALONE))]
    given, found = messages(size), dict[Case, float]()
    inputs = {"pause": {"messages": given}, "resume": Command(resume="approve")}
    for verb, what in inputs.items():
        calls = [_call(compiled, what, config) for config in configs]
        found[Case(verb, size, threads)] = 1000 * await (_alone(calls) if threads == 1 else _together(calls))
    for config in configs:
        state = (await compiled.aget_state(config)).values
        assert state["done"], "the gate was not passed"
        assert state["messages"] == given, "the state is not what it was"
        await compiled.checkpointer.adelete_thread(config["configurable"]["thread_id"])
    return found


def _call(compiled: Any, what: Any, config: Any) -> Callable[[], Awaitable[object]]:
    return lambda: compiled.ainvoke(what, config, durability="sync")


async def _alone(calls: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """The median of the seconds of each call."""
    seconds = []
    for call in calls:
        began = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


async def _together(calls: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """The seconds of all calls at once, per call."""
    began = time.perf_counter()
    await asyncio.gather(*(call() for call in calls))
    return (time.perf_counter() - began) / len(calls)


async def rounds(names: Sequence[str], count: int) -> dict[Case, dict[str, list[float]]]:
    """Every case with every saver, `count` times; who goes first changes each time."""
    found: dict[Case, dict[str, list[float]]] = {
        Case(*case): {name: [] for name in names} for case in product(VERBS, SIZES, THREADS)
    }
    numbers = iter(range(10**9))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sayso-bench-")))
        graphs = {name: graph(await stack.enter_async_context(SAVERS[name](folder))) for name in names}
        for turn in range(-1, count):  # the first round warms up and is not counted
            first = max(turn, 0) % len(names)
            for size, threads in product(SIZES, THREADS):
                for name in (*names[first:], *names[:first]):
                    figures = await measured(graphs[name], size, threads, numbers)
                    for case, figure in figures.items():
                        found[case][name] += [figure] if turn >= 0 else []
    return found


def judged(found: Mapping[Case, Mapping[str, Sequence[float]]]) -> bool:
    """Print the table and what is promised of it; whether that is kept."""
    names = list(next(iter(found.values())))
    print(f"{'milliseconds per thread':<26}" + "".join(f"{name:>12}" for name in names) + "     ours is")
    kept = True
    for case, by_saver in found.items():
        figures = "".join(f"{statistics.median(by_saver[name]):12.2f}" for name in names)
        said = []
        for other, needed in ((PLAIN, 1.0), (POSTGRES, 2.0 if case.threads > 1 else 0.0)):
            if other in by_saver:
                times = statistics.median(b / a for a, b in zip(by_saver[OURS], by_saver[other], strict=True))
                broken = times < needed
                kept = kept and not broken
                said.append(f"{times:.2f}x {other}{' BROKEN' if broken else ''}")
        label = f"{case.verb}, {case.size} KB, {case.threads} at once"
        print(f"{label:<26}{figures}     {', '.join(said)}")
    return kept


def main() -> int:
    """Measure and print; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=SAVERS, default=list(SAVERS))
    asked = parser.parse_args()
    names = list(asked.only)
    if PLAIN in names and importlib.util.find_spec("langgraph_checkpoint_plainredis") is None:
        print("plainredis is left out: pip install -e '.[bench]'")
        names.remove(PLAIN)
    print(f"Pause and resume, durability=sync, everything on disk before it is answered. {machine()}")
    kept = judged(asyncio.run(rounds(names, asked.rounds)))
    print(machine())
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
