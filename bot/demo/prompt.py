"""The prompt beside the page: say things, press buttons, let time pass, as anybody in the workplace."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...approvals.errors import SaysoError
from ...approvals.request import State
from ...sandbox.slack.forms import CannotDoThat
from ...sandbox.slack.screen import Message
from ...sandbox.watching import NotInTime
from .hands import Hands
from .prompt_teams import in_teams
from .stage import FINANCE, OPS, SUPPORT, Stage, soon
from .story import TourFailed

with contextlib.suppress(ImportError):  # line editing, where the terminal has it
    import readline  # noqa: F401

HELP = f"""
Everything on the page can be typed here, too; Ctrl-C ends everything.

  alex: refund order 1041 10         say something to the bot in {SUPPORT} (anybody: alex bo cy sue kim ned gil);
                                     it can look up, refund, delete, grant, email and close: ask it for "help"
  bo approve                         press Approve on the newest card that waits
  bo reject too much                 reject it with a reason, in the card's thread
  bo modify amount=5.00              change it, in the card's thread
  teams alex: refund order 1041 10   the same in Teams, where forms stand in the card; likewise
                                     teams bo approve, teams bo reject too much, teams bo modify amount=5.00
  +15m   +1h   +1d                   let time pass; whatever is due on the way happens
  kill                               kill bot and worker (SIGKILL) and start them again
  see {SUPPORT}                       what stands in a channel ({FINANCE}, {OPS});
                                     teams see {SUPPORT} shows the one in Teams
  pages   mails   orders             the pager, the mailbox, the back office
  help    quit
"""
#: How often the wait for input looks for signals.
WAKE_SECONDS = 0.5
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}
_ORDERS = """
SELECT o.number, coalesce(c.name, '-'), o.items, o.paid_cents, o.currency,
       coalesce((SELECT sum(amount_cents) FROM refunds WHERE order_number = o.number), 0)
FROM orders o LEFT JOIN customers c ON c.id = o.customer WHERE o.number BETWEEN 1029 AND 1046 ORDER BY o.number
"""


@contextlib.contextmanager
def _waking() -> Iterator[None]:
    """Ctrl-C is heard in half a second whenever it comes.

    Python's readline looks for signals only when one interrupts its wait: a Ctrl-C between the prompt and the wait would
    be heard with the next key.
    """
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, WAKE_SECONDS, WAKE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def prompt(console: Console, stage: Stage, hands: Hands) -> None:
    """Read and do until the end of input."""
    console.print(HELP, highlight=False, markup=False)
    while True:
        try:
            with _waking():
                said = console.input("[bold cyan]sayso demo>[/] ").strip()
        except EOFError:
            return
        if said in ("quit", "exit"):
            return
        try:
            _do(console, stage, hands, said)
        except (SaysoError, CannotDoThat, LookupError, NotInTime) as error:
            console.print(f"[red]{escape(str(error.args[0] if error.args else error))}[/]", highlight=False)


def _do(console: Console, stage: Stage, hands: Hands, said: str) -> None:
    if found := re.fullmatch(r"\+(\d{1,4})([mhd])", said):
        hands.pass_time(stage, timedelta(**{_SPANS[found[2]]: int(found[1])}))
    elif said == "kill":
        hands.restart(stage, (stage.office.bot, stage.office.worker))
    elif found := re.fullmatch(r"teams (.+)", said):
        in_teams(stage, found[1])
    elif found := re.fullmatch(r"(\w+): *(.+)", said):
        _ask(stage, found[1].lower(), found[2])
    elif found := re.fullmatch(r"(\w+) (approve|reject|modify)\b *(.*)", said):
        _answer(stage, found[1].lower(), found[2], found[3])
    elif found := re.fullmatch(r"see #?([\w-]+)", said):
        for message in stage.person("bo").sees(f"#{found[1]}")[-6:]:
            stage.story.shows(f"#{found[1]}", message.text_as_seen())
    else:
        _look(console, stage, said)


def _ask(stage: Stage, who: str, goal: str) -> None:
    person = stage.person(who)
    before = len(person.ephemerals)
    asked = stage.asks(goal, who=who)

    def thread() -> list[Message]:
        return [*person.sees_in_thread(asked)[1:], *person.ephemerals[before:]]

    with contextlib.suppress(TourFailed):
        soon(lambda: len(thread()) > 1 or person.ephemerals[before:], "an answer", seconds=4)
    for message in thread():
        stage.story.shows(f"{SUPPORT}, in the thread", message.text_as_seen())


def _answer(stage: Stage, who: str, verb: str, words: str) -> None:
    """Buttons where a click is enough, the card's thread where words are needed; shows what came back."""
    person = stage.person(who)
    request = stage.waiting()
    channel, card = stage.card_of(request, who=who)
    heard, version = len(person.ephemerals), request.version
    stage.story.says(f"@{who} in {channel}", "presses Approve" if verb == "approve" else f"{verb} {words}")
    if verb == "approve":
        stage.work.run(person.clicks(card, "Approve"))
    else:
        stage.work.run(person.says(channel, f"{verb} {words}".strip(), thread=card))
    with contextlib.suppress(TourFailed):
        soon(
            lambda: person.ephemerals[heard:] or stage.now(request).version > version, "a reaction", seconds=4
        )
        soon(
            lambda: person.ephemerals[heard:] or stage.now(request).state is State.CLOSED,
            "the end",
            seconds=3,
        )
    for message in person.ephemerals[heard:]:
        stage.story.shows(f"only @{who} sees", message.text_as_seen())
    if stage.now(request).version > version:
        stage.story.shows(channel, stage.current(card).text_as_seen())


def _look(console: Console, stage: Stage, said: str) -> None:
    match said:
        case "pages":
            lines = [f"{one.status}: {one.summary}" for one in stage.work.pager.incidents]
            console.print("\n".join(lines) or "Nobody was paged.", highlight=False, markup=False)
        case "mails":
            lines = [f"to {mail['To']}: {mail['Subject']}" for mail in stage.work.mail.messages]
            console.print("\n".join(lines) or "No mail has left.", highlight=False, markup=False)
        case "orders":
            console.print(_orders(stage))
        case "":
            return
        case "help":
            console.print(HELP, highlight=False, markup=False)
        case _:
            console.print(f"I do not understand {escape(said)!r}; help lists what I do.", highlight=False)


def _orders(stage: Stage) -> Table:
    table = Table("order", "customer", "items", "paid", "refunded", box=None)
    for number, customer, items, paid, currency, refunded in stage.rows(_ORDERS):
        back = f"{refunded / 100:,.2f} {currency}" if refunded else ""
        table.add_row(str(number), customer, items, f"{paid / 100:,.2f} {currency}", back)
    return table
