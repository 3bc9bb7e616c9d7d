"""The tour's last part: crashes, races, people who may not, and an intruder."""

from __future__ import annotations

from datetime import timedelta

from ...approvals.change import Event
from ...approvals.people import PersonId
from ...approvals.request import OutcomeKind, State
from .stage import FINANCE, SUPPORT, Stage, soon
from .tamper import write_approval


def killed(stage: Stage) -> None:
    """Bot and worker die while a refund waits; others take over with a fresh token."""
    story, office = stage.story, stage.office
    story.scene("8. Bot and worker are killed while a refund waits; others take over")
    asked = stage.asks("refund order 1035 20.00")
    card = stage.card(FINANCE, "1035")
    request = stage.request(asked)
    worker, before = office.worker.pid, stage.refunded(1035)
    story.tells(
        f"bot (process {office.bot.kill()}) and worker (process {office.worker.kill()}) are killed: SIGKILL"
    )
    stage.pass_time(timedelta(hours=2))
    office.bot.start()
    office.worker.start()
    office.bot.wait_ready()
    office.worker.wait_ready()
    story.tells(f"bot (process {office.bot.pid}) and worker (process {office.worker.pid}) are started")
    issued = len(stage.tool_tokens())
    story.says("@bo", "clicks Approve on the old card")
    stage.work.run(stage.person("bo").clicks(card, "Approve"))
    soon(lambda: stage.now(request).state is State.CLOSED, "the agent goes on", seconds=30)
    after = stage.now(request)
    story.check("it is executed", after.outcome is not None and after.outcome.kind is OutcomeKind.EXECUTED)
    story.check("once", stage.refunded(1035) == before + 2000)
    story.check(
        f"by another process ({after.effect.worker if after.effect else '?'})",
        after.effect is not None
        and str(office.worker.pid) in after.effect.worker
        and office.worker.pid != worker,
    )
    story.check("with a token issued after the approval", len(stage.tool_tokens()) == issued + 1)
    story.check("nothing was asked twice", stage.events(asked).count(Event.OPENED) == 1)
    story.check("nothing was planned twice", stage.planned(asked) == 1)
    stage.work.violations.take()  # Slack had nobody to deliver to while the bot was dead


def raced(stage: Stage) -> None:
    """Two people at once, and one click delivered twice."""
    story = stage.story
    story.scene("9. Two people answer at once, and a click is delivered twice")
    asked = stage.asks("refund order 1044 15.00")
    card = stage.card(FINANCE, "1044")
    request, before = stage.request(asked), stage.refunded(1044)
    story.says("@bo and @cy", "click Approve at the same moment")
    bo, cy = stage.work.together(
        stage.person("bo").clicks(card, "Approve"), stage.person("cy").clicks(card, "Approve")
    )
    soon(lambda: stage.now(request).state is State.CLOSED, "it is executed")
    after = stage.now(request)
    assert after.decision is not None
    winner = after.decision.by[0]
    loser, click = ("cy", cy) if winner == "bo" else ("bo", bo)
    told = stage.work.run(click.whispered())
    story.shows(f"only @{loser} sees", told)
    story.check("one decision", stage.events(asked).count(Event.DECIDED) == 1)
    name = {"bo": "Bo", "cy": "Cy"}[winner]
    story.check("the other is told who was faster", name in told)
    first = bo if winner == "bo" else cy
    story.tells("Slack delivers the winning click again, byte by byte, and once more signed anew")
    stage.work.run(stage.work.slack.replay(first.request))
    stage.work.run(stage.work.slack.redeliver(first.request))
    story.check("still one decision", stage.events(asked).count(Event.DECIDED) == 1)
    story.check("one refund", stage.refunded(1044) == before + 1500)


def refused(stage: Stage) -> None:
    """The requester, an outsider and a guest click."""
    story = stage.story
    story.scene("10. The requester, a colleague without a say and a guest click")
    asked = stage.asks("close firewall rule 443-public")
    card = stage.card(SUPPORT, "443-public", who="alex")
    request = stage.request(asked)
    for who, words in (("alex", "asked for this"), ("ned", "not an approver"), ("gil", "uest")):
        click = stage.work.run(stage.person(who).clicks(card, "Approve"))
        told = stage.work.run(click.whispered())
        story.shows(f"only @{who} sees", told)
        story.check(f"@{who} is refused with the reason", words in told)
    story.check("the request still waits", stage.now(request).state is State.OPEN)
    story.check("every refusal is on record", stage.events(asked).count(Event.REFUSED_ANSWER) == 3)


def forged(stage: Stage) -> None:
    """Somebody who can write to Redis puts an approval there."""
    story = stage.story
    story.scene("11. An approval is written straight into Redis: it never acts")
    asked = stage.asks("refund order 1041 0.01")
    request = stage.request(asked)
    stage.card(FINANCE, "0.01")
    before = stage.count("SELECT count(*) FROM refunds")
    write_approval(stage.office.redis_url, "sayso", request, PersonId("bo"), stage.wait(stage.store.now()))
    story.tells("the record now says that Bo approved, with a signature of the intruder's own making")
    soon(lambda: stage.now(request).state is State.CLOSED, "it is settled")
    after = stage.now(request)
    assert after.outcome is not None
    story.check(f"it failed: {after.outcome.words}", after.outcome.kind is OutcomeKind.FAILED)
    story.check("nothing was paid", stage.count("SELECT count(*) FROM refunds") == before)
    story.check("the forgery is on record", Event.VOTE_REJECTED in stage.events(asked))
