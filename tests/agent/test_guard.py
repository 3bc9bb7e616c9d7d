"""No token goes past an agent: into its state, its action, a tool's words or an error; whoever asked is told in words."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from foreign import POLICY as FOREIGN
from foreign import believing
from gated import AgentState, Ledger, World, a_refund, an_agent, refund_tool, reporting
from langgraph.checkpoint.memory import InMemorySaver
from sayso.agent.effect import NothingDone, effect
from sayso.agent.policy_file import read_policy
from sayso.approvals.looks import TokenKind
from sayso.approvals.request import OutcomeKind, Request
from tokens import CANARIES

TOKEN = CANARIES["GitHub"]
WHAT_TO_DO = "put a CredentialRef there, and the tool gets a fresh token when it runs, from token()"


async def everything_of(world: World) -> str:
    """Whatever is on record of it, in one text."""
    live = [await world.request(one) for one in await world.store.live()]
    return repr((live, await world.store.trail("t1"), world.store._notices, world.store._runs))


def with_plan(plan: Any, saver: Any = None, report: Any = reporting) -> World:
    ledger = Ledger()
    tool = refund_tool(ledger)
    return World(
        tool, ledger=ledger, graph=an_agent(tool, ledger, plan=plan(tool, ledger), report=report), saver=saver
    )


def reasoning_with_a_token(tool: Any, ledger: Ledger) -> Any:
    def plan(state: AgentState) -> dict[str, Any]:
        ledger.planned += 1
        return {"action": a_refund(tool, reasoning=f"The shop said {TOKEN}.")}

    return plan


async def test_a_token_in_the_state_ends_the_run_at_once() -> None:
    """Nobody is asked; the requester reads where it stands and what its author has to do instead."""
    world = with_plan(reasoning_with_a_token)
    await world.ask()
    (said,) = await world.reports()
    assert "reasoning holds a GitHub token" in said
    assert WHAT_TO_DO in said
    assert world.ledger.planned == 1
    assert await world.events() == ["run started", "broke off", "run failed"]
    assert TOKEN not in await everything_of(world)


async def test_a_graph_that_keeps_its_own_state_asks_with_no_token_either() -> None:
    """Its checkpointer takes anything; the gate does not."""
    world = with_plan(reasoning_with_a_token, saver=InMemorySaver())
    await world.ask()
    assert "action.reasoning holds a GitHub token" in (await world.reports())[0]
    assert TOKEN not in await everything_of(world)


async def test_a_foreign_pause_with_a_token_is_not_shown() -> None:
    """A redacted card would show something else than what the agent does: nobody is asked."""
    acted: list[Any] = []
    pause = {"action": "send", "args": {"to": "dana", "key": TOKEN}}
    world = World(graph=believing(acted, pause, None), policy=read_policy(FOREIGN), saver=InMemorySaver())
    await world.ask("Tell Dana")
    assert "action.arguments.key holds a GitHub token" in (await world.reports())[0]
    assert acted == []
    assert TOKEN not in await everything_of(world)


async def test_an_error_with_a_token_is_an_error_like_any_other() -> None:
    """A library quotes a header: the run is tried again, and no word of it is kept."""
    tries = []

    def planning(tool: Any, ledger: Ledger) -> Any:
        def plan(state: AgentState) -> dict[str, Any]:
            tries.append(1)
            if len(tries) < 3:
                raise RuntimeError(f"401 for {{'Authorization': '{CANARIES['Bearer']}'}}, {TOKEN}")
            return {"action": a_refund(tool)}

        return plan

    world = with_plan(planning)
    await world.ask()
    assert (await world.open_request()).proposal.action.tool == "issue_refund"
    assert await world.events() == ["run started", "broke off", "broke off", "opened"]
    assert TOKEN not in await everything_of(world)


async def test_last_words_are_said_without_a_token() -> None:
    """What the agent says in the end comes from a state that is not ours to refuse."""
    world = with_plan(
        lambda tool, ledger: lambda _: {"action": a_refund(tool)},
        saver=InMemorySaver(),
        report=lambda _: {"report": f"Done with {TOKEN} and an-opaque-access-token-number-1."},
    )
    await through(world)
    assert await world.reports() == [f"Done with {TokenKind.GITHUB.words} and {TokenKind.LIVE.words}."]


async def through(world: World) -> Request:
    await world.ask()
    request = await world.open_request()
    await world.answer(request)
    await world.work()
    return await world.request(request)


async def test_a_result_keeps_its_shape_without_its_tokens() -> None:
    """Headers of an answer, deep inside: only the tokens go, and the state takes what is left."""

    @effect(name="issue_refund")
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> dict[str, Any]:
        headers = {
            "set-cookie": f"session={CANARIES['JWT']}",
            "authorization": CANARIES["Bearer"],
            "etag": "7",
        }
        return {"refunded": 129.9, "answer": {"headers": headers, "raw": [CANARIES["a private key"]]}}

    ended = await through(World(issue_refund))
    assert ended.effect is not None
    answer = json.loads(ended.effect.result)
    assert answer["refunded"] == 129.9
    assert answer["answer"] == {
        "headers": {
            "set-cookie": f"session={TokenKind.WEB.words}",
            "authorization": TokenKind.BEARER.words,
            "etag": "7",
        },
        "raw": [TokenKind.PRIVATE_KEY.words],
    }


@pytest.mark.parametrize("name", CANARIES)
async def test_a_tool_that_fails_with_a_token_in_its_words(name: str) -> None:
    """It says that nothing was done; what it quotes besides is withheld."""

    @effect(name="issue_refund")
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        raise NothingDone(f"The shop refused: {CANARIES[name]}")

    world = World(issue_refund)
    ended = await through(world)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.FAILED
    assert "The shop refused: (withheld: " in ended.outcome.words
    assert CANARIES[name][8:30] not in repr(ended) + await everything_of(world) + repr(await world.state())
