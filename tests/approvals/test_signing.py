"""Signed votes: what the acting node accepts, and everything it does not."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sayso.approvals import canonical
from sayso.approvals.editing import edited
from sayso.approvals.errors import BadVote
from sayso.approvals.people import PersonId
from sayso.approvals.request import Effect, EffectState, Request
from sayso.approvals.signing import Signer, Verifier, Warrant, warrant
from sayso.approvals.verdict import Approve, Modify, Reject, Rule, Seats, ThreadId, Vote
from scenes import ALEX, BO, CY, FINANCE, NOON, a_request, a_vote, an_action, an_assessment

SIGNER = Signer(secrets.token_bytes(32))
VERIFIER = Verifier([SIGNER.public_key])
LATER = NOON + timedelta(minutes=6)
TWO = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))


def approved(**overrides: object) -> Request:
    """A request with Bo's signed approval."""
    request = a_request(**overrides)
    return replace(request, votes=(a_vote(request, BO, signer=SIGNER),))


def acting(request: Request, **overrides: object) -> Warrant:
    """What the acting node of thread t1 asks."""
    values: dict[str, object] = {
        "thread": ThreadId("t1"), "frozen": request.ask.first.frozen, "now": LATER,
    }  # fmt: skip
    return warrant(request, VERIFIER, **{**values, **overrides})  # type: ignore[arg-type]


def resigned(before: Request, **changed: object) -> Request:
    """The same request whose one vote says something else, properly signed."""
    return replace(before, votes=(SIGNER.sign(replace(before.votes[0], **changed)),))  # type: ignore[arg-type]


def test_a_signed_approval_allows_exactly_what_was_shown() -> None:
    """The warrant carries the verified revision, whose bytes the tool runs with."""
    request = approved()
    assert acting(request) == Warrant(revision=request.ask.first, attempt=1)


def test_what_was_signed_survives_storage() -> None:
    """Decoding and encoding again gives the bytes that were signed."""
    vote = approved().votes[0]
    VERIFIER.check(canonical.decode(Vote, canonical.encode(vote)))


def test_an_edit_by_an_approver_allows_the_edited_arguments() -> None:
    """The edited revision descends from what the agent froze."""
    request = a_request()
    revision, _ = edited(request, {"amount": "100.00"}, BO, lambda _: an_assessment())
    shown = replace(request, revisions=(revision,))
    vote = a_vote(shown, BO, Modify({"amount": "100.00"}), signer=SIGNER)
    assert acting(replace(shown, votes=(vote,))).revision.proposal.action.arguments["amount"] == "100.00"


def _forged(request: Request) -> Request:
    stranger = Signer(secrets.token_bytes(32))
    return replace(request, votes=(stranger.sign(replace(request.votes[0], signature="")),))


def _swapped_arguments(request: Request) -> Request:
    proposal = replace(
        request.proposal, action=an_action(arguments={"order": 1, "amount": "9999", "currency": "USD"})
    )
    first = replace(request.ask.first, frozen=canonical.encode(proposal).decode())
    return replace(request, ask=replace(request.ask, first=first))


def _smuggled_revision(request: Request) -> Request:
    proposal = replace(
        request.proposal, action=an_action(arguments={"order": 1, "amount": "9999", "currency": "USD"})
    )
    revision = replace(request.ask.first, number=2, frozen=canonical.encode(proposal).decode())
    return replace(request, revisions=(revision,))


def _used_before(request: Request) -> Request:
    effect = Effect(attempt=1, worker="w1", started_at=NOON, state=EffectState.UNKNOWN)
    return replace(request, effect=effect)


def _asked_by_somebody_else(request: Request) -> Request:
    """A Redis writer's way to approve what one asked for oneself."""
    run = replace(request.ask.run, asked_by=PersonId("zoe"))
    return replace(request, ask=replace(request.ask, run=run))


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda r: replace(r, votes=()), id="no votes at all"),
        pytest.param(_forged, id="signed by somebody else"),
        pytest.param(
            lambda r: replace(r, votes=(replace(r.votes[0], person=CY),)), id="another person's name"
        ),
        pytest.param(lambda r: replace(r, votes=(replace(r.votes[0], signature=""),)), id="no signature"),
        pytest.param(lambda r: replace(r, votes=(replace(r.votes[0], signature="!!"),)), id="no base64"),
        pytest.param(lambda r: resigned(r, verdict=Reject("no")), id="a rejection"),
        pytest.param(lambda r: resigned(r, verdict=Modify(instruction="less")), id="an instruction"),
        pytest.param(lambda r: resigned(r, thread=ThreadId("t2")), id="another thread"),
        pytest.param(lambda r: resigned(r, request=a_request(interrupt="i9").id), id="another request"),
        pytest.param(lambda r: resigned(r, revision=2), id="another revision"),
        pytest.param(lambda r: resigned(r, digest="0" * 64), id="another digest"),
        pytest.param(lambda r: resigned(r, expires=NOON), id="an expired vote"),
        pytest.param(lambda r: resigned(r, attempt=2), id="another attempt"),
        pytest.param(lambda r: resigned(r, person=ALEX), id="the requester's own"),
        pytest.param(
            lambda r: resigned(_asked_by_somebody_else(r), person=ALEX), id="the requester's own, renamed"
        ),
        pytest.param(
            lambda r: resigned(r, rule=Rule(approvers=("finance",), needed=2)), id="a signed quorum of two"
        ),
        pytest.param(_swapped_arguments, id="swapped arguments"),
        pytest.param(_smuggled_revision, id="a revision nobody voted on"),
        pytest.param(_used_before, id="an approval that was used"),
    ],
)
def test_nothing_else_acts(tamper: Callable[[Request], Request]) -> None:
    """P5: forged, lifted, swapped, stale or insufficient: never acts."""
    request = approved()
    with pytest.raises(BadVote):
        acting(tamper(request), frozen=request.ask.first.frozen)


def test_a_request_that_shows_something_else_than_the_graph_froze_never_acts() -> None:
    """P5: The graph's own state is the anchor."""
    with pytest.raises(BadVote):
        acting(
            approved(),
            frozen=a_request(interrupt="x", action=an_action(summary="Something else")).ask.first.frozen,
        )


def test_one_vote_counted_twice_is_one_vote() -> None:
    """A quorum of two needs two persons, whatever the record repeats."""
    request = a_request(route=TWO)
    vote = a_vote(request, BO, signer=SIGNER)
    with pytest.raises(BadVote):
        acting(replace(request, votes=(vote, vote)))
    both = (vote, a_vote(request, CY, Approve(), signer=SIGNER))
    assert acting(replace(request, votes=both)).attempt == 1


def test_a_rule_lowered_in_the_record_does_not_lower_the_signed_one() -> None:
    """Who writes to Redis cannot make one vote enough."""
    request = a_request(route=TWO)
    vote = a_vote(request, BO, signer=SIGNER)
    lowered = replace(request, ask=replace(request.ask, rule=Rule(approvers=("finance",))), votes=(vote,))
    with pytest.raises(BadVote):
        acting(lowered)


def test_while_a_key_is_rotated_both_are_trusted() -> None:
    """Old votes stay valid until they expire."""
    new = Signer(secrets.token_bytes(32))
    verifier = Verifier([SIGNER.public_key, new.public_key])
    request = a_request()
    for signer in (SIGNER, new):
        verifier.check(a_vote(request, signer=signer))


SEATS = replace(FINANCE, rule=Rule(approvers=("finance", "security"), needed=2, seats=(
    Seats(approvers="finance", needed=1), Seats(approvers="security", needed=1)
)))  # fmt: skip


@pytest.mark.parametrize(
    ("fills", "enough"),
    [
        ((("finance",), ("security",)), True),
        ((("security",), ("finance", "security")), True),
        ((("finance",), ("finance",)), False),
        ((("finance", "security"), ()), False),
    ],
)
def test_the_seats_are_counted_from_what_was_signed(fills: tuple[tuple[str, ...], ...], enough: bool) -> None:
    """The record may say what it likes about its rule."""
    request = a_request(route=SEATS)
    votes = tuple(
        a_vote(request, person, signer=SIGNER, changed={"fills": sets})
        for person, sets in zip((BO, CY), fills, strict=True)
    )
    softened = replace(request, ask=replace(request.ask, rule=Rule(approvers=("finance",))), votes=votes)
    if enough:
        assert acting(softened).attempt == 1
        return
    with pytest.raises(BadVote, match="not enough"):
        acting(softened)


def test_a_seat_that_was_not_signed_is_no_seat() -> None:
    """Whoever writes other sets into a vote has no vote."""
    request = a_request(route=SEATS)
    votes = [a_vote(request, person, signer=SIGNER, changed={"fills": ("finance",)}) for person in (BO, CY)]
    moved = replace(votes[1], fills=("security",))
    with pytest.raises(BadVote, match="signature"):
        acting(replace(request, votes=(votes[0], moved)))
