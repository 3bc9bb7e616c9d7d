"""A worker that dies in the middle of keeping a thread's state: the next one finds where it really stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from gated import World, a_serializer
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from sayso.approvals.request import OutcomeKind, State


class Died(BaseException):
    """The process is gone: nothing of it catches this."""


class DyingSaver(InMemorySaver):
    """Once, dies before the outer graph keeps the pause that its gate's own graph has kept already."""

    dead: bool | None = None

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        outer = not config["configurable"].get("checkpoint_ns")
        if self.dead is None and outer and any(channel == "__interrupt__" for channel, _ in writes):
            self.dead = True
        if self.dead:
            raise Died
        await super().aput_writes(config, writes, task_id, task_path)


async def half_kept() -> World:
    """A world whose worker died while its agent's pause was being kept."""
    saver = DyingSaver(serde=a_serializer())
    world = World(saver=saver)
    await world.start()
    with pytest.raises(Died):
        await world.work()
    saver.dead = False
    world.store.advance(world.worker._idle)
    return world


async def test_a_pause_that_only_its_gate_has_kept_is_not_asked_about_yet() -> None:
    """The outer graph would refuse every answer to it: its question comes when the whole thread waits."""
    world = await half_kept()
    await world.worker.reconcile_once()
    assert await world.store.live() == []


async def test_a_pause_that_was_half_kept_is_answered_like_any_other() -> None:
    """The next worker lets the thread come to its pause, and what people then decide is done."""
    world = await half_kept()
    await world.work(world.another_worker("w2"))
    request = await world.open_request()
    await world.answer(request)
    await world.work(world.another_worker("w2"))
    assert len(world.ledger.done) == 1
    outcome = (await world.request(request)).outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.EXECUTED


async def test_an_agent_that_was_given_up_is_not_told_anything_more() -> None:
    """Its work was queued twice: whoever asked has read that nothing more will be done, and nothing is."""
    world = World()
    run = await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.worker.runner.give_up(run, "it was tried too often")
    assert (await world.request(request)).state is State.CLOSED
    planned = world.ledger.planned
    await world.work()
    assert "report" not in await world.state()
    assert (world.ledger.planned, world.ledger.done) == (planned, [])
