"""A worker while sayso is paused: it begins nothing, brings nobody back and starts no tool; afterwards it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from foreign import asking, foreign_world, the_one
from gated import REJECT, Fresh, World, lookup_tool
from sayso.agent.credentials import Token
from sayso.agent.worker import IDLE
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.credential import CredentialRef
from sayso.approvals.halt import Halt
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.verdict import Verdict

PAUSED = AuditEntry(event=Event.HALTED, by="kim", words="Paused")


async def pause(world: World, graph: str = "") -> None:
    halt = Halt(graph=graph, by="kim", why="the refunds look wrong", since=await world.store.now())
    await world.store.halt(halt, PAUSED)


async def unpause(world: World, graph: str = "") -> None:
    """Whatever a worker left is taken again."""
    await world.store.unhalt(graph, PAUSED)
    world.store.advance(IDLE)
    await world.work()


@dataclass
class PausesWhileAsked(Fresh):
    """A token service that is so slow that somebody pauses sayso meanwhile: after resuming, before the burn."""

    world: World | None = None

    async def fetch(self, ref: CredentialRef) -> Token:
        if self.world is not None:
            await pause(self.world)
            self.world = None
        return await super().fetch(ref)


@pytest.mark.parametrize("graph", ["", "ops"])
@pytest.mark.parametrize("verdict", [None, REJECT])
async def test_what_people_decided_waits(graph: str, verdict: Verdict | None) -> None:
    """Also a rejection: no agent is brought back. Then each is, without a second try being counted."""
    world = World()
    await world.ask()
    await pause(world, graph)
    request = await world.answer(await world.open_request(), verdict)
    for _ in range(7):  # more often than anything is tried
        await world.work()
        world.store.advance(IDLE)
    await world.worker.reconcile_once()
    assert (await world.request(request)).state is State.DECIDED
    assert world.ledger.done == []
    await unpause(world, graph)
    assert len(world.ledger.done) == (0 if verdict else 1)
    assert (await world.request(request)).state is State.CLOSED


async def test_no_run_begins() -> None:
    """It is queued, and begins once the pause has ended."""
    world = World()
    await pause(world, "ops")
    await world.ask()
    assert world.ledger.planned == 0
    await unpause(world, "ops")
    assert world.ledger.planned == 1


async def test_another_agent_s_pause_stops_nothing() -> None:
    """It has a name."""
    world = World()
    await pause(world, "mails")
    await world.ask()
    await world.answer(await world.open_request())
    await world.work()
    assert len(world.ledger.done) == 1


async def test_a_pause_between_resuming_and_the_tool_holds_the_tool() -> None:
    """The approval stands unburnt, and the tool runs once afterwards."""
    source = PausesWhileAsked()
    world = World(sources={"entra": source})
    await world.ask()
    source.world = world
    request = await world.answer(await world.open_request())
    await world.work()
    held = await world.request(request)
    assert (held.state, held.effect, world.ledger.done) == (State.RESUMING, None, [])
    await unpause(world)
    assert len(world.ledger.done) == 1
    assert (await world.request(request)).outcome is not None


async def test_an_action_that_nobody_is_asked_about_waits_too() -> None:
    """It is not looked up while sayso is paused."""
    source, scratch = PausesWhileAsked(), World()
    world = World(lookup_tool(scratch.ledger), ledger=scratch.ledger, sources={"entra": source})
    source.world = world
    await world.ask()
    assert world.ledger.done == []
    await unpause(world)
    assert [tool for tool, _, _ in world.ledger.done] == ["look_up"]


async def outcome(world: World, request: Request) -> OutcomeKind | None:
    ended = (await world.request(request)).outcome
    return ended.kind if ended else None


async def test_somebody_else_s_agent_waits_too() -> None:
    """Nothing is burnt, nothing is sent to it; afterwards it acts once."""
    acted: list[Any] = []
    world = foreign_world(asking("Send?", acted))
    await world.ask()
    request = await the_one(world)
    await pause(world)
    await world.answer(request)
    await world.work()
    assert (acted, (await world.request(request)).effect) == ([], None)
    await unpause(world)
    assert len(acted) == 1
    assert await outcome(world, request) is OutcomeKind.ANSWERED
