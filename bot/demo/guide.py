"""The five suggestions on the page: each makes only the first move, and is done when the record says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
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

Json = dict[str, Any]

#: So close together two answers were given "at once".
AT_ONCE = timedelta(seconds=5)
#: Order -> the refund that a step begins with; the next order when nothing is left of it.
BROKEN_LAMP: Mapping[int, str] = {1042: "129.90", 1041: "45.00", 1037: "25.00", 1036: "10.00"}
SCRATCHED_LAMP: Mapping[int, str] = {1035: "20.00"}
LATE_DELIVERY: Mapping[int, str] = {1044: "15.00"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One step of the guide.

    Attributes:
        say: What happens when it is started.
        look: What is left to do, and what to look for; first names of people stand as they are called.
        start: The first move, as the right person; blocks. Words for whoever pressed, or "".
        shows: Whether this request is one that went as suggested.
    """

    title: str
    say: str
    look: str
    start: Callable[[Stage, Hands], str]
    shows: Callable[[Request, Record], bool]


# ---- the first moves


def _refund(stage: Stage, orders: Mapping[int, str]) -> str:
    """A refund that is possible: of the first of these orders that has so much left and nothing pending, else the first."""
    live = [one.proposal.action.summary for one in stage.wait(stage.store.live())]
    for number, amount in orders.items():
        left = stage.count("SELECT paid_cents FROM orders WHERE number = ?", number) - stage.refunded(number)
        if left >= round(float(amount) * 100) and not any(str(number) in words for words in live):
            return f"refund order {number} {amount}"
    first = next(iter(orders))
    return f"refund order {first} {orders[first]}"


def _asks(stage: Stage, goal: str) -> str:
    stage.asks(goal)
    return f"Alex has asked in #support: {goal}"


def _race(stage: Stage, hands: Hands) -> str:
    """Alex asks; Bo in Slack and Cy in Teams press Approve at the same instant."""
    asked = stage.asks(_refund(stage, LATE_DELIVERY))
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


def _executed(request: Request) -> bool:
    return request.outcome is not None and request.outcome.kind is OutcomeKind.EXECUTED


# ---- the guide

STEPS: tuple[Suggestion, ...] = (
    Suggestion(
        title="Refund",
        say="Alex asks in #support: @sayso refund order 1042 129.90",
        look="The agent is paused, and nothing has happened yet. Be Bo, go to #finance-approvals, in Slack or in Teams, "
        "and press Approve. The refund appears in the back office, every card closes, and Alex gets the answer.",
        start=lambda stage, _: _asks(stage, _refund(stage, BROKEN_LAMP)), shows=_refunded,
    ),
    Suggestion(
        title="Too wide a deletion",
        say="Alex asks in #support: @sayso delete inactive customers before 2024-01-01",
        look="The card says how many customers would go. Be Bo, go to #ops-approvals, press Modify… and write 2022-01-01. "
        "The agent plans again and comes back with the difference. Be Cy and press Approve: only those rows are gone.",
        start=lambda stage, _: _asks(stage, "delete inactive customers before 2024-01-01"), shows=_narrowed,
    ),
    Suggestion(
        title="Let it time out",
        say='Alex asks in #support: @sayso email order 1042 "your refund is on its way"',
        look="Answer nothing; press Next step, five times. The approvers are reminded, Ned may decide too, then Sue; "
        "Kim is paged, as the pager shows. At the end it is cancelled aloud: no e-mail has left.",
        start=lambda stage, _: _asks(stage, 'email order 1042 "your refund is on its way"'), shows=_timed_out,
    ),
    Suggestion(
        title="Kill the worker now",
        say="Alex asks in #support: @sayso refund order 1035 20.00",
        look="While the card waits, press worker under Kill & restart: the process that ran the agent is gone. "
        "Be Bo and approve the card in #finance-approvals. The line says which process paused and which one "
        "went on; the money moves once.",
        start=lambda stage, _: _asks(stage, _refund(stage, SCRATCHED_LAMP)), shows=_survived,
    ),
    Suggestion(
        title="Approve twice at once",
        say="Alex asks for a refund of 15.00. As soon as the cards stand, Bo in Slack and Cy in Teams press Approve "
        "at the same instant.",
        look="One decision, one refund. Whoever was slower is told who was faster; the audit trail has both answers. "
        "Be Bo or Cy and look at the two cards: they say the same.",
        start=_race, shows=_raced,
    ),
)  # fmt: skip


class Guide:
    """The suggestions, with what has been seen of them."""

    name = "guide"

    def __init__(self, stage: Stage, record: Record, hands: Hands) -> None:
        self._stage = stage
        self._record = record
        self._hands = hands
        self._seen: set[int] = set()  # once seen, seen

    async def state(self, viewer: str, selected: str) -> Json:
        self._record.check()
        requests = tuple(self._record.requests.values())
        for n, step in enumerate(STEPS, start=1):
            if n not in self._seen and any(step.shows(request, self._record) for request in requests):
                self._seen.add(n)
        return {"steps": [
            {"n": n, "title": step.title, "say": step.say, "look": step.look, "done": n in self._seen, "can": "start"}
            for n, step in enumerate(STEPS, start=1)
        ]}  # fmt: skip

    async def act(self, what: str, told: Json) -> str:
        """`start` the first move of step `n`."""
        n = told.get("n")
        if what != "start" or isinstance(n, bool) or not isinstance(n, int) or not 0 < n <= len(STEPS):
            raise LookupError("There is no such step.")
        return await apart(
            lambda: self._hands.carry_out(lambda: STEPS[n - 1].start(self._stage, self._hands))
        )
