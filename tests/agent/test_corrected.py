"""Whoever corrects an agent reads what came of it, also when nobody is asked again."""

from __future__ import annotations

from correcting import NOTHING, correcting_agent
from gated import Ledger, World, lookup_tool, refund_tool
from sayso.approvals.change import Notice, NoticeKind
from sayso.approvals.request import Ending, OutcomeKind, Request, RunEnd
from sayso.approvals.verdict import Modify
from scenes import BO, NOON


def a_world(ledger: Ledger | None = None) -> World:
    ledger = ledger or Ledger()
    graph = correcting_agent(refund_tool(ledger), ledger, free=lookup_tool(ledger))
    return World(graph=graph, ledger=ledger)


async def corrected(world: World, wish: str) -> Request:
    """Bo wants something else, and the agent goes on with that."""
    request = await world.open_request()
    await world.answer(request, Modify(instruction=wish))
    await world.work()
    return await world.request(request)


def then(request: Request) -> Ending | None:
    assert request.outcome is not None
    assert request.outcome.kind is OutcomeKind.REVISED
    return request.outcome.then


def told(world: World) -> list[Notice]:
    """What correctors were told."""
    return [one for one in world.store._notices.values() if one.kind is NoticeKind.ENDED]


async def test_a_correction_after_which_nobody_is_asked_is_told_to_its_end() -> None:
    """The record says what the agent said last; the card's threads hear it, by name; the audit trail has it."""
    world = a_world()
    await world.ask()
    request = await corrected(world, "nothing")
    assert then(request) == Ending(how=RunEnd.FINISHED, words=NOTHING, at=NOON)
    (notice,) = told(world)
    assert (notice.request, notice.place, notice.by, notice.text) == (request.id, "", BO, NOTHING)
    assert (await world.events())[-2:] == ["ended without asking again", "run finished"]
    assert await world.reports() == [NOTHING]
    dirty = world.store._dirty
    assert any(target.id == request.id for lane in dirty.values() for target in lane)


async def test_who_is_asked_again_needs_no_such_words() -> None:
    """The card that revises it says what came of it; only the last correction of a chain is told."""
    world = a_world()
    await world.ask()
    first = await corrected(world, "50.00")
    second = await corrected(world, "nothing")
    assert then(await world.request(first)) is None
    assert then(second) is not None
    assert [one.request for one in told(world)] == [second.id]


async def test_what_runs_freely_after_a_correction_is_told_as_well() -> None:
    """Nobody was asked about it, so nobody saw it on a card."""
    world = a_world()
    await world.ask()
    ending = then(await corrected(world, "free"))
    assert ending is not None
    assert ending.words.startswith("executed: ")
    assert [tool for tool, *_ in world.ledger.done] == ["look_up"]


async def test_an_agent_that_breaks_over_a_correction_is_told_as_broken() -> None:
    """It is given up, and the card does not say for good that it plans again."""
    world = a_world()
    await world.ask()
    ending = then(await corrected(world, "break"))
    assert ending is not None
    assert (ending.how, ending.words) == (RunEnd.FAILED, "ValueError")
    assert len(told(world)) == 1
    assert (await world.events())[-2:] == ["ended without asking again", "run failed"]


async def test_a_run_without_corrections_says_nothing_of_the_kind() -> None:
    """An approval ends as ever."""
    world = a_world()
    await world.ask()
    await world.answer(await world.open_request())
    await world.work()
    assert told(world) == []
    assert "ended without asking again" not in await world.events()
