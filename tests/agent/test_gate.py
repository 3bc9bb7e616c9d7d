"""The gate: people decide exactly what was frozen, and only their verified votes make it act."""

from __future__ import annotations

import json
from decimal import Decimal

import jsonschema
import pytest
from gated import (
    LOW,
    POLICY,
    REJECT,
    TEAM,
    Ledger,
    World,
    a_refund,
    an_agent,
    lookup_tool,
    planning,
    refund_tool,
)
from langgraph.types import Command
from pydantic import ValidationError
from sayso.agent.effect import effect
from sayso.agent.gate import BadGate, Gate
from sayso.agent.policy_file import read_policy
from sayso.agent.resume import answer_pause
from sayso.agent.risk import assess
from sayso.agent.runtime import NotActing, NotInWorker, running, token
from sayso.agent.schema import SCHEMA_FILE, json_schema
from sayso.approvals import canonical, editing, machine, marks
from sayso.approvals.errors import NotOffered
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.risk import Oversight
from sayso.approvals.store import TargetKind
from sayso.approvals.verdict import Modify, Way
from sayso.cards.card import card_of
from scenes import BO, a_vote


async def outcome(world: World, request: Request) -> tuple[OutcomeKind, str]:
    ended = await world.request(request)
    assert ended.state is State.CLOSED
    assert ended.outcome is not None
    return ended.outcome.kind, ended.outcome.words


async def test_an_approved_action_runs_once_with_exactly_its_arguments() -> None:
    """Decimal stays Decimal, the token is fresh, and the agent planned only once."""
    world = World()
    await world.ask("129.90")
    request = await world.open_request()
    assert world.ledger.done == []
    await world.answer(request)
    await world.work()
    assert world.ledger.done == [
        ("issue_refund", {"order": 1042, "amount": Decimal("129.90"), "currency": "USD"}, request.id)
    ]
    assert world.ledger.planned == 1
    assert world.ledger.tokens == [world.source.issued[-1]]  # fetched when it acted
    assert await outcome(world, request) == (OutcomeKind.EXECUTED, "Refunded 129.90 USD.")
    assert await world.reports() == ["executed: Refunded 129.90 USD."]


async def test_what_is_shown_is_what_is_frozen() -> None:
    """S13: the payload keeps its published schema, and its digest is that of the bytes people sign."""
    world = World()
    await world.ask()
    request = await world.open_request()
    snapshot = await world.graph.aget_state({"configurable": {"thread_id": "t1"}})
    payload = snapshot.interrupts[0].value
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(payload)
    assert payload["digest"] == canonical.digest(payload["frozen"]) == request.current.digest
    assert payload["action_type"] == "issue_refund"
    assert payload["parameters"] == {"order": 1042, "amount": "129.90", "currency": "USD"}
    assert request.ask.schema == world.tool.schema


def test_the_published_schema_is_the_one_in_use() -> None:
    """payload.schema.json is regenerated with every change of the payload."""
    assert SCHEMA_FILE.read_text() == json_schema()


async def test_a_rejection_reaches_the_agent_with_its_reason() -> None:
    """S14: nothing is done, and the agent says why."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.answer(request, REJECT)
    assert (await world.request(request)).state is State.DECIDED
    await world.work()
    assert world.ledger.done == []
    assert await outcome(world, request) == (OutcomeKind.REFUSED, "The answer was no: Wrong customer.")
    told = (await world.state())["outcome"]
    assert (told["kind"], told["reason"]) == ("refused", "Wrong customer.")


async def test_an_expired_request_reaches_the_agent_as_expired() -> None:
    """Silence is a refusal that says so."""
    world = World()
    await world.ask()
    request = await world.open_request()
    await world.expire(request)
    await world.work()
    assert world.ledger.done == []
    assert (await outcome(world, request))[0] is OutcomeKind.EXPIRED
    assert await world.reports() == ["expired: Nobody decided in time; nothing was done."]


async def test_a_typed_edit_runs_as_edited() -> None:
    """The arguments are those of the revision that was signed, not those the agent froze."""
    world = World()
    await world.ask("129.90")
    request = await world.open_request()
    await world.answer(request, Modify({"amount": "90.00"}))
    await world.work()
    assert world.ledger.amounts == [Decimal("90.00")]
    assert world.ledger.planned == 1


async def test_an_instruction_brings_a_new_request_that_says_what_it_revises() -> None:
    """The agent plans again, and the new card shows the difference."""
    world = World()
    await world.ask("129.90")
    first = await world.open_request()
    await world.answer(first, Modify(instruction="50.00"))
    await world.work()
    assert (await outcome(world, first))[0] is OutcomeKind.REVISED
    second = await world.open_request()
    assert second.ask.revises == first.id
    assert second.proposal.revises == first.current.digest
    assert second.proposal.changes == {"amount": ("129.90", "50.00")}
    await world.answer(second)
    await world.work()
    assert world.ledger.amounts == [Decimal("50.00")]


async def test_an_agent_is_told_to_think_again_five_times_at_most() -> None:
    """Each new request says which one it revises; after the fifth people approve, edit or reject it."""
    world = World()
    await world.ask("129.90")
    before = None
    for round in range(6):
        request = await world.open_request()
        assert request.ask.revises == before
        before = request.id
        if round < 5:
            await world.answer(request, Modify(instruction=f"{round + 1}.00"))
            await world.work()
    assert Way.INSTRUCT not in request.ways
    with pytest.raises(NotOffered):
        await world.answer(request, Modify(instruction="6.00"))
    await world.answer(request, Modify({"amount": "2.50"}))
    await world.work()
    assert world.ledger.amounts == [Decimal("2.50")]


async def test_a_free_action_runs_without_asking_and_is_on_record() -> None:
    """The same begin and done, but no votes; the audit has it."""
    ledger = Ledger()
    world = World(lookup_tool(ledger), ledger=ledger)
    await world.ask()
    assert world.ledger.amounts == [Decimal("129.90")]
    events = await world.events()
    assert events[:4] == ["run started", "ran without asking", "credential used", "effect started"]
    assert events[4] == "effect done"
    assert await world.store.live() == []


@pytest.mark.parametrize(
    ("rated", "sure", "asks"),
    [
        ({}, 0.95, False),
        ({"blast_radius": "medium"}, 0.95, False),
        ({"irreversibility": "high", "compliance": "high"}, 0.95, True),
        ({"blast_radius": "medium"}, 0.5, True),
        ({"category": "deletion"}, 0.95, True),
        (None, 0.95, True),
    ],
    ids=["all low", "one medium", "two high", "in doubt", "deletes", "unrated"],
)
async def test_the_levels_decide_whether_anybody_is_asked(
    rated: dict[str, str] | None, sure: float, asks: bool
) -> None:
    """S1 S2 S3 S4 S5: high in two, doubt about what matters, some categories always, and what nobody has rated; else it runs."""
    ledger = Ledger()

    @effect(name="look_up")
    async def look_up(order: int, amount: Decimal) -> str:
        ledger.done.append(("look_up", {"order": order, "amount": amount}, ""))
        return "There."

    tools = {} if rated is None else {"look_up": {"category": "internal_change", **LOW, **rated}}
    graph = an_agent(look_up, ledger, plan=lambda _: {"action": a_refund(look_up, confidence=sure)})
    world = World(look_up, ledger=ledger, graph=graph, policy=read_policy({**POLICY, "tools": tools}))
    await world.ask()
    assert [one.asked for one in await world.store.live()] == [True] * asks
    assert len(ledger.done) == (not asks)


async def test_a_dead_credential_is_flagged_before_anybody_spends_time() -> None:
    """The card says it; and if it dies later, nothing is burnt and nothing is done."""
    world = World()
    world.source.dead = True
    await world.ask()
    request = await world.open_request()
    assert card_of(request, name=str).flags[0] == "Credential is dead"
    await world.answer(request)
    await world.work()
    ended = await world.request(request)
    assert ended.effect is None
    assert await outcome(world, request) == (
        OutcomeKind.FAILED, "ops-agent has to sign in again.",
    )  # fmt: skip


@pytest.mark.parametrize("answer", ["approve", {"type": "approve"}, True, {"type": "yes", "request": "x"}])
async def test_a_bare_answer_of_the_wrong_form_is_refused_and_can_be_given_again(answer: object) -> None:
    """Nothing is saved, so the gate is not poisoned: the right answer still works."""
    world = World()
    await world.ask()
    request = await world.open_request()
    with pytest.raises(ValidationError):
        await world.graph.ainvoke(Command(resume=answer), {"configurable": {"thread_id": "t1"}})
    await world.answer(request)
    await world.work()
    assert len(world.ledger.done) == 1


async def test_a_well_formed_answer_without_votes_does_nothing() -> None:
    """Somebody resumes the graph by hand with "approve": the gate asks for votes and finds none."""
    world = World()
    await world.ask()
    request = await world.open_request()
    async with world.worker.runner.holding(request.ask.run, _nothing) as held:
        assert held is not None
        with running(held.runtime):
            await answer_pause(
                held.graph, held.config, request.ask.key.interrupt, {"type": "approve", "request": request.id}
            )
    assert world.ledger.done == []
    assert "forged or stale vote" in await world.events()
    assert (await outcome(world, request))[0] is OutcomeKind.FAILED


async def _nothing() -> None:
    return None


async def test_outside_of_a_worker_a_gate_does_nothing() -> None:
    """A graph run by plain `invoke` fails closed, with a sentence that helps."""
    world = World()
    with pytest.raises(NotInWorker, match="has to be run by a sayso worker"):
        await world.graph.ainvoke({"goal": "5"}, {"configurable": {"thread_id": "t9"}})
    with pytest.raises(NotActing):
        token()
    assert world.ledger.done == []


async def test_the_drawing_names_the_gate() -> None:
    """S12: a reader of the Mermaid picture sees where people come in, and the ways on."""
    drawn = World().graph.get_graph(xray=True).draw_mermaid()
    assert r"gate\3areview(review)" in drawn
    flat = World().graph.get_graph().draw_mermaid()
    for way in ("gate -.-> plan", "gate -.-> report"):
        assert way in flat, flat


def test_a_gate_stands_in_front_of_named_tools() -> None:
    """No tool, or two of a name, is a mistake at import."""
    tool = refund_tool(Ledger())
    with pytest.raises(BadGate):
        Gate()
    with pytest.raises(BadGate):
        Gate(tool, refund_tool(Ledger()))


async def test_an_action_of_another_tool_does_not_pass() -> None:
    """The gate refuses what it does not stand in front of, and the run is given up aloud."""
    ledger = Ledger()
    tool = refund_tool(ledger)
    world = World(
        tool, graph=an_agent(tool, ledger, plan=planning(lookup_tool(ledger), ledger)), ledger=ledger
    )
    await world.ask()
    assert ledger.done == []
    assert "given up (BadGate)" in (await world.reports())[0]


async def test_an_edit_that_makes_it_harmless_leaves_it_with_people() -> None:
    """The policy would ask nobody about what they made of it: cards are told of it, and what breaks off stays theirs."""
    rule = {"name": "large", "if": "amount > 500", "oversight": "gate"}
    policy, ledger = read_policy({**POLICY, "rules": [rule]}), Ledger()

    @effect(name="look_up", category="read")
    async def look_up(order: int, amount: Decimal) -> None:
        ledger.done.append(("look_up", {"amount": amount}, ""))
        raise ConnectionError

    world = World(look_up, ledger=ledger, policy=policy)
    await world.ask("900.00")
    request, verdict = await world.open_request(), Modify({"amount": "5.00"})
    revision, _ = editing.edited(request, verdict.changes, BO, lambda action: assess(action, policy))
    assert revision.proposal.assessment.oversight is Oversight.FREE
    changed = {"revision": revision.number, "digest": revision.digest}
    vote = a_vote(request, BO, verdict, signer=world.signer, changed=changed)
    edited = await world.store.change(
        request.id, lambda r, now: machine.edit(r, revision, vote, TEAM, 1, ask_again=False, now=now)
    )
    assert {target.kind for _, target in marks.of_request(request, edited.request)} == {TargetKind.CARD}
    await world.work()
    assert ledger.amounts == [Decimal("5.00")]
    record = await world.request(request)
    assert record.effect is not None
    assert (record.state, record.effect.state) == (State.RESUMING, EffectState.UNKNOWN)
