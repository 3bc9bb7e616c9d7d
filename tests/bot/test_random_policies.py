"""Whoever may decide by whatever policy: nobody their own, one person one seat, and as many as are wanted."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

from desk_scene import Scene, who
from sayso.approvals.errors import AnswerRefused
from sayso.approvals.people import PersonId
from sayso.approvals.request import Decision, Request
from sayso.approvals.route import Route
from sayso.approvals.verdict import Approve, Modify, Reject, Rule, Seats, Verdict
from sayso.bot.directory import ApproverSet
from scenes import FINANCE, a_run

PEOPLE = ("alex", "bo", "cy", "di", "kim")
ANSWERS: tuple[Verdict, ...] = (Approve(), Approve(), Approve(), Modify({"amount": "7.00"}), Reject("No."))


def a_route(dice: random.Random) -> tuple[Route, dict[str, tuple[str, ...]]]:
    """One to three sets of people by lot, some with seats of their own, and how many have to agree."""
    sets = {
        name: tuple(dice.sample(PEOPLE, dice.randrange(1, 5))) for name in ("finance", "security", "legal")
    }
    asked = tuple(dice.sample(list(sets), dice.randrange(1, 4)))
    seats = tuple(Seats(approvers=name, needed=1) for name in asked if dice.random() < 0.5)
    rule = Rule(approvers=asked, needed=max(dice.randrange(1, 4), len(seats)), seats=seats)
    return replace(FINANCE, rule=rule, second_line="", supervisor="", on_call="", on_call_decides=False), sets


async def decided(dice: random.Random, route: Route, sets: dict[str, tuple[str, ...]]) -> Request:
    """Everybody answers, some twice and on the other platform, until there is a decision or nobody is left."""
    listed = {name: ApproverSet(people=tuple(map(PersonId, members))) for name, members in sets.items()}
    scene = Scene(policy={"routes": {"finance": route}}, sets=listed)
    request = await scene.asks(route=route, run=a_run(asked_by=PersonId(dice.choice(PEOPLE))))
    for number, name in enumerate(dice.choices([*PEOPLE, "nobody"], k=12)):
        now, platform = await scene.store.get(request.id), dice.choice(("slack", "teams"))
        user = who(name if platform == "slack" else f"{name}@teams", platform)
        try:
            await scene.desk.answer(request.id, now.revision, dice.choice(ANSWERS), user, token=str(number))
        except AnswerRefused:
            continue
    return await scene.store.get(request.id)


def seated(decision: Decision, route: Route, sets: dict[str, tuple[str, ...]]) -> bool:
    """By trying every order: whether somebody else sits on each seat."""
    names = [one.approvers for one in route.rule.seats]
    return any(
        all(person in sets[name] for person, name in zip(order, names, strict=True))
        for order in permutations(decision.by, len(names))
    )


async def test_whatever_the_policy_nobody_decides_their_own_and_a_quorum_is_persons() -> None:
    """P3: A hundred policies by lot; who asked has no part in any decision, under neither of their accounts."""
    dice, ends = random.Random(3), dict.fromkeys(("approve", "modify", "reject", "open"), 0)
    for _ in range(100):
        route, sets = a_route(dice)
        request = await decided(dice, route, sets)
        decision = request.decision
        ends[str(decision.verdict.type) if decision else "open"] += 1
        if decision is None:
            continue
        allowed = {name for asked in route.rule.approvers for name in sets[asked]} - {
            request.ask.run.asked_by
        }
        assert allowed.issuperset(decision.by)
        assert len(set(decision.by)) == len(decision.by)
        if not isinstance(decision.verdict, Reject):
            assert len(decision.by) >= route.rule.needed
            assert seated(decision, route, sets)
    assert min(ends.values()) > 0, ends
