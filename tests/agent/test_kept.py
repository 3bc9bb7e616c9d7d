"""Who keeps a graph's state: an author's durable checkpointer stays, everything else gives way to ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from kept_scenes import asked_and_approved_across_processes
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from pydantic import BaseModel
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.kept import THEIRS, SaverDown, UnfitSaver, check_saver, compiled, kept, still_there
from sayso.agent.serializer import UnknownType
from typing_extensions import TypedDict


async def test_a_sqlite_checkpointer_of_its_own_is_kept(tmp_path: Path) -> None:
    """The approval brings the agent back from there, in another process, and acts once."""
    await asked_and_approved_across_processes(
        lambda: AsyncSqliteSaver.from_conn_string(str(tmp_path / "agent.db"))
    )


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
    """S11: a restart must not lose what people were asked about."""
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


async def test_an_outage_of_a_graphs_own_saver_is_told_from_its_mistakes(tmp_path: Path) -> None:
    """Where the saver answers, whatever broke the run off was no outage."""
    await still_there(InMemorySaver())
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as own:
        await still_there(own)
    with pytest.raises(SaverDown, match="own checkpointer does not answer"):
        await still_there(own)
