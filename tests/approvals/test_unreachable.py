"""Round a place that takes no card: the fallback, direct messages, a page, each in its turn and once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import reduce

import pytest
from sayso.approvals import canonical, machine
from sayso.approvals.change import Change, Event, NoticeKind
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import Ask, Effect, EffectState, OutcomeKind, Request, State
from sayso.approvals.unreachable import nobody_sees_it, people_needed, reached, unreachable
from scenes import ALEX, BO, CY, FINANCE, NOON, a_request, a_vote

SPARE = Place("teams:19:spare@thread.tacv2")
ORIGIN = Place("slack:C0SUP/1700.1")
FIN, OPS = Place("slack:C0FIN"), Place("slack:C0OPS")
WITH_FALLBACK = replace(FINANCE, places=(FIN, OPS), fallback=SPARE)
CIRCLES = {"finance": frozenset({BO, CY, ALEX}), "on-call": frozenset({PersonId("kim")})}


def lost(request: Request, *places: str, circles: machine.Circles | None = CIRCLES) -> Request:
    """The record after each of these places took no card."""
    return reduce(
        lambda r, place: after(unreachable(r, Place(place), "archived", circles, NOON), r), places, request
    )


def after(change: Change | None, request: Request) -> Request:
    return change.request if change else request


def test_one_of_two_channels_is_no_reason_to_ask_elsewhere() -> None:
    """On record and said, and that is all."""
    change = unreachable(a_request(route=WITH_FALLBACK), FIN, "archived", CIRCLES, NOON)
    assert change is not None
    assert (change.request.unreachable, change.request.places) == ((FIN,), ())
    assert [entry.event for entry in change.audit] == [Event.UNDELIVERABLE]
    assert [(n.kind, n.text) for n in change.notices] == [(NoticeKind.UNREACHABLE, "slack:C0FIN: archived")]


@pytest.mark.parametrize("order", [(FIN, OPS), (OPS, FIN)])
def test_the_fallback_gets_it_when_no_channel_is_left(order: tuple[Place, Place]) -> None:
    """In whatever order they were lost; where it was asked for does not count, for approvers need not see it."""
    request = lost(a_request(route=WITH_FALLBACK), *order)
    assert request.places == (SPARE,)
    assert ORIGIN in request.card_places
    assert not nobody_sees_it(request)


def test_without_a_fallback_or_when_it_is_lost_too_approvers_get_it_directly() -> None:
    """The asker does not."""
    direct = ("person:bo", "person:cy")
    assert lost(a_request(route=WITH_FALLBACK), FIN, OPS, SPARE).places == (SPARE, *direct)
    assert lost(a_request(), FIN).places == direct


def test_people_are_looked_up_only_when_they_are_needed() -> None:
    """Until then the first step stands for itself: no directory is asked about each archived channel."""
    request = lost(a_request(), FIN, circles=None)
    assert (request.unreachable, request.places) == ((FIN,), ())
    assert nobody_sees_it(request)
    assert people_needed(request) == ("finance", "on-call")
    assert lost(request, FIN).places == ("person:bo", "person:cy")


def test_on_call_is_paged_when_not_even_direct_messages_are_left() -> None:
    """As at the end of the approvers' time: once, with the circle that may decide then."""
    request = lost(a_request(), FIN, "person:bo")
    assert request.paged_at is None
    change = unreachable(request, Place("person:cy"), "no account", CIRCLES, NOON)
    assert change is not None
    assert (change.request.paged_at, change.request.circles) == (NOON, ("on-call",))
    assert change.request.places[-1] == "person:kim"
    assert [entry.event for entry in change.audit] == [Event.UNDELIVERABLE, Event.PAGED]
    assert [notice.kind for notice in change.notices] == [NoticeKind.UNREACHABLE, NoticeKind.PAGED]
    assert change.before == request.ask.deadline.expires_at
    assert lost(change.request, "person:kim").paged_at == NOON


def test_where_nobody_can_be_found_on_call_is_paged_at_once() -> None:
    """Every approver is the asker, or the directory knows of none."""
    assert lost(a_request(), FIN, circles={}).paged_at == NOON
    assert lost(a_request(), FIN, circles={"finance": frozenset({ALEX})}).paged_at == NOON
    assert lost(a_request(route=replace(FINANCE, pager="")), FIN, circles={}).paged_at is None


def test_the_decision_takes_the_page_back() -> None:
    """Like any page."""
    request = lost(a_request(), FIN, circles={})
    decided = machine.vote(request, a_vote(request), frozenset({BO}), 1, NOON).request
    assert (request.paged_at, decided.paged_at) == (NOON, None)


def test_nobody_is_woken_too_late() -> None:
    """The record expires in this very moment."""
    request = a_request()
    change = unreachable(request, FIN, "archived", {}, request.ask.deadline.expires_at)
    assert change is not None
    assert change.request.paged_at is None


def test_the_same_loss_again_changes_nothing() -> None:
    """So two tasks that find it at once, and a crash in between, say it once."""
    request = lost(a_request(), FIN, "person:bo", "person:cy")
    for place in (FIN, Place("person:bo"), Place("person:cy")):
        assert unreachable(request, place, "archived", CIRCLES, NOON + timedelta(hours=1)) is None


def test_once_it_is_decided_nobody_has_to_see_the_card() -> None:
    """On record, and said; no fallback, nobody is disturbed. An unknown outcome needs people again."""
    request = a_request(route=WITH_FALLBACK)
    decided = machine.vote(request, a_vote(request), frozenset({BO}), 1, NOON).request
    assert lost(decided, FIN, OPS).places == ()
    effect = Effect(attempt=1, worker="w1", started_at=NOON, state=EffectState.UNKNOWN)
    unknown = replace(decided, state=State.RESUMING, effect=effect, paged_at=NOON)
    assert lost(unknown, FIN, OPS).places == (SPARE,)
    closed = machine.closed(decided, OutcomeKind.EXECUTED, "Refunded.", NOON).request
    change = unreachable(closed, FIN, "archived", CIRCLES, NOON)
    assert change is not None
    assert (len(change.audit), change.notices) == (1, ())


def test_a_place_that_takes_cards_again_counts_again() -> None:
    """And when it is lost a second time, that is said a second time in the trail."""
    request = lost(a_request(), FIN)
    back = reached(request, FIN)
    assert back is not None
    assert back.request.unreachable == ()
    assert reached(back.request, FIN) is None
    again = unreachable(back.request, FIN, "archived", CIRCLES, NOON)
    assert again is not None
    assert again.audit


def test_records_of_before_still_load() -> None:
    """Neither the ask's fallback nor the record's unreachable places were always there."""
    request = a_request(route=WITH_FALLBACK)
    ask = canonical.encode(request.ask).replace(b'"fallback":"%b",' % SPARE.encode(), b"")
    assert canonical.decode(Ask, ask) == replace(request.ask, fallback=Place(""))
    record = canonical.encode(request).replace(b'"unreachable":[],', b"")
    assert canonical.decode(Request, record) == request
    assert (b"fallback" in ask, b"unreachable" in record) == (False, False)
