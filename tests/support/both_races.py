"""Races for one request between a person in Slack and one in Teams, and the judge who looks at all that is left."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from both_offices import AFTERWARDS, missing, pieces_of
from sayso.approvals import machine
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.request import Request
from sayso.approvals.route import Route
from sayso.approvals.store import MessageRef, Store
from sayso.approvals.verdict import RequestId
from sayso.cards.card import card_of
from sayso.sandbox.slack import Message as SlackMessage
from sayso.sandbox.slack.screen import View
from sayso.sandbox.teams import Message as TeamsMessage
from sayso.sandbox.watching import NotInTime
from sayso.sandbox.workplace import Workplace
from scenes import a_request, a_run

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
PATIENCE = 60.0


@dataclass
class Tally:
    """How the races ended, and what was wrong."""

    raced: int = 0
    won_in: Counter[str] = field(default_factory=Counter)
    decided: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.raced} races between Slack and Teams: won in {dict(self.won_in)}, "
            f"decided {dict(self.decided)}, {len(self.violations)} violations"
        )


@dataclass(frozen=True)
class Ring:
    """Where the races are: both vendors, and the record; bots are at work, in this process or in others."""

    workplace: Workplace
    store: Store
    route: Route

    async def open(self, number: int, how: tuple[str, str, str, str]) -> Race:
        """A request whose cards stand in one channel of each."""
        run = a_run(f"race-{number}", origin="slack:C0FINANCE")
        request = a_request(run=run, route=self.route, opened_at=await self.store.now())
        id = (await self.store.open(machine.opened(request.ask))).id
        refs = await eventually(lambda: self.cards(id))
        in_slack = self.workplace.slack.workspace.message(refs["slack"].channel, refs["slack"].message)
        in_teams = self.workplace.teams.tenant.message(refs["teams"].channel, refs["teams"].message)
        assert in_slack is not None
        assert in_teams is not None
        return Race(self.workplace, request, in_slack, in_teams, how)

    async def cards(self, id: RequestId, version: int = 1) -> dict[str, MessageRef]:
        """Where its two cards stand, by platform; none while one of them is behind `version`."""
        told = [
            told for told in (await self.store.all_told(id)).values() if told.ref and told.version >= version
        ]
        return {one.ref.platform: one.ref for one in told if one.ref} if len(told) == 2 else {}

    async def entries(self, request: Request) -> list[AuditEntry]:
        return [record.entry for record in await self.store.trail(request.ask.run.thread)]

    async def settled(self, request: Request) -> Request | None:
        """The record once both answers are in it and both cards are drawn as it stands."""
        events = Counter(entry.event for entry in await self.entries(request))
        if events[Event.DECIDED] + events[Event.REFUSED_ANSWER] < 2:
            return None
        now = await self.store.get(request.id)
        return now if await self.cards(request.id, now.version) else None

    async def resumes(self) -> Counter[RequestId]:
        """What workers are to do, by request; it is taken from them."""
        found: Counter[RequestId] = Counter()
        while item := await self.store.take(
            "counter", idle=timedelta(hours=1), wait=timedelta(milliseconds=1)
        ):
            found[item.work.request or RequestId("")] += 1
        return found


@dataclass(frozen=True)
class Race:
    """One request with its two cards, and two people who answer at once."""

    workplace: Workplace
    request: Request
    in_slack: SlackMessage
    in_teams: TeamsMessage
    how: tuple[str, str, str, str]

    async def _form(self, kind: str) -> View:
        """The form behind a button; pressed again where a busy bot missed Slack's three seconds, as people do."""
        person = self.workplace.slack.person(self.how[1])
        for _ in range(3):
            with suppress(NotInTime):
                return await (await person.clicks(self.in_slack, LABELS[kind])).modal()
        raise NotInTime("three presses brought no form")

    async def slack_ready(self) -> Coroutine[Any, Any, str]:
        """Everything but the last press is done there. That tells what a form answers; a click is told later."""
        kind, person = self.how[0], self.workplace.slack.person(self.how[1])
        if kind == "approve":
            return self._clicks(self.in_slack.snapshot())
        view = await self._form(kind)
        await self.workplace.until(lambda: view.title == LABELS[kind].rstrip("…"))
        view.fill(TYPED[kind])

        async def submits() -> str:
            sent = await person.submits(view)
            return "" if sent.closed else view.text_as_seen()

        return submits()

    async def _clicks(self, shown: SlackMessage) -> str:
        await self.workplace.slack.person(self.how[1]).clicks_old(shown, "Approve")
        return ""

    async def teams_ready(self) -> Coroutine[Any, Any, str]:
        """The same there, where every press is told at once."""
        kind, person = self.how[2], self.workplace.teams.person(self.how[3])
        if kind != "approve":
            await person.clicks(self.in_teams, LABELS[kind])
            person.fills(self.in_teams, TYPED[kind])
        shown, label = self.in_teams.snapshot(), "Approve" if kind == "approve" else "Send"

        async def presses() -> str:
            return (await person.clicks_old(shown, label)).words

        return presses()

    def told_later(self, slack_won: bool) -> bool:
        """Whether it is a click in Slack that lost: its words follow by themselves."""
        return not slack_won and self.how[0] == "approve"

    def copies(self, request: Request) -> dict[str, bool]:
        """Whether every copy shows the end, and offers nobody anything but Details."""
        card = card_of(request, name=str.capitalize)
        wanted = [card.summary, *pieces_of(card.rows)]
        people = [self.workplace.teams.person(name) for name in READERS]
        shown = [self.in_slack.text_as_seen(), *(person.reads(self.in_teams) for person in people)]
        return {
            "the end in every copy": not any(missing(text, wanted) for text in shown),
            "Slack's card without answers": self.in_slack.buttons() == AFTERWARDS[:1],
            "Teams' card without answers": all(one.offered(self.in_teams) == AFTERWARDS for one in people),
        }


@dataclass(frozen=True)
class End:
    """What is left of a race; `read` is what the two people read at once, in Slack and in Teams."""

    request: Request
    entries: Sequence[AuditEntry]
    resumes: int
    read: tuple[str, ...]


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """The first answer that is something; other processes do not tell when they are done."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await look()):  # noqa: ASYNC110 other processes set no event of ours
            await asyncio.sleep(0.01)
    return found


async def race(ring: Ring, requests: int, *, before_wave: Callable[[], None] = lambda: None) -> Tally:
    """Waves of races, while cards are brought up to date as they change."""
    tally = Tally()
    for first in range(0, requests, len(WAVE)):
        before_wave()
        races = await asyncio.gather(*(ring.open(first + number, how) for number, how in enumerate(WAVE)))
        presses = [press for one in races for press in (await one.slack_ready(), await one.teams_ready())]
        heard = {name: len(ring.workplace.slack.person(name).ephemerals) for name in IN_SLACK}
        read = await at_once(presses)
        ended = [await eventually(lambda one=one: ring.settled(one.request)) for one in races]  # type: ignore[misc]
        resumes, slower = await ring.resumes(), {name: Counter[str]() for name in IN_SLACK}
        for one, request, *words in zip(races, ended, read[::2], read[1::2], strict=True):
            entries = await ring.entries(request)
            end = End(request, entries, resumes[request.id], tuple(words))
            if one.told_later(judge(tally, one, end)):
                slower[one.how[1]][one.how[3]] += 1
        for name, winners in slower.items():
            await hears_who_was_faster(tally, ring, name, heard[name], winners)
    return tally


async def at_once(presses: Sequence[Coroutine[Any, Any, str]]) -> list[str]:
    """Begin all of them in the same instant, in an order of its own each time; what was read, as given."""
    order = random.sample(range(len(presses)), len(presses))
    read = dict(zip(order, await asyncio.gather(*(presses[number] for number in order)), strict=True))
    return [read[number] for number in range(len(presses))]


def judge(tally: Tally, one: Race, end: End) -> bool:
    """Compare what the record, the two people and all copies of the card say; whether Slack won."""
    request, decision = end.request, end.request.decision
    assert decision is not None
    slack_won = decision.by == (one.how[1],)
    refused = [entry.by for entry in end.entries if entry.event is Event.REFUSED_ANSWER]
    wrong = {
        "one DECIDED": [entry.event for entry in end.entries].count(Event.DECIDED) == 1,
        "one RESUME": end.resumes == 1,
        "the loser refused": refused == [one.how[3] if slack_won else one.how[1]],
        "the winner decided": slack_won or decision.by == (one.how[3],),
        "the loser told": "not counted" in end.read[slack_won] or one.told_later(slack_won),
        "the winner not refused": not end.read[not slack_won],
        **one.copies(request),
    }
    tally.raced += 1
    tally.won_in["slack" if slack_won else "teams"] += 1
    tally.decided[str(decision.verdict.type)] += 1
    tally.violations += [f"{request.id} {one.how}: not {what}" for what, holds in wrong.items() if not holds]
    return slack_won


async def hears_who_was_faster(
    tally: Tally, ring: Ring, name: str, heard: int, winners: Counter[str]
) -> None:
    """Each click in Slack that came too late is answered by name, once."""
    person = ring.workplace.slack.person(name)
    await ring.workplace.until(
        lambda: len(person.ephemerals) >= heard + winners.total(), what=f"words for {name}"
    )
    words = [message.text_as_seen() for message in person.ephemerals[heard:]]
    told = Counter(winner for text in words for winner in READERS if f"by @{winner.capitalize()}" in text)
    if told != winners or not all("not counted" in text for text in words):
        tally.violations.append(f"{name} lost to {dict(winners)} and reads {words}")


def check(tally: Tally, requests: int) -> None:
    assert tally.violations == []
    assert (tally.raced, tally.won_in.total()) == (requests, requests)
    assert set(tally.won_in) == {"slack", "teams"}
    assert set(tally.decided) == set(LABELS)
