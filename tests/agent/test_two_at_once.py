"""Two workers on one approval at the same moment: a worker that lost its thread without noticing, and the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal

import pytest
from gated import ENTRA, TEAM, Fresh, Ledger, World, refund_tool
from sayso.agent.acting import act
from sayso.agent.credentials import Token
from sayso.agent.effect import NothingDone, effect
from sayso.agent.not_now import StillRunning
from sayso.agent.outcome import GateOutcome
from sayso.agent.runtime import idempotency_key
from sayso.approvals import effects, machine
from sayso.approvals.credential import CredentialRef
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from scenes import a_vote


class Meeting(Fresh):
    """A token service at which two workers meet: each has verified the votes, none has started the tool."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = asyncio.Barrier(2)

    async def fetch(self, ref: CredentialRef) -> Token:
        assert ref == ENTRA
        token = await super().fetch(ref)
        await self.barrier.wait()
        return token


async def two_workers(
    *, idempotent: bool
) -> tuple[World, Request, Awaitable[list[GateOutcome | BaseException]]]:
    """An approved refund that two workers are about to start."""
    world = World()
    world.tool = refund_tool(world.ledger, idempotent=idempotent)
    run = await world.ask()
    await world.answer(await world.open_request())
    (request,) = await world.store.live()
    await world.store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
    world.sources = {"entra": Meeting()}
    request, frozen = await world.request(request), request.ask.first.frozen
    both = [world.another_worker(name).runner._runtime(run) for name in ("w1", "w2")]
    tries = (
        act(runtime, world.tool, request, {"type": "approve", "request": request.id}, frozen)
        for runtime in both
    )
    return world, request, asyncio.gather(*tries, return_exceptions=True)


@pytest.mark.parametrize("idempotent", [False, True])
async def test_two_workers_that_start_one_tool_at_the_same_moment_run_it_once(idempotent: bool) -> None:
    """The second finds the approval burnt and leaves the tool to the first, whose lease is new."""
    world, request, both = await two_workers(idempotent=idempotent)
    ended = await both
    assert len(world.ledger.done) == 1
    assert [type(one) for one in ended if isinstance(one, BaseException)] == [StillRunning]
    effect = (await world.request(request)).effect
    assert effect is not None
    assert effect.state is EffectState.DONE


async def test_the_late_word_of_one_run_says_nothing_about_the_next() -> None:
    """The words "nothing was done", said by a run that had been given up, does not end the run that people ordered after it."""
    first, second, begun = threading.Event(), threading.Event(), threading.Event()
    ledger = Ledger()

    @effect(
        name="issue_refund",
        category="financial_transaction",
        irreversibility="high",
        limit=timedelta(seconds=1),
    )
    def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        ledger.done.append(("issue_refund", {"amount": amount}, idempotency_key()))
        if len(ledger.done) == 1:
            first.wait(10)
            raise NothingDone("The bank was closed.")
        begun.set()
        second.wait(10)
        return "Refunded."

    world = World(issue_refund, ledger=ledger)
    await world.ask()
    request = await world.answer(await world.open_request())
    await world.work()
    again = a_vote(request, signer=world.signer, changed={"attempt": 2})
    await world.store.change(request.id, lambda r, now: effects.run_again(r, again, TEAM, 1, now))
    working = asyncio.create_task(world.work())
    await asyncio.to_thread(begun.wait, 10)
    (late,) = world.worker.runner.late
    first.set()
    await late
    running = await world.request(request)
    assert running.state is State.RESUMING
    second.set()
    await working
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED


async def test_a_worker_that_comes_late_calls_no_votes_forged_that_another_has_used() -> None:
    """The first has started the tool and died, and nobody knows: the second closes nothing as not done."""
    world = World()
    run = await world.ask()
    await world.answer(await world.open_request())
    (request,) = await world.store.live()
    await world.store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
    request = await world.request(request)

    class Meanwhile(Fresh):
        """Takes so long that another worker has been and gone."""

        async def fetch(self, ref: CredentialRef) -> Token:
            for step in (
                lambda r, now: effects.begin(r, attempt=1, worker="w2", lease=timedelta(seconds=1), now=now),
                effects.unknown,
            ):
                await world.store.change(request.id, step)
            return await super().fetch(ref)

    world.sources = {"entra": Meanwhile()}
    late = world.another_worker("w1").runner._runtime(run)
    with pytest.raises(StillRunning):
        await act(
            late, world.tool, request, {"type": "approve", "request": request.id}, request.ask.first.frozen
        )
    after = await world.request(request)
    assert after.live
    assert after.effect is not None
    assert after.effect.state is EffectState.UNKNOWN
    assert "forged or stale vote" not in await world.events()
    assert world.ledger.done == []
