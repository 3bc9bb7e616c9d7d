"""`sayso.run`: an agent in its owner's own process, over a real store; people answer as the bot would write it down."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sayso
from foreign import Shared, asks_first
from gated import AgentState, Ledger, a_refund, an_agent, reporting
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from sayso import effect
from sayso.agent.standing import Standing
from sayso.approvals import effects, machine
from sayso.approvals.errors import BadSetting
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import Reject, ThreadId, Verdict
from sayso.bot import own_run
from sayso.bot.agents import open_worker
from sayso.bot.own_run import RunEnded
from sayso.bot.settings import load_settings
from sayso.bot.signing_keys import load_signer
from scenes import BO, a_vote
from settings_files import write_settings

EXAMPLES = Path(__file__).parents[2] / "examples"
MAY = frozenset({BO, PersonId("cy")})


@dataclass
class People:
    """The bot's side: what is open, and the answers that are signed and counted."""

    store: RedisStore
    signer: Signer
    runs: list[asyncio.Task[Mapping[str, Any]]] = field(default_factory=list)

    def starts(self, graph: Any, settings: Path, **given: Any) -> asyncio.Task[Mapping[str, Any]]:
        """The owner's program."""
        asked: dict[str, Any] = {"asked_by": "alex", "settings": settings, **given}
        self.runs.append(asyncio.create_task(sayso.run(graph, {"goal": "129.90"}, **asked)))
        return self.runs[-1]

    async def sees(self, is_it: Callable[[Request], bool] = lambda one: one.state is State.OPEN) -> Request:
        """The first request that is so; what ended a run meanwhile is raised."""
        while True:
            for request in filter(is_it, await self.store.live()):
                return request
            for run in self.runs:
                if run.done() and not run.cancelled():
                    run.result()
            await asyncio.sleep(0.02)

    async def answer(self, request: Request, verdict: Verdict | None = None) -> None:
        """Bo decides."""
        at = await self.store.now()
        vote = a_vote(request, BO, verdict, at=at, signer=self.signer)
        await self.store.change(request.id, lambda record, now: machine.vote(record, vote, MAY, 1, now))


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file over an empty store."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("ENTRA_SECRET", "e" * 32)
    monkeypatch.setattr(own_run, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(own_run, "AGAIN_SECONDS", 0.05)
    return write_settings(tmp_path)


@asynccontextmanager
async def the_people(settings: Path, redis_url: str) -> AsyncIterator[People]:
    store = await RedisStore.connect(redis_url)
    try:
        async with asyncio.timeout(120):  # a run that waits for ever fails
            yield People(store, load_signer(load_settings(settings)))
    finally:
        await store.close()


def an_own_agent(
    ledger: Ledger, *, breaks: bool = False, report: Any = reporting
) -> StateGraph[Any, Any, Any, Any]:
    """Refunds into the ledger when people allow it; its tool needs no token, and may break off having acted."""

    @effect(name="issue_refund", category="financial_transaction", irreversibility="high")
    async def issue_refund(order: int, amount: Decimal) -> str:
        ledger.done.append(("issue_refund", {"order": order, "amount": amount}, ""))
        if breaks:
            raise RuntimeError("the connection broke")
        return "Refunded."

    def plan(state: AgentState) -> dict[str, Any]:
        ledger.planned += 1
        return {"action": a_refund(issue_refund, amount=state["goal"], credential=None)}

    return an_agent(issue_refund, ledger, plan=plan, report=report)


async def test_the_example_waits_acts_and_says_what_became_of_it(office: Path, redis_url: str) -> None:
    """A worker for other graphs beside it takes nothing away from it, and leaves no work behind."""
    settings, refund = load_settings(office), runpy.run_path(str(EXAMPLES / "own_process.py"))["refund"]
    async with (
        the_people(office, redis_url) as people,
        open_worker(settings, people.store, redis_url) as other,
    ):
        taking = asyncio.create_task(other.run_forever())
        program = asyncio.create_task(refund("1042", "129.90", office))
        people.runs.append(program)
        request = await people.sees()
        assert request.proposal.action.goal == "Settle the complaint about order 1042"
        await people.answer(request)
        assert await program == "Refunded 129.90 USD for order 1042."
        other.stop()
        await taking
        assert await people.store.take("w9", idle=timedelta(0), wait=timedelta(0)) is None
        assert await people.store.unfinished() == []
        trail = [record.entry.event.value for record in await people.store.trail(ThreadId("refund-1042"))]
        assert (trail[0], trail[-1], "not taken" in trail) == ("run started", "run finished", False)


async def test_a_rejection_ends_it_without_acting(office: Path, redis_url: str) -> None:
    """The state says why."""
    ledger = Ledger()
    async with the_people(office, redis_url) as people:
        program = people.starts(an_own_agent(ledger).compile(), office)
        await people.answer(await people.sees(), Reject("Wrong customer."))
        ended = await program
    assert (ended["outcome"]["kind"], ended["outcome"]["reason"]) == ("refused", "Wrong customer.")
    assert ledger.done == []


async def test_a_request_that_was_closed_lets_the_agent_go_on_without_acting(
    office: Path, redis_url: str
) -> None:
    """Nobody will decide it any more, so nobody is waited for."""
    ledger = Ledger()
    async with the_people(office, redis_url) as people:
        program = people.starts(an_own_agent(ledger), office)
        request = await people.sees()
        await people.store.change(
            request.id,
            lambda record, now: machine.closed(record, OutcomeKind.WITHDRAWN, "Not needed any more.", now),
        )
        ended = await program
    assert (ended["outcome"]["kind"], ledger.done) == ("withdrawn", [])


async def test_a_request_that_was_closed_before_it_was_looked_at_holds_nobody_up(
    office: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came and went between two looks."""
    ledger = Ledger()
    looks: list[Standing | None] = []

    async def closed_at_once(self: own_run._Owned, before: Standing | None) -> Standing | None:
        standing = await look(self, before)
        if not looks:
            (request,) = await self._requests()
            await self.runner.store.change(
                request.id, lambda r, now: machine.closed(r, OutcomeKind.WITHDRAWN, "Not needed.", now)
            )
        looks.append(standing)
        return standing

    look = own_run._Owned._look
    monkeypatch.setattr(own_run._Owned, "_look", closed_at_once)
    async with the_people(office, redis_url) as people:
        ended = await people.starts(an_own_agent(ledger), office)
    assert (ended["outcome"]["kind"], ledger.done) == ("withdrawn", [])


async def test_after_a_crash_the_same_name_goes_on_where_it_stood(office: Path, redis_url: str) -> None:
    """What was decided meanwhile is acted on once, and the name is nobody else's."""
    ledger = Ledger()
    async with the_people(office, redis_url) as people:
        program = people.starts(an_own_agent(ledger), office, thread="order-1")
        request = await people.sees()
        program.cancel()
        await asyncio.wait({program})
        await people.answer(request)
        with pytest.raises(BadSetting, match="thread: order-1 is the name of another run"):
            await sayso.run(an_own_agent(ledger), {}, asked_by="bo", thread="order-1", settings=office)
        for _ in range(2):  # and once more when it has ended long ago
            ended = await people.starts(an_own_agent(ledger), office, thread="order-1")
            assert ended["outcome"]["kind"] == "executed"
    assert (len(ledger.done), ledger.planned) == (1, 1)


async def test_two_processes_of_one_name_act_once(office: Path, redis_url: str) -> None:
    """Started twice by mistake, both learn how it ended."""
    ledger = Ledger()
    async with the_people(office, redis_url) as people:
        both = [people.starts(an_own_agent(ledger), office, thread="order-1") for _ in range(2)]
        await people.answer(await people.sees())
        assert [ended["outcome"]["kind"] for ended in await asyncio.gather(*both)] == ["executed"] * 2
    assert (len(ledger.done), ledger.planned) == (1, 1)


async def test_what_the_graph_raises_is_raised_and_the_run_is_given_up_aloud(
    office: Path, redis_url: str
) -> None:
    """What it had asked is closed; the same name is not begun again."""
    ledger = Ledger()

    def broken(state: Any) -> dict[str, str]:
        raise ZeroDivisionError("after the gate")

    graph = an_own_agent(ledger, report=broken)
    async with the_people(office, redis_url) as people:
        program = people.starts(graph, office, thread="order-1")
        await people.answer(await people.sees(), Reject("No."))
        with pytest.raises(ZeroDivisionError, match="after the gate"):
            await program
        assert await people.store.live() == []
        assert (await people.store.trail(ThreadId("order-1")))[-1].entry.event == "run failed"
        with pytest.raises(RunEnded):
            await sayso.run(graph, {}, asked_by="alex", thread="order-1", settings=office)


async def test_an_outcome_that_nobody_knows_waits_for_people(office: Path, redis_url: str) -> None:
    """The tool is not run again; when somebody says that it happened, the run goes on."""
    ledger = Ledger()
    async with the_people(office, redis_url) as people:
        program = people.starts(an_own_agent(ledger, breaks=True), office)
        await people.answer(await people.sees())
        stuck = await people.sees(lambda one: bool(one.effect and one.effect.state is EffectState.UNKNOWN))
        await people.store.change(stuck.id, lambda record, now: effects.settled_as_done(record, BO, now))
        ended = await program
    assert ended["outcome"]["kind"] == "executed"
    assert len(ledger.done) == 1


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_foreign_step_that_broke_off_goes_on_when_people_order_it(
    at_once: bool, office: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step behind the question sent and broke off: nothing enters the thread before people have said so.

    They may say it before the run has looked at the record again (`at_once`): it is heard all the same.
    """
    acted: list[str] = []
    ordered = asyncio.Event()

    def act(state: Shared) -> dict[str, Any]:
        acted.append("sent")
        if len(acted) == 1:
            raise ConnectionError
        return {"report": "Sent."}

    if at_once:
        monkeypatch.setattr(own_run, "connect", lambda url, _: looking_late(url, ordered))
    builder = asks_first(act)
    async with the_people(office, redis_url) as people:
        program = people.starts(builder, office)
        await people.answer(await people.sees())
        broken = await people.sees(lambda one: bool(one.effect and one.effect.state is EffectState.UNKNOWN))
        at = await people.store.now()
        vote = a_vote(broken, BO, at=at, signer=people.signer, changed={"attempt": 2})
        await people.store.change(broken.id, lambda r, now: effects.run_again(r, vote, MAY, 1, now))
        ordered.set()
        ended = await program
    assert ended["report"] == "Sent."
    assert acted == ["sent", "sent"]


@asynccontextmanager
async def looking_late(url: str, ordered: asyncio.Event) -> AsyncIterator[RedisStore]:
    """A store whose answer on what is live, once an outcome is not known, comes when people have ordered something."""

    class Late(RedisStore):
        async def live(self) -> Sequence[Request]:
            if any(one.effect and one.effect.state is EffectState.UNKNOWN for one in await super().live()):
                await ordered.wait()
            return await super().live()

    store = await Late.connect(url)
    try:
        yield store
    finally:
        await store.close()


async def test_what_cannot_be_started_is_refused_before_anything_is_kept(
    office: Path, redis_url: str, tmp_path: Path
) -> None:
    """A stranger, and a graph that could not pause."""
    with pytest.raises(BadSetting, match=r"asked_by: there is no \[people.ghost\]"):
        await sayso.run(an_own_agent(Ledger()), {}, asked_by="ghost", settings=office)
    builder = StateGraph(AgentState)
    builder.add_node("plan", lambda state: {})
    builder.add_edge(START, "plan")
    cannot_pause = pytest.raises(BadSetting, match="The graph cannot pause: its own SqliteSaver")
    with SqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as own, cannot_pause:
        await sayso.run(builder.compile(checkpointer=own), {}, settings=office)
    async with the_people(office, redis_url) as people:
        assert await people.store.unfinished() == []
