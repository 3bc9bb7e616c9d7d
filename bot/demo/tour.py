"""The tour's first part: what people do with a request while everything runs."""

from __future__ import annotations

from datetime import timedelta

from ...approvals.change import Event
from ...approvals.request import OutcomeKind, State
from .stage import FINANCE, OPS, SUPPORT, Stage, soon


def free_of_questions(stage: Stage) -> None:
    """Looking something up needs nobody, and is on record."""
    story = stage.story
    story.scene("1. An order is looked up: nobody is asked, the audit has it")
    before = len(stage.person("bo").sees(FINANCE)) + len(stage.person("bo").sees(OPS))
    asked = stage.asks("look up order 1042")
    answer = stage.replies(asked, "1042")
    story.shows(f"{SUPPORT}, in the thread", answer.text_as_seen())
    events = soon(
        lambda: stage.events(asked) if Event.RUN_FINISHED in stage.events(asked) else [], "the run has ended"
    )
    after = len(stage.person("bo").sees(FINANCE)) + len(stage.person("bo").sees(OPS))
    story.check("no card was posted", before == after)
    story.check("the audit has the action", {Event.RAN_FREELY, Event.EFFECT_DONE} <= set(events))


def approved(stage: Stage) -> None:
    """A refund waits for a click, then happens."""
    story = stage.story
    story.scene("2. A refund is asked for, approved by a signed click, and happens once")
    asked = stage.asks("refund order 1042 129.90")
    card = stage.card(FINANCE, "1042")
    story.shows(FINANCE, card.text_as_seen())
    story.check("the card stands in the asking thread too", stage.card(SUPPORT, "1042", who="alex"))
    story.check(f"and in Teams, in {FINANCE}", stage.teams.card(FINANCE, "1042"))
    story.check("nothing has happened yet", stage.refunded(1042) == 0)
    story.says("@bo", "clicks Approve")
    click = stage.work.run(stage.person("bo").clicks(card, "Approve"))
    story.check(f"the click is answered in {click.ms:.0f} ms", click.answer.ok)
    soon(lambda: stage.refunded(1042), "the row changes")
    story.check("the refund stands in the back office, once", stage.refunded(1042) == 12990)
    stage.shows(card, "Outcome")
    story.shows(FINANCE, stage.current(card).text_as_seen())
    story.check(
        "no button of the old card is left but Details", "[Approve]" not in stage.current(card).text_as_seen()
    )
    story.shows(f"{SUPPORT}, in the thread", stage.replies(asked, "Refunded 129.90").text_as_seen())
    story.check("the agent planned once", stage.planned(asked) == 1)


def modified(stage: Stage) -> None:
    """A deletion is too wide: narrowed through the modal, planned again, shown with the difference."""
    story = stage.story
    story.scene("3. A deletion is too wide: modified, shown again with the difference, approved")
    customers = stage.count("SELECT count(*) FROM customers")
    asked = stage.asks("delete inactive customers before 2024-01-01")
    card = stage.card(OPS, "2024-01-01")
    first = stage.request(asked)
    story.shows(OPS, card.text_as_seen())
    story.check("its flags stand at the top", "Cannot be undone" in card.text_as_seen().splitlines()[0])
    story.says("@bo", "clicks Modify… and writes 2022-01-01 instead")
    view = stage.work.run(stage.person("bo").clicks(card, "Modify…"))
    form = stage.work.run(view.modal())
    soon(lambda: "before" in form.labels(), "the form is drawn")
    form.fill({"before": "2022-01-01"})
    sent = stage.work.run(stage.person("bo").submits(form))
    story.check("the form is accepted", sent.closed and not sent.errors)
    again = soon(
        lambda: next((r for r in stage.wait(stage.store.live()) if r.ask.revises == first.id), None),
        "the agent comes back with a new request",
    )
    assert again is not None
    card = stage.card(OPS, "2022-01-01", who="cy")
    story.shows(OPS, card.text_as_seen())
    story.check("the new card shows the difference", "2024-01-01" in card.text_as_seen())
    story.check("nothing is deleted yet", stage.count("SELECT count(*) FROM customers") == customers)
    story.says("@cy", "clicks Approve")
    stage.work.run(stage.person("cy").clicks(card, "Approve"))
    stage.shows(card, "Outcome")
    left = stage.count("SELECT count(*) FROM customers")
    scope = again.proposal.action.scope
    story.check(f"only that scope is gone ({scope})", str(customers - left) in scope and customers > left)


def rejected(stage: Stage) -> None:
    """An access grant is rejected with a reason, which the agent reports."""
    story = stage.story
    story.scene("4. Access is asked for and rejected with a reason")
    grants = stage.rows("SELECT * FROM grants ORDER BY 1, 2, 3")
    asked = stage.asks("grant admin to user 77 on billing")
    card = stage.card(OPS, "billing")
    story.says("@cy", "clicks Reject… and says why")
    click = stage.work.run(stage.person("cy").clicks(card, "Reject…"))
    form = stage.work.run(click.modal())
    soon(form.labels, "the form is drawn")
    form.fill({"Why?": "Riley left the billing team in May."})
    story.check("the form is accepted", stage.work.run(stage.person("cy").submits(form)).closed)
    told = stage.replies(asked, "left the billing team")
    story.shows(f"{SUPPORT}, in the thread", told.text_as_seen())
    stage.shows(card, "Rejected by")
    story.check("nothing changed", stage.rows("SELECT * FROM grants ORDER BY 1, 2, 3") == grants)


def unanswered(stage: Stage) -> None:
    """Nobody answers: reminded, wider circles, on-call paged, grace, cancelled aloud."""
    story, pager = stage.story, stage.work.pager
    story.scene("5. An e-mail waits and nobody answers: reminded, paged, cancelled aloud")
    letters = len(stage.work.mail.messages)
    asked = stage.asks('email order 1042 "your refund is on its way"')
    card = stage.card(OPS, "refund is on its way")
    request = stage.request(asked)
    story.shows(OPS, card.text_as_seen())
    for share, kind in ((0.5, "Still waiting"), (0.75, "from now on you may"), (0.9, "from now on you may")):
        _to(stage, request.ask.opened_at + (request.ask.deadline.ends_at - request.ask.opened_at) * share)
        fired = request.ask.deadline
        count = sum(step.at <= stage.wait(stage.store.now()) for step in fired.steps)
        soon(lambda: stage.now(request).fired >= count, "the step fires")  # noqa: B023
        story.shows("in the card's thread", stage.replies(card, kind, who="bo").text_as_seen())
    _to(stage, request.ask.deadline.ends_at)
    page = soon(lambda: pager.open_incidents()[-1:] or None, "on-call is paged")
    assert page is not None
    story.shows("on Kim's phone", _page(page[0]))
    story.check("one page, one notification", pager.notifications == 1)
    _to(stage, request.ask.deadline.expires_at)
    closed = soon(
        lambda: (r := stage.now(request)).state is State.CLOSED and r.outcome is not None and r,
        "it is cancelled",
    )
    assert closed
    assert closed.outcome
    story.check("the outcome is on record: expired", closed.outcome.kind is OutcomeKind.EXPIRED)
    soon(lambda: not pager.open_incidents(), "the page is resolved")
    story.check("the page is resolved", True)
    story.shows(f"{SUPPORT}, in the thread", stage.replies(asked, "Nobody decided in time").text_as_seen())
    stage.shows(card, "Cancelled, nothing was done")
    story.check("no e-mail left", len(stage.work.mail.messages) == letters)


def _to(stage: Stage, when: object) -> None:
    """Let time pass until just after `when`."""
    now = stage.wait(stage.store.now())
    stage.pass_time(max(when - now, timedelta(0)) + timedelta(seconds=1))  # type: ignore[operator]


def _page(incident: object) -> str:
    event = incident.event["payload"]  # type: ignore[attr-defined]
    lines = [event["summary"], ""]
    lines += [f"{name}: {text}" for name, text in event.get("custom_details", {}).items()]
    return "\n".join(lines)
