"""Several sets with a quorum each, from the settings to the desk: who is in which is looked up live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from desk_scene import Scene, who
from sayso.agent.policy_file import read_policy
from sayso.agent.setting_words import BadSettings
from sayso.approvals.change import Change
from sayso.approvals.errors import BadSetting, NotAllowed, WhyNot
from sayso.approvals.people import PersonId
from sayso.approvals.request import State
from sayso.approvals.route import Route
from sayso.approvals.verdict import Approve, Reject, Rule, Seats
from sayso.bot.cli.policy_lint import run_lint
from sayso.bot.desk import REJECTING
from sayso.bot.directory import ApproverSet
from sayso.bot.settings import load_settings
from sayso.cards import plaintext
from sayso.cards.card import card_of
from sayso.cards.words import answered
from scenes import FINANCE, an_action
from settings_files import write_settings

BOTH = ("finance", "security")


def each(needed: int = 1, **seats: int) -> Route:
    asked = tuple(Seats(approvers=name, needed=count) for name, count in seats.items())
    rule = Rule(approvers=BOTH, needed=max(needed, sum(seats.values())), seats=asked)
    return replace(FINANCE, rule=rule)


TWO_AND_ONE = each(finance=2, security=1)


class Sets(Scene):
    """Finance is a Slack group with Bo, Cy and Alex; security is Cy and Di; Kim is on call."""

    def __init__(self, today: Route = TWO_AND_ONE) -> None:
        people = {"security": "cy di", "on-call": "kim", "seniors": "", "supervisors": ""}
        listed = {name: ApproverSet(people=tuple(map(PersonId, ids.split()))) for name, ids in people.items()}
        super().__init__(
            policy={"routes": {"finance": today}},
            sets={"finance": ApproverSet(groups=("slack:S1",)), **listed},
        )

    def later(self) -> None:
        """What was looked up is asked for again."""
        self.clock[0] += 60


async def test_two_of_finance_and_one_of_security() -> None:
    """Cy, who is in both, is counted where they are missing; the card and the answers say how far each set is."""
    scene = Sets()
    request = await scene.asks(route=TWO_AND_ONE)
    assert "finance 0 of 2, security 0 of 1 (not @Alex); votes: none" in drawn(scene, request)
    after = await scene.approve(request, "cy")
    assert answered(after, Approve()).startswith("Counted: finance 1 of 2, security 0 of 1 so far.")
    after = await scene.approve(request, "bo")
    assert "finance 2 of 2, security 0 of 1" in drawn(scene, after)
    assert after.state is State.OPEN
    assert [vote.fills for vote in after.votes] == [BOTH, ("finance",)]
    # nobody but Di is left for security, and Cy keeps a seat of finance
    after = await scene.approve(request, "di")
    assert after.state is State.DECIDED


def drawn(scene: Sets, request: object) -> str:
    text = plaintext.text(card_of(request, name=scene.desk.name))  # type: ignore[arg-type]
    return " ".join(text.split())


async def test_whoever_left_a_set_gave_a_vote_that_counts_no_more() -> None:
    """P4: Bo leaves finance for security: the vote is void where it stood, and may be given again."""
    scene = Sets()
    request = await scene.asks(route=TWO_AND_ONE)
    await scene.approve(request, "bo")
    scene.slack.groups["S1"] -= {"bo"}
    moved = ApproverSet(people=tuple(map(PersonId, ("bo", "cy", "di"))))
    scene.sets = {**scene.sets, "security": moved}
    scene.desk = scene.a_desk({"routes": {"finance": TWO_AND_ONE}})
    after = await scene.approve(request, "cy")
    assert [vote.person for vote in after.votes] == ["cy"]
    after = await scene.approve(request, "bo", token="again")
    assert [(vote.person, vote.fills) for vote in after.votes] == [("cy", BOTH), ("bo", ("security",))]


async def test_today_s_policy_may_want_more_and_never_less() -> None:
    """Frozen is one of anybody; today the policy wants one of each set."""
    scene = Sets(each(finance=1, security=1))
    request = await scene.asks(route=each())
    assert (await scene.approve(request, "bo")).state is State.OPEN
    assert (await scene.approve(request, "di")).state is State.DECIDED
    relaxed = Sets(each())
    request = await relaxed.asks(route=each(finance=1, security=1))
    assert (await relaxed.approve(request, "bo")).state is State.OPEN
    assert (await relaxed.approve(request, "cy")).state is State.DECIDED


async def test_a_wider_circle_may_take_any_seat() -> None:
    """Whoever is called because nobody answered is there to decide."""
    scene = Sets(each(security=1))
    request = await scene.asks(route=each(security=1))
    widened = await scene.store.change(
        request.id, lambda r, _: Change(request=replace(r, circles=("on-call",)))
    )
    assert "on-call may take any seat" in drawn(scene, widened.request)
    assert (await scene.approve(request, "kim")).state is State.DECIDED


async def test_a_circle_that_only_a_chain_names_may_take_any_seat() -> None:
    """Today's policy knows the directors from its chain alone; without that chain they decide nothing any more."""
    steps = [{"after": "1h", "do": "widen", "to": "directors"}, {"after": "2h", "do": "cancel"}]
    chain = {"chains": {"payments": {"steps": steps}}, "ttl": {"sensitive": {"chain": "payments"}}}
    policy = read_policy({**a_policy(seats={"security": 1}), **chain})
    scene = Sets(each(security=1))
    nobody, kim = ApproverSet(people=()), ApproverSet(people=(PersonId("kim"),))
    scene.sets = {**scene.sets, "on-call": nobody, "directors": kim}
    request = await scene.asks(route=each(security=1))
    await scene.store.change(request.id, lambda r, _: Change(request=replace(r, circles=("directors",))))
    scene.desk = scene.a_desk({"routes": policy.routes})
    assert await scene.why(request, "kim") is WhyNot.NOT_ANY_MORE
    scene.desk = scene.a_desk({"routes": policy.routes, "chains": policy.chains})
    after = await scene.approve(request, "kim", token="with the chain")
    assert (after.state, after.votes[0].fills) == (State.DECIDED, ("security",))


# ---- veto


async def test_a_set_with_a_veto_may_reject_and_nothing_else() -> None:
    """Kim's one rejection ends it; she approves nothing, and neither does anybody veto who asked or is barred."""
    with_veto = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2, veto=("on-call",)))
    scene = Sets(with_veto)
    request = await scene.asks(route=with_veto)
    assert "2 of finance (not @Alex); on-call may reject; votes: none" in drawn(scene, request)
    assert await scene.why(request, "kim") is WhyNot.NOT_AN_APPROVER
    with pytest.raises(NotAllowed):
        await scene.desk.admit(request.id, who("kim"), token="form")
    assert await scene.desk.admit(request.id, who("kim"), token="form", verdict=REJECTING) == request
    await scene.approve(request, "bo")
    after = await scene.approve(request, "kim", token="no", verdict=Reject("Legal says no."))
    assert (after.state, after.decision and after.decision.by) == (State.DECIDED, ("kim",))


@pytest.mark.parametrize(
    ("denied", "veto", "why"),
    [
        ("kim", "on-call", WhyNot.DENIED),
        ("", "finance", WhyNot.OWN_REQUEST),
        ("", "seniors", WhyNot.NOT_AN_APPROVER),
    ],
)
async def test_a_veto_has_its_bounds(denied: str, veto: str, why: WhyNot) -> None:
    """Who is barred, who asked, and who is in no such set."""
    with_veto = replace(FINANCE, rule=Rule(approvers=("finance",), veto=(veto,)))
    scene = Sets(with_veto)
    scene.desk = scene.a_desk({"routes": {"finance": with_veto}, "denied": frozenset({PersonId(denied)})})
    request = await scene.asks(route=with_veto)
    with pytest.raises(NotAllowed) as refused:
        await scene.approve(request, "alex" if veto == "finance" else "kim", verdict=Reject("no"))
    assert refused.value.why is why
    assert (await scene.store.get(request.id)).state is State.OPEN


def test_a_veto_of_a_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """At load, with the key."""
    edit = ('approvers = ["finance"]', 'approvers = ["finance"]\nveto = ["legal"]')
    with pytest.raises(BadSetting, match=r"routes\.finance\.veto: there is no sets\.legal"):
        load_settings(write_settings(tmp_path, edit))
    right = (edit[0], edit[1].replace("legal", "seniors"))
    assert load_settings(write_settings(tmp_path, right)).policy.route("finance").rule.veto == ("seniors",)


# ---- the settings


def a_policy(**route: object) -> Mapping[str, object]:
    finance = {"places": ["slack:C0FIN"], "approvers": list(BOTH), "on_call": "on-call", **route}
    return {"default_route": "finance", "routes": {"finance": finance}}


def test_the_seats_of_a_route() -> None:
    """As many people as seats, or more where the route says so."""
    rule = read_policy(a_policy(seats={"finance": 2, "security": 1})).route("finance").rule
    assert rule == TWO_AND_ONE.rule
    assert (
        read_policy(a_policy(seats={"security": 1}, needed=4)).route("finance").rule
        == each(4, security=1).rule
    )


def test_a_rule_in_doubt_takes_no_seat_away() -> None:
    """As many people as before, and nobody of security among them, would be laxer; one more seat is not."""
    said = a_policy(needed=3, seats={"security": 1})
    routes = said["routes"]
    assert isinstance(routes, dict)
    for name, seats in (("open", {}), ("both", {"security": 1, "finance": 1})):
        routes[name] = {**routes["finance"], "seats": seats}
        rule = {"name": name, "if": "args.nothing > 1", "route": name}
        policy = read_policy({**said, "rules": [rule]})
        assert policy.route_for(an_action()).name == ("finance" if name == "open" else "both")


@pytest.mark.parametrize(
    ("seats", "words"),
    [
        ({"financ": 1}, "routes.finance.seats: financ is none of its approvers; did you mean finance"),
        ({"finance": 0}, "at least 1"), ({"finance": 21}, "20"), ({"finance": "two"}, "whole number"),
    ],
)  # fmt: skip
def test_seats_that_cannot_be_meant(seats: object, words: str) -> None:
    """Refused when the settings are read."""
    with pytest.raises(BadSettings, match=words):
        read_policy(a_policy(seats=seats))


SEATS = (
    'approvers = ["finance"]',
    'approvers = ["finance", "seniors"]\nseats = { finance = 2, seniors = 1 }',
)


def test_seats_that_nobody_can_take_are_refused_at_load(tmp_path: Path) -> None:
    """P30: There are people enough, and one senior for two of their seats."""
    assert load_settings(write_settings(tmp_path, SEATS)).policy.route("finance").rule.needed == 3
    two_seniors = (SEATS[0], SEATS[1].replace("finance = 2, seniors = 1", "finance = 1, seniors = 2"))
    with pytest.raises(BadSetting, match=r"routes\.finance\.seats: its approvers cannot fill them"):
        load_settings(write_settings(tmp_path, two_seniors))


def test_lint_says_whose_own_requests_could_never_be_approved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of them is needed for a seat."""
    run_lint(write_settings(tmp_path, SEATS))
    assert "what one of bo, cy, sue asks for can never be approved" in capsys.readouterr().out
