"""The agents we show run as shown: loaded from their settings, asked about, answered, told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from gated import REJECT, World
from langgraph.checkpoint.memory import InMemorySaver
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.verdict import Modify, Respond
from sayso.bot.agents import open_graphs
from sayso.bot.settings import load_settings

EXAMPLES = Path(__file__).parents[2] / "examples"


@asynccontextmanager
async def running(name: str, goal: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """One of them, paused for the first time; without `SAYSO_MODEL` its model is a script."""
    monkeypatch.delenv("SAYSO_MODEL", raising=False)
    settings = load_settings(EXAMPLES / "agents.toml", {})
    async with open_graphs(settings, InMemorySaver()) as graphs:
        assert set(graphs) == set(settings.graphs)
        graph: Any = graphs[name]
        world = World(graph=graph, policy=settings.policy)
        await world.ask(goal)
        yield world


async def opened(world: World) -> list[Request]:
    live = [one for one in await world.store.live() if one.state is State.OPEN]
    return sorted(live, key=lambda one: one.proposal.action.summary)


async def kind_of(world: World, request: Request) -> OutcomeKind | None:
    ended = await world.request(request)
    return ended.outcome.kind if ended.outcome else None


async def test_governed_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up asks nobody; the refund runs, narrowed; the mail is refused; the model says all of it."""
    async with running("governed", "Order 1042 arrived broken", monkeypatch) as world:
        refund, mail = await opened(world)
        assert refund.proposal.action.summary == "Refund 129.90 USD for order 1042"
        assert refund.proposal.action.reasoning.startswith("It was paid and arrived broken")
        await world.answer(mail, REJECT)
        await world.answer(refund, Modify({"amount": "100.00"}))
        await world.work()
        (report,) = await world.reports()
        assert f"Refunded 100.00 USD for order 1042 ({refund.id})" in report
        assert "Wrong customer." in report


async def test_middleware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mails in one pause: the agent goes on once both are settled."""
    async with running("middleware", "Tell them", monkeypatch) as world:
        dana, team = await opened(world)
        await world.answer(dana)
        await world.work()
        assert await world.reports() == []
        await world.answer(team, REJECT)
        await world.work()
        (report,) = await world.reports()
        assert "Sent to dana@example.com" in report
        assert "Sent to team@example.com" not in report


async def test_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refund of an agent within an agent; its neighbour's answer is in the report too."""
    async with running("supervisor", "Order 1042 arrived broken", monkeypatch) as world:
        (refund,) = await opened(world)
        assert refund.proposal.action.goal == "Order 1042 arrived broken"
        await world.answer(refund)
        await world.work()
        (report,) = await world.reports()
        assert "Refunded 129.90 USD for order 1042." in report
        assert "lamp: 7 left" in report


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (None, "Invited dana@example.com for Tuesday, 10:00."),
        (Modify({"when": "Friday"}), "Invited dana@example.com for Friday."),
        (REJECT, "Not sent."),
        (Respond("She is away."), "Not sent. You said: She is away."),
    ],
)
async def test_inbox(verdict: Modify | Respond | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer of agent-inbox is read as it is meant."""
    async with running("inbox", "the review", monkeypatch) as world:
        (invitation,) = await opened(world)
        await world.answer(invitation, verdict)
        await world.work()
        assert await world.reports() == [said]


async def test_three_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last is approved first and runs at once; one is refused, one is left to its clock; then comes the report."""
    async with running("parallel", "refund 1042 129.90, 1043 20.00 and 1044 5.50", monkeypatch) as world:
        first, second, third = await opened(world)
        await world.answer(second)
        await world.work()
        assert await kind_of(world, second) is OutcomeKind.EXECUTED
        await world.answer(first, REJECT)
        await world.work()
        assert await world.reports() == []
        await world.expire(third)
        await world.work()
        assert await kind_of(world, third) is OutcomeKind.EXPIRED
        (report,) = await world.reports()
        assert len(report.splitlines()) == 3
