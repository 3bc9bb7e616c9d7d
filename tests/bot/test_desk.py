"""Who may answer, and who was first: rules only, no platform."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from desk_scene import SIGNER, TWO, Scene, who
from sayso.approvals import canonical
from sayso.approvals.change import Applied, Change, Event
from sayso.approvals.errors import (
    AlreadySettled,
    DirectoryDown,
    NotAllowed,
    WhyNot,
)
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import PersonId
from sayso.approvals.request import Request, State
from sayso.approvals.signing import Verifier, warrant
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import Approve, Reject, RequestId, Rule, Vote
from sayso.bot.directory import ApproverSet
from scenes import BO, CY, DI, FINANCE


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
    """P2: Requester, outsider, stranger, an account of two persons: refused with the reason and audited."""
    scene = Scene()
    assert await scene.why(await scene.asks(), user) is why


@pytest.mark.parametrize("why", [WhyNot.GUEST, WhyNot.BOT, WhyNot.FOREIGN, WhyNot.DEACTIVATED])
async def test_what_the_platform_says_of_an_account_counts(why: WhyNot) -> None:
    """A listed approver whose account became a guest or was closed may not."""
    scene = Scene()
    scene.slack.standing_of["bo"] = why
    assert await scene.why(await scene.asks(), "bo") is why


async def test_nobody_approves_their_own_run_through_another_platform() -> None:
    """P3: The one who asked is the same person in Teams."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(NotAllowed) as refused:
        await scene.desk.answer(request.id, 1, Approve(), who("alex@teams", "teams"), token="t")
    assert refused.value.why is WhyNot.OWN_REQUEST


async def test_nobody_approves_their_own_run_under_another_name_in_the_record() -> None:
    """For whom it was asked stands in the frozen words too, and those cannot be swapped under a card."""
    scene = Scene()
    request = await scene.asks()
    renamed = replace(request.ask.run, asked_by=PersonId("zoe"))
    await scene.store.change(
        request.id, lambda r, _: Change(request=replace(r, ask=replace(r.ask, run=renamed)))
    )
    assert await scene.why(request, "alex") is WhyNot.OWN_REQUEST


async def test_who_decides_elsewhere_cannot_draw_a_request_to_their_own_route() -> None:
    """Whoever writes another route and its approvers into the record still meets the policy of the tool."""
    scene = Scene(sets={"finance": ApproverSet(groups=("slack:S1",)), "lab": ApproverSet(people=(DI,))})
    lab = replace(FINANCE, name="lab", rule=Rule(approvers=("lab",)))
    scene.desk = scene.a_desk({"routes": {"finance": FINANCE, "lab": lab}})
    request = await scene.asks()
    drawn = replace(request.ask, route="lab", rule=lab.rule)
    await scene.store.change(request.id, lambda r, _: Change(request=replace(r, ask=drawn)))
    assert await scene.why(request, "di") is WhyNot.NO_APPROVERS


async def test_an_account_of_a_platform_nobody_vouches_for_is_nobody() -> None:
    """P2: Fail closed: no live check, no identity."""
    scene = Scene()
    request = await scene.asks()
    with pytest.raises(NotAllowed):
        await scene.desk.answer(request.id, 1, Approve(), who("bo", "irc"), token="t")


async def test_without_approvers_nobody_decides() -> None:
    """P2: An empty set does not mean everybody."""
    scene = Scene(sets={"finance": ApproverSet()})
    assert await scene.why(await scene.asks(), "bo") is WhyNot.NO_APPROVERS


async def test_a_route_that_today_s_policy_no_longer_has_lets_nobody_decide() -> None:
    """P2: Frozen and current must both allow it."""
    scene = Scene(policy={"routes": {}})
    assert await scene.why(await scene.asks(), "bo") is WhyNot.NO_APPROVERS


async def test_whom_today_s_policy_no_longer_names_may_not() -> None:
    """P19: The route asks the seniors now: its old approvers are told they are none any more."""
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
    """P2: Refused, audited, and the person is told to try again."""
    scene = Scene()
    request = await scene.asks()
    scene.slack.down = True
    with pytest.raises(DirectoryDown):
        await scene.approve(request, "bo")
    assert (await scene.events(request))[-1] is Event.REFUSED_ANSWER


async def test_a_removal_is_noticed_within_fifteen_seconds() -> None:
    """P4: Between opening the form and sending it, Bo left the group."""
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
    """P3: The same person twice is refused; two distinct ones decide."""
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
    """P19: The frozen rule wants one, today's two: two, and the signed rule says so."""
    scene = Scene(policy={"routes": {"finance": TWO}})
    request = await scene.approve(await scene.asks(), "bo")
    assert (request.state, request.votes[0].rule.needed) == (State.OPEN, 2)


@pytest.mark.parametrize("gone", ["left the group", "account closed"])
async def test_at_the_quorum_earlier_votes_are_checked_again(gone: str) -> None:
    """P4: Bo voted and then lost the right: Cy's vote is the first, not the second."""
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


async def test_an_auditor_can_prove_a_vote_without_the_record() -> None:
    """P20: On record: the account, who could decide at that moment, by which policy, and the vote as it was signed."""
    scene = Scene()
    request = await scene.approve(await scene.asks(), "bo")
    trail = await scene.store.trail(request.ask.run.thread)
    opened, voted, decided = (record.entry for record in trail)
    assert (opened.facts["asked_by"], opened.facts["policy"]) == ("alex", "p1")
    assert opened.facts["digest"] == voted.facts["digest"] == decided.facts["digest"]
    assert (voted.by, voted.facts["via"]) == ("bo", str(who("bo")))
    assert voted.facts["approvers"].startswith("finance: ")
    assert {"bo", "cy"} <= set(voted.facts["approvers"].replace(";", "").split())
    assert voted.facts["policy"] == scene.desk._electing.rules.version
    vote = canonical.decode(Vote, voted.facts["vote"])
    Verifier([SIGNER.public_key]).check(vote)
    assert (vote.person, vote.digest) == (BO, request.current.digest)
