"""Pauses of other people's agents: nothing acts without an approval, and an answer is sent at most once."""

from __future__ import annotations

from typing import Any

import pytest
from foreign import POLICY, believing, foreign_world, open_requests
from foreign_shapes import BATCH, FORM, INBOX, PER_CALL, PER_CALL_SCHEMA
from gated import REJECT, World
from sayso.agent.foreign import told
from sayso.agent.policy_file import read_policy
from sayso.approvals.errors import NotOffered
from sayso.approvals.request import OutcomeKind, Request
from sayso.approvals.verdict import Approve, Modify, Respond, Verdict, Way

PAUSES: dict[str, tuple[Any, Any]] = {
    "batched": (BATCH, None), "per call": (PER_CALL, PER_CALL_SCHEMA), "inbox": (INBOX, None),
    "inbox list": ([INBOX], None), "schema": ("Send?", FORM), "one value": ("Send?", {"type": "boolean"}),
    "action": ({"action": "send", "args": {"to": "dana"}}, None), "text": ("Send?", None), "number": (7, None),
    "object": ({"question": "Send?", "to": ["dana"]}, None), "nothing": (None, None), "list": ([1, 2], None),
}  # fmt: skip


async def asked(pause: str) -> tuple[World, list[Any], Request]:
    """An agent that takes any answer for a yes, paused."""
    acted: list[Any] = []
    world = foreign_world(believing(acted, *PAUSES[pause]))
    await world.ask("Tell Dana")
    (request,) = await open_requests(world)
    return world, acted, request


async def ended(world: World, request: Request) -> tuple[OutcomeKind, str]:
    record = await world.request(request)
    assert record.outcome is not None
    return record.outcome.kind, record.outcome.words


@pytest.mark.parametrize("pause", PAUSES)
async def test_a_no_never_reaches_an_agent_that_takes_anything_for_a_yes(pause: str) -> None:
    """`if interrupt("Send?"): send()` — the run ends where it stands, and the card says so."""
    world, acted, request = await asked(pause)
    await world.answer(request, REJECT)
    await world.work()
    assert acted == []
    kind, words = await ended(world, request)
    assert kind is OutcomeKind.REFUSED
    assert "its run was ended" in words
    assert "run failed" in await world.events()
    assert any("stopped before it acted" in text for text in await world.reports())


@pytest.mark.parametrize("pause", PAUSES)
async def test_silence_never_reaches_it_either(pause: str) -> None:
    """Nobody decides in time."""
    world, acted, request = await asked(pause)
    await world.expire(request)
    await world.work()
    assert acted == []
    assert (await ended(world, request))[0] is OutcomeKind.EXPIRED
    await world.worker.reconcile_once()
    await world.work()
    assert acted == []


@pytest.mark.parametrize("pause", [p for p in PAUSES if p not in ("schema", "one value")])
async def test_a_yes_reaches_it_once(pause: str) -> None:
    """Approved by a signed vote: the agent acts, once, and the record claims no more than that it went on."""
    world, acted, request = await asked(pause)
    await world.answer(request)
    await world.work()
    await world.worker.reconcile_once()
    await world.work()
    assert len(acted) == 1
    kind, words = await ended(world, request)
    assert kind is OutcomeKind.ANSWERED
    assert "went on with that once" in words
    assert await world.reports() == ["Acted 1 times."]


async def test_a_form_is_filled_in_and_sent_exactly() -> None:
    """A response schema: there is nothing to approve before somebody has filled it in."""
    world, acted, request = await asked("schema")
    assert request.ways == (Way.EDIT, Way.REJECT)
    with pytest.raises(NotOffered):
        await world.answer(request, Approve())
    await world.answer(request, Modify({"allowed": True}))
    await world.work()
    assert acted == [{"allowed": True}]


async def test_a_text_is_answered_with_what_stands_on_the_card() -> None:
    """A person changes the ready answer; those very words are sent."""
    world, acted, request = await asked("text")
    assert request.proposal.action.arguments == {"asked": "Send?", "answer": "yes"}
    await world.answer(request, Modify({"answer": "Friday"}))
    await world.work()
    assert acted == ["Friday"]


@pytest.mark.parametrize("verdict", [Respond("Do it"), Modify({"to": "bo"}), Modify(instruction="Think")])
async def test_an_answer_that_the_dialect_does_not_take_is_refused(verdict: Verdict) -> None:
    """Somebody forges a press of a button that no card has."""
    world, acted, request = await asked("action")
    with pytest.raises(NotOffered):
        await world.answer(request, verdict)
    await world.work()
    assert acted == []


async def test_what_a_pause_lacks_is_flagged() -> None:
    """No message, no confidence, an unknown tool: the worst is assumed and said."""
    _, _, request = await asked("text")
    assessment = request.proposal.assessment
    assert {"Unknown tool", "No reasoning given", "No confidence stated", "A no ends the whole run"} <= {
        *assessment.flags
    }
    assert request.proposal.action.goal == "Tell Dana"
    assert request.proposal.action.summary == "Send?"


@pytest.mark.parametrize(("needed", "ways"), [(1, (Way.RESPOND, Way.REJECT)), (2, (Way.REJECT,))])
async def test_one_person_alone_does_not_answer_where_two_are_needed(
    needed: int, ways: tuple[Way, ...]
) -> None:
    """A text has one author, and an agent whose reader is not known may act on it."""
    config = {"allow_accept": False, "allow_edit": False, "allow_ignore": True, "allow_respond": True}
    route = {**POLICY["routes"]["desk"], "needed": needed}
    policy = read_policy({**POLICY, "routes": {"desk": route}})
    graph = believing([], {**INBOX, "config": config})
    world = World(graph=graph, policy=policy)
    await world.ask("Tell Dana")
    (request,) = await open_requests(world)
    assert request.ways == ways


async def test_a_graph_may_say_that_it_reads_refusals() -> None:
    """Named in its metadata, agent-inbox's whole protocol is spoken."""
    acted: list[Any] = []
    graph = believing(acted, [INBOX]).compile().with_config(metadata={"sayso_reads": "agent-inbox"})
    world = foreign_world(graph)
    await world.ask("Tell Dana")
    (request,) = await open_requests(world)
    assert set(request.ways) == {Way.APPROVE, Way.EDIT, Way.REJECT, Way.RESPOND}
    await world.answer(request, REJECT)
    await world.work()
    assert acted == [[{"type": "ignore", "args": None}]]
    assert (await ended(world, request))[0] is OutcomeKind.REFUSED


@pytest.mark.parametrize("silence", [False, True])
async def test_an_agent_hears_the_no_that_its_settings_say(silence: bool) -> None:
    """Its author knows what it reads as a no, so the agent goes on and can say what became of it."""
    acted: list[Any] = []
    graph = believing(acted, "Send?").compile()
    world = foreign_world(told(graph, {"reject": False, "expired": ""}))
    await world.ask("Tell Dana")
    (request,) = await open_requests(world)
    assert "A no ends the whole run" not in request.proposal.assessment.flags
    if silence:
        await world.expire(request)
    else:
        await world.answer(request, REJECT)
    await world.work()
    assert acted == []
    kind, _ = await ended(world, request)
    assert kind is (OutcomeKind.EXPIRED if silence else OutcomeKind.REFUSED)
    assert await world.reports() == ["Acted 0 times."]


async def test_a_pause_that_nobody_could_read_ends_its_run_aloud() -> None:
    """Larger than a person reads: it is not put to people, and not left waiting either."""
    world = foreign_world(believing([], "x" * 300_000))
    await world.ask("Tell Dana")
    assert await world.store.live() == []
    assert "given up (CannotAsk)" in (await world.reports())[0]
