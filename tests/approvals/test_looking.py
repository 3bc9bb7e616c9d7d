"""Somebody is on it: one step waits, for a bounded time, once; the deadline never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sayso.approvals import machine
from sayso.approvals.change import Event, NoticeKind
from sayso.approvals.deadline import CHAINS, StepKind, TtlClass
from sayso.approvals.errors import AlreadySettled
from sayso.approvals.looking import LONGEST_HOLD, can_hold, on_it
from sayso.approvals.request import Request, State
from sayso.cards.card import Verb, card_of
from scenes import BO, CY, FINANCE, NOON, a_request, a_vote

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def reminded(request: Request | None = None) -> Request:
    """Half of the 24 hours are over, and the approvers were reminded; seniors come after 18 hours."""
    change = machine.fire(request or a_request(), NOON + 12 * HOUR)
    assert change is not None
    return change.request


def held(request: Request, at: timedelta) -> Request:
    change = on_it(request, BO, NOON + at)
    assert change is not None
    return change.request


def test_one_step_waits_and_the_deadline_does_not() -> None:
    """P18: A minute before the second line is told, Bo is on it: a quarter of an hour, then the seniors hear all the same."""
    request = held(reminded(), 18 * HOUR - MINUTE)
    assert machine.fire(request, NOON + 18 * HOUR) is None
    assert request.due_at == NOON + 18 * HOUR + LONGEST_HOLD
    change = machine.fire(request, request.due_at)
    assert change is not None
    assert (change.request.circles, change.request.looking) == (("seniors",), None)
    assert change.request.ask.deadline == a_request().ask.deadline


def test_a_step_is_held_once_whoever_says_it() -> None:
    """Neither Bo again nor Cy after him moves the step any further."""
    request = held(reminded(), 18 * HOUR - MINUTE)
    assert not can_hold(request)
    assert on_it(request, BO, NOON + 18 * HOUR) is None
    assert on_it(request, CY, NOON + 18 * HOUR) is None


def test_the_next_step_can_be_held_again() -> None:
    """After the seniors were told, somebody may be on it before the supervisor is; each step has its own wait."""
    request = held(reminded(), 18 * HOUR - MINUTE)
    change = machine.fire(request, NOON + 18 * HOUR + 20 * MINUTE)
    assert change is not None
    assert can_hold(change.request)


def test_a_page_is_held_no_longer_than_half_of_what_is_left() -> None:
    """P18: Urgent: the page after 30 minutes leaves ten; who is on it holds it for five, never past the end."""
    urgent = a_request(
        ttl_class=TtlClass.URGENT, chain=replace(CHAINS[TtlClass.URGENT], second_line=0, supervisor=0)
    )
    change = machine.fire(urgent, NOON + 15 * MINUTE)
    assert change is not None
    request = held(change.request, 29 * MINUTE)
    assert request.due_at == NOON + 35 * MINUTE
    paged = machine.fire(request, NOON + 35 * MINUTE)
    assert paged is not None
    assert paged.request.paged_at == NOON + 35 * MINUTE


def test_a_held_step_leaves_the_one_after_it_its_time() -> None:
    """The second line waits for Bo, and the supervisor, two minutes later, is not held up."""
    chain = replace(CHAINS[TtlClass.URGENT], second_line=0.8, supervisor=0.9)  # after 24 and 27 minutes
    change = machine.fire(a_request(ttl_class=TtlClass.URGENT, chain=chain), NOON + 15 * MINUTE)
    assert change is not None
    assert held(change.request, 23 * MINUTE).due_at == NOON + 25.5 * MINUTE


def test_nothing_is_held_after_the_end() -> None:
    """P18: At the deadline the press expires the request, as any other would; afterwards it is refused."""
    late = on_it(reminded(), BO, NOON + 25 * HOUR)
    assert late is not None
    assert late.request.state is State.EXPIRED
    with pytest.raises(AlreadySettled):
        on_it(late.request, BO, NOON + 25 * HOUR)


def test_an_answer_counts_while_somebody_is_on_it() -> None:
    """Cy does not wait for Bo."""
    request = held(reminded(), 18 * HOUR - MINUTE)
    change = machine.vote(request, a_vote(request, CY), frozenset({BO, CY}), 1, NOON + 18 * HOUR)
    assert change.request.state is State.DECIDED


def test_the_card_says_who_and_until_when() -> None:
    """The button appears with the first reminder, and where it was pressed a line stands instead."""

    def verbs(request: Request) -> list[Verb]:
        return [button.verb for button in card_of(request, name=str).buttons]

    request = reminded()
    assert Verb.ON_IT not in verbs(a_request())
    assert Verb.ON_IT in verbs(request)
    change = on_it(request, BO, NOON + 17 * HOUR + 50 * MINUTE)
    assert change is not None
    shown = card_of(change.request, name=str)
    assert Verb.ON_IT not in [button.verb for button in shown.buttons]
    assert [row.label for row in shown.rows].count("On it") == 1
    assert [notice.kind for notice in change.notices] == [NoticeKind.LOOKING]
    assert [entry.event for entry in change.audit] == [Event.LOOKING]


def test_without_a_next_line_there_is_nothing_to_hold() -> None:
    """A routine request on a route without wider circles offers no button that would do nothing."""
    alone = replace(FINANCE, second_line="", supervisor="")
    change = machine.fire(a_request(ttl_class=TtlClass.ROUTINE, route=alone), NOON + 84 * HOUR)
    assert change is not None
    assert StepKind.PAGE not in [step.kind for step in change.request.ask.deadline.steps]
    assert not can_hold(change.request)
