"""Who may answer, and what becomes of an answer: rules only, no platform."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pytest
from sayso.agent.policy import Policy
from sayso.approvals import effects, machine
from sayso.approvals.action import Action
from sayso.approvals.change import Applied, Event
from sayso.approvals.deadline import CHAINS
from sayso.approvals.errors import (
    AlreadySettled,
    BadChange,
    BadSetting,
    DirectoryDown,
    NotAllowed,
    Outdated,
    RequestNotFound,
    WhyNot,
)
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Identity, Person, PersonId, Place
from sayso.approvals.request import Edits, OutcomeKind, Request, State
from sayso.approvals.risk import Dimension, Finding, Level, RiskAssessment
from sayso.approvals.signing import Signer, Verifier, warrant
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, Rule, ThreadId
from sayso.bot.desk import Desk, TooLong, WayOn
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from scenes import ALEX, BO, CY, DI, FINANCE, a_request, an_assessment

SIGNER = Signer(bytes(range(32)))
TWO = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))


@dataclass
class Doorman:
    """A platform whose accounts a test controls; `down` makes it unreachable."""

    standing_of: dict[str, WhyNot] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    down: bool = False
    asked: int = 0

    async def standing(self, identity: Identity) -> WhyNot | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise DirectoryDown
        return self.standing_of.get(identity.user)

    async def group(self, id: str) -> frozenset[str]:
        if self.down:
            raise DirectoryDown
        return self.groups.get(id, frozenset())


def who(user: str, platform: str = "slack") -> Identity:
    return Identity(platform=platform, tenant="T1", user=user)


PEOPLE = [
    Person(id=PersonId(name), name=name.capitalize(), accounts={"slack": name, "teams": f"{name}@teams"})
    for name in ("alex", "bo", "cy", "di", "kim")
]
TWINS = [Person(id=PersonId(name), name=name, accounts={"slack": "twin"}) for name in ("bo2", "cy2")]


class Scene:
    """A desk over the store in memory."""

    def __init__(
        self, *, policy: Mapping[str, object] | None = None, sets: Mapping[str, ApproverSet] | None = None
    ) -> None:
        self.slack = Doorman(groups={"S1": frozenset({"bo", "cy", "alex", "twin", "nobody"})})
        self.clock = [0.0]
        self.store = MemoryStore()
        self.sets = sets or {
            "finance": ApproverSet(groups=("slack:S1",)), "seniors": ApproverSet(people=(DI,)),
            "on-call": ApproverSet(people=(PersonId("kim"),)),
        }  # fmt: skip
        self.desk = self.a_desk(policy or {})

    def a_desk(
        self,
        policy: Mapping[str, object],
        scored: Callable[[Action], RiskAssessment] = lambda _: an_assessment(),
    ) -> Desk:
        values = {
            "tools": {},
            "routes": {"finance": FINANCE},
            "chains": CHAINS,
            "default_route": "finance",
            **policy,
        }
        rules = Policy(**values)  # type: ignore[arg-type]
        directory = ConfiguredDirectory(
            people=[*PEOPLE, *TWINS], sets=self.sets, platforms={"slack": self.slack, "teams": Doorman()},
            monotonic=lambda: self.clock[0],
        )  # fmt: skip
        return Desk(store=self.store, directory=directory, rules=rules, signer=SIGNER, assess=scored)

    async def asks(self, **overrides: object) -> Request:
        return await self.store.open(machine.opened(a_request(**overrides).ask))

    async def approve(self, request: Request, user: str, token: str = "", **more: object) -> Request:
        values = {"revision": request.revision, "verdict": Approve(), **more}
        token = token or f"click of {user}"
        done = await self.desk.answer(request.id, who=who(user), token=token, **values)  # type: ignore[arg-type]
        return done.request

    async def events(self, request: Request) -> list[Event]:
        return [record.entry.event for record in await self.store.trail(request.ask.run.thread)]

    async def why(self, request: Request, user: str) -> WhyNot:
        """Why this person's approval is refused; refused, audited, and nothing moved."""
        with pytest.raises(NotAllowed) as refused:
            await self.approve(request, user)
        assert (await self.store.get(request.id)).state is State.OPEN
        assert (await self.events(request))[-1] is Event.REFUSED_ANSWER
        return refused.value.why


async def test_the_acting_node_can_trust_the_vote() -> None:
    """One approval of the one needed: decided, and its signature is a warrant to act."""
    scene = Scene()
    request = await scene.approve(await scene.asks(), "bo")
    assert request.state is State.DECIDED
    frozen = request.ask.first.frozen
    now = await scene.store.now()
    made = warrant(
        request, Verifier([SIGNER.public_key]), thread=request.ask.run.thread, frozen=frozen, now=now
    )
    assert (made.revision.number, made.attempt) == (1, 1)


@pytest.mark.parametrize(
    ("user", "why"),
    [("alex", WhyNot.OWN_REQUEST), ("di", WhyNot.NOT_AN_APPROVER), ("nobody", WhyNot.UNKNOWN_PERSON),
     ("twin", WhyNot.AMBIGUOUS)],
)  # fmt: skip
async def test_who_may_not_is_told_why(user: str, why: WhyNot) -> None:
    """Requester, outsider, stranger, an account of two persons: refused with the reason and audited."""
    scene = Scene()
    assert await scene.why(await scene.asks(), user) is why


@pytest.mark.parametrize("why", [WhyNot.GUEST, WhyNot.BOT, WhyNot.FOREIGN, WhyNot.DEACTIVATED])
async def test_what_the_platform_says_of_an_account_counts(why: WhyNot) -> None:
    """A listed approver whose account became a guest or was closed may not."""
    scene = Scene()
    scene.slack.standing_of["bo"] = why
    assert await scene.why(await scene.asks(), "bo") is why


async def test_nobody_approves_their_own_run_through_another_platform() -> None:
    """The one who asked is the same person in Teams."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(NotAllowed) as refused:
        await scene.desk.answer(request.id, 1, Approve(), who("alex@teams", "teams"), token="t")
    assert refused.value.why is WhyNot.OWN_REQUEST


async def test_an_account_of_a_platform_nobody_vouches_for_is_nobody() -> None:
    """Fail closed: no live check, no identity."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(NotAllowed):
        await scene.desk.answer(request.id, 1, Approve(), who("bo", "irc"), token="t")


async def test_without_approvers_nobody_decides() -> None:
    """An empty set does not mean everybody."""
    scene = Scene(sets={"finance": ApproverSet()})
    assert await scene.why(await scene.asks(), "bo") is WhyNot.NO_APPROVERS


async def test_a_route_that_today_s_policy_no_longer_has_lets_nobody_decide() -> None:
    """Frozen and current must both allow it."""
    scene = Scene(policy={"routes": {}})
    assert await scene.why(await scene.asks(), "bo") is WhyNot.NO_APPROVERS


async def test_whom_today_s_policy_no_longer_names_may_not() -> None:
    """The route asks the seniors now: its old approvers are told they are none any more."""
    other = replace(FINANCE, rule=Rule(approvers=("seniors",)))
    scene = Scene(policy={"routes": {"finance": other}}, sets={
        "finance": ApproverSet(people=(BO, DI)), "seniors": ApproverSet(people=(DI,))})  # fmt: skip
    request = await scene.asks()
    assert await scene.why(request, "bo") is WhyNot.NOT_ANY_MORE
    assert (await scene.approve(request, "di")).state is State.DECIDED


async def test_a_barred_person_may_not() -> None:
    """`denied` beats every set."""
    scene = Scene(policy={"denied": frozenset({BO})})
    assert await scene.why(await scene.asks(), "bo") is WhyNot.DENIED


async def test_a_directory_that_is_down_counts_nothing() -> None:
    """Refused, audited, and the person is told to try again."""
    scene = Scene()
    request = await scene.asks()
    scene.slack.down = True
    with pytest.raises(DirectoryDown):
        await scene.approve(request, "bo")
    assert (await scene.events(request))[-1] is Event.REFUSED_ANSWER


async def test_a_removal_is_noticed_within_fifteen_seconds() -> None:
    """Between opening the form and sending it, Bo left the group."""
    scene = Scene()
    request = await scene.asks()
    await scene.desk.admit(request.id, who("bo"), token="opened the form")
    scene.slack.groups["S1"] = frozenset({"cy"})
    scene.clock[0] += 15
    assert await scene.why(request, "bo") is WhyNot.NOT_AN_APPROVER


async def test_a_group_is_asked_once_for_many_clicks_at_once() -> None:
    """One look-up in flight per account, whoever waits for it."""
    scene = Scene()
    request = await scene.asks()
    clicks = [scene.approve(request, "bo", token=f"click {n}") for n in range(5)]
    answers = await asyncio.gather(*clicks, return_exceptions=True)
    assert sum(isinstance(one, Request) for one in answers) == 1
    assert scene.slack.asked == 1


async def test_the_slower_one_learns_who_was_faster() -> None:
    """Two approvers click at once: one decision."""
    scene = Scene()
    request = await scene.asks()
    await scene.approve(request, "bo")
    with pytest.raises(AlreadySettled) as late:
        await scene.desk.answer(request.id, 1, Reject("no"), who("cy"), token="cy")
    assert late.value.by == (BO,)
    assert (await scene.store.get(request.id)).decision.by == (BO,)  # type: ignore[union-attr]


async def test_the_same_click_twice_is_answered_as_the_first_time() -> None:
    """A redelivered click is no second vote, and nobody is told that they were too slow."""
    scene = Scene()
    request = await scene.asks()
    await scene.approve(request, "bo", token="one click")
    again = await scene.desk.answer(request.id, 1, Approve(), who("bo"), token="one click")
    assert (again.replayed, again.request.state) == (True, State.DECIDED)
    assert (await scene.events(request)).count(Event.VOTED) == 1


async def test_a_lost_reply_of_the_store_is_not_held_against_the_first() -> None:
    """The vote was stored, the answer lost, and the call repeated with its token: counted, not "too slow"."""

    class Forgetful(MemoryStore):
        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            await super().change(id, step, token=token)
            return await super().change(id, step, token=token)

    scene = Scene()
    scene.store = Forgetful()
    scene.desk = scene.a_desk({})
    request = await scene.asks()
    assert (await scene.approve(request, "bo")).decision.by == (BO,)  # type: ignore[union-attr]


async def test_at_the_deadline_it_is_too_late() -> None:
    """At the very instant of expiry the click expires the request, and says so."""
    scene = Scene()
    request = await scene.asks()
    scene.store.advance(timedelta(hours=25))
    with pytest.raises(AlreadySettled) as late:
        await scene.approve(request, "bo")
    assert late.value.state == State.EXPIRED
    assert (await scene.store.get(request.id)).state is State.EXPIRED
    with pytest.raises(AlreadySettled):
        await scene.approve(request, "bo")


async def test_two_of_two_and_one_person_fills_one_seat() -> None:
    """The same person twice is refused; two distinct ones decide."""
    scene = Scene()
    request = await scene.asks(route=TWO)
    assert (await scene.approve(request, "bo")).state is State.OPEN
    with pytest.raises(NotAllowed) as refused:
        await scene.desk.answer(request.id, 1, Approve(), who("bo@teams", "teams"), token="b")
    assert refused.value.why is WhyNot.ALREADY_VOTED
    done = await scene.approve(request, "cy")
    assert done.decision is not None
    assert done.decision.by == (BO, CY)


async def test_a_stricter_policy_of_today_asks_for_one_more() -> None:
    """The frozen rule wants one, today's two: two, and the signed rule says so."""
    scene = Scene(policy={"routes": {"finance": TWO}})
    request = await scene.approve(await scene.asks(), "bo")
    assert (request.state, request.votes[0].rule.needed) == (State.OPEN, 2)


@pytest.mark.parametrize("gone", ["left the group", "account closed"])
async def test_at_the_quorum_earlier_votes_are_checked_again(gone: str) -> None:
    """Bo voted and then lost the right: Cy's vote is the first, not the second."""
    scene = Scene()
    request = await scene.asks(route=TWO)
    await scene.approve(request, "bo")
    if gone == "left the group":
        scene.slack.groups["S1"] = frozenset({"cy"})
    else:
        scene.slack.standing_of["bo"] = WhyNot.DEACTIVATED
    scene.clock[0] += 15
    after = await scene.approve(request, "cy")
    assert (after.state, [vote.person for vote in after.votes]) == (State.OPEN, [CY])


async def test_an_edit_is_a_new_revision_and_the_old_card_is_outdated() -> None:
    """With two needed the editor counts once on the new revision; a click on the old one does not count."""
    scene = Scene()
    request = await scene.asks(route=TWO)
    await scene.approve(request, "cy")
    edited = await scene.approve(request, "bo", verdict=Modify({"amount": "100.00"}))
    assert (edited.revision, [vote.person for vote in edited.votes]) == (2, [BO])
    assert edited.votes[0].digest == edited.current.digest
    with pytest.raises(Outdated):
        await scene.approve(request, "cy", token="old card")
    assert (await scene.approve(edited, "cy", token="new card")).state is State.DECIDED


async def test_an_edit_that_raises_the_risk_is_asked_again() -> None:
    """One vote would do, but the edited action is riskier: nobody has approved that yet."""
    worse = an_assessment(findings=tuple(Finding(one, Level.HIGH, "worst") for one in Dimension))
    scene = Scene()
    scene.desk = scene.a_desk({}, scored=lambda _: worse)
    edited = await scene.approve(await scene.asks(), "bo", verdict=Modify({"amount": "9000.00"}))
    assert (edited.state, edited.revision, edited.votes) == (State.OPEN, 2, ())


async def test_an_edit_that_does_not_fit_names_the_field() -> None:
    """The tool's own schema decides; the audit holds the name, not what was typed."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(BadChange) as bad:
        await scene.approve(request, "bo", verdict=Modify({"amount": "a lot"}))
    assert set(bad.value.problems) == {"amount"}
    words = (await scene.store.trail(request.ask.run.thread))[-1].entry.words
    assert words == "The edit of amount does not fit"


@pytest.mark.parametrize(
    "verdict", [Modify({}, "split it in two"), Modify({"amount": "1.00"}, "and tell Dana")]
)
async def test_an_instruction_goes_to_the_agent(verdict: Modify) -> None:
    """Decided as a modification: the agent plans again."""
    scene = Scene()
    done = await scene.approve(await scene.asks(), "bo", verdict=verdict)
    assert done.decision is not None
    assert (done.revision, done.decision.verdict) == (1, verdict)


async def test_where_edits_are_replanned_they_go_to_the_agent_checked() -> None:
    """The values still have to fit the tool."""
    scene = Scene()
    request = await scene.asks(edits=Edits.REPLAN)
    with pytest.raises(BadChange):
        await scene.approve(request, "bo", verdict=Modify({"order": "many"}))
    done = await scene.approve(request, "bo", verdict=Modify({"order": 7}))
    assert (done.revision, done.state) == (1, State.DECIDED)


async def test_a_circle_added_meanwhile_is_looked_up_before_the_vote_counts() -> None:
    """The second line was told between looking up and counting: its member's click counts."""
    scene = Scene()
    request = await scene.asks()
    asked = scene.slack.group

    async def widened_while_asking(id: str) -> frozenset[str]:
        if not (await scene.store.get(request.id)).circles:
            scene.store.advance(timedelta(hours=19))
            await scene.store.change(request.id, machine.fire)
        return await asked(id)

    scene.slack.group = widened_while_asking  # type: ignore[method-assign]
    assert (await scene.approve(request, "di")).state is State.DECIDED


async def test_the_question_can_be_handed_on() -> None:
    """Bo hands it to the next line: Di may decide now; an outsider cannot hand on."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(NotAllowed):
        await scene.desk.hand_on(request.id, 1, "not mine", who("di"), token="di")
    done = await scene.desk.hand_on(request.id, 1, "not mine", who("bo"), token="bo")
    assert done.request.circles == ("seniors",)
    assert (await scene.approve(request, "di")).state is State.DECIDED


async def unknown(scene: Scene) -> Request:
    """Approved, started, and never heard of again."""
    request = await scene.approve(await scene.asks(), "bo")
    steps: list[PureStep] = [
        lambda r, now: machine.resuming(r, "w1", now),
        lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=timedelta(minutes=1), now=now),
        effects.unknown,
    ]
    for step in steps:
        request = (await scene.store.change(request.id, step)).request
    return request


async def test_people_settle_what_nobody_knows() -> None:
    """It happened, or give up: closed with that outcome; only by whom may decide."""
    for way, kind in ((WayOn.HAPPENED, OutcomeKind.EXECUTED), (WayOn.GIVE_UP, OutcomeKind.UNKNOWN)):
        scene = Scene()
        request = await unknown(scene)
        with pytest.raises(NotAllowed):
            await scene.desk.settle(request.id, 1, way, who("alex"), token="own")
        done = await scene.desk.settle(request.id, 1, way, who("cy"), token="cy")
        assert done.request.outcome is not None
        assert done.request.outcome.kind is kind


async def test_running_it_again_takes_a_signed_vote_for_that_run() -> None:
    """The vote allows attempt 2 and nothing else."""
    scene = Scene()
    request = await unknown(scene)
    done = await scene.desk.settle(request.id, 1, WayOn.AGAIN, who("cy"), token="cy")
    (vote,) = done.request.votes
    Verifier([SIGNER.public_key]).check(vote)
    assert vote.attempt == 2


async def test_ways_on_are_for_unknown_outcomes_only() -> None:
    """Pressing one on an open request changes nothing."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(AlreadySettled):
        await scene.desk.settle(request.id, 1, WayOn.HAPPENED, who("bo"), token="t")


async def test_pending_lists_what_waits_for_me() -> None:
    """Not what I asked for, not what I answered, not what others decide."""
    scene = Scene()
    mine = await scene.asks(route=TWO)
    await scene.asks(thread="t2", interrupt="i2")
    assert len(await scene.desk.pending(who("bo"))) == 2
    await scene.approve(mine, "bo")
    assert [one.ask.run.thread for one in await scene.desk.pending(who("bo"))] == ["t2"]
    assert await scene.desk.pending(who("alex")) == []
    assert await scene.desk.pending(who("di")) == []


async def test_a_run_starts_once_and_only_for_somebody_we_know() -> None:
    """The thread's id makes a redelivered mention harmless; a stranger starts nothing."""
    scene = Scene()
    ask = partial(
        scene.desk.ask, thread=ThreadId("slack:T1:C1:1.1"), origin=Place("slack:C1/1.1"), token="Ev1"
    )
    assert await ask(goal="refund order 1042", who=who("alex")) is True
    assert await ask(goal="refund order 1042", who=who("alex")) is False
    run = await scene.store.run(ThreadId("slack:T1:C1:1.1"))
    assert run is not None
    assert run.asked_by == ALEX
    with pytest.raises(NotAllowed):
        await ask(goal="x", who=who("nobody"))
    with pytest.raises(TooLong):
        await ask(goal="x" * 2001, who=who("alex"))


async def test_an_unknown_request_is_said_to_be_unknown() -> None:
    """After a restore from an older backup a card may name a request nobody has."""
    with pytest.raises(RequestNotFound):
        await Scene().desk.answer(RequestId("00-gone"), 1, Approve(), who("bo"), token="t")


async def test_who_looked_at_the_details_is_on_record() -> None:
    """Once per click."""
    scene = Scene()
    request = await scene.asks()
    for _ in range(2):
        await scene.desk.seen(request.id, who("bo"), token="t")
    assert (await scene.events(request)).count(Event.DETAILS_SEEN) == 1


def test_a_set_that_names_a_stranger_is_refused_at_start() -> None:
    """So is one id for two persons."""
    with pytest.raises(BadSetting, match=r"sets\.finance"):
        ConfiguredDirectory(people=[], sets={"finance": ApproverSet(people=(BO,))}, platforms={})
    with pytest.raises(BadSetting, match="one id"):
        ConfiguredDirectory(people=[PEOPLE[0], PEOPLE[0]], sets={}, platforms={})
