"""The six suggestions on the page: each makes only the first move, and is done when the record says so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ...approvals.change import Event
from ...approvals.errors import AlreadySettled
from ...approvals.request import OutcomeKind, Request
from ...sandbox.slack.results import ClickResult as SlackClick
from ...sandbox.slack.screen import Message as SlackMessage
from ...sandbox.teams import ClickResult as TeamsClick
from ...sandbox.teams import Message as TeamsMessage
from .hands import Hands
from .panels import apart
from .record import Record, process_of
from .stage import FINANCE, Stage
from .wishes import (
    EMAIL,
    LATE_DELIVERY,
    SCRATCHED_LAMP,
    Rows,
    broken_lamp,
    deletion,
    drafting,
    refund,
    rows_now,
)

Json = dict[str, Any]

#: So close together two answers were given "at once".
AT_ONCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One step of the guide.

    Attributes:
        goal: What Alex asks the agent for, by the rows and the requests that wait now.
        look: What is left to do, and what to look for; first names of people stand as they are called.
        shows: Whether this request is one that went as suggested.
        start: The first move, as the right person; blocks. Words for whoever pressed, or "".
        then: What happens at once besides.
    """

    title: str
    goal: Callable[[Rows, Sequence[Request]], str]
    look: Callable[[Rows], str]
    shows: Callable[[Request, Record], bool]
    start: Callable[[Stage, Hands, str], str] = lambda stage, _, goal: _asks(stage, goal)
    then: str = ""


# ---- the first moves


def _asks(stage: Stage, goal: str) -> str:
    stage.asks(goal)
    return f"Alex has asked in #support: {goal}"


def _race(stage: Stage, hands: Hands, goal: str) -> str:
    """Alex asks; Bo in Slack and Cy in Teams press Approve at the same instant."""
    asked = stage.asks(goal)
    request = hands.until(lambda: stage.live_of(asked))
    here, there = hands.until(lambda: _both_cards(stage, request))

    async def at_once() -> tuple[SlackClick, TeamsClick]:
        return await asyncio.gather(
            stage.person("bo").clicks(here, "Approve"), stage.teams.person("cy").clicks(there, "Approve")
        )

    in_slack, in_teams = stage.work.run(at_once())
    decision = hands.until(lambda: stage.now(request).decision)
    if decision.by[0] == "bo":
        return f"Both pressed; Bo in Slack was first. Cy reads in Teams: {in_teams.words}"
    return f"Both pressed; Cy in Teams was first. Bo reads in Slack: {hands.until(lambda: in_slack.words)}"


def _both_cards(stage: Stage, request: Request) -> tuple[SlackMessage, TeamsMessage] | None:
    """The approvers' two cards, once both can be pressed."""
    try:
        channel, here = stage.card_of(request, who="bo")
    except LookupError:
        return None
    seen = stage.teams.person("cy").sees(FINANCE)
    there = [one for one in stage.teams.cards(request) if one in seen and "Approve" in one.buttons()]
    return (here, there[0]) if there and channel == FINANCE else None


# ---- what the record shows


def _refunded(request: Request, _: Record) -> bool:
    """Those that other steps begin with do not count."""
    if not _executed(request) or request.proposal.action.tool != "issue_refund":
        return False
    return request.proposal.action.arguments["order"] not in {*SCRATCHED_LAMP, *LATE_DELIVERY}


def _narrowed(request: Request, _: Record) -> bool:
    again = request.ask.revises is not None
    return again and _executed(request) and request.proposal.action.tool == "delete_inactive_customers"


def _timed_out(request: Request, record: Record) -> bool:
    expired = request.outcome is not None and request.outcome.kind is OutcomeKind.EXPIRED
    return expired and Event.PAGED in record.events(request)


def _survived(request: Request, record: Record) -> bool:
    """Another process went on than the one that had paused."""
    before, effect = record.paused_in.get(request.id), request.effect
    return bool(before and effect and _executed(request) and process_of(effect.worker) != before)


def _raced(request: Request, record: Record) -> bool:
    """One decision, and somebody else who answered at the same time and was told so."""
    if not _executed(request):
        return False
    trail = [line for line in record.trail(request) if line.request]
    decided = [line.at for line in trail if line.entry.event is Event.DECIDED]
    late = [line.at for line in trail if line.entry.facts.get("why") == AlreadySettled.__name__]
    return len(decided) == 1 and any(abs(at - decided[0]) <= AT_ONCE for at in late)


def _undone(request: Request, _: Record) -> bool:
    return (
        request.ask.undoes is not None
        and request.outcome is not None
        and request.outcome.kind is OutcomeKind.UNDONE
    )


def _executed(request: Request) -> bool:
    return request.outcome is not None and request.outcome.kind is OutcomeKind.EXECUTED


# ---- the guide


def _narrow(rows: Rows) -> str:
    return (
        "The card says how many customers would go. Be Bo, go to #ops-approvals, press Modify… and write "
        f"{deletion(rows)[1]} into the form. The agent plans again and comes back with the difference. Be Cy and press Approve: "
        "only those rows are gone."
    )


STEPS: tuple[Suggestion, ...] = (
    Suggestion(
        title="Refund",
        goal=broken_lamp, shows=_refunded,
        look=lambda _: "The agent is paused, and nothing has happened yet. Be Bo, go to #finance-approvals, in Slack or "
        "in Teams, and press Approve. The refund appears in the back office, every card closes, and Alex gets the answer.",
    ),
    Suggestion(
        title="Too wide a deletion",
        goal=lambda rows, _: f"delete inactive customers before {deletion(rows)[0]}", look=_narrow, shows=_narrowed,
    ),
    Suggestion(
        title="Let it time out",
        goal=lambda _, __: EMAIL, shows=_timed_out,
        look=lambda _: "Answer nothing; press Next step, five times. The approvers are reminded, Ned may decide too, then "
        "Sue; Kim is paged, as the pager shows. At the end it is cancelled aloud: no e-mail has left.",
    ),
    Suggestion(
        title="Kill the worker now",
        goal=lambda rows, live: refund(rows, live, SCRATCHED_LAMP), shows=_survived,
        look=lambda _: "While the card waits, press worker under Kill & restart: the process that ran the agent is gone. "
        "Be Bo and approve the card in #finance-approvals. The line says which process paused and which one "
        "went on; the money moves once.",
    ),
    Suggestion(
        title="Approve twice at once",
        goal=lambda rows, live: refund(rows, live, LATE_DELIVERY), shows=_raced, start=_race,
        then=" As soon as the cards stand, Bo in Slack and Cy in Teams press Approve at the same instant.",
        look=lambda _: "One decision, one refund. Whoever was slower is told who was faster; the audit trail has both "
        "answers. Be Bo or Cy and look at the two cards: they say the same.",
    ),
    Suggestion(
        title="Watched, not asked",
        goal=lambda _, live: drafting(live), shows=_undone,
        look=lambda _: "A draft can be thrown away, so nobody is asked: it is kept at once, and a card in #ops-approvals says "
        "so. Be Bo and press Undo…: the draft is gone, once, and the card says that too. Sending it would have been asked "
        "about.",
    ),
)  # fmt: skip


class Guide:
    """The suggestions, with what has been seen of them.

    Raises: sqlite3.OperationalError, when the worker has not made the back office yet.
    """

    name = "guide"

    def __init__(self, stage: Stage, record: Record, hands: Hands) -> None:
        self._stage = stage
        self._record = record
        self._hands = hands
        self._rows = rows_now(stage)
        self._asked: dict[int, str] = {}  # step -> what was asked when it was last started
        self._seen: set[int] = set()  # once seen, seen

    async def state(self, viewer: str, selected: str) -> Json:
        self._record.check()
        requests = tuple(self._record.requests.values())
        for n, step in enumerate(STEPS, start=1):
            if n not in self._seen and any(step.shows(request, self._record) for request in requests):
                self._seen.add(n)
        live = [one for one in requests if one.live]  # of the same moment as what the other panels show
        with suppress(sqlite3.OperationalError):  # a tool holds it for a moment; what was read before will do
            self._rows = await asyncio.to_thread(rows_now, self._stage)
        steps = [self._step(n, step, live) for n, step in enumerate(STEPS, start=1)]
        return {"steps": steps, "own": self._stage.office.own}

    def _step(self, n: int, step: Suggestion, live: Sequence[Request]) -> Json:
        asked = self._asked.get(n, "")
        waits = any(one.ask.run.goal == asked for one in live)
        asks = f"{'Next, Alex' if waits else 'Alex'} asks in #support: @sayso {step.goal(self._rows, live)}"
        say = f"{asks}.{step.then}" if step.then else asks
        return {
            "n": n, "title": step.title, "say": say, "look": step.look(self._rows), "done": n in self._seen,
            "asked": f"Alex has asked in #support: @sayso {asked}" if waits else "", "can": "start",
        }  # fmt: skip

    async def act(self, what: str, told: Json) -> str:
        """`start` the first move of step `n`."""
        n = told.get("n")
        if what != "start" or isinstance(n, bool) or not isinstance(n, int) or not 0 < n <= len(STEPS):
            raise LookupError("There is no such step.")
        return await apart(lambda: self._hands.carry_out(lambda: self._start(n)))

    def _start(self, n: int) -> str:
        live = self._stage.wait(self._stage.store.live())
        step, goal = STEPS[n - 1], STEPS[n - 1].goal(rows_now(self._stage), live)
        self._asked[n] = goal
        return step.start(self._stage, self._hands, goal)
