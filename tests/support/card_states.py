"""One request in each state that people can see, brought there by the state machine itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sayso.approvals import corrected, effects, looking, machine
from sayso.approvals.credential import CredentialRef
from sayso.approvals.deadline import TtlClass
from sayso.approvals.editing import edited
from sayso.approvals.request import Edits, OutcomeKind, Request, RunEnd
from sayso.approvals.risk import Oversight
from sayso.approvals.verdict import Modify, Reject, Rule, Undo, Verdict, Way
from scenes import ALEX, BO, CY, FINANCE, NOON, a_request, a_run, a_vote, an_action, an_ask, an_assessment
from watched import a_note, begun, done

PEOPLE = frozenset((BO, CY))
TWO = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))
FOREIGN = (Way.APPROVE, Way.REJECT)


SOON, LATER = NOON + timedelta(minutes=5), NOON + timedelta(minutes=6)


def decided(verdict: Verdict | None = None, request: Request | None = None) -> Request:
    """Bo has answered five minutes after it was asked."""
    request = request or a_request()
    return machine.vote(request, a_vote(request, BO, verdict), PEOPLE, 1, SOON).request


def resuming(request: Request) -> Request:
    """A worker has it a minute later."""
    return machine.resuming(request, "worker-1", LATER).request


def running() -> Request:
    """The tool was started and has not reported."""
    return effects.begin(
        resuming(decided()), attempt=1, worker="worker-1", lease=timedelta(minutes=1), now=LATER
    ).request


def with_edit(*, route: object = TWO) -> Request:
    """Bo lowered the amount; a second person has to agree."""
    request = a_request(route=route)
    change = {"amount": "100.00"}
    revision, rises = edited(request, change, BO, lambda _: an_assessment())
    vote = a_vote(request, BO, Modify(change), changed={"revision": 2, "digest": revision.digest})
    return machine.edit(request, revision, vote, PEOPLE, 1, ask_again=rises, now=SOON).request


def fired(request: Request, hours: float) -> Request:
    """What the clock has made of it after some hours."""
    change = machine.fire(request, NOON + timedelta(hours=hours))
    assert change is not None
    return change.request


def on_it_after(hours: float) -> Request:
    """The approvers were reminded, and an hour later Bo says that he looks at it."""
    change = looking.on_it(fired(a_request(), hours), BO, NOON + timedelta(hours=hours + 1))
    assert change is not None
    return change.request


def closed(request: Request, kind: OutcomeKind, words: str) -> Request:
    """Ended seven minutes after it was asked."""
    return machine.closed(request, kind, words, NOON + timedelta(minutes=7)).request


def sent_back(how: RunEnd, words: str) -> Request:
    """Bo wanted something else, and the run ended without asking again."""
    wish = Modify({}, "Refund order 999999 instead.")
    revised = closed(resuming(decided(wish)), OutcomeKind.REVISED, "It was sent back with a correction.")
    change = corrected.ended_unasked(revised, how, words, NOON + timedelta(minutes=8), "worker-1")
    assert change is not None
    return change.request


def unasked_states() -> dict[str, Request]:
    """How a correction ends that leads to no new question."""
    return {
        "closed_revised_ended": sent_back(RunEnd.FINISHED, "I did nothing: There is no order 999999."),
        "closed_revised_broken": sent_back(RunEnd.FAILED, "it was tried too often"),
    }


def free() -> Request:
    """An action nobody was asked about."""
    harmless = an_assessment(oversight=Oversight.FREE, flags=(), reasons=("Nothing is at stake.",))
    return machine.opened_unasked(an_ask(assessment=harmless), "worker-1").request


def too_long() -> Request:
    """An action whose arguments do not fit on a card."""
    arguments = {"order": 1042, "amount": "129.90", "note": "x" * 5_000, "currency": "USD"}
    return a_request(
        action=an_action(arguments=arguments, credential=CredentialRef(provider="entra", subject="ops"))
    )


def foreign(*ways: Way) -> Request:
    """Somebody else's agent asks, and takes only these answers."""
    request = a_request()
    return replace(request, ask=replace(request.ask, dialect="langchain middleware", ways=ways))


def waiting() -> Request:
    """Approved, but its pause asks about two more."""
    change = machine.waiting(decided(request=foreign(*FOREIGN)), 2)
    assert change is not None
    return change.request


def told() -> Request:
    """Somebody else's agent went on with its answer."""
    going = effects.begin(
        resuming(decided(request=foreign(*FOREIGN))),
        attempt=1,
        worker="worker-1",
        lease=timedelta(minutes=1),
        now=LATER,
    ).request
    return effects.told(
        going, "worker-1", "It was approved, and the agent went on with that once.", LATER
    ).request


def foreign_states() -> dict[str, Request]:
    """Those that only somebody else's agent has."""
    return {
        "open_foreign": foreign(*FOREIGN),
        "open_foreign_text": foreign(Way.RESPOND, Way.REJECT),
        "decided_waiting": waiting(),
        "closed_answered": told(),
        "closed_foreign_expired": closed(
            resuming(fired(foreign(*FOREIGN), 25)), OutcomeKind.EXPIRED, "Nobody decided in time. Its run was ended."
        ),
    }  # fmt: skip


def noted(*, undoable: bool) -> Request:
    """A note was added to an order, without asking; where it can be undone, the offer to do so."""
    began = begun(machine.opened_unasked(a_note(), "worker-1").request, NOON).request
    after = done(began, SOON, undoable=undoable)
    return Request(ask=after.opens[0]) if undoable else after.request


def ordered(offer: Request) -> Request:
    """Bo has it undone."""
    return machine.vote(offer, a_vote(offer, BO, Undo()), PEOPLE, 1, LATER).request


def watched_states() -> dict[str, Request]:
    """What ran without asking, and what became of it."""
    offer = noted(undoable=True)
    undoing = effects.begin(
        resuming(ordered(offer)), attempt=1, worker="worker-1", lease=timedelta(minutes=1), now=LATER
    ).request
    late = machine.fire(offer, SOON + timedelta(hours=24))
    assert late is not None
    return {
        "watched": offer,
        "watched_log_only": noted(undoable=False),
        "watched_undo_ordered": ordered(offer),
        "watched_undo_unknown": effects.unknown(undoing, NOON + timedelta(minutes=9)).request,
        "closed_undone": effects.done(
            undoing, "worker-1", '"ok"', "Note 7 was removed.", NOON + timedelta(minutes=7)
        ).request,
        "closed_not_undone": effects.failed(undoing, "worker-1", "Note 7 is locked.", LATER).request,
        "closed_undo_too_late": late.request,
    }


def broken_states() -> dict[str, Request]:
    """Those whose tool said how it broke off."""
    return {
        "unknown_broke_off": effects.unknown(
            running(), NOON + timedelta(minutes=9), how="broke off: RuntimeError: database says no"
        ).request,
    }


def states() -> dict[str, Request]:
    """Name -> request, in the order of a life."""
    expired = fired(a_request(), 25)
    stuck = machine.fire(decided(), SOON + timedelta(minutes=11))
    assert stuck is not None
    unknown = effects.unknown(running(), NOON + timedelta(minutes=9)).request
    done = effects.done(
        running(), "worker-1", '"ok"', "Refunded 129.90 USD, receipt 7.", NOON + timedelta(minutes=7)
    )
    voted = a_request(route=TWO)
    return {
        "open": a_request(),
        "open_routine": a_request(ttl_class=TtlClass.ROUTINE, run=a_run(asked_by=None)),
        "open_with_votes": machine.vote(voted, a_vote(voted, BO), PEOPLE, 2, SOON).request,
        "open_edited": with_edit(),
        "open_wider_circles": fired(a_request(), 22),
        "open_somebody_on_it": on_it_after(12),
        "open_in_grace": fired(a_request(), 24.5),
        "open_too_long": too_long(),
        "decided_approved": decided(),
        "decided_rejected": decided(Reject("Order 1042 was paid back on Monday.")),
        "decided_modified": decided(Modify({}, "Refund only the delivery fee.")),
        "expired": expired,
        "stuck": stuck.request,
        "resuming": resuming(decided()),
        "running": running(),
        "unknown": unknown,
        "closed_executed": done.request,
        "closed_executed_edited": closed(with_edit(route=FINANCE), OutcomeKind.EXECUTED, "Refunded 100.00 USD."),
        "closed_refused": closed(resuming(decided(Reject("Paid back on Monday."))), OutcomeKind.REFUSED, ""),
        "closed_revised": closed(resuming(decided(Modify({"amount": "100.00"}), a_request(edits=Edits.REPLAN))), OutcomeKind.REVISED, ""),
        "closed_expired": closed(resuming(expired), OutcomeKind.EXPIRED, ""),
        "closed_withdrawn": machine.withdrawn(a_request(), ALEX, "Alex took it back.", LATER).request,
        "closed_invalidated": machine.invalidated(a_request(), "The agent's code has changed.", LATER).request,
        "closed_failed": effects.failed(running(), "worker-1", "The order is closed.", LATER).request,
        "closed_unknown": effects.given_up(unknown, BO, NOON + timedelta(hours=1), name="Bo").request,
        **watched_states(),
        **broken_states(), **foreign_states(), **unasked_states(),
        "closed_free": closed(free(), OutcomeKind.EXECUTED, "Order 1042: paid, delivered."),
    }  # fmt: skip
