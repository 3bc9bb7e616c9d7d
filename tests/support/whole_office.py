"""The demo's office as tests drive it: real processes, no story told, and a process that dies where it is told to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias, TypeVar

from rich.console import Console
from sayso.approvals.connection import open_sync_redis
from sayso.approvals.crash import CRASH_AT
from sayso.approvals.redis_scripts import GROUP
from sayso.approvals.request import Request, State
from sayso.bot.demo.office import opened
from sayso.bot.demo.process import Served
from sayso.bot.demo.stage import Stage
from sayso.bot.demo.story import Story
from sayso.sandbox.slack.screen import Message
from sayso.sandbox.teams import Message as TeamsMessage

T = TypeVar("T")
#: A card as it stands on one platform or the other.
Copy: TypeAlias = Message | TeamsMessage


@contextmanager
def whole_office(folder: Path) -> Iterator[Stage]:
    """Store, Slack, Teams, pager, tokens, mail, bot and worker in an empty folder; all of it ends with the block."""
    with opened(folder) as office:
        stage = Stage(office, quiet())
        try:
            yield stage
        finally:
            stage.close()


def quiet() -> Story:
    """A story that nobody hears."""
    return Story(Console(quiet=True))


def restarted(served: Served) -> None:
    """Kill it if it runs, and start it again."""
    served.kill()
    served.start()
    served.wait_ready()


def dies_at(served: Served, point: str) -> None:
    """It dies, once, when it next comes to this point."""
    file = served._log.with_suffix(".dies-at")
    if CRASH_AT not in served._env:
        served._env[CRASH_AT] = f"@{file}"
        restarted(served)
    file.write_text(point)


class Doomed:
    """A process that dies at one point, and is started again, whole, as soon as somebody notices."""

    def __init__(self, stage: Stage, served: Served, point: str) -> None:
        self.deaths = 0
        self._stage = stage
        self._served = served
        # What the death before left undone is done first: it would be that work which dies here, beside this scene's.
        assert within(60, lambda: not work_left(stage)), "the work of the scene before is not done"
        dies_at(served, point)

    def until(self, seen: Callable[[], T | None], what: str, *, seconds: float = 40) -> T:
        """The first truthy `seen()`, over the process's dead body if need be."""
        deadline = time.monotonic() + seconds
        while not (found := seen()):
            assert time.monotonic() < deadline, f"expected within {seconds:g} s: {what}"
            self.notice()
            time.sleep(0.05)
        return found

    def dead(self) -> bool:
        """It has killed itself and nobody has started it again."""
        process = self._served._process
        return process is not None and process.poll() is not None

    def notice(self) -> bool:
        """Start it again if it is dead; whether it was."""
        process = self._served._process
        if process is None or process.poll() is None:
            return False
        assert process.returncode == -signal.SIGKILL, "it ended by itself"
        self.deaths += 1
        if self._served is self._stage.office.bot:
            claims_end(self._stage)
        else:
            holds_end(self._stage)
        restarted(self._served)
        return True


def claims_end(stage: Stage) -> None:
    """Half a minute passes: what a dead deliverer held, or put off, is due (both are kept in wall time)."""
    stage.pass_time(timedelta(seconds=30))
    with open_sync_redis(stage.office.redis_url) as client:
        for pattern in ("sayso:{*}:leased", "sayso:{*}:lane:*"):
            for key in client.scan_iter(pattern):
                client.zadd(key, dict.fromkeys(client.zrange(key, 0, -1), 0), xx=True)


def holds_end(stage: Stage) -> None:
    """As much time passes for what a dead worker held: its leases and locks end, its work is anybody's."""
    with open_sync_redis(stage.office.redis_url) as client:
        for pattern in ("sayso:{*}:lease:*", "sayso:thread:{*}:lock"):
            for key in client.scan_iter(pattern):
                client.pexpire(key, 1)
        for key in client.scan_iter("sayso:{*}:work"):
            for held in client.xpending_range(key, GROUP, "-", "+", 100):
                item = [held["message_id"]]
                client.xclaim(key, GROUP, held["consumer"], 0, item, idle=60_000, justid=True)


def work_left(stage: Stage) -> int:
    """How many pieces of work wait for a worker, or are in one's hands."""
    with open_sync_redis(stage.office.redis_url) as client:
        return sum(int(client.xlen(key)) for key in client.scan_iter("sayso:{*}:work"))


def still_to_tell(stage: Stage, within: float = 3) -> int:
    """How many cards, notices and pages are under way or due in the next seconds."""
    with open_sync_redis(stage.office.redis_url) as client:
        keys = [*client.scan_iter("sayso:{*}:lane:*")]
        soon = (time.time() + within) * 1000
        leased = sum(int(client.zcard(key)) for key in client.scan_iter("sayso:{*}:leased"))
        return leased + sum(int(client.zcount(key, "-inf", soon)) for key in keys)


def cards(stage: Stage, request: Request) -> list[Copy]:
    """Every card of a request, in every channel of Slack and of Teams."""
    return [*slack_cards(stage, request), *stage.teams.cards(request)]


def slack_cards(stage: Stage, request: Request) -> list[Message]:
    """Those in Slack."""
    place = stage.work.slack.workspace
    return [
        message
        for channel in place.channels
        for message in place.timeline(channel)
        if ((message.metadata or {}).get("event_payload") or {}).get("request") == request.id
    ]


def where(card: Copy) -> tuple[str, str]:
    """The conversation a card stands in, and the platform's id of it there."""
    return (card.channel, card.ts) if isinstance(card, Message) else (card.conversation, card.id)


def looks_at(stage: Stage, card: Copy, *, who: str = "cy") -> None:
    """Press Details, and close what opens."""
    if isinstance(card, Message):
        click = stage.work.run(stage.person(who).clicks(card, "Details"))
        stage.work.run(stage.person(who).closes(stage.work.run(click.modal())))
    else:
        stage.teams.clicks(card, "Details", who=who)


def approves(stage: Stage, doomed: Doomed, request: Request, *, who: str = "bo") -> None:
    """Press Approve on the newest card in Slack, again when nothing came of it, as people do."""
    for _ in range(8):
        card = doomed.until(lambda: _open_card(stage, request), "a card with its buttons")
        click = stage.work.run(stage.person(who).clicks(card, "Approve"))
        if click.answer.ok and within(3, lambda: stage.now(request).state is not State.OPEN, doomed.dead):
            return
        if not click.answer.ok:
            within(1, doomed.dead)  # it was refused a connection before its end can be seen
        doomed.notice()
        if stage.now(request).state is not State.OPEN:
            return
    raise AssertionError("eight presses of Approve led to nothing")


def _open_card(stage: Stage, request: Request) -> Message | None:
    found = [one for one in slack_cards(stage, request) if "Approve" in one.buttons()]
    return found[-1] if found else None


def within(seconds: float, seen: Callable[[], bool], hopeless: Callable[[], bool] = lambda: False) -> bool:
    """Whether it comes in time; no longer looked for once it is hopeless."""
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline or hopeless():
            return seen()
        time.sleep(0.02)
    return True
