"""Time-boxed trust over a real Redis: exactly what somebody approved runs again without asking, for a while, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from desk_scene import PEOPLE, Doorman, who
from gated import LOW, POLICY, AgentState, Ledger, World, an_agent
from sayso.agent.effect import Effect, effect
from sayso.agent.policy_file import read_policy
from sayso.approvals.action import Action
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.errors import AnswerRefused, NotAllowed, WhyNot
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.signing import Signer, Verifier
from sayso.approvals.trust import TRUSTS, Trust, TrustId, trusted_as
from sayso.approvals.verdict import RequestId
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.electorate import Electing
from sayso.bot.trusting import (
    ApproveFirst,
    NoSuchTrust,
    NotTheirTrust,
    NotToBeTrusted,
    TooLongTrusted,
    Trusted,
    Trusting,
)
from sayso.cards.words import trusts
from scenes import ALEX, BO, a_run

MINUTES = timedelta(minutes=1)
RISKY = {"category": "internal_change", **LOW, "irreversibility": "high", "compliance": "high"}
ENTRY = AuditEntry(event=Event.TRUSTED, words="x")


def a_policy(tool: Mapping[str, object] = RISKY, **more: object) -> Any:
    """A policy that asks about prices."""
    return read_policy({**POLICY, "tools": {"set_price": tool}, **more})


def price_tool(ledger: Ledger, undo: Effect | None) -> Effect:
    """Sets a price."""

    @effect(name="set_price", undo=undo)
    async def set_price(item: str, cents: int) -> dict[str, object]:
        ledger.done.append(("set_price", {"item": item, "cents": cents}, ""))
        return {"before": 100}

    return set_price


def put_back(ledger: Ledger) -> Effect:
    """Takes a price back."""

    @effect(name="put_back")
    async def put(item: str, result: dict[str, Any]) -> str:
        ledger.done.append(("put_back", {"item": item, **result}, ""))
        return "As before."

    return put


def pricing(tool: Effect) -> Any:
    """A planner whose goal is the new price, with other words each time."""

    def plan(state: AgentState) -> dict[str, Any]:
        goal = state["goal"]
        action = Action.of(
            tool, item="lamp", cents=int(goal), goal=f"Run {id(state)}", summary=f"Price the lamp at {goal}",
            reasoning=f"It sells badly, says {id(state)}.", confidence=0.99,
        )  # fmt: skip
        return {"action": action}

    return plan


class Shop:
    """An agent that sets prices, its people, and the bot that keeps what they trust."""

    def __init__(self, store: RedisStore, *, policy: Any = None, undo: bool = False) -> None:
        ledger = Ledger()
        tool = price_tool(ledger, put_back(ledger) if undo else None)
        graph = an_agent(tool, ledger, plan=pricing(tool))
        self.world = World(tool, graph=graph, ledger=ledger, store=store, policy=policy or a_policy())
        self.store = store
        self.trusting = self.bot(self.world.policy)

    def bot(
        self,
        policy: Any,
        approvers: tuple[PersonId, ...] = (BO, PersonId("cy"), ALEX),
        slack: Doorman | None = None,
    ) -> Trusting:
        directory = ConfiguredDirectory(
            people=PEOPLE, sets={"finance": ApproverSet(people=approvers)},
            platforms={"slack": slack or Doorman()}, monotonic=lambda: 0.0,
        )  # fmt: skip
        verifier = Verifier([self.world.signer.public_key])
        electing = Electing(directory=directory, rules=policy, store=self.store, verifier=verifier)
        return Trusting(
            store=self.store, directory=directory, operators={PersonId("kim")}, policy=policy,
            signer=self.world.signer, electing=electing,
        )  # fmt: skip

    @property
    def ran(self) -> list[int]:
        return [given["cents"] for tool, given, _ in self.world.ledger.done if tool == "set_price"]

    async def approved(self, goal: str = "90") -> Request:
        """Bo approves the first one, and it runs."""
        await self.world.ask(goal)
        request = await self.world.answer(await self.world.open_request())
        await self.world.work()
        assert self.ran == [int(goal)]
        return await self.world.request(request)

    async def trusted(self, span: str = "30m") -> Trust:
        """And trusts it."""
        request = await self.approved()
        return await self.trusting.trust(request.id, span, "the sale is on", who("bo"), token="m1")

    async def asks_again(self, goal: str = "90", asked_by: PersonId = ALEX, thread: str = "t2") -> bool:
        """Whether people are asked about the next one; what is asked is refused by nobody and left."""
        before = len(self.ran)
        await self.world.ask(goal, thread, asked_by)
        asks = any(one.state is State.OPEN and one.asked for one in await self.store.live())
        assert asks is (len(self.ran) == before)
        return asks


@asynccontextmanager
async def a_shop(url: str, **options: Any) -> AsyncIterator[Shop]:
    store = await RedisStore.connect(url, demo=True)
    try:
        yield Shop(store, **options)
    finally:
        await store.close()


async def test_what_was_approved_runs_again_without_asking(redis_url: str) -> None:
    """With other words of the agent, as often as it comes, on record with who trusts it; its log has a card."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted()
        assert not await shop.asks_again()
        assert not await shop.asks_again(thread="t3")
        trail = [one.entry for one in await shop.store.trail(a_run("t2").thread)]
        (ran,) = [one for one in trail if one.event is Event.RAN_TRUSTED]
        assert ran.words.startswith("Not asked: bo trusts this until ")
        assert (ran.facts["trust"], ran.facts["signature"]) == (trust.id, trust.signature)
        assert [one.id for one in await Trusted(store=shop.store).standing()] == [trust.id]
        (given,) = await shop.store.trail(TRUSTS)
        assert (given.entry.by, given.entry.facts["request"]) == ("bo", trust.request)


async def test_what_has_an_undo_can_be_undone(redis_url: str) -> None:
    """It runs as what is watched does."""
    async with a_shop(redis_url, undo=True) as shop:
        await shop.trusted()
        assert not await shop.asks_again()
        offer = await shop.world.open_request()
        assert (offer.asked, offer.proposal.action.tool) == (False, "put_back")


@pytest.mark.parametrize(
    "other",
    [{"goal": "91"}, {"asked_by": PersonId("di")}, {"asked_by": BO}],
    ids=["other arguments", "somebody else", "for whoever trusts"],
)
async def test_anything_else_is_asked_about(redis_url: str, other: Mapping[str, Any]) -> None:
    """One cent more, or another person behind the agent."""
    async with a_shop(redis_url) as shop:
        await shop.trusted()
        assert await shop.asks_again(**other)


async def test_it_ends_by_itself(redis_url: str) -> None:
    """By the store's clock; the next trust puts away what has ended."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted("30m")
        await shop.store.push_clock(29 * MINUTES)
        await shop.trusting.confirming.look()
        assert not await shop.asks_again(thread="t3")
        await shop.store.push_clock(1 * MINUTES)
        await shop.trusting.confirming.look()
        assert await shop.asks_again()
        assert await Trusted(store=shop.store).standing() == []
        await shop.trusting.trust(trust.request, "8h", "again", who("bo"), token="m2")
        assert len(await shop.store.trusts()) == 1


async def test_taken_back_it_is_over_at_once(redis_url: str) -> None:
    """By whoever gave it or an operator, nobody else; the message that gave it brings nothing back."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted()
        with pytest.raises(NotTheirTrust):
            await shop.trusting.distrust(trust.id[:12], who("cy"))
        assert (await shop.trusting.distrust(trust.id[:12], who("kim"))).id == trust.id
        with pytest.raises(NoSuchTrust):
            await shop.trusting.trust(trust.request, "30m", "the sale is on", who("bo"), token="m1")
        with pytest.raises(NoSuchTrust):
            await shop.trusting.distrust(trust.id[:12], who("bo"))
        assert await shop.asks_again()
        events = [one.entry.event for one in await shop.store.trail(TRUSTS)]
        assert events == [Event.TRUSTED, Event.DISTRUSTED]


async def test_taken_back_between_plan_and_tool_nothing_is_done(redis_url: str) -> None:
    """The worker looks again when it burns: its token service was slow, and Bo was faster."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted()
        runtime_looks = shop.store.trusted
        looked: list[TrustId] = []

        async def slow(id: TrustId) -> Trust | None:
            looked.append(id)
            if len(looked) == 3:  # when planned, when acting, when burning
                await shop.trusting.distrust(trust.id, who("bo"))
            return await runtime_looks(id)

        shop.store.trusted = slow  # type: ignore[method-assign]
        await shop.world.ask("90", "t2")
        assert (shop.ran, len(looked)) == ([90], 3)
        trail = await shop.store.trail(a_run("t2").thread)
        (id,) = {one.request for one in trail if one.request}
        after = await shop.store.get(RequestId(id))
        assert after.outcome is not None
        assert after.outcome.kind is OutcomeKind.FAILED


@pytest.mark.parametrize("forged", ["unsigned", "another's key", "longer", "moved", "for ever"])
async def test_what_the_bot_has_not_signed_is_asked_about(redis_url: str, forged: str) -> None:
    """Whoever writes to the store trusts nothing; nor does a signed one that is older than any may be."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted("30m")
        sign = shop.world.signer.sign_trust
        if forged == "moved":
            await shop.trusting.distrust(trust.id, who("bo"))
            other = replace(trust, id=TrustId("0" * 64))
            trust = replace(sign(other), id=trust.id)
        elif forged == "longer":
            await shop.store.push_clock(31 * MINUTES)
            trust = replace(trust, until=trust.until + 60 * MINUTES)
        elif forged == "for ever":
            trust = sign(replace(trust, until=trust.since + 9 * 60 * MINUTES))
        else:
            trust = Signer(b"o" * 32).sign_trust(trust) if "key" in forged else replace(trust, signature="")
        await shop.store.trust(trust, (), ENTRY, token=forged)
        assert await shop.asks_again()


async def test_a_changed_policy_asks_again(redis_url: str) -> None:
    """The worker goes by its own; the bot trusts nothing that was asked under another one."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted()
        newer = a_policy({**RISKY, "blast_radius": "medium"})
        shop.world.policy = newer
        shop.world.worker = shop.world.another_worker("w2")
        assert await shop.asks_again()
        with pytest.raises(NotToBeTrusted, match="policy has changed"):
            await shop.bot(newer).trust(trust.request, "30m", "the sale is on", who("bo"), token="m2")


@pytest.mark.parametrize("category", ["financial_transaction", "deletion"])
async def test_what_people_always_decide_is_never_trusted(redis_url: str, category: str) -> None:
    """Neither by the bot nor, were it signed, by a worker."""
    async with a_shop(redis_url, policy=a_policy({**RISKY, "category": category})) as shop:
        request = await shop.approved()
        with pytest.raises(NotToBeTrusted, match="Nothing was changed"):
            await shop.trusting.trust(request.id, "30m", "the sale is on", who("bo"), token="m1")
        now = await shop.store.now()
        signed = shop.world.signer.sign_trust(
            Trust(
                id=trusted_as(request.proposal, "ops"), tool="set_price", graph="ops", asked_by=ALEX, by=BO,
                request=request.id, since=now, until=now + 30 * MINUTES, why="the sale is on", seen=now,
            )
        )  # fmt: skip
        await shop.store.trust(signed, (), ENTRY, token="m2")
        assert await shop.asks_again()


async def test_where_two_have_to_agree_one_does_not_trust(redis_url: str) -> None:
    """Also where only today's route wants two."""
    two = {"finance": {"places": ["slack:C0FIN"], "approvers": ["finance"], "pager": "primary", "needed": 2}}
    async with a_shop(redis_url) as shop:
        request = await shop.approved()
        with pytest.raises(NotToBeTrusted, match="More than one person"):
            await shop.bot(a_policy(routes=two)).trust(request.id, "30m", "why", who("bo"), token="m1")


@pytest.mark.parametrize(
    ("span", "why", "user", "refusal"),
    [
        ("9h", "why", "bo", TooLongTrusted), ("", "why", "bo", TooLongTrusted), ("30m", " ", "bo", AnswerRefused),
        ("30m", "why", "cy", ApproveFirst), ("30m", "why", "alex", NotAllowed), ("30m", "why", "di", NotAllowed),
    ],
)  # fmt: skip
async def test_who_may_not_or_says_too_little_trusts_nothing(
    redis_url: str, span: str, why: str, user: str, refusal: type[AnswerRefused]
) -> None:
    """Only somebody who approved it and still may; never who asked. What is refused is on record."""
    async with a_shop(redis_url) as shop:
        request = await shop.approved()
        with pytest.raises(refusal):
            await shop.trusting.trust(request.id, span, why, who(user), token="m1")
        assert await shop.store.trusts() == []
        assert (await shop.world.events())[-1] == "answer refused"


async def test_it_ends_when_whoever_gave_it_may_not_decide_any_more(redis_url: str) -> None:
    """Left the approvers, lost the account, or is barred: on record, and nothing brings it back."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted("8h")
        policy, slack = shop.world.policy, Doorman(standing_of={"bo": WhyNot.DEACTIVATED})
        gone = {
            "left": shop.bot(policy, approvers=(PersonId("cy"), ALEX)),
            "deactivated": shop.bot(policy, slack=slack),
            "barred": shop.bot(replace(policy, denied=frozenset({BO}))),
        }
        for number, (why, bot) in enumerate(gone.items()):
            await shop.store.trust(trust, (), ENTRY, token=why)
            await bot.confirming.look()
            assert await shop.store.trusts() == [], why
            assert await shop.asks_again(thread=f"gone-{number}"), why
        await shop.trusting.confirming.look()
        assert await shop.store.trusts() == []
        (ended, *_) = [
            one.entry for one in await shop.store.trail(TRUSTS) if one.entry.event is Event.DISTRUSTED
        ]
        assert ended.words == "Ended the trust of bo in set_price: they may not decide about it any more"
        assert ended.facts["why"] == WhyNot.NOT_AN_APPROVER


async def test_while_nobody_can_say_whether_they_still_may_people_are_asked(redis_url: str) -> None:
    """The directory is down, or no bot runs: two minutes later it does not hold, and it does again once it is confirmed."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted("8h")
        await shop.store.push_clock(2 * MINUTES)
        slack = Doorman(down=True)
        bot = shop.bot(shop.world.policy, slack=slack)
        await bot.confirming.look()
        assert await shop.asks_again()
        (listed,) = await Trusted(store=shop.store).standing()
        now = await shop.store.now()
        assert "People are asked meanwhile" in trusts(listed, name=str, now=now)
        slack.down = False
        await bot.confirming.look()
        await shop.world.ask("90", "t3")
        assert shop.ran == [90, 90]
        (confirmed,) = await shop.store.trusts()
        assert (confirmed.until, "meanwhile" in trusts(confirmed, name=str, now=now)) == (trust.until, False)


async def test_what_was_taken_back_or_given_anew_meanwhile_stays_so(redis_url: str) -> None:
    """A bot that was slow to look changes nothing but what it has read; of two that look at once one writes."""
    async with a_shop(redis_url) as shop:
        trust = await shop.trusted("8h")
        newer = shop.world.signer.sign_trust(replace(trust, why="by Cy, too"))
        assert await shop.store.confirm(trust, newer)
        assert not await shop.store.confirm(trust, trust)
        assert not await shop.store.end(trust, ENTRY)
        assert await shop.store.trusts() == [newer]
        await shop.trusting.distrust(trust.id, who("bo"))
        assert not await shop.store.confirm(newer, newer)
        assert await shop.store.trusts() == []
        forged = replace(trust, seen=trust.since + 60 * MINUTES)
        await shop.store.trust(forged, (), ENTRY, token="forged")
        await shop.trusting.confirming.look()
        assert await shop.store.trusts() == [forged]
        assert await shop.asks_again()
