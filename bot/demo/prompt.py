"""The prompt after the tour: say things, press buttons, let time pass, as anybody in the workplace."""

from __future__ import annotations

import re
from datetime import timedelta

from rich.console import Console
from rich.markup import escape

from ...approvals.errors import SaysoError
from ...sandbox.slack.forms import CannotDoThat
from ...sandbox.watching import NotInTime
from .stage import SUPPORT, Stage

HELP = """
Try things; Ctrl-C ends everything.

  alex: refund order 1041 10         say something to the bot in #support (anybody: alex bo cy sue kim ned gil)
  bo approve                         press Approve on the newest card that waits
  bo reject too much                 reject it with a reason
  bo modify amount=5.00              change it in the thread
  +15m   +1h   +1d                   let time pass
  kill                               kill bot and worker (SIGKILL) and start them again
  see #support                       what stands in a channel
  pages   mails   orders             the pager, the mailbox, the back office
  help
"""
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}


def prompt(console: Console, stage: Stage) -> None:
    """Read and do until the end of input."""
    console.print(HELP, highlight=False)
    while True:
        try:
            said = console.input("[bold cyan]sayso demo>[/] ").strip()
        except EOFError:
            return
        try:
            _do(console, stage, said)
        except (SaysoError, CannotDoThat, LookupError, NotInTime) as error:
            console.print(f"[red]{escape(str(error))}[/]", highlight=False)


def _do(console: Console, stage: Stage, said: str) -> None:
    if found := re.fullmatch(r"\+(\d{1,4})([mhd])", said):
        stage.pass_time(timedelta(**{_SPANS[found[2]]: int(found[1])}))
    elif found := re.fullmatch(r"(\w+): *(.+)", said):
        stage.asks(found[2], who=found[1])
        console.print("  [dim]see #support  or  see #finance-approvals[/]")
    elif found := re.fullmatch(r"(\w+) (approve|reject|modify)\b *(.*)", said):
        _answer(stage, found[1], found[2], found[3])
    elif found := re.fullmatch(r"see (#[\w-]+)", said):
        for message in stage.person("bo").sees(found[1])[-6:]:
            stage.story.shows(found[1], message.text_as_seen())
    elif said == "kill":
        _kill(stage)
    else:
        _look(console, stage, said)


def _answer(stage: Stage, who: str, verb: str, words: str) -> None:
    """Buttons where a click is enough, the card's thread where words are needed."""
    person = stage.person(who)
    waiting = [r for r in stage.wait(stage.store.live()) if r.state == "open"]
    if not waiting:
        raise LookupError("nothing waits")
    summary = waiting[-1].proposal.action.summary
    for channel in ("#finance-approvals", "#ops-approvals", SUPPORT):
        cards = [
            m for m in person.sees(channel) if "[Details]" in m.text_as_seen() and summary in m.text_as_seen()
        ]
        if not cards:
            continue
        if verb == "approve":
            click = stage.work.run(person.clicks(cards[-1], "Approve"))
            if click.words:
                stage.story.shows(f"only @{who} sees", click.words)
        else:
            stage.work.run(person.says(channel, f"{verb} {words}".strip(), thread=cards[-1]))
        stage.story.tells(f"@{who} answers in {channel}: {verb} {words}")
        return
    raise LookupError(f"{who} sees no card that waits")


def _kill(stage: Stage) -> None:
    office = stage.office
    stage.story.tells(f"killed: bot {office.bot.kill()}, worker {office.worker.kill()}")
    office.bot.start()
    office.worker.start()
    office.bot.wait_ready()
    office.worker.wait_ready()
    stage.story.tells(f"started: bot {office.bot.pid}, worker {office.worker.pid}")


def _look(console: Console, stage: Stage, said: str) -> None:
    match said:
        case "pages":
            for incident in stage.work.pager.incidents:
                console.print(f"  {incident.status}: {incident.summary}", highlight=False, markup=False)
        case "mails":
            for mail in stage.work.mail.messages:
                console.print(f"  to {mail['To']}: {mail['Subject']}", highlight=False, markup=False)
        case "orders":
            for row in stage.rows("SELECT * FROM orders LIMIT 12"):
                console.print(f"  {row}", highlight=False, markup=False)
        case "":
            return
        case _:
            console.print(HELP, highlight=False)
