"""LangChain's `HumanInTheLoopMiddleware`, unmodified: a card per call, and the exact answer once all are settled."""

from __future__ import annotations

from typing import Any

from foreign import call, foreign_world, mailing_agent, messages, open_requests, says
from gated import REJECT
from sayso.approvals.request import OutcomeKind, State


async def test_two_calls_of_one_turn_are_two_requests_and_one_answer() -> None:
    """One is approved, one rejected: the agent goes on only then, mails once and reads why it did not twice."""
    sent: list[dict[str, Any]] = []
    turn = says("Dana asked for both.", call(1, "dana@example.com"), call(2, "all@example.com"))
    world = foreign_world(mailing_agent(sent, [turn]))
    await world.ask("Tell Dana")
    first, second = await open_requests(world)
    assert first.proposal.action.reasoning == "Dana asked for both."
    await world.answer(first)
    await world.work()
    assert sent == [] and (await world.request(first)).waits_for == 1
    await world.answer(second, REJECT)
    await world.work()
    assert sent == [{"to": "dana@example.com", "urgent": False}]
    told = [m for m in await messages(world) if m.type == "tool" and m.status == "error"]
    assert "Wrong customer." in told[0].content
    ended = [await world.request(one) for one in (first, second)]
    assert [one.outcome.kind for one in ended if one.outcome] == [OutcomeKind.ANSWERED, OutcomeKind.REFUSED]
    assert all(one.state is State.CLOSED for one in ended)
    assert (await world.events())[-1] == "run finished"
