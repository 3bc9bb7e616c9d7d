"""Agents that run on a LangGraph Agent Server: asked about here, answered there once, and never without a vote."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agent_server import BINARY, RemoteWorld, paused
from gated import REJECT, TEAM
from sayso.agent.foreign_words import ELSEWHERE
from sayso.approvals import effects
from sayso.approvals.errors import AlreadySettled
from sayso.approvals.request import EffectState, OutcomeKind, Request
from sayso.approvals.verdict import Approve, Modify, Way
from scenes import BO, a_vote

pytestmark = [
    pytest.mark.second_server,
    pytest.mark.skipif(
        not BINARY.exists(), reason="no Agent Server here: sh .ci/agent-server python3 installs one"
    ),
]


TOLD = "User rejected the tool call for `send_mail` with reason: Wrong customer."


async def ended(world: RemoteWorld, request: Request) -> tuple[OutcomeKind, str]:
    record = await world.request(request)
    assert record.outcome is not None, record
    return record.outcome.kind, record.outcome.words


async def test_a_pause_there_is_asked_about_here_and_answered_once(world: RemoteWorld) -> None:
    """An agent nobody changed waits; a card stands; approved, it acts once."""
    thread, request = await paused(world, value={"action": "send_mail", "args": {"to": "dana"}})
    assert request.proposal.action.tool == "send_mail"
    assert request.proposal.action.goal == "Tell Dana"
    assert request.ask.run.asked_by == "alex"
    await world.look()
    await world.answer(request)
    await world.work()
    await world.look()
    assert world.process.acted(thread) == [{"type": "approve", "action": "approve"}]
    assert await world.answers(thread) == 1
    assert await ended(world, request) == (
        OutcomeKind.ANSWERED,
        "It was approved, and the agent went on with that once. What its own tool did is not recorded here.",
    )
    assert not await world.goes_on(thread)


async def test_langchains_middleware_there_is_shown_with_its_reasons(world: RemoteWorld) -> None:
    """The tool, its arguments and the message that called it come from the server; nothing says how a no is read."""
    thread = await world.begin("mails", messages=[{"role": "user", "content": "dana@example.com"}])
    await world.look()
    (request,) = await world.asked(thread)
    action = request.proposal.action
    assert (action.tool, action.arguments) == ("send_mail", {"to": "dana@example.com"})
    assert (action.reasoning, action.goal) == ("Dana asked for it.", "dana@example.com")
    assert request.ways == (Way.APPROVE, Way.REJECT)
    await world.answer(request)
    await world.work()
    assert world.process.acted("dana@example.com") == ["sent"]


async def test_an_agent_that_is_known_to_read_refusals_is_told(certain: RemoteWorld) -> None:
    """`reads` in the settings: a no is sent in the middleware's words and the agent goes on without the mail."""
    world = certain
    thread = await world.begin("mails", messages=[{"role": "user", "content": "no@example.com"}])
    await world.look()
    (request,) = await world.asked(thread)
    assert Way.EDIT in request.ways
    await world.answer(request, REJECT)
    await world.work()
    assert world.process.acted("no@example.com") == []
    assert await ended(world, request) == (OutcomeKind.REFUSED, "The answer was no: Wrong customer.")
    values: Any = (await world.client.threads.get_state(thread))["values"]
    assert [one["content"] for one in values["messages"]][-2:] == [TOLD, "Done."]


async def test_changed_arguments_run_as_changed(certain: RemoteWorld) -> None:
    """Somebody corrects the address."""
    world = certain
    thread = await world.begin("mails", messages=[{"role": "user", "content": "wrong@example.com"}])
    await world.look()
    (request,) = await world.asked(thread)
    await world.answer(request, Modify({"to": "right@example.com"}))
    await world.work()
    assert world.process.acted("wrong@example.com") == []
    assert world.process.acted("right@example.com") == ["sent"]


@pytest.mark.parametrize("silent", [False, True], ids=["a no", "silence"])
async def test_a_no_ends_the_run_there(world: RemoteWorld, *, silent: bool) -> None:
    """The agent takes any answer for a yes, so none is sent: nothing waits there any more, and it is not asked again."""
    thread, request = await paused(world)
    await (world.expire(request) if silent else world.answer(request, REJECT))
    await world.work()
    kind, words = await ended(world, request)
    assert kind is (OutcomeKind.EXPIRED if silent else OutcomeKind.REFUSED)
    assert "its run was ended where it stood" in words
    assert await world.pending(thread) == []
    assert (await world.client.threads.get(thread))["status"] == "idle"
    await world.look()
    assert world.process.acted(thread) == []
    assert await world.asked(thread) == []
    assert not await world.goes_on(thread)


async def test_a_conversation_is_asked_about_each_time(world: RemoteWorld) -> None:
    """The same thread gets new input after its run has ended: a new request, and its own answer."""
    thread, first = await paused(world)
    await world.answer(first)
    await world.work()
    await world.tell(thread, "loose", value="And this?")
    await world.look()
    (second,) = await world.asked(thread)
    assert second.id != first.id
    assert second.proposal.action.summary == "And this?"
    await world.answer(second)
    await world.work()
    assert world.process.acted(thread) == ["yes", "yes"]


async def test_two_gates_at_once_are_two_requests(world: RemoteWorld) -> None:
    """Each acts under its own answer, in any order; the other one's card stays."""
    thread = await world.begin("parallel")
    await world.look()
    left, right = sorted(await world.asked(thread), key=lambda one: one.proposal.action.summary)
    await world.answer(right)
    await world.work()
    await world.look()
    assert world.process.acted(f"{thread}-right") == ["yes"]
    assert world.process.acted(f"{thread}-left") == []
    assert [one.id for one in await world.asked(thread)] == [left.id]
    await world.answer(left)
    await world.work()
    assert world.process.acted(f"{thread}-right") == ["yes"]
    assert world.process.acted(f"{thread}-left") == ["yes"]
    assert not await world.goes_on(thread)


async def test_what_it_asks_next_is_asked_too(world: RemoteWorld) -> None:
    """Two gates one after the other: the first answer opens the second."""
    thread, first = await paused(world, "again")
    await world.answer(first)
    await world.work()
    (second,) = await world.asked(thread)
    assert second.proposal.action.summary == "More?"
    await world.answer(second)
    await world.work()
    assert not await world.goes_on(thread)


async def test_a_question_that_changes_under_the_same_id_is_asked_again(
    world: RemoteWorld, tmp_path: Any
) -> None:
    """The sibling's answer makes the other gate ask anew, and now it says something else: the old answer is void."""
    said = tmp_path / "said"
    said.write_text(" to one")
    thread = await world.begin("parallel", hold=str(said))
    await world.look()
    left, right = sorted(await world.asked(thread), key=lambda one: one.proposal.action.summary)
    said.write_text(" to all")
    await world.answer(left)
    await world.work()
    await world.answer(right)
    await world.work()
    assert world.process.acted(f"{thread}-right") == []
    assert (await ended(world, right))[0] is OutcomeKind.INVALIDATED
    (again,) = await world.asked(thread)
    assert (again.ask.key.interrupt, again.ask.key.round) == (right.ask.key.interrupt, 2)
    assert again.proposal.action.summary == "Send right to all?"
    await world.answer(again)
    await world.work()
    assert world.process.acted(f"{thread}-right") == ["yes"]


async def test_an_agent_is_looked_at_once_more_before_a_yes(world: RemoteWorld, tmp_path: Path) -> None:
    """What it would ask today is not what people read: nothing is allowed, and they are asked again."""
    said = tmp_path / "said"
    said.write_text(" to one")
    thread = await world.begin("parallel", hold=str(said))
    await world.look()
    _, right = sorted(await world.asked(thread), key=lambda one: one.proposal.action.summary)
    said.write_text(" to all")
    await world.answer(right)
    await world.work()
    assert world.process.acted(f"{thread}-right") == []
    assert (await ended(world, right))[0] is OutcomeKind.INVALIDATED
    assert await world.answers(thread) == 0
    assert [one.proposal.action.summary for one in await world.asked(thread) if one.ask.key.round == 2] == [
        "Send right to all?"
    ]


async def test_an_answer_given_past_us_ends_the_request(world: RemoteWorld) -> None:
    """Somebody answers in LangGraph Studio; whoever clicks afterwards is told."""
    thread, request = await paused(world)
    await world.answer_there(thread, "loose", "studio")
    await world.look()
    assert await ended(world, request) == (
        OutcomeKind.INVALIDATED,
        "The agent has moved on without an answer.",
    )
    with pytest.raises(AlreadySettled):
        await world.answer(request)
    await world.work()
    assert world.process.acted(thread) == ["studio"]


@pytest.mark.parametrize("verdict", [Approve(), REJECT], ids=["yes", "no"])
async def test_a_click_before_that_is_noticed_is_not_said_to_have_worked(
    world: RemoteWorld, verdict: Any
) -> None:
    """The agent was answered there a moment ago: the card says that the click was not used."""
    thread, request = await paused(world)
    await world.answer_there(thread, "loose", "studio")
    await world.answer(request, verdict)
    await world.work()
    assert await ended(world, request) == (OutcomeKind.INVALIDATED, ELSEWHERE)
    assert world.process.acted(thread) == ["studio"]
    assert await world.answers(thread) == 0


@pytest.mark.parametrize("decided", [False, True])
async def test_a_deleted_thread_ends_its_request(world: RemoteWorld, *, decided: bool) -> None:
    """Nobody waits for the answer any more, and the card says so."""
    thread, request = await paused(world)
    await world.client.threads.delete(thread)
    if decided:
        await world.answer(request)
    await world.look()
    kind, words = await ended(world, request)
    assert kind is OutcomeKind.INVALIDATED
    assert words.startswith("The agent's thread was deleted at its server")
    assert not await world.goes_on(thread)


async def test_new_input_over_a_pause_is_asked_about_instead(world: RemoteWorld) -> None:
    """Somebody writes to the agent while it waits: its old question is gone there and here."""
    thread, old = await paused(world)
    await world.tell(thread, "loose", value="Send something else?")
    await world.look()
    assert (await ended(world, old))[0] is OutcomeKind.INVALIDATED
    (new,) = await world.asked(thread)
    assert new.proposal.action.summary == "Send something else?"


async def test_two_watchers_ask_once_and_answer_once(world: RemoteWorld) -> None:
    """Two workers look and work at the same moment."""
    other = world.another_worker("w2")
    thread = await world.begin("loose")
    await asyncio.gather(world.worker.watch_once(), other.watch_once())
    await asyncio.gather(world.work(), world.work(other))
    (request,) = await world.asked(thread)
    await world.answer(request)
    await asyncio.gather(world.work(), world.work(other))
    await asyncio.gather(world.look(), world.look(other))
    assert world.process.acted(thread) == ["yes"]
    assert await world.answers(thread) == 1


async def test_an_agent_that_breaks_after_its_answer_is_put_to_people(
    world: RemoteWorld, tmp_path: Any
) -> None:
    """It acted and then failed: nobody here can say what happened, so it goes on only when people order that."""
    breaks = tmp_path / "breaks"
    breaks.touch()
    thread, request = await paused(world, breaks=str(breaks))
    await world.answer(request)
    await world.work()
    broken = await world.request(request)
    assert broken.effect is not None
    assert broken.effect.state is EffectState.UNKNOWN
    await world.look()
    await world.worker.reconcile_once()
    assert world.process.acted(thread) == ["yes"]
    breaks.unlink()
    vote = a_vote(broken, BO, signer=world.signer, changed={"attempt": 2})
    await world.store.change(request.id, lambda one, now: effects.run_again(one, vote, TEAM, 1, now))
    await world.work()
    assert world.process.acted(thread) == ["yes", "yes"]
    assert (await ended(world, request))[0] is OutcomeKind.ANSWERED
    assert not await world.goes_on(thread)


async def test_a_run_that_was_ended_is_not_mixed_up_with_the_next_one(world: RemoteWorld) -> None:
    """A worker ended the run at the server and died, and the agent was given something new: that is asked about."""
    thread, old = await paused(world)
    await world.answer(old, REJECT)
    await world.servers[0].end(thread, old.ask.key.interrupt)
    await world.tell(thread, "loose", value="Send something else?")
    await world.look()
    kind, words = await ended(world, old)
    assert kind is OutcomeKind.REFUSED
    assert words.startswith("The answer was no: Wrong customer.")
    (new,) = await world.asked(thread)
    await world.answer(new)
    await world.work()
    assert world.process.acted(thread) == ["yes"]


async def test_while_it_runs_there_everything_waits(world: RemoteWorld, tmp_path: Any) -> None:
    """Somebody else's run is under way: the answer is left for later, and no request is closed meanwhile."""
    hold = tmp_path / "hold"
    hold.touch()
    thread, request = await paused(world, "again", hold=str(hold))
    (pause,) = await world.pending(thread)
    run = await world.client.runs.create(thread, "again", command={"resume": {pause["id"]: "studio"}})
    while (await world.client.threads.get(thread))["status"] != "busy":  # noqa: ASYNC110 the server tells nobody
        await asyncio.sleep(0.02)
    await world.answer(request)
    await world.look()
    assert (await world.request(request)).outcome is None
    hold.unlink()
    await world.client.runs.join(thread, run["run_id"])
    await world.wait_out(seconds=20)
    await world.work()
    assert await ended(world, request) == (OutcomeKind.INVALIDATED, ELSEWHERE)
    assert world.process.acted(thread) == ["studio"]
