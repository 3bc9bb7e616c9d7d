"""The state machine: what people and the clock do to a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso.approvals import machine
from sayso.approvals.change import Change, Event, NoticeKind, WorkKind
from sayso.approvals.deadline import CHAINS, StepKind, TtlClass
from sayso.approvals.editing import edited
from sayso.approvals.errors import AlreadySettled, BadChange, NotAllowed, Outdated, WhyNot
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.verdict import Approve, Modify, Reject, Rule, Verdict
from scenes import ALEX, BO, CY, FINANCE, NOON, a_request, a_vote, an_assessment

EVERYBODY = frozenset({BO, CY})
LATER = NOON + timedelta(minutes=5)
TWO = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))


def answered(
    request: Request, verdict: Verdict, by: str = BO, now: datetime = LATER, needed: int = 1
) -> Change:
    """One answer on the newest revision."""
    return machine.vote(request, a_vote(request, by, verdict, at=now), EVERYBODY, needed, now)  # type: ignore[arg-type]


def fired(request: Request, now: datetime, circles: machine.Circles = machine.NO_CIRCLES) -> Change:
    """What the clock does at `now`; something."""
    change = machine.fire(request, now, circles)
    assert change is not None
    return change


def kinds(change: Change) -> list[NoticeKind]:
    """What is said."""
    return [notice.kind for notice in change.notices]


def test_one_approval_decides_and_brings_the_agent_back() -> None:
    """S14: approve goes on."""
    change = answered(a_request(), Approve())
    assert change.request.state is State.DECIDED
    assert change.request.decision is not None
    assert change.request.decision.by == (BO,)
    assert [work.kind for work in change.work] == [WorkKind.RESUME]
    assert change.before == change.request.ask.deadline.expires_at


def test_no_state_is_without_a_clock() -> None:
    """Deciding replaces the deadline by a resume-by time of ten minutes."""
    change = answered(a_request(), Approve())
    assert change.request.due_at == LATER + timedelta(minutes=10)


@pytest.mark.parametrize("verdict", [Reject("too much"), Modify(instruction="refund half")])
def test_one_rejection_or_instruction_decides_whatever_the_quorum(verdict: Verdict) -> None:
    """One veto rejects; nothing runs on an instruction, so one person is enough."""
    assert answered(a_request(route=TWO), verdict).request.state is State.DECIDED


def test_a_quorum_counts_distinct_persons() -> None:
    """P3: One person never fills two seats."""
    once = answered(a_request(route=TWO), Approve())
    assert once.request.state is State.OPEN
    with pytest.raises(NotAllowed) as refused:
        answered(once.request, Approve())
    assert refused.value.why is WhyNot.ALREADY_VOTED
    both = answered(once.request, Approve(), by=CY)
    assert both.request.decision is not None
    assert both.request.decision.by == (BO, CY)


def test_at_the_quorum_votes_of_people_who_may_no_longer_decide_are_dropped() -> None:
    """Authority is checked again for every earlier vote."""
    once = answered(a_request(route=TWO), Approve())
    vote = a_vote(once.request, CY, at=LATER)
    change = machine.vote(once.request, vote, frozenset({CY}), 1, LATER)
    assert change.request.state is State.OPEN
    assert [v.person for v in change.request.votes] == [CY]


def test_todays_policy_may_want_more_votes_than_the_frozen_one() -> None:
    """The stricter of both counts."""
    assert answered(a_request(), Approve(), needed=2).request.state is State.OPEN


def test_the_loser_learns_who_was_faster() -> None:
    """Everybody's click gets an answer."""
    decided = answered(a_request(), Approve()).request
    with pytest.raises(AlreadySettled) as late:
        answered(decided, Reject("no"), by=CY)
    assert late.value.by == (BO,)


def test_an_answer_to_an_older_revision_is_refused() -> None:
    """What was shown and what is decided are the same thing."""
    request = a_request()
    revision, _ = edited(request, {"amount": "100.00"}, BO, lambda _: an_assessment())
    now_shown = replace(request, revisions=(revision,))
    with pytest.raises(Outdated):
        machine.vote(now_shown, a_vote(request, CY), EVERYBODY, 1, LATER)


def test_at_the_very_instant_of_expiry_it_is_too_late() -> None:
    """At the same millisecond expiry wins, and nothing is counted."""
    request = a_request()
    change = answered(request, Approve(), now=request.ask.deadline.expires_at)
    assert (change.request.state, change.request.votes) == (State.EXPIRED, ())


def test_expiry_is_said_aloud_and_resumes_the_agent() -> None:
    """S8 S28 P7: cancelled, nothing done, channel and requester told, agent told."""
    change = machine.expired(a_request(), LATER)
    assert kinds(change) == [NoticeKind.EXPIRED]
    assert [work.kind for work in change.work] == [WorkKind.RESUME]
    elsewhere = a_request()
    elsewhere = replace(elsewhere, ask=replace(elsewhere.ask, places=()))
    told = machine.expired(elsewhere, LATER)
    assert [n.place for n in told.notices] == ["", elsewhere.ask.run.origin]


def test_the_classes_have_the_times_the_guide_names() -> None:
    """S7: seven days routine, 24 hours sensitive."""
    assert CHAINS[TtlClass.ROUTINE].ttl == timedelta(days=7)
    assert CHAINS[TtlClass.SENSITIVE].ttl == timedelta(hours=24)


def test_a_sensitive_request_goes_through_its_whole_chain() -> None:
    """S28 P18: reminded, wider circles, on-call paged, grace, cancelled."""
    request, said = a_request(), []
    for hours in (12, 18, 21.6, 24, 25):
        change = fired(request, NOON + timedelta(hours=hours))
        said += kinds(change)
        paged = request.paged_at
        request = change.request
    assert said == [
        NoticeKind.REMINDER, NoticeKind.WIDENED, NoticeKind.WIDENED, NoticeKind.PAGED, NoticeKind.EXPIRED,
    ]  # fmt: skip
    assert request.approver_sets == ("finance", "seniors", "supervisors", "on-call")
    assert (request.state, paged) == (State.EXPIRED, NOON + timedelta(hours=24))


def test_routine_requests_page_nobody() -> None:
    """They are cancelled when their time ends."""
    request = a_request(ttl_class=TtlClass.ROUTINE)
    assert StepKind.PAGE not in [step.kind for step in request.ask.deadline.steps]
    assert request.ask.deadline.ends_at == request.ask.deadline.expires_at


def test_within_the_grace_people_still_decide() -> None:
    """The page is not the end."""
    paged = fired(a_request(), NOON + timedelta(hours=24)).request
    now = NOON + timedelta(hours=24, minutes=30)
    assert answered(paged, Approve(), now=now).request.state is State.DECIDED


def test_a_step_fires_once_and_nothing_fires_early() -> None:
    """Any number of sweepers may look."""
    request = a_request()
    assert machine.fire(request, NOON + timedelta(hours=11)) is None
    after = fired(request, NOON + timedelta(hours=12)).request
    assert machine.fire(after, NOON + timedelta(hours=12)) is None


def test_after_an_outage_overdue_steps_fire_together_once() -> None:
    """One reminder is enough, and the page goes out at once."""
    change = fired(a_request(), NOON + timedelta(hours=24, minutes=1))
    assert kinds(change) == [
        NoticeKind.REMINDER, NoticeKind.WIDENED, NoticeKind.WIDENED, NoticeKind.PAGED,
    ]  # fmt: skip
    assert machine.fire(change.request, NOON + timedelta(hours=24, minutes=2)) is None


def test_after_an_outage_past_the_end_nobody_is_woken_for_nothing() -> None:
    """Only the expiry is said."""
    change = fired(a_request(), NOON + timedelta(days=3))
    assert (kinds(change), change.request.paged_at) == ([NoticeKind.EXPIRED], None)


def test_an_empty_circle_is_said_and_the_next_step_follows_at_once() -> None:
    """Nobody waits for nobody."""
    change = fired(a_request(), NOON + timedelta(hours=18), {"seniors": frozenset()})
    assert kinds(change) == [NoticeKind.REMINDER, NoticeKind.NOBODY_THERE, NoticeKind.WIDENED]
    assert machine.fire(change.request, NOON + timedelta(hours=18)) is None


def test_whoever_a_step_adds_gets_the_card_directly() -> None:
    """Who cannot open the channel can answer all the same; the requester gets no card to answer."""
    change = fired(a_request(), NOON + timedelta(hours=18), {"seniors": frozenset({CY, BO, ALEX})})
    assert change.request.card_places[-2:] == ("person:bo", "person:cy")


def test_handing_on_brings_the_next_line_in_now() -> None:
    """'Not mine to decide' does not wait for the clock."""
    change = machine.hand_on(a_request(), BO, 1, "not my customer", LATER)
    assert change.request.circles == ("seniors",)
    assert kinds(change) == [NoticeKind.HANDED_ON, NoticeKind.WIDENED]
    last = a_request(ttl_class=TtlClass.ROUTINE, route=replace(FINANCE, second_line="", supervisor=""))
    with pytest.raises(NotAllowed):
        machine.hand_on(last, BO, 1, "", LATER)


def test_an_edit_runs_as_edited_when_one_vote_is_enough() -> None:
    """S20: the editor's answer is an approval of what the editor wrote."""
    request = a_request()
    revision, rises = edited(request, {"amount": "100.00"}, BO, lambda _: an_assessment())
    vote = a_vote(replace(request, revisions=(revision,)), BO, Modify({"amount": "100.00"}))
    change = machine.edit(request, revision, vote, EVERYBODY, 1, ask_again=rises, now=LATER)
    assert change.request.state is State.DECIDED
    assert change.request.proposal.action.arguments["amount"] == "100.00"
    assert change.request.proposal.changes == {"amount": ("129.90", "100.00")}
    assert change.request.proposal.revises == request.ask.first.digest


def test_an_edit_voids_earlier_votes_and_is_shown_again_above_one() -> None:
    """P3: The editor counts once; the others have to look again."""
    once = answered(a_request(route=TWO), Approve(), by=CY).request
    revision, rises = edited(once, {"amount": "100.00"}, BO, lambda _: an_assessment())
    vote = a_vote(replace(once, revisions=(revision,)), BO, Modify({"amount": "100.00"}))
    change = machine.edit(once, revision, vote, EVERYBODY, 1, ask_again=rises, now=LATER)
    assert change.request.state is State.OPEN
    assert [v.person for v in change.request.votes] == [BO]
    assert NoticeKind.EDITED in kinds(change)


def test_an_edit_that_raises_the_risk_is_asked_again() -> None:
    """Nobody edits something small into something big alone."""
    request = a_request()
    revision, _ = edited(request, {"amount": "900.00"}, BO, lambda _: an_assessment())
    vote = a_vote(replace(request, revisions=(revision,)), BO, Modify({"amount": "900.00"}))
    change = machine.edit(request, revision, vote, EVERYBODY, 1, ask_again=True, now=LATER)
    assert (change.request.state, change.request.votes) == (State.OPEN, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "lots"},
        {"amount": "129.90"},
        {"currency": "XXX"},
        {"order": "1042; DROP"},
        {"account": 1},
        {},
    ],
)
def test_an_edit_that_does_not_fit_is_refused(changes: dict[str, object]) -> None:
    """Wrong type, unknown name, or nothing changed."""
    with pytest.raises(BadChange):
        edited(a_request(), changes, BO, lambda _: an_assessment())


def test_a_decided_request_nobody_resumes_is_told_and_paged() -> None:
    """P8: Its resume-by time passes: told, paged, and put to the workers again."""
    decided = answered(a_request(), Approve()).request
    change = fired(decided, LATER + timedelta(minutes=10))
    assert kinds(change) == [NoticeKind.STUCK]
    assert change.request.paged_at is not None
    assert [work.kind for work in change.work] == [WorkKind.RESUME]


def test_a_decision_whose_votes_have_died_ends_as_failed() -> None:
    """Nothing is executed on stale approvals."""
    decided = answered(a_request(), Approve()).request
    change = fired(decided, machine.votes_expire_at(decided))
    assert change.request.outcome is not None
    assert change.request.outcome.kind is OutcomeKind.FAILED


def test_a_closed_request_stays_closed() -> None:
    """There is one outcome."""
    closed = machine.withdrawn(a_request(), ALEX, "not needed any more", LATER).request
    with pytest.raises(AlreadySettled):
        machine.closed(closed, OutcomeKind.EXECUTED, "", LATER)
    with pytest.raises(AlreadySettled):
        machine.resuming(closed, "w1", LATER)
    assert closed.due_at is None


@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from(["approve", "reject", "modify", "fire", "resume", "withdraw"]),
            st.sampled_from([BO, CY]),
            st.integers(min_value=0, max_value=40),
        ),
        max_size=12,
    )
)
def test_whatever_happens_there_is_at_most_one_decision_and_one_outcome(
    moves: list[tuple[str, str, int]],
) -> None:
    """Any order of answers, clock and worker: a decision is never replaced, an outcome never taken back."""
    request, hours, decided, outcomes = a_request(route=TWO), 0, 0, 0
    for move, who, wait in moves:
        hours += wait
        now = NOON + timedelta(hours=hours)
        try:
            change = _moved(request, move, who, now)
        except (AlreadySettled, NotAllowed):
            continue
        if change is None:
            continue
        decided += any(entry.event is Event.DECIDED for entry in change.audit)
        outcomes += any(entry.event is Event.CLOSED for entry in change.audit)
        request = change.request
        assert (request.state is State.CLOSED) == (request.due_at is None)
    assert decided <= 1
    assert outcomes <= 1


def _moved(request: Request, move: str, who: str, now: datetime) -> Change | None:
    match move:
        case "approve":
            return answered(request, Approve(), by=who, now=now)
        case "reject":
            return answered(request, Reject("no"), by=who, now=now)
        case "modify":
            return answered(request, Modify(instruction="less"), by=who, now=now)
        case "fire":
            return machine.fire(request, now)
        case "resume":
            return machine.resuming(request, "w1", now)
        case _:
            return machine.withdrawn(request, ALEX, "no", now)
