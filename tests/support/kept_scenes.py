"""Graphs that keep their state themselves: one worker asks, another one of another process acts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from gated import Ledger, World, an_agent, refund_tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from sayso.agent.credentials import Broker
from sayso.agent.kept import check_saver, kept
from sayso.agent.resume import Graph
from sayso.agent.worker import Worker
from sayso.approvals.request import OutcomeKind
from sayso.approvals.signing import Verifier

#: Opens one saver on the same place each time, as every process does for itself.
Opening = Callable[[], AbstractAsyncContextManager[BaseCheckpointSaver[Any]]]


def a_worker(world: World, graph: Graph, name: str, **options: Any) -> Worker:
    """Runs exactly this graph, with whatever keeps it."""
    return Worker(
        world.store, {"ops": graph}, locks=world.locks, policy=world.policy, name=name,
        verifier=Verifier([world.signer.public_key]), broker=Broker({"entra": world.source}, world.live),
        **{"wait": timedelta(0), "backoff": (0,), **options},
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
