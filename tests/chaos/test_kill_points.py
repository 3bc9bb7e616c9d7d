"""SIGKILL at every named point, in a whole office: nothing is lost, nothing is done twice, people are told."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import pytest
from sayso.approvals import crash
from sayso.approvals.change import Event
from sayso.approvals.request import EffectState, OutcomeKind, Request, State
from sayso.bot.demo.stage import FINANCE, Stage
from sayso.sandbox.slack.screen import Message
from sayso.sandbox.teams import Message as TeamsMessage
from whole_office import (
    Doomed,
    approves,
    cards,
    looks_at,
    slack_cards,
    still_to_tell,
    where,
    whole_office,
)

pytestmark = pytest.mark.chaos

_WORKER, _BOT, _ = (
    re.findall(r"`([a-z]+-[a-z-]+)`", part)
    for part in re.split("talks to people|Only where they are set up", crash.__doc__ or "")
)
#: Points that only an unanswered request comes by.
UNANSWERED = tuple(point for point in _BOT if point.startswith(("step-", "page-")))
#: What dies over the audit trail has scenes of its own, in `test_link_kills`.
ANSWERED = (*_WORKER, *(point for point in _BOT if point not in UNANSWERED and not point.startswith("link-")))

_CENTS = count(101)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """What one death cost."""

    point: str
    cards: int
    said: int
    plans: int


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One office for all deaths."""
    with whole_office(tmp_path_factory.mktemp("office") / "demo") as stage:
        yield stage
        stage.work.violations.take()  # nobody took what Slack and Teams delivered while the bot was dead


@pytest.fixture(scope="module")
def tolls() -> Iterator[list[Toll]]:
    """Printed at the end (`-s` shows it); a point at which something was lost is not in it, but failed."""
    tolls: list[Toll] = []
    yield tolls
    lines = ["", "died at                extra cards  said again  plans"]
    lines += [f"{toll.point:<22} {toll.cards:>11}  {toll.said:>10}  {toll.plans:>5}" for toll in tolls]
    sys.stdout.write("\n".join(lines))


@pytest.mark.parametrize("point", ANSWERED)
def test_a_refund_survives(point: str, stage: Stage, tolls: list[Toll]) -> None:
    """S6 S9 S10 P8: asked, approved, done once and reported, whoever died where."""
    cents = next(_CENTS)
    doomed = Doomed(stage, stage.office.worker if point in _WORKER else stage.office.bot, point)
    asked = stage.asks(f"refund order 1042 {cents / 100:.2f}")
    request = doomed.until(lambda: of_run(stage, asked), "the request is on record")
    approves(stage, doomed, request)
    closed = doomed.until(lambda: ended(stage, asked, request), "it is closed, and the run has ended")
    doomed.until(lambda: doomed.deaths, "it has died")
    doomed.until(lambda: reports(stage, asked, f"{cents / 100:.2f}"), "the report")
    settled_cards(stage, doomed, request, "Outcome")

    assert doomed.deaths == 1
    assert closed.outcome is not None
    assert closed.outcome.kind is OutcomeKind.EXECUTED
    assert paid(stage, cents, request) == 1
    assert times(stage, asked, Event.OPENED, Event.DECIDED, Event.EFFECT_DONE, Event.RUN_FINISHED) == [1] * 4
    assert stage.planned(asked) == 1
    costs(stage, tolls, point, asked, request)


@pytest.mark.parametrize("point", ["decide-before-commit", "decide-after-commit"])
def test_a_press_in_teams_survives(point: str, stage: Stage) -> None:
    """P8: The bot dies before Teams has its answer: pressed again it is decided once, and done once."""
    cents = next(_CENTS)
    doomed = Doomed(stage, stage.office.bot, point)
    asked = stage.asks(f"refund order 1042 {cents / 100:.2f}")
    request = doomed.until(lambda: of_run(stage, asked), "the request is on record")
    card = doomed.until(lambda: seen_by_bo(stage, request), "a card in Teams")
    press = stage.teams.clicks(card, "Approve", who="bo")
    assert press.error_shown
    doomed.until(lambda: doomed.deaths, "it has died")
    again = stage.teams.clicks(card, "Approve", who="bo") if "Approve" in card.buttons() else None
    doomed.until(lambda: ended(stage, asked, request), "it is closed, and the run has ended")
    settled_cards(stage, doomed, request, "Outcome")

    assert again is None or again.status == 200
    assert doomed.deaths == 1
    assert paid(stage, cents, request) == 1
    assert times(stage, asked, Event.OPENED, Event.DECIDED, Event.EFFECT_DONE, Event.RUN_FINISHED) == [1] * 4
    assert stage.planned(asked) == 1


@pytest.mark.parametrize("point", UNANSWERED)
def test_an_unanswered_request_ends_aloud(point: str, stage: Stage, tolls: list[Toll]) -> None:
    """S8 S28 P7: each step once, one page that is closed again, and the requester knows."""
    letters, incidents = len(stage.work.mail.messages), len(stage.work.pager.incidents)
    doomed = Doomed(stage, stage.office.bot, point)
    asked = stage.asks(f'email order 1042 "on its way, {point}"')
    request = doomed.until(lambda: of_run(stage, asked), "the request is on record")
    doomed.until(lambda: cards(stage, request), "the card")
    deadline = request.ask.deadline
    for fired, step in enumerate(deadline.steps[:-1], start=1):
        passes_until(stage, step.at)
        doomed.until(lambda: stage.now(request).fired >= fired, "the step fires")  # noqa: B023
    doomed.until(stage.work.pager.open_incidents, "on-call is paged")
    passes_until(stage, deadline.expires_at)
    closed = doomed.until(lambda: ended(stage, asked, request), "it is closed, and the run has ended")
    doomed.until(lambda: doomed.deaths, "it has died")
    doomed.until(lambda: not stage.work.pager.open_incidents(), "the page is closed")
    doomed.until(lambda: reports(stage, asked, "Nobody decided in time"), "the requester is told")
    settled_cards(stage, doomed, request, "Cancelled")

    assert doomed.deaths == 1
    assert closed.outcome is not None
    assert closed.outcome.kind is OutcomeKind.EXPIRED
    assert len(stage.work.mail.messages) == letters
    assert [one.notifications for one in stage.work.pager.incidents[incidents:]] == [1]
    assert times(stage, asked, Event.OPENED, Event.EXPIRED, Event.PAGED, Event.RUN_FINISHED) == [1] * 4
    assert times(stage, asked, Event.STEP) == [len(deadline.steps) - 2]  # all but the page and the end
    costs(stage, tolls, point, asked, request)


@pytest.mark.parametrize(
    ("point", "way", "kind", "letters"),
    [
        ("after-burn", "Run it again", OutcomeKind.EXECUTED, 1),
        ("after-burn", "Give up", OutcomeKind.UNKNOWN, 0),
        ("after-tool", "It happened", OutcomeKind.EXECUTED, 1),
    ],
)
def test_people_settle_what_nobody_knows(
    point: str, way: str, kind: OutcomeKind, letters: int, stage: Stage
) -> None:
    """P8: An e-mail cannot be sent twice to be sure: it is never silently run again, and each way on counts once."""
    before = len(stage.work.mail.messages)
    doomed = Doomed(stage, stage.office.worker, point)
    asked = stage.asks(f'email order 1042 "{point}, {way.lower()}"')
    request = doomed.until(lambda: of_run(stage, asked), "the request is on record")
    approves(stage, doomed, request)
    doomed.until(lambda: is_unknown(stage, request), "people are asked what happened")
    assert len(stage.work.mail.messages) - before == (point == "after-tool")
    card = doomed.until(lambda: offering(stage, request, way), f"a card with {way!r}")
    stage.work.run(stage.person("cy").clicks(card, way))
    closed = doomed.until(lambda: ended(stage, asked, request), "it is closed, and the run has ended")

    assert doomed.deaths == 1
    assert closed.outcome is not None
    assert closed.outcome.kind is kind
    assert len(stage.work.mail.messages) - before == letters
    assert times(stage, asked, Event.EFFECT_UNKNOWN, Event.CLOSED, Event.RUN_FINISHED) == [1] * 3


# ---- what the scenes look at


def of_run(stage: Stage, asked: Message) -> Request | None:
    """The live request of a mention's run."""
    thread = stage.thread(asked)
    return next((one for one in stage.wait(stage.store.live()) if one.ask.run.thread == thread), None)


def ended(stage: Stage, asked: Message, request: Request) -> Request | None:
    """The record, once it is closed and its run has ended."""
    now, thread = stage.now(request), stage.thread(asked)
    going = {run.thread for run in stage.wait(stage.store.unfinished())}
    return now if now.state is State.CLOSED and thread not in going else None


def is_unknown(stage: Stage, request: Request) -> bool:
    effect = stage.now(request).effect
    return effect is not None and effect.state is EffectState.UNKNOWN


def offering(stage: Stage, request: Request, label: str) -> Message | None:
    return next((card for card in slack_cards(stage, request) if label in card.buttons()), None)


def seen_by_bo(stage: Stage, request: Request) -> TeamsMessage | None:
    """Its card in Teams, where Bo can read it."""
    channel = stage.work.teams.channel_id(FINANCE)
    return next((card for card in stage.teams.cards(request) if card.conversation == channel), None)


def times(stage: Stage, asked: Message, *events: Event) -> list[int]:
    """How often the trail has each of these."""
    seen = Counter(stage.events(asked))
    return [seen[event] for event in events]


def paid(stage: Stage, cents: int, request: Request) -> int:
    """How often this amount was paid back, by the back office's own log."""
    rows = stage.count(f"SELECT count(*) FROM refunds WHERE amount_cents = {cents}")
    logged = stage.count(f"SELECT count(*) FROM actions WHERE idempotency_key LIKE '{request.id}%'")
    assert rows == logged
    return rows


def said(stage: Stage, asked: Message, request: Request) -> Counter[str]:
    """Everything the bot said in the asking thread and the cards' threads; cards themselves left out."""
    place = stage.work.slack.workspace
    roots = {asked.ts, *(card.thread_ts or card.ts for card in slack_cards(stage, request))}
    in_slack = Counter(
        f"{channel} {message.text_as_seen()}"
        for channel in place.channels
        for message in place.timeline(channel)
        if message.thread_ts in roots and not message.metadata and message.user != asked.user
    )
    standing = stage.teams.cards(request)
    threads = {(card.conversation, card.root) for card in standing}
    return in_slack + Counter(
        f"{message.conversation} {message.text_as_seen()}"
        for message in stage.work.teams.tenant.messages
        if (message.conversation, message.root) in threads and message not in standing
    )


def reports(stage: Stage, asked: Message, words: str) -> int:
    """How many messages of the asking thread hold these words, cards left out."""
    thread = stage.person("alex").sees_in_thread(asked)[1:]
    return sum(words in message.text_as_seen() for message in thread if not message.metadata)


def settled_cards(stage: Stage, doomed: Doomed, request: Request, words: str) -> None:
    """Every card says how it ended; a stray one learns it when somebody presses one of its buttons."""
    doomed.until(lambda: not still_to_tell(stage), "everything is told")
    told = stage.wait(stage.store.all_told(request.id)).values()
    known = {(one.ref.channel, one.ref.message) for one in told if one.ref is not None}
    for card in cards(stage, request):
        if where(card) not in known:
            looks_at(stage, card)
        doomed.until(lambda: words in card.text_as_seen(), f"{words!r} on each card")  # noqa: B023


def costs(stage: Stage, tolls: list[Toll], point: str, asked: Message, request: Request) -> None:
    """What was on its way when the bot died may stand twice, at most; when a worker dies nothing does."""
    standing = Counter(where(card)[0] for card in cards(stage, request))
    again = said(stage, asked, request)
    toll = Toll(
        point=point, cards=standing.total() - len(stage.now(request).card_places),
        said=sum(number - 1 for number in again.values()), plans=stage.planned(asked),
    )  # fmt: skip
    tolls.append(toll)
    most = 2 if point in _BOT else 1
    assert max(standing.values()) <= most
    assert max(again.values()) <= most


def passes_until(stage: Stage, when: datetime) -> None:
    """Let time pass until just after `when`."""
    now = stage.wait(stage.store.now())
    stage.pass_time(max(when - now, timedelta(0)) + timedelta(seconds=1))
