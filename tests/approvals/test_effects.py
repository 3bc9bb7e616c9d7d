"""The tool's part of a request's life: burnt once, closed by its own word, settled by people where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sayso.approvals import effects, machine
from sayso.approvals.change import Change, Event, NoticeKind, WorkKind
from sayso.approvals.effects import Burnt
from sayso.approvals.errors import AlreadySettled, NotAllowed
from sayso.approvals.people import PersonId
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.approvals.verdict import Rule
from scenes import ALEX, BO, CY, DI, NOON, a_request, a_vote

EVERYBODY = frozenset({BO, CY})
LEASE = timedelta(seconds=30)
LATER = NOON + timedelta(minutes=10)


def resuming(request: Request | None = None) -> Request:
    """Approved by bo, and with worker w1."""
    request = request or a_request()
    decided = machine.vote(request, a_vote(request), EVERYBODY, 1, NOON).request
    return machine.resuming(decided, "w1", NOON).request


def begin(request: Request, *, attempt: int = 1, worker: str = "w1") -> Change:
    return effects.begin(request, attempt=attempt, worker=worker, lease=LEASE, now=NOON)


def started() -> Request:
    """The tool runs at w1."""
    return begin(resuming()).request


def unknown() -> Request:
    """The worker went silent; nobody knows."""
    return effects.unknown(started(), LATER).request


def again(
    request: Request, person: PersonId, *, may_decide: frozenset[PersonId] = EVERYBODY, needed: int = 1
) -> Change:
    """A person's order to run it again."""
    vote = a_vote(request, person, at=LATER, changed={"attempt": 2})
    return effects.run_again(request, vote, may_decide, needed, LATER)


def events(change: Change) -> list[Event]:
    return [entry.event for entry in change.audit]


def test_starting_burns_the_approval_and_gives_the_worker_its_lease() -> None:
    """Written before the tool runs: from here on it may have happened."""
    change = begin(resuming())
    assert change.request.effect is not None
    assert (change.request.effect.state, change.request.effect.attempt) == (EffectState.STARTED, 1)
    assert (change.request.effect.worker, change.request.effect.started_at) == ("w1", NOON)
    assert change.lease == LEASE
    assert events(change) == [Event.EFFECT_STARTED]
    assert change.audit[0].facts == {"attempt": "1", "digest": change.request.current.digest}


@pytest.mark.parametrize(("attempt", "worker"), [(1, "w1"), (1, "w2"), (2, "w1"), (2, "w2"), (7, "w2")])
def test_an_approval_is_burnt_once(attempt: int, worker: str) -> None:
    """Whoever comes second, whatever attempt they claim, does not start the tool while it may be running."""
    with pytest.raises(Burnt):
        begin(started(), attempt=attempt, worker=worker)


def test_a_tool_that_did_nothing_is_not_started_again() -> None:
    """*Failed* closes the request; there is nothing left to burn."""
    ended = effects.failed(started(), "w1", "The bank was closed.", LATER).request
    with pytest.raises(AlreadySettled):
        begin(ended, attempt=2)


@pytest.mark.parametrize("state", ["open", "decided", "expired", "withdrawn"])
def test_nothing_starts_unless_a_worker_has_the_request(state: str) -> None:
    """An approval alone starts no tool; a withdrawn or expired request never does."""
    request = a_request()
    others = {
        "open": request,
        "decided": machine.vote(request, a_vote(request), EVERYBODY, 1, NOON).request,
        "expired": machine.expired(request, NOON).request,
        "withdrawn": machine.withdrawn(request, ALEX, "never mind", NOON).request,
    }
    with pytest.raises(AlreadySettled):
        begin(others[state])


def test_done_closes_the_request_in_the_same_step() -> None:
    """*Executed* stands only together with the record that the tool returned, and what it returned."""
    change = effects.done(started(), "w1", '"re_77"', "Refunded 129.90 USD.", LATER)
    assert change.request.effect is not None
    assert (change.request.effect.state, change.request.effect.result) == (EffectState.DONE, '"re_77"')
    assert change.request.state is State.CLOSED
    assert change.request.outcome is not None
    assert (change.request.outcome.kind, change.request.outcome.words) == (
        OutcomeKind.EXECUTED, "Refunded 129.90 USD.",
    )  # fmt: skip
    assert events(change) == [Event.EFFECT_DONE, Event.CLOSED]


def test_a_tool_that_says_nothing_was_done_ends_as_failed() -> None:
    """Certainly not done: nobody has to find out."""
    change = effects.failed(started(), "w1", "The bank was closed.", LATER)
    assert change.request.effect is not None
    assert change.request.outcome is not None
    assert (change.request.effect.state, change.request.outcome.kind) == (
        EffectState.FAILED,
        OutcomeKind.FAILED,
    )
    assert events(change) == [Event.EFFECT_FAILED, Event.CLOSED]


Report = Callable[[Request, str], Change]
REPORTS: list[Report] = [
    lambda request, worker: effects.done(request, worker, "", "Done.", LATER),
    lambda request, worker: effects.failed(request, worker, "Not done.", LATER),
]


@pytest.mark.parametrize("report", REPORTS, ids=["done", "failed"])
def test_only_the_worker_that_started_it_reports(report: Report) -> None:
    """Another worker's word, a word before the start and a second word count for nothing."""
    with pytest.raises(Burnt):
        report(started(), "w2")
    with pytest.raises(Burnt):
        report(resuming(), "w1")
    with pytest.raises(Burnt):
        report(report(started(), "w1").request, "w1")


def test_a_silent_worker_makes_the_outcome_unknown_and_people_are_told() -> None:
    """Votes are spent, on-call is paged, a clock runs, and nothing is put to a worker: it is never run again silently."""
    change = effects.unknown(started(), LATER)
    request = change.request
    assert request.effect is not None
    assert (request.effect.state, request.effect.attempt, request.votes) == (EffectState.UNKNOWN, 1, ())
    assert (request.paged_at, request.due_at) == (LATER, LATER + machine.RESUME_WITHIN)
    assert (request.state, request.outcome, change.work) == (State.RESUMING, None, ())
    assert [(n.kind, n.mention) for n in change.notices] == [(NoticeKind.UNKNOWN, ("finance",))]
    assert events(change) == [Event.EFFECT_UNKNOWN]


def test_only_a_running_tool_becomes_unknown() -> None:
    """Not one that has reported, has not begun, or is unknown already."""
    done = effects.done(started(), "w1", "", "Done.", LATER).request
    for request in (resuming(), done, unknown()):
        with pytest.raises(Burnt):
            effects.unknown(request, LATER)


@pytest.mark.parametrize(
    ("report", "outcome"),
    list(zip(REPORTS, (OutcomeKind.EXECUTED, OutcomeKind.FAILED), strict=True)),
    ids=["done", "failed"],
)
def test_a_late_word_settles_the_unknown(report: Report, outcome: OutcomeKind) -> None:
    """The worker was slow, not dead: its own word is worth more than anybody's guess."""
    after = report(unknown(), "w1").request
    assert after.outcome is not None
    assert (after.state, after.outcome.kind) == (State.CLOSED, outcome)


def test_people_settle_the_unknown_by_hand() -> None:
    """'It happened' is executed, 'give up' stays unknown; either way the agent is brought back to hear it."""
    happened = effects.settled_as_done(unknown(), BO, LATER)
    gave_up = effects.given_up(unknown(), CY, LATER)
    outcomes = [change.request.outcome for change in (happened, gave_up)]
    assert [o.kind for o in outcomes if o] == [OutcomeKind.EXECUTED, OutcomeKind.UNKNOWN]
    assert happened.request.effect is not None
    assert happened.request.effect.state is EffectState.DONE
    assert gave_up.request.effect is not None
    assert gave_up.request.effect.state is EffectState.UNKNOWN
    for change, person in ((happened, BO), (gave_up, CY)):
        assert [work.kind for work in change.work] == [WorkKind.RESUME]
        assert change.audit[-1].by == person


def test_only_the_unknown_is_settled_by_hand() -> None:
    """While the tool runs, and once it has reported, nobody overrules it."""
    done = effects.done(started(), "w1", "", "Done.", LATER).request
    for request in (resuming(), started(), done):
        with pytest.raises(AlreadySettled):
            effects.settled_as_done(request, BO, LATER)
        with pytest.raises(AlreadySettled):
            effects.given_up(request, BO, LATER)
        with pytest.raises(AlreadySettled):
            again(request, BO)


def test_running_it_again_is_a_new_attempt_under_a_new_vote() -> None:
    """The order brings the agent back, and the next burn counts one higher; the old attempt stays burnt."""
    change = again(unknown(), BO)
    assert [work.kind for work in change.work] == [WorkKind.RESUME]
    assert [vote.attempt for vote in change.request.votes] == [2]
    assert change.audit[0].facts["attempt"] == "2"
    with pytest.raises(Burnt):
        begin(change.request, attempt=1, worker="w2")
    second = begin(change.request, attempt=2, worker="w2").request
    assert second.effect is not None
    assert (second.effect.attempt, second.effect.state, second.effect.worker) == (
        2,
        EffectState.STARTED,
        "w2",
    )
    with pytest.raises(Burnt):
        effects.done(second, "w1", "", "Done after all.", LATER)


def test_running_it_again_needs_the_same_quorum() -> None:
    """Two persons of those who may decide now; the same one twice, or one who has lost the right, is not two."""
    one = again(unknown(), BO, needed=2)
    assert (one.work, len(one.request.votes)) == ((), 1)
    assert again(one.request, BO, needed=2).work == ()
    assert again(one.request, CY, may_decide=frozenset({CY}), needed=2).work == ()
    assert len(again(one.request, CY, needed=2).work) == 1


def test_an_order_that_has_expired_fills_no_seat() -> None:
    """Its signature would not move the acting node any more, so the second person's must not bring it back."""
    request = unknown()
    old = a_vote(request, BO, changed={"attempt": 2, "expires": LATER})
    assert again(replace(request, votes=(old,)), CY, needed=2).work == ()


def test_the_frozen_quorum_holds_when_todays_policy_asks_for_less() -> None:
    """Two were asked the first time, so two are asked again."""
    rule = Rule(approvers=("finance",), needed=2)
    request = unknown()
    frozen = replace(request, ask=replace(request.ask, rule=rule))
    assert again(frozen, BO, needed=1).work == ()


def test_a_stranger_cannot_order_another_run() -> None:
    """The same authority as for the first."""
    with pytest.raises(NotAllowed):
        again(unknown(), DI)


def test_an_idempotent_tool_is_taken_over_under_the_same_approval() -> None:
    """The attempt stays, so the key stays; from then on the first worker's word counts for nothing."""
    change = effects.taken_over(started(), worker="w2", lease=LEASE)
    assert change.request.effect is not None
    assert (change.request.effect.worker, change.request.effect.attempt) == ("w2", 1)
    assert change.lease == LEASE
    with pytest.raises(Burnt):
        effects.done(change.request, "w1", "", "Done.", LATER)
    for request in (resuming(), unknown(), effects.done(started(), "w1", "", "Done.", LATER).request):
        with pytest.raises(Burnt):
            effects.taken_over(request, worker="w2", lease=LEASE)


@pytest.mark.parametrize("close", [machine.invalidated, machine.withdrawn])
def test_once_started_it_can_neither_be_taken_back_nor_asked_again(close: Callable[..., Change]) -> None:
    """The effect may be in the world already."""
    arguments = ("why", LATER) if close is machine.invalidated else ("alex", "why", LATER)
    for request in (started(), unknown()):
        with pytest.raises(AlreadySettled):
            close(request, *arguments)


def at(request: Request, now: datetime) -> list[Event]:
    change = machine.fire(request, now)
    return events(change) if change else []


def test_the_unknown_has_a_clock_and_is_never_closed_by_it() -> None:
    """People are told again and again, even after the votes have died: only people or a late word end it."""
    request = unknown()
    assert at(request, LATER + timedelta(minutes=9)) == []
    assert at(request, LATER + timedelta(minutes=10)) == [Event.STUCK]
    assert at(request, machine.votes_expire_at(request) + timedelta(days=30)) == [Event.STUCK]


def test_an_order_to_run_it_again_is_good_for_a_day_however_late_it_comes() -> None:
    """A month after the deadline the clock still asks people; their answer must not have died before it was given."""
    late = NOON + timedelta(days=30)
    stuck = machine.fire(unknown(), late)
    assert stuck is not None
    assert machine.votes_expire_at(stuck.request) >= late + timedelta(days=1)
    open_still = a_request()
    assert machine.votes_expire_at(open_still) == open_still.ask.deadline.expires_at + timedelta(days=1)
