"""`sayso run`: asks an agent for something and tells what happens until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from redis.exceptions import RedisError
from rich.console import Console

from ...agent.thread_keys import ThreadKeys
from ...approvals.action import Action
from ...approvals.change import AuditRecord, Event
from ...approvals.connection import open_redis
from ...approvals.errors import BadSetting, SaysoError
from ...approvals.people import PersonId
from ...approvals.request import Request, Run, State
from ...approvals.store import Store
from ...approvals.verdict import RequestId, ThreadId
from ...cards.escape import clean, cut
from ..desk import GOAL_CHARACTERS, TooLong
from ..opening import connect, open_store, store_server
from ..settings import Settings, load_settings
from .terminal import console, namer, span_words
from .timeline import Name, trail_line

#: How often the trail is looked at, seconds.
LOOK_SECONDS = 0.3
#: A worker that has not taken the run after this long is asked for, seconds.
WORKER_SECONDS = 10.0
#: A bot that has posted no card after this long is asked for, seconds.
BOT_SECONDS = 5.0
#: Longest report that is printed, characters.
REPORT_CHARACTERS = 10_000

_ENDED = (Event.RUN_FINISHED, Event.RUN_FAILED)


class NotAsked(SaysoError):
    """Nothing was started."""


def run_detached(settings_file: Path | None, graph: str, goal: str, as_person: str | None) -> ThreadId:
    """Start a run and leave it; its id. Raises: as `run_and_follow`."""
    settings = load_settings(settings_file)
    run = _new_run(settings, graph, goal, as_person)

    async def started() -> None:
        async with open_store(settings) as store:
            await store.start(run)

    asyncio.run(started())
    return run.thread


def run_and_follow(settings_file: Path | None, graph: str, goal: str, as_person: str | None) -> int:
    """Start a run and follow it: 0 when it finished, 1 when it failed, 130 when the person stopped following.

    Raises: BadSetting, NotAsked, TooLong, and what opening the store raises.
    """
    settings = load_settings(settings_file)
    run = _new_run(settings, graph, goal, as_person)
    following = _Following(settings, run, console())
    with store_server(settings) as url:
        return asyncio.run(following.until_it_ends(url))


def _new_run(settings: Settings, graph: str, goal: str, as_person: str | None) -> Run:
    _must_be_known("graph", graph, settings.graphs, settings.file)
    if as_person is not None:
        _must_be_known("person", as_person, settings.people, settings.file)
    elif not any(route.unattended for route in settings.policy.routes.values()):
        raise NotAsked(
            "Say who asks with --as PERSON: no route here takes runs without a known human "
            "(routes.NAME.unattended = true would)."
        )
    if not goal.strip():
        raise NotAsked("Say what the agent should do.")
    if len(goal) > GOAL_CHARACTERS:
        raise TooLong
    return Run(
        thread=ThreadId(f"cli-{uuid.uuid4()}"), graph=graph, goal=goal.strip(),
        asked_by=PersonId(as_person) if as_person else None,
    )  # fmt: skip


def _must_be_known(what: str, name: str, known: Collection[str], file: Path) -> None:
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(known))}."
    raise BadSetting(f"There is no {what} {name!r} in {file}; {hint}")


@dataclass(slots=True)
class _Following:
    """One run as somebody watches it.

    Attributes:
        asked: Requests that were opened by it, newest last.
        shown: Those that stand somewhere, by what the trail proves.
        hidden: Since when the others wait to be posted (seconds, monotonic).
    """

    settings: Settings
    run: Run
    out: Console
    asked: list[RequestId] = field(default_factory=list)
    shown: set[RequestId] = field(default_factory=set)
    hidden: dict[RequestId, float] = field(default_factory=dict)

    @property
    def name(self) -> Name:
        return namer(self.settings)

    async def until_it_ends(self, url: str) -> int:
        """Follow until the run ends or somebody presses Ctrl-C; the exit code."""
        # An event and no cancelling: a step of ours that is under way is finished first.
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        async with connect(url, self.settings) as store:
            await store.start(self.run)
            self.out.print(f"Asked {self.run.graph}: run {self.run.thread}", soft_wrap=True)
            last = await self._follow(store, url, stop)
        if last is None:
            id = self.asked[-1] if self.asked else self.run.thread
            words = f"\nNot following any more; the run goes on. See how it stands: sayso show {id}"
            self.out.print(words, soft_wrap=True)
            return 130
        if report := await _report(url, self.settings, self.run.thread):
            self.out.print(f"\n{report}", soft_wrap=True)
        return 0 if last.entry.event is Event.RUN_FINISHED else 1

    async def _follow(self, store: Store, url: str, stop: asyncio.Event) -> AuditRecord | None:
        """Print each new line of the trail; the one that ends the run is returned, None when told to stop."""
        seen, since, asked_for_worker = 0, time.monotonic(), False
        with self.out.status("", spinner="dots") as status:
            while not stop.is_set():
                trail = await store.trail(self.run.thread)
                for record in trail[seen:]:
                    await self._tell(store, record, trail[0].at)
                if ended := next((record for record in trail[seen:] if record.entry.event in _ENDED), None):
                    return ended
                seen = len(trail)
                if not asked_for_worker and time.monotonic() - since > WORKER_SECONDS:
                    asked_for_worker = True
                    if seen <= 1 and not await _taken(url, self.settings, self.run.thread):
                        words = "Queued; no worker has taken it yet: is `sayso serve` running?"
                        self.out.print(words, soft_wrap=True)
                await self._miss_the_bot(store)
                status.update(await self._waiting_for(store))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        return None

    async def _tell(self, store: Store, record: AuditRecord, first: datetime) -> None:
        """A line of the trail; with a question, where it is to be asked and how to look at it.

        That it stands there is a line of its own ("Shown in ..."), which only a bot that has posted it writes.
        """
        self.out.print(trail_line(record, first, self.name, self.out.width), soft_wrap=True)
        if record.entry.event is Event.SHOWN and record.request:
            self.shown.add(record.request)
            self.hidden.pop(record.request, None)
        if record.entry.event is Event.OPENED and record.request:
            self.asked.append(record.request)
            self.hidden[record.request] = time.monotonic()
            request = await store.get(record.request)
            places = ", ".join(request.card_places) or "no channel"
            self.out.print(
                f"  To be asked in {places}; the whole card: sayso show {request.id}", soft_wrap=True
            )

    async def _miss_the_bot(self, store: Store) -> None:
        """Say it, once for each question that has stood nowhere for too long."""
        late = [id for id, since in self.hidden.items() if time.monotonic() - since > BOT_SECONDS]
        for id in late:
            del self.hidden[id]
            if (await store.get(id)).state is State.OPEN:
                words = "  Nobody can see the question yet; no bot has posted it: is `sayso serve` running?"
                self.out.print(words, soft_wrap=True)

    async def _waiting_for(self, store: Store) -> str:
        """What stands beside the spinner."""
        if not self.out.is_terminal:
            return ""
        if not self.asked:
            return "Waiting for the agent."
        shown = self.asked[-1] in self.shown
        return _standing(await store.get(self.asked[-1]), await store.now(), shown=shown)


def _standing(request: Request, now: datetime, *, shown: bool) -> str:
    if request.state is State.OPEN and not shown:
        return "Waiting for a bot to post the card: is `sayso serve` running?"
    if request.state is State.OPEN:
        circles = ", ".join(request.approver_sets)
        left = span_words(request.ask.deadline.expires_at - now)
        return f"Waiting for {circles}: {len(request.votes)} of {request.ask.rule.needed}; {left} left."
    return "The agent is at work." if request.state is State.CLOSED else f"It is {request.state}."


async def _taken(url: str, settings: Settings, thread: ThreadId) -> bool:
    """Whether some worker has ever held this thread."""
    client = open_redis(url, connections=1)
    try:
        return bool(await client.exists(ThreadKeys(settings.store.prefix, thread).fence))
    finally:
        await client.aclose()


async def _report(url: str, settings: Settings, thread: ThreadId) -> str:
    """The agent's own last words, out of its state: a run without an origin is told nowhere else."""
    # LangGraph takes half a second to load: not before it is needed.
    from ...agent.checkpoints import RedisSaver
    from ...agent.sealed_state import sealed
    from ...agent.serializer import StateSerializer
    from ...agent.words import report_of

    saver = RedisSaver.at(
        url, prefix=settings.store.prefix, serde=sealed(StateSerializer([Action]), settings.seal)
    )
    try:
        kept = await saver.aget_tuple({"configurable": {"thread_id": thread}})
    except (SaysoError, RedisError) as error:
        return f"The agent's report cannot be read here: {error}"
    finally:
        await saver.aclose()
    report = report_of(kept.checkpoint["channel_values"]) if kept else ""
    return cut(clean(report).strip(), REPORT_CHARACTERS)
