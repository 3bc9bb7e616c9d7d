"""Who may answer: the table, fail closed."""

from __future__ import annotations

import pytest
from sayso.approvals.authority import Roster
from sayso.approvals.errors import NotAllowed, WhyNot
from sayso.approvals.people import PersonId
from scenes import ALEX, BO, CY, DI, a_request, a_run

FINANCE_PEOPLE = frozenset({ALEX, BO, CY})


def a_roster(
    frozen: frozenset[PersonId] = FINANCE_PEOPLE, current: frozenset[PersonId] = FINANCE_PEOPLE,
    denied: frozenset[PersonId] = frozenset(),
) -> Roster:  # fmt: skip
    """Finance as it was frozen and as it is today."""
    return Roster(frozen={"finance": frozen}, current=current, denied=denied)


def test_members_of_the_frozen_and_of_todays_set_may_decide() -> None:
    """And nobody else."""
    assert a_roster().may_decide(a_request()) == {BO, CY}
    a_roster().check(a_request(), BO)


@pytest.mark.parametrize(
    ("person", "roster", "why"),
    [
        (ALEX, a_roster(), WhyNot.OWN_REQUEST),
        (DI, a_roster(), WhyNot.NOT_AN_APPROVER),
        (BO, a_roster(denied=frozenset({BO})), WhyNot.DENIED),
        (BO, a_roster(frozen=frozenset()), WhyNot.NO_APPROVERS),
        (BO, a_roster(current=frozenset()), WhyNot.NO_APPROVERS),
        (BO, a_roster(current=frozenset({CY})), WhyNot.NOT_ANY_MORE),
        (DI, a_roster(current=frozenset({CY, DI})), WhyNot.NOT_AN_APPROVER),
        (BO, Roster(frozen={}, current=FINANCE_PEOPLE), WhyNot.NO_APPROVERS),
    ],
)
def test_everybody_else_is_refused_with_the_reason(person: PersonId, roster: Roster, why: WhyNot) -> None:
    """P2: no policy, empty list, removed, barred, requester."""
    with pytest.raises(NotAllowed) as refused:
        roster.check(a_request(), person)
    assert refused.value.why is why


def test_the_owner_of_a_service_counts_as_its_requester() -> None:
    """P3: nobody approves for the run they are behind."""
    run = a_run(asked_by=None)
    request = a_request(run=run.__class__(thread=run.thread, graph="ops", owner=BO))
    assert a_roster().may_decide(request) == {ALEX, CY}
