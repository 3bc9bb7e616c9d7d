"""The store port: the one hand-over point between gate, channels, clock and workers.

Three roles on one store: the record (`RequestStore`), the work queue (`WorkQueue`) and what is still to be
told (`Outbox`). `memory.MemoryStore` and `redis_store.RedisStore` implement all of them under one contract suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from .change import Applied, AuditEntry, AuditRecord, Change, Notice, Work
from .halt import Halt
from .handover import HandOver
from .people import PersonId, Place
from .request import Ask, Request, Run
from .verdict import RequestId, ThreadId

#: A pure step: the record as it stands and the store's time (UTC) in, the change to commit out. Returning None
#: changes nothing. It may run again when somebody else was faster.
PureStep = Callable[[Request, datetime], Change | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPolicy:
    """The policy by which the bot works that was started last.

    Attributes:
        version: Its digest.
        text: Its canonical bytes, JSON.
        at: UTC, by the store's time.
    """

    version: str
    text: str
    at: datetime


class RequestStore(Protocol):
    """The record of what was asked and answered. Every verb is one atomic step, or a read."""

    async def now(self) -> datetime:
        """The store's time, UTC; it never goes back."""
        ...

    async def open(self, change: Change) -> Request:
        """Keep a new request with its clock, audit and dirty cards; the same id again returns the first one."""
        ...

    async def get(self, id: RequestId) -> Request:
        """Raises: RequestNotFound."""
        ...

    async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
        """Commit `step` as one atomic compare-and-set.

        Args:
            token: Id of the click or event behind it; the same token again changes nothing and is `replayed`
                (kept for 24 hours).

        Raises: RequestNotFound, Halted for a change that acts, and whatever `step` raises.
        """
        ...

    async def note(
        self, entry: AuditEntry, *, thread: ThreadId, request: RequestId | None = None, token: str = ""
    ) -> None:
        """Append to the audit trail without changing a record; the same token again appends nothing."""
        ...

    async def live(self) -> Sequence[Request]:
        """All requests that are not closed, oldest first."""
        ...

    async def due(self, limit: int = 100) -> Sequence[RequestId]:
        """Requests whose clock has come, at most `limit` of each partition."""
        ...

    async def trail(self, thread: ThreadId) -> Sequence[AuditRecord]:
        """The audit trail of one run, in order, without what is `UNTOLD`."""
        ...

    async def happened(self, since: datetime) -> Sequence[AuditRecord]:
        """The audit trail of all runs from this instant (UTC) on, in the order of time."""
        ...

    async def publish_policy(self, version: str, text: str) -> None:
        """Say by which policy the bot works; the one that was published last counts."""
        ...

    async def published_policy(self) -> PublishedPolicy | None:
        """What was published last. It allows nothing: every process acts by the policy of its own settings.

        Raises: CannotOpen, when it was sealed with a key that is not here.
        """
        ...

    async def run(self, thread: ThreadId) -> Run | None:
        """The run of a thread."""
        ...

    async def unfinished(self) -> Sequence[Run]:
        """Runs whose graph has not ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """Work that one worker holds. `id` and `partition` name it in the store; `tries` counts entered graph runs."""

    id: str
    partition: int
    work: Work
    tries: int = 0


class WorkQueue(Protocol):
    """Hands each piece of work to one worker at a time, and on when that one dies."""

    async def start(self, run: Run, *, token: str = "", audit: Sequence[AuditEntry] = ()) -> bool:
        """Record a run and queue its start; False (and nothing done) when the thread has a run already."""
        ...

    async def start_again(self, run: Run) -> bool:
        """As `start`, also for a thread whose run has ended; False (and nothing done) while one goes on."""
        ...

    async def take(self, worker: str, *, idle: timedelta, wait: timedelta) -> WorkItem | None:
        """The next item; one whose worker was silent for `idle` is handed on. None after `wait` without work."""
        ...

    async def entered(self, item: WorkItem, worker: str) -> int | None:
        """Count one entry into graph code and say how many there were; None when it is no longer this worker's."""
        ...

    async def keep(self, item: WorkItem, worker: str) -> bool:
        """Say that this worker is alive and at it; False when the item was handed on."""
        ...

    async def finish(self, item: WorkItem, worker: str) -> None:
        """It is done, for good."""
        ...

    async def finish_run(self, thread: ThreadId, entry: AuditEntry, notices: Sequence[Notice] = ()) -> None:
        """The run's graph has ended; say so (once)."""
        ...


#: Dead letters kept in each partition; the audit trail holds them all.
MOST_LETTERS = 1_000


class Lane(StrEnum):
    """What goes first: pages, then what is new or decided, then mere redraws."""

    PAGE = "page"
    TELL = "tell"
    REDRAW = "redraw"


class TargetKind(StrEnum):
    CARD = "card"
    NOTICE = "notice"
    PAGE = "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that must be brought up to date: a card in a place, a notice, a page at a pager.

    Attributes:
        id: Request id, or for a notice its stored id (both begin with the partition).
        where: The place of a card, the pager's name of a page; empty for a notice.
    """

    kind: TargetKind
    id: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.kind}|{self.id}|{self.where}"

    @classmethod
    def parse(cls, text: str) -> Target:
        kind, id, where = text.split("|", 2)
        return cls(kind=TargetKind(kind), id=id, where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRef:
    """Where something was told.

    Attributes:
        platform: "slack", "teams", "pagerduty".
        channel, message: The platform's ids; enough to edit it later.
        thread: Id of the thread it stands in; its own id when it begins one.
        facts: What else the platform needs ("service_url", "routing_key_ref").
    """

    platform: str
    channel: str
    message: str
    thread: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a target shows now.

    Attributes:
        ref: Where; None before the first time.
        version: Of the record it shows; 0 before the first time.
        revision: Of what is decided.
        at: UTC wall time of the platform's answer.
        attempts: Failed tries since it last worked.
        status: For a page: "", "triggering", "triggered", "resolving", "resolved", "unknown"; of a card "unclear" when
            it may stand there or not; how a notice was settled in one of its places.
    """

    ref: MessageRef | None = None
    version: int = 0
    revision: int = 0
    at: datetime | None = None
    attempts: int = 0
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A target that nobody will see: it rests until the record changes or somebody has it replayed.

    Attributes:
        places: Where it was tried; empty when there was no place to try.
        why: In words for people, at most 300 characters.
        since: UTC, by the store's time.
        tries: How often it was tried since it last worked; at least 1.
        thread: The run it belongs to.
        request: None for a notice about a run.
    """

    target: Target
    places: tuple[Place, ...]
    why: str
    since: datetime
    tries: int
    thread: ThreadId
    request: RequestId | None = None


class Outbox(Protocol):
    """What is still to be told. Level-triggered: a target is dirty until it shows the newest record."""

    async def claim(self, lanes: Sequence[Lane], *, lease: timedelta, limit: int = 10) -> Sequence[Target]:
        """Dirty targets that are due, most urgent first; each is leased, and dirty again when the lease ends."""
        ...

    async def told(self, target: Target) -> Told:
        """What it shows now."""
        ...

    async def all_told(self, id: RequestId) -> Mapping[str, Told]:
        """Every target of a request that was told, by its text form."""
        ...

    async def set_told(self, target: Target, told: Told, *, again: timedelta | None = None) -> None:
        """Record what it shows; clean if that is the newest version, else (or with `again`) dirty again.

        A target that becomes clean is no dead letter any more.

        Args:
            again: Look at it again after this time, whatever the version.
        """
        ...

    async def bury(self, letter: DeadLetter, told: Told, *, version: int = 0) -> None:
        """Record what it shows, and that nothing newer can be told: clean unless the record is beyond `version`.

        Args:
            letter: Buried again it keeps its first `since`. The newest `MOST_LETTERS` of a partition are kept.
            version: Of the record that could not be told; of no account for notices.
        """
        ...

    async def dead_letters(self) -> Sequence[DeadLetter]:
        """All of them, oldest first; they are kept as long as their request."""
        ...

    async def replay(self, target: Target) -> bool:
        """Try a dead letter again: it is dirty, and a letter no more; False when it is none.

        A notice is said again wherever it was not heard.
        """
        ...

    async def say(self, notice: Notice) -> None:
        """Have something said that follows from no transition; the same key again in its thread says nothing."""
        ...

    async def notice(self, id: str) -> Notice | None:
        """The stored notice."""
        ...

    async def standing_in(self, place: Place) -> Sequence[RequestId]:
        """Requests (not closed) that have a card in this thread ("slack:C12/1699.01")."""
        ...

    async def stood_in(self, place: Place) -> Sequence[RequestId]:
        """The same with the closed ones, as long as they are kept."""
        ...

    async def woken(self, lanes: Sequence[Lane], timeout: timedelta) -> None:
        """Return when something may have become dirty, or after `timeout`; one task per first lane waits."""
        ...


class Halts(Protocol):
    """Who paused sayso. Whatever acts is refused by the store itself while a pause of its graph, or of all, holds."""

    async def halt(self, halt: Halt, entry: AuditEntry) -> None:
        """Pause, in place of what is kept for the same graph; broken off half-way it may hold for some runs only."""
        ...

    async def unhalt(self, graph: str, entry: AuditEntry) -> None:
        """End what is kept for this graph ("" for all); put on record if there was anything."""
        ...

    async def unhalt_ended(self, graph: str, entry: AuditEntry) -> None:
        """The same, and only for what holds no more."""
        ...

    async def halts(self) -> Sequence[Halt]:
        """What is kept, also what holds no more, by graph. Raises: CannotOpen."""
        ...

    async def unhalted(self, run: Run) -> None:
        """Return while this run may go on. Raises: Halted."""
        ...


class Handovers(Protocol):
    """Whose authority is in whose hands; whoever reads it believes only what the bot has signed."""

    async def hand_over(self, given: HandOver, entry: AuditEntry) -> None:
        """Keep it in place of what the same person gave before."""
        ...

    async def take_back(self, by: PersonId, entry: AuditEntry) -> None:
        """Forget what this person gave."""
        ...

    async def handovers(self) -> Sequence[HandOver]:
        """All that are kept, also those that hold no more or not yet. Raises: CannotOpen."""
        ...


class Store(RequestStore, WorkQueue, Outbox, Halts, Handovers, Protocol):
    """All roles; what `build` hands around."""

    async def lease_held(self, id: RequestId) -> bool:
        """Whether the worker of a started tool still renews its lease."""
        ...

    def renew(self, id: RequestId, worker: str, lease: timedelta) -> bool:
        """Renew it. Synchronous, called from a thread apart from the event loop; False when it was lost."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


__all__ = [
    "Applied", "Ask", "DeadLetter", "Halts", "Lane", "MessageRef", "Outbox", "PublishedPolicy", "PureStep", "RequestStore", "Store", "Target",
    "TargetKind", "Told", "Work", "WorkItem", "WorkQueue",
]  # fmt: skip
