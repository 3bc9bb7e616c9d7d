"""An answer in Slack and one in Teams at the same instant, by two people, to one request: one decision each."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from both_offices import AFTERWARDS, BothOffices, both_offices, missing, pieces_of
from sayso.approvals.change import Event, WorkKind
from sayso.approvals.request import Decision, Request
from sayso.bot.slack.pace import Pace as SlackPace
from sayso.bot.slack.transport import SlackChannel
from sayso.bot.teams.channel import TeamsChannel
from sayso.bot.teams.pace import Pace as TeamsPace
from sayso.cards.card import card_of
from sayso.sandbox.slack import Message as SlackMessage
from sayso.sandbox.teams import Message as TeamsMessage
from scenes import a_run

#: (answer in Slack, by whom, answer in Teams, by whom); Slack shows a person one form at a time.
WAVE = (
    ("approve", "bo", "approve", "cy"), ("approve", "cy", "approve", "bo"), ("approve", "sue", "approve", "kim"),
    ("approve", "bo", "reject", "kim"), ("approve", "sue", "reject", "cy"), ("reject", "bo", "reject", "kim"),
    ("modify", "cy", "approve", "kim"), ("approve", "cy", "modify", "bo"), ("approve", "sue", "modify", "bo"),
    ("modify", "sue", "modify", "cy"),
)  # fmt: skip
READERS, IN_SLACK = ("bo", "cy", "sue", "kim"), ("bo", "cy", "sue")
LABELS = {"approve": "Approve", "reject": "Reject…", "modify": "Modify…"}
TYPED = {"reject": {"Why?": "the wrong order"}, "modify": {"amount": "100.00"}}


@dataclass
class Tally:
    """How the races ended, and what was wrong."""

    raced: int = 0
    won_in: Counter[str] = field(default_factory=Counter)
    decided: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Race:
    """One request with its two cards, and two people who answer at once."""

    office: BothOffices
    request: Request
    in_slack: SlackMessage
    in_teams: TeamsMessage
    how: tuple[str, str, str, str]

    async def slack_ready(self) -> Coroutine[Any, Any, str]:
        """Everything but the last press is done there. That tells what a form answers; a click is told later."""
        kind, person = self.how[0], self.office.slack.person(self.how[1])
        if kind == "approve":
            return self._clicks(self.in_slack.snapshot())
        view = await (await person.clicks(self.in_slack, LABELS[kind])).modal()
        await self.office.workplace.until(lambda: view.title == LABELS[kind].rstrip("…"))
        view.fill(TYPED[kind])

        async def submits() -> str:
            sent = await person.submits(view)
            return "" if sent.closed else view.text_as_seen()

        return submits()

    def told_later(self, slack_won: bool) -> bool:
        """Whether it is a click in Slack that lost: its words follow by themselves."""
        return not slack_won and self.how[0] == "approve"

    async def _clicks(self, shown: SlackMessage) -> str:
        await self.office.slack.person(self.how[1]).clicks_old(shown, "Approve")
        return ""

    async def teams_ready(self) -> Coroutine[Any, Any, str]:
        """The same there, where every press is told at once."""
        kind, person = self.how[2], self.office.teams.person(self.how[3])
        if kind != "approve":
            await person.clicks(self.in_teams, LABELS[kind])
            person.fills(self.in_teams, TYPED[kind])
        shown, label = self.in_teams.snapshot(), "Approve" if kind == "approve" else "Send"

        async def presses() -> str:
            return (await person.clicks_old(shown, label)).words

        return presses()


async def race(o: BothOffices, requests: int) -> Tally:
    """Waves of races, while cards are brought up to date as they change."""
    tally = Tally()
    for first in range(0, requests, len(WAVE)):
        races = [await opened(o, first + number, how) for number, how in enumerate(WAVE)]
        presses = [press for one in races for press in (await one.slack_ready(), await one.teams_ready())]
        before, heard = len(o.store._trail), {name: len(o.slack.person(name).ephemerals) for name in IN_SLACK}
        read = await at_once(presses)
        await until_told(o, len(presses), before)
        slower: dict[str, Counter[str]] = {name: Counter() for name in IN_SLACK}
        for one, in_slack, in_teams in zip(races, read[::2], read[1::2], strict=True):
            decision = judge(tally, one, in_slack, in_teams)
            if one.told_later(decision.by == (one.how[1],)):
                slower[one.how[1]][decision.by[0]] += 1
        for name, winners in slower.items():
            await hears_who_was_faster(tally, o, name, heard[name], winners)
    return tally


async def at_once(presses: Sequence[Coroutine[Any, Any, str]]) -> list[str]:
    """Begin all of them in the same instant, in an order of its own each time; what was read, as given."""
    order = random.sample(range(len(presses)), len(presses))
    read = dict(zip(order, await asyncio.gather(*(presses[number] for number in order)), strict=True))
    return [read[number] for number in range(len(presses))]


async def opened(o: BothOffices, number: int, how: tuple[str, str, str, str]) -> Race:
    """A request whose cards stand in one channel of each."""
    request = await o.asks(run=a_run(f"race-{number}", origin="slack:C0FINANCE"))
    await o.workplace.until(lambda: all_stands(o), what="two cards")
    refs = [told.ref for told in (await o.store.all_told(request.id)).values() if told.ref]
    slack, teams = sorted(refs, key=lambda ref: ref.platform)
    in_slack = o.slack.workspace.message(slack.channel, slack.message)
    in_teams = o.teams.tenant.message(teams.channel, teams.message)
    assert in_slack is not None
    assert in_teams is not None
    return Race(o, request, in_slack, in_teams, how)


def all_stands(o: BothOffices) -> bool:
    """Whether no card is behind its record."""
    return not o.store._leased and not any(o.store._dirty.values())


async def until_told(o: BothOffices, answers: int, before: int) -> None:
    """Every answer is on record, and every card as it will stay."""

    def settled() -> bool:
        new = [record.entry.event for record in o.store._trail[before:]]
        counted = new.count(Event.DECIDED) + new.count(Event.REFUSED_ANSWER)
        return counted >= answers and all_stands(o)

    await o.workplace.until(settled, timeout=30, what="the end of a wave")


def judge(tally: Tally, one: Race, in_slack: str, in_teams: str) -> Decision:
    """Compare what the record, the two people and all copies of the card say."""
    o, id = one.office, one.request.id
    request = o.store._requests[id]
    decision = request.decision
    assert decision is not None
    entries = [record.entry for record in o.store._trail if record.request == id]
    events = Counter(entry.event for entry in entries)
    resumes = sum(
        held.work.kind is WorkKind.RESUME for held in o.store._work.values() if held.work.request == id
    )
    refused = [entry.by for entry in entries if entry.event is Event.REFUSED_ANSWER]
    slack_won = decision.by == (one.how[1],)
    wrong = {
        "one DECIDED": events[Event.DECIDED] == 1,
        "one RESUME": resumes == 1,
        "the loser refused": refused == [one.how[3] if slack_won else one.how[1]],
        "the winner decided": slack_won or decision.by == (one.how[3],),
        "the loser told": (one.how[0] == "approve" and not slack_won)
        or "not counted" in (in_teams if slack_won else in_slack),
        "the winner not refused": not (in_slack if slack_won else in_teams),
        **copies(one, request),
    }
    tally.raced += 1
    tally.won_in["slack" if slack_won else "teams"] += 1
    tally.decided[str(decision.verdict.type)] += 1
    tally.violations += [f"{id} {one.how}: not {what}" for what, holds in wrong.items() if not holds]
    return decision


def copies(one: Race, request: Request) -> dict[str, bool]:
    """Whether every copy shows the end, and offers nobody anything but Details."""
    card = card_of(request, name=one.office.desk.name)
    wanted = [card.summary, *pieces_of(card.rows)]
    teams = [one.office.teams.person(name) for name in READERS]
    shown = [one.in_slack.text_as_seen(), *(person.reads(one.in_teams) for person in teams)]
    return {
        "the end in every copy": not any(missing(text, wanted) for text in shown),
        "Slack's card without answers": one.in_slack.buttons() == AFTERWARDS[:1],
        "Teams' card without answers": all(person.offered(one.in_teams) == AFTERWARDS for person in teams),
    }


async def hears_who_was_faster(
    tally: Tally, o: BothOffices, name: str, heard: int, winners: Counter[str]
) -> None:
    """Each click in Slack that came too late is answered by name, once."""
    person = o.slack.person(name)
    await o.workplace.until(
        lambda: len(person.ephemerals) >= heard + winners.total(), what=f"words for {name}"
    )
    words = [message.text_as_seen() for message in person.ephemerals[heard:]]
    told = Counter(winner for text in words for winner in READERS if f"by @{winner.capitalize()}" in text)
    if told != winners or not all("not counted" in text for text in words):
        tally.violations.append(f"{name} lost to {dict(winners)} and reads {words}")


@asynccontextmanager
async def at_work(o: BothOffices) -> AsyncIterator[None]:
    """Cards go out by themselves, on a clock that makes a morning of clicks as many hours as the vendors want."""
    hours = itertools.count(start=1_000, step=3)
    slack, teams = o.channels["slack"], o.channels["teams"]
    assert isinstance(slack, SlackChannel)
    assert isinstance(teams, TeamsChannel)
    slack._pace = SlackPace(lambda: next(hours))
    teams._pace = TeamsPace(lambda: next(hours))
    delivering = asyncio.create_task(o.deliverer.run())
    try:
        yield
    finally:
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering


async def raced(requests: int) -> None:
    async with both_offices() as o, at_work(o):
        began = time.perf_counter()
        tally = await race(o, requests)
        took = time.perf_counter() - began
    sys.stdout.write(
        f"{tally.raced} races between Slack and Teams in {took:.1f} s: won in {dict(tally.won_in)}, "
        f"decided {dict(tally.decided)}, {len(tally.violations)} violations\n"
    )
    assert tally.violations == []
    assert (tally.raced, tally.won_in.total()) == (requests, requests)
    assert set(tally.won_in) == {"slack", "teams"}
    assert set(tally.decided) == set(LABELS)


async def test_two_hundred_races_between_slack_and_teams() -> None:
    """Approve, reject and change at the same instant on both sides: one decision each, and both cards are right."""
    await raced(200)
