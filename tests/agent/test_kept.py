"""Who keeps a graph's state: an author's durable checkpointer stays, everything else gives way to ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from gated import Ledger, World, an_agent, refund_tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from pydantic import BaseModel
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.credentials import Broker
from sayso.agent.kept import THEIRS, UnfitSaver, check_saver, compiled, kept
from sayso.agent.resume import Graph
from sayso.agent.serializer import UnknownType
from sayso.agent.worker import Worker
from sayso.approvals.request import OutcomeKind
from sayso.approvals.signing import Verifier
from typing_extensions import TypedDict

#: Opens one saver on the same place each time, as every process does for itself.
Opening = Callable[[], AbstractAsyncContextManager[BaseCheckpointSaver[Any]]]


def a_worker(world: World, graph: Graph, name: str) -> Worker:
    """Runs exactly this graph, with whatever keeps it."""
    return Worker(
        world.store, {"ops": graph}, locks=world.locks, policy=world.policy, name=name, wait=timedelta(0), backoff=(0,),
        verifier=Verifier([world.signer.public_key]), broker=Broker({"entra": world.source}, world.live),
    )  # fmt: skip


async def asked_and_approved_across_processes(opening: Opening) -> None:
    """One worker asks, another one with a connection of its own acts; our own saver holds nothing."""
    ledger = Ledger()
    tool = refund_tool(ledger)
    world, ours = World(tool, ledger=ledger), InMemorySaver()
    async with opening() as own:
        first = kept(an_agent(tool, ledger).compile(checkpointer=own), ours)
        assert first.own is own
        await check_saver(own)
        await world.start()
        await world.work(a_worker(world, first.graph, "w1"))
    await world.answer(await world.open_request())
    async with opening() as again:
        second = kept(an_agent(tool, ledger).compile(checkpointer=again), ours)
        await world.work(a_worker(world, second.graph, "w2"))
        state = await second.graph.aget_state({"configurable": {"thread_id": "t1"}})
    assert state.values["outcome"]["kind"] == OutcomeKind.EXECUTED
    assert (len(ledger.done), not ours.storage) == (1, True)


async def test_a_sqlite_checkpointer_of_its_own_is_kept(tmp_path: Path) -> None:
    """The approval brings the agent back from there, in another process, and acts once."""
    await asked_and_approved_across_processes(
        lambda: AsyncSqliteSaver.from_conn_string(str(tmp_path / "agent.db"))
    )


@contextmanager
def a_postgres() -> Iterator[str]:
    """A server of our own that listens on a socket in a folder of its own, for as long as the block lasts."""
    found = [shutil.which("pg_ctl"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")))]
    program = next(filter(None, found), None)
    if program is None:
        pytest.skip("PostgreSQL is not installed (apt install postgresql)")
    with tempfile.TemporaryDirectory() as place:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
        if user:
            shutil.chown(place, "postgres")
        pg_ctl = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, cwd=place, timeout=60)
        command = [*user, str(Path(program).resolve()), "-D", f"{place}/db", "-s"]
        pg_ctl([*command, "-o", "-A trust -U agents -E UTF8", "initdb"])
        pg_ctl([*command, "-w", "-l", f"{place}/log", "-o", f"-k {place} -h ''", "start"])
        try:
            yield f"postgresql://agents@/postgres?host={place}"
        finally:
            pg_ctl([*command, "-m", "immediate", "stop"])


@pytest.mark.second_server
async def test_a_postgres_checkpointer_of_its_own_is_kept() -> None:
    """The same against a real PostgreSQL; one whose tables were never set up is refused in a sentence."""
    postgres = pytest.importorskip(
        "langgraph.checkpoint.postgres.aio", reason="langgraph-checkpoint-postgres is not installed"
    )
    with a_postgres() as url:
        opening: Opening = lambda: postgres.AsyncPostgresSaver.from_conn_string(url)  # noqa: E731
        async with opening() as own:
            with pytest.raises(UnfitSaver, match="AsyncPostgresSaver cannot be read: UndefinedTable"):
                await check_saver(own)
            await own.setup()  # type: ignore[attr-defined]
        await asked_and_approved_across_processes(opening)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    colour: Colour


class Bill(BaseModel):
    parts: list[Part]


class Inside(TypedDict):
    bill: Bill | None


class State(TypedDict, total=False):
    goal: str
    inside: Inside
    anything: Any


class Undeclared(BaseModel):
    words: str = "Nobody said that this may stand here."


def a_builder(**given: Any) -> StateGraph[Any, Any, Any, Any]:
    """Keeps these values in its state."""
    builder = StateGraph(State)
    builder.add_node("plan", lambda state: given)
    builder.add_edge(START, "plan")
    return builder


async def test_what_a_graphs_state_is_declared_to_hold_may_be_kept(redis_url: str) -> None:
    """Its author's own models, dataclasses and enums come back as they were; nothing else of theirs is let in."""
    inside = {"bill": Bill(parts=[Part(Colour.RED)])}
    saver = RedisSaver.at(redis_url)
    config: Any = {"configurable": {"thread_id": "t1"}}
    graph = compiled(a_builder(inside=inside), saver)
    await graph.ainvoke({"goal": "go"}, config)
    assert (await graph.aget_state(config)).values["inside"] == inside
    with pytest.raises(UnknownType, match="Undeclared"):
        await compiled(a_builder(anything=Undeclared()), saver).ainvoke({"goal": "go"}, config)
    await saver.aclose()


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (None, "its state is kept in sayso's checkpoints"),
        (
            InMemorySaver(),
            "sayso's checkpoints: its InMemorySaver would have forgotten everything at the end",
        ),
    ],
)
def test_what_would_forget_is_replaced_and_this_is_said(
    own: BaseCheckpointSaver[Any] | None, words: str
) -> None:
    """A restart must not lose what people were asked about."""
    ours = InMemorySaver()
    ready = kept(a_builder().compile(checkpointer=own), ours)
    assert ready.own is None
    assert isinstance(ready.graph.checkpointer, InMemorySaver)
    assert ready.graph.checkpointer.storage is ours.storage
    assert words in ready.words


async def test_a_saver_for_sync_code_is_refused_by_name(tmp_path: Path) -> None:
    """Sayso runs graphs on an event loop."""
    with SqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as own:
        ready = kept(a_builder().compile(checkpointer=own), InMemorySaver())
        assert ready.own is own
        assert THEIRS in ready.words
        with pytest.raises(UnfitSaver, match="its own SqliteSaver cannot be used from async code"):
            await check_saver(own)


async def test_a_saver_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """What it says stands in the sentence."""
    (tmp_path / "agent.db").write_text("This is a letter, and no database.\n" * 100)
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as own:
        with pytest.raises(UnfitSaver, match="AsyncSqliteSaver cannot be read: DatabaseError: file is not"):
            await check_saver(own)
