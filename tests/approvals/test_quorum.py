"""Seats: who of those that agreed sits where, whatever the order of their votes; each person takes one seat."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sayso.approvals import machine, quorum
from sayso.approvals.people import PersonId
from sayso.approvals.request import Request, State
from sayso.approvals.verdict import Approve, Rule, Seats, Vote
from scenes import ALEX, FINANCE, NOON, a_request, a_vote

SETS = ("finance", "security", "legal")
PERSONS = tuple(PersonId(name) for name in ("ann", "ben", "cem", "dee", "eve", "fay"))


def a_rule(needed: int = 1, **seats: int) -> Rule:
    each = tuple(Seats(approvers=name, needed=count) for name, count in seats.items())
    return Rule(approvers=SETS, needed=max(needed, sum(seats.values())), seats=each)


TWO_AND_ONE = a_rule(finance=2, security=1)

rules = st.builds(
    lambda needed, seats: a_rule(needed, **seats),
    st.integers(1, 4), st.dictionaries(st.sampled_from(SETS), st.integers(1, 2), max_size=3),
)  # fmt: skip
people = st.dictionaries(st.sampled_from(PERSONS), st.sets(st.sampled_from(SETS)).map(tuple), max_size=6)


def by_hand(rule: Rule, fills: Mapping[PersonId, tuple[str, ...]]) -> bool:
    """Every way of giving each seat to another person is tried."""
    chairs = [one.approvers for one in rule.seats for _ in range(one.needed)]
    seatings = itertools.permutations(fills, len(chairs))
    return len(fills) >= rule.needed and any(
        all(chair in fills[person] for person, chair in zip(seating, chairs, strict=True))
        for seating in seatings
    )


@settings(max_examples=40, deadline=None)
@given(rules, people)
def test_it_finds_a_seating_exactly_where_there_is_one(
    rule: Rule, fills: Mapping[PersonId, tuple[str, ...]]
) -> None:
    """P3: The same as by trying all of them."""
    assert quorum.can_decide(rule, fills) == by_hand(rule, fills)


@settings(max_examples=40, deadline=None)
@given(rules, people, st.randoms())
def test_the_order_of_votes_does_not_matter(
    rule: Rule, fills: dict[PersonId, tuple[str, ...]], random: object
) -> None:
    """Nor how many seats are said to be taken."""
    votes = votes_of(fills)
    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert quorum.enough(rule, votes) == quorum.enough(rule, shuffled)
    both = [sum(count for _, count in quorum.taken(rule, some)) for some in (votes, shuffled)]
    assert both[0] == both[1] <= len(fills)


@settings(max_examples=40, deadline=None)
@given(rules, rules, people)
def test_the_stricter_rule_satisfies_both(
    one: Rule, other: Rule, fills: Mapping[PersonId, tuple[str, ...]]
) -> None:
    """Whoever may decide under it may decide under each of them, and it makes nothing stricter of a rule alone."""
    if quorum.can_decide(quorum.stricter(one, other), fills):
        assert quorum.can_decide(one, fills)
        assert quorum.can_decide(other, fills)
    assert quorum.stricter(one, one) == one


@settings(max_examples=40, deadline=None)
@given(rules, people)
def test_one_more_vote_never_takes_the_quorum_away(
    rule: Rule, fills: dict[PersonId, tuple[str, ...]]
) -> None:
    """Nor does a person vote for two."""
    if quorum.can_decide(rule, fills):
        assert quorum.can_decide(rule, {**fills, PersonId("zoe"): ()})
        assert len(fills) >= sum(one.needed for one in rule.seats)


def votes_of(fills: Mapping[PersonId, tuple[str, ...]]) -> list[Vote]:
    request = a_request()
    return [a_vote(request, person, changed={"fills": sets}) for person, sets in fills.items()]


def test_somebody_in_both_sets_makes_room() -> None:
    """Ann sits with security as soon as two others are there for finance; twice Ann is still one person."""
    ann, ben, cem = PERSONS[:3]
    both, finance = ("finance", "security"), ("finance",)
    assert quorum.taken(TWO_AND_ONE, votes_of({ann: both})) == ((Seats(approvers="finance", needed=2), 1), (Seats(approvers="security", needed=1), 0))  # fmt: skip
    assert quorum.enough(TWO_AND_ONE, votes_of({ann: both, ben: finance, cem: finance}))
    twice = [*votes_of({ann: both, ben: finance}), *votes_of({ann: both})]
    assert not quorum.enough(TWO_AND_ONE, twice)


def voted(request: Request, *by: tuple[str, tuple[str, ...]]) -> Request:
    everybody = frozenset(PersonId(name) for name, _ in by)
    for name, sets in by:
        vote = a_vote(request, PersonId(name), Approve(), changed={"fills": sets})
        request = machine.vote(request, vote, everybody, 1, NOON + timedelta(minutes=1)).request
    return request


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_request_is_decided_once_every_seat_is_taken(order: tuple[int, ...]) -> None:
    """Three of finance are not enough; in any order two of them and one of security are."""
    request = a_request(route=replace(FINANCE, rule=TWO_AND_ONE))
    finance = [(name, ("finance",)) for name in ("bo", "cy", "di")]
    assert voted(request, *finance).state is State.OPEN
    some = [*finance[:2], ("eve", ("security",))]
    after = voted(request, *(some[index] for index in order))
    assert after.state is State.DECIDED
    assert ALEX not in (after.decision.by if after.decision else ())
