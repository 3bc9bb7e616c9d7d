"""The tour's scenes in Slack and Teams at once: one request, one decision, whoever answers where."""

from __future__ import annotations

import re

from ...approvals.change import Event
from ...approvals.request import OutcomeKind, State
from ...sandbox.slack.screen import Message as SlackMessage
from ...sandbox.teams import Message as TeamsMessage
from .stage import FINANCE, OPS, SUPPORT, Stage, soon


def answered_in_both(stage: Stage) -> None:
    """Access takes two: the first narrows it in Teams, the second approves that in Slack."""
    story, teams = stage.story, stage.teams
    story.scene("6. Access takes two people: one narrows it in Teams, the other approves that in Slack")
    asked = stage.asks("grant admin to user 54 on billing")
    there, here = teams.card(OPS, "admin on billing"), stage.card(OPS, "admin on billing")
    request = stage.request(asked)
    story.shows(f"Teams, {OPS}", there.text_as_seen())
    story.check("Slack and Teams show the same words", same_words(stage, here, there))
    story.says("@bo in Teams", "presses Modify… and writes viewer into the form in the card")
    sent = teams.sends_form(there, "Modify…", {"role": "viewer"}, who="bo")
    story.check(f"the form is answered in {sent.ms:.0f} ms", sent.status == 200 and not sent.words)
    stage.shows(here, "viewer")
    teams.shows(there, "viewer")
    story.shows(f"Slack, {OPS}", stage.current(here).text_as_seen())
    story.check("both cards show what was changed", same_words(stage, here, there))
    story.check("Bo's is one of two votes: nothing is granted yet", granted(stage, 54) == [])
    story.says("@cy in Slack", "clicks Approve")
    stage.work.run(stage.person("cy").clicks(here, "Approve"))
    stage.shows(here, "Outcome")
    teams.shows(there, "Outcome")
    story.shows(f"Teams, {OPS}", there.text_as_seen())
    story.check("the narrower access is granted, once", granted(stage, 54) == ["viewer"])
    story.check("one decision", stage.events(asked).count(Event.DECIDED) == 1)
    decision = stage.now(request).decision
    story.check("by two persons", decision is not None and set(decision.by) == {"bo", "cy"})
    story.check("both cards are closed, in the same words", same_words(stage, here, there))
    story.check("and neither can be approved any more", "Approve" not in here.buttons() + there.buttons())


def asked_in_teams(stage: Stage) -> None:
    """Everything in Teams: the worker dies while the refund waits, another one goes on and reports."""
    story, teams, office = stage.story, stage.teams, stage.office
    story.scene("7. Asked in Teams: the worker is killed while the refund waits, another one goes on")
    before = stage.refunded(1037)
    asked = teams.asks(SUPPORT, "refund order 1037 25.00")
    card = teams.card(FINANCE, "1037")
    request = stage.request(asked)
    story.check("the card stands in Slack as well", stage.card(FINANCE, "1037"))
    dead = office.worker.kill()
    story.tells(f"worker (process {dead}) is killed: SIGKILL")
    story.says("@cy in Teams", "presses Approve")
    press = teams.clicks(card, "Approve", who="cy")
    story.check(f"the press is answered in {press.ms:.0f} ms though no worker runs", press.status == 200)
    office.worker.start()
    office.worker.wait_ready()
    story.tells(f"worker (process {office.worker.pid}) is started")
    soon(lambda: stage.now(request).state is State.CLOSED, "the agent goes on", seconds=30)
    after = stage.now(request)
    story.check("it is executed", after.outcome is not None and after.outcome.kind is OutcomeKind.EXECUTED)
    by = after.effect.worker if after.effect else "?"
    story.check(f"by another process ({by})", str(office.worker.pid) in by and office.worker.pid != dead)
    story.check("once", stage.refunded(1037) == before + 2500)
    story.check("the agent planned once", stage.planned(asked) == 1)
    story.shows(f"Teams, {SUPPORT}, in the thread", teams.replies(asked, "Refunded 25.00").text_as_seen())
    teams.shows(card, "Outcome")
    story.shows(f"Teams, {FINANCE}", card.text_as_seen())


def same_words(stage: Stage, here: SlackMessage, there: TeamsMessage) -> bool:
    """Whether both cards say the same, line by line."""
    return _words(stage, here.text_as_seen()) == _words(stage, there.text_as_seen())


#: What each platform writes in its own way: dates, and where something was asked.
_OWN_WAY = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}|\d{1,2} [A-Z][a-z]{2} \d{4}|, from [^·\n]*")


def _words(stage: Stage, text: str) -> list[str]:
    for id, person in stage.office.settings.people.items():
        text = text.replace(f"@{person.name}", f"@{id}")
    lines = [" ".join(_OWN_WAY.sub("…", line).split()) for line in text.splitlines()]
    return [
        line for line in lines if line.startswith("[!]") or not line.startswith("[")
    ]  # others are buttons


def granted(stage: Stage, user: int) -> list[str]:
    """The roles somebody has on the billing system."""
    return [
        role for (role,) in stage.rows("SELECT role FROM grants WHERE user = ? AND system = 'billing'", user)
    ]
