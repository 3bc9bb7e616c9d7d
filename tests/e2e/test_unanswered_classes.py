"""Nobody answers, over real Redis with a pushed clock: each class of request ends as its policy says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sayso.approvals.change import Event
from sayso.approvals.request import OutcomeKind, State
from sayso.bot.demo.stage import FINANCE, OPS, Stage, soon


def passes_until(stage: Stage, when: datetime) -> None:
    """Let time pass until just after `when`."""
    now = stage.wait(stage.store.now())
    stage.pass_time(max(when - now, timedelta(0)) + timedelta(seconds=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """What somebody asks for, where its card stands, and what the policy says about its end."""

    goal: str
    channel: str
    words: str
    lives: timedelta
    pages: int


CLASSES = {
    "routine": Unanswered(
        goal="delete inactive customers before 2022-01-01", channel=OPS, words="2022-01-01",
        lives=timedelta(days=7), pages=0,
    ),
    "sensitive": Unanswered(
        goal="refund order 1042 3.01", channel=FINANCE, words="3.01", lives=timedelta(hours=25), pages=1
    ),
    "urgent": Unanswered(
        goal="close firewall rule 443-public", channel=OPS, words="443-public", lives=timedelta(minutes=40), pages=1
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CLASSES.values(), ids=CLASSES)
def test_each_class_ends_as_its_policy_says(case: Unanswered, stage: Stage) -> None:
    """S7 S8 S28 P7: every step once; paged or not; cancelled aloud at the end of the time and its grace; nothing is done."""
    actions, incidents = stage.count("SELECT count(*) FROM actions"), len(stage.work.pager.incidents)
    asked = stage.asks(case.goal)
    card = stage.card(case.channel, case.words)
    request = stage.request(asked)
    deadline = request.ask.deadline
    assert timedelta(0) <= deadline.expires_at - request.ask.opened_at - case.lives < timedelta(seconds=1)
    for fired, step in enumerate(deadline.steps[:-1], start=1):
        passes_until(stage, step.at)
        soon(lambda: stage.now(request).fired >= fired, "the step fires")  # noqa: B023
        assert stage.now(request).state is State.OPEN
    if case.pages:
        soon(stage.work.pager.open_incidents, "on-call is paged")
    passes_until(stage, deadline.expires_at)
    soon(lambda: stage.now(request).state is State.CLOSED, "it is cancelled")
    after = stage.now(request)

    assert after.outcome is not None
    assert after.outcome.kind is OutcomeKind.EXPIRED
    stage.replies(asked, "Nobody decided in time")
    stage.shows(card, "Cancelled, nothing was done")
    soon(lambda: not stage.work.pager.open_incidents(), "the page is closed")
    assert [one.notifications for one in stage.work.pager.incidents[incidents:]] == [1] * case.pages
    assert stage.events(asked).count(Event.EXPIRED) == 1
    assert stage.events(asked).count(Event.PAGED) == case.pages
    assert stage.count("SELECT count(*) FROM actions") == actions
    assert "Approve" not in stage.current(card).buttons()
