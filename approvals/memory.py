"""The store in memory: for tests and for trying things out; forgets at exit, obeys the same contract as Redis."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from . import canonical, marks
from .change import UNTOLD, Applied, AuditEntry, AuditRecord, Change, Notice, Work, WorkKind
from .errors import Halted, RequestNotFound
from .evidence import run_started
from .halt import HALTS, Halt
from .handover import HANDOVERS, HandOver
from .looks import withheld_json
from .naming import PARTITIONS, partition_of
from .people import PersonId, Place
from .request import Request, Run
from .store import (
    MOST_LETTERS,
    DeadLetter,
    Lane,
    PublishedPolicy,
    PureStep,
    Target,
    TargetKind,
    Told,
    WorkItem,
)
from .verdict import RequestId, ThreadId

T = TypeVar("T")


@dataclass(slots=True)
class _Held:
    """A piece of work and who has it."""

    work: Work
    worker: str = ""
    seen: datetime | None = None
    tries: int = 0


@dataclass(slots=True)
class _Clock:
    """Wall time plus what a test pushed it forward by."""

    start: datetime
    offset: timedelta = field(default_factory=timedelta)


class MemoryStore:
    """A `Store` in one process. `advance` pushes its clock forward; by itself the clock stands still."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, 12, tzinfo=UTC)) -> None:
        self._clock = _Clock(start)
        self._requests: dict[RequestId, Request] = {}
        self._runs: dict[ThreadId, Run] = {}
        self._ended: set[ThreadId] = set()
        self._trail: list[AuditRecord] = []
        self._tokens: set[str] = set()
        self._work: dict[str, _Held] = {}
        self._notices: dict[str, Notice] = {}
        self._dirty: dict[Lane, dict[Target, datetime]] = {lane: {} for lane in Lane}
        self._leased: dict[Target, datetime] = {}
        self._lane: dict[Target, Lane] = {}
        self._told: defaultdict[str, dict[str, Told]] = defaultdict(dict)
        self._letters: dict[Target, DeadLetter] = {}
        self._leases: dict[RequestId, tuple[str, datetime]] = {}
        self._policy: PublishedPolicy | None = None
        self._halts: dict[str, Halt] = {}
        self._handovers: dict[PersonId, HandOver] = {}
        self._numbers = itertools.count(1)
        self._wake = asyncio.Event()

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._clock.offset += by

    @property
    def _now(self) -> datetime:
        return self._clock.start + self._clock.offset

    async def now(self) -> datetime:
        return self._now

    async def open(self, change: Change) -> Request:
        known = self._requests.get(change.request.id)
        if known is None:
            self._commit(None, change)
        return self._requests[change.request.id]

    async def get(self, id: RequestId) -> Request:
        try:
            return self._requests[id]
        except KeyError:
            raise RequestNotFound from None

    async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
        before = await self.get(id)
        if token and f"{id}:{token}" in self._tokens:
            return Applied(before, replayed=True)
        change = step(before, self._now)
        if change is None:
            return Applied(before)
        if change.acts:
            await self.unhalted(change.request.ask.run)
        self._commit(before, change)
        if token:
            self._tokens.add(f"{id}:{token}")
        return Applied(self._requests[id])

    def _commit(self, before: Request | None, change: Change) -> None:
        version = before.version + 1 if before else 1
        after = _kept(replace(change.request, version=version))
        self._requests[after.id] = after
        for ask in change.opens:
            self._requests.setdefault(ask.id, _kept(Request(ask=ask)))
        self._runs.setdefault(after.ask.run.thread, after.ask.run)
        for entry in change.audit:
            self._append(entry, after.ask.run.thread, after.id)
        for work in change.work:
            self._work[f"w{next(self._numbers)}"] = _Held(work)
        if change.lease is not None and after.effect:
            self._leases[after.id] = (after.effect.worker, self._now + change.lease)
        self._keep_notices(change.notices)
        for lane, target in marks.of_change(before, replace(change, request=after)):
            if target.kind is not TargetKind.NOTICE:
                self._mark(lane, target)

    def _keep_notices(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            id = marks.notice_id(notice)
            if id not in self._notices:
                self._notices[id] = _kept(notice)
                self._mark(Lane.TELL, Target(kind=TargetKind.NOTICE, id=id))

    def _append(self, entry: AuditEntry, thread: ThreadId, request: RequestId | None) -> None:
        number = len(self._trail) + 1
        record = AuditRecord(number=number, at=self._now, thread=thread, request=request, entry=_kept(entry))
        self._trail.append(record)

    def _mark(self, lane: Lane, target: Target) -> None:
        waits = {other for other in Lane if self._dirty[other].pop(target, None) is not None}
        first = next(other for other in Lane if other in waits or other is lane)  # the most urgent one
        self._dirty[first][target] = self._now
        self._lane[target] = first
        self._wake.set()

    async def note(
        self, entry: AuditEntry, *, thread: ThreadId, request: RequestId | None = None, token: str = ""
    ) -> None:
        if token and f"note:{thread}:{token}" in self._tokens:
            return
        if token:
            self._tokens.add(f"note:{thread}:{token}")
        self._append(entry, thread, request)

    async def live(self) -> Sequence[Request]:
        found = [request for request in self._requests.values() if request.live]
        return sorted(found, key=lambda request: request.ask.opened_at)

    async def due(self, limit: int = 100) -> Sequence[RequestId]:
        found = [r.id for r in await self.live() if r.due_at and r.due_at <= self._now]
        return found[: limit * PARTITIONS]

    async def trail(self, thread: ThreadId) -> Sequence[AuditRecord]:
        return [one for one in self._trail if one.thread == thread and one.entry.event not in UNTOLD]

    async def happened(self, since: datetime) -> Sequence[AuditRecord]:
        return [record for record in self._trail if record.at >= since]

    async def publish_policy(self, version: str, text: str) -> None:
        self._policy = PublishedPolicy(version=version, text=text, at=self._now)

    async def published_policy(self) -> PublishedPolicy | None:
        return self._policy

    async def run(self, thread: ThreadId) -> Run | None:
        return self._runs.get(thread)

    async def unfinished(self) -> Sequence[Run]:
        return [run for thread, run in self._runs.items() if thread not in self._ended]

    # ---- work

    async def start(self, run: Run, *, token: str = "", audit: Sequence[AuditEntry] = ()) -> bool:
        if run.thread in self._runs:
            return False
        run = _kept(run)
        self._runs[run.thread] = run
        self._append(run_started(run), run.thread, None)
        for entry in audit:
            self._append(entry, run.thread, None)
        self._work[f"w{next(self._numbers)}"] = _Held(Work(kind=WorkKind.START, run=run))
        self._wake.set()
        return True

    async def start_again(self, run: Run) -> bool:
        if run.thread in self._runs and run.thread not in self._ended:
            return False
        self._runs.pop(run.thread, None)
        self._ended.discard(run.thread)
        return await self.start(run)

    async def take(self, worker: str, *, idle: timedelta, wait: timedelta) -> WorkItem | None:
        for id, held in () if self._halt_of("") else self._work.items():
            if held.seen is None or self._now - held.seen >= idle:
                held.worker, held.seen = worker, self._now
                partition = partition_of(held.work.run.thread)
                return WorkItem(id=id, partition=partition, work=held.work, tries=held.tries)
        await asyncio.sleep(0 if wait < timedelta(milliseconds=20) else 0.01)
        return None

    def _mine(self, item: WorkItem, worker: str) -> _Held | None:
        held = self._work.get(item.id)
        return held if held is not None and held.worker == worker else None

    async def entered(self, item: WorkItem, worker: str) -> int | None:
        held = self._mine(item, worker)
        if held is None:
            return None
        held.tries += 1
        return held.tries

    async def keep(self, item: WorkItem, worker: str) -> bool:
        held = self._mine(item, worker)
        if held is None:
            return False
        held.seen = self._now
        return True

    async def finish(self, item: WorkItem, worker: str) -> None:
        if self._mine(item, worker):
            del self._work[item.id]

    async def finish_run(self, thread: ThreadId, entry: AuditEntry, notices: Sequence[Notice] = ()) -> None:
        if thread in self._ended:
            return
        self._ended.add(thread)
        self._append(entry, thread, None)
        self._keep_notices(notices)

    # ---- telling

    async def claim(self, lanes: Sequence[Lane], *, lease: timedelta, limit: int = 10) -> Sequence[Target]:
        found: list[Target] = []
        for target in [t for t, ends in self._leased.items() if ends <= self._now]:
            del self._leased[target]
            self._dirty[self._lane.get(target, Lane.TELL)].setdefault(target, self._now)
        for lane in lanes:
            due = sorted((at, str(t), t) for t, at in self._dirty[lane].items() if at <= self._now)
            for _, _, target in due:
                if target not in self._leased and len(found) < limit:
                    del self._dirty[lane][target]
                    self._leased[target] = self._now + lease
                    found.append(target)
        return found

    async def told(self, target: Target) -> Told:
        return self._told[target.id].get(str(target), Told())

    async def all_told(self, id: RequestId) -> Mapping[str, Told]:
        return dict(self._told[id])

    async def set_told(self, target: Target, told: Told, *, again: timedelta | None = None) -> None:
        if self._kept_told(target, told, told.version, again):
            self._letters.pop(target, None)

    def _kept_told(self, target: Target, told: Told, version: int, again: timedelta | None) -> bool:
        """Whether it is clean now."""
        self._told[target.id][str(target)] = _kept(told)
        self._leased.pop(target, None)
        lane = self._lane.get(target, Lane.TELL)
        request = self._requests.get(RequestId(target.id))
        if again is not None:
            self._dirty[lane][target] = self._now + again
            return False
        if request is not None and version < request.version:
            self._dirty[lane][target] = self._now
            self._wake.set()
            return False
        self._dirty[lane].pop(target, None)
        return True

    async def bury(self, letter: DeadLetter, told: Told, *, version: int = 0) -> None:
        target = letter.target
        self._kept_told(target, told, version, None)
        known = self._letters.get(target)
        self._letters[target] = _kept(replace(letter, since=known.since) if known else letter)
        beside = [one for one in await self.dead_letters() if one.target.id[:2] == target.id[:2]]
        for oldest in beside[:-MOST_LETTERS]:
            del self._letters[oldest.target]

    async def dead_letters(self) -> Sequence[DeadLetter]:
        return sorted(self._letters.values(), key=lambda letter: letter.since)

    async def replay(self, target: Target) -> bool:
        if self._letters.pop(target, None) is None:
            return False
        if target.kind is TargetKind.NOTICE:
            self._told.pop(target.id, None)
        self._mark(Lane.PAGE if target.kind is TargetKind.PAGE else Lane.TELL, target)
        return True

    async def say(self, notice: Notice) -> None:
        self._keep_notices((notice,))

    async def notice(self, id: str) -> Notice | None:
        return self._notices.get(id)

    async def standing_in(self, place: Place) -> Sequence[RequestId]:
        return self._with_card_in(place, await self.live())

    async def stood_in(self, place: Place) -> Sequence[RequestId]:
        return self._with_card_in(place, list(self._requests.values()))

    def _with_card_in(self, place: Place, requests: Sequence[Request]) -> Sequence[RequestId]:
        found = []
        for request in requests:
            refs = [told.ref for told in self._told[request.id].values() if told.ref]
            if any(f"{r.platform}:{r.channel}/{r.thread or r.message}" == place for r in refs):
                found.append(request.id)
        return found

    async def woken(self, lanes: Sequence[Lane], timeout: timedelta) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), timeout.total_seconds())
        except TimeoutError:
            return
        self._wake.clear()

    # ---- handing over

    async def hand_over(self, given: HandOver, entry: AuditEntry) -> None:
        self._handovers[given.by] = given
        self._append(entry, HANDOVERS, None)

    async def take_back(self, by: PersonId, entry: AuditEntry) -> None:
        if self._handovers.pop(by, None):
            self._append(entry, HANDOVERS, None)

    async def handovers(self) -> Sequence[HandOver]:
        return list(self._handovers.values())

    # ---- pauses

    async def halt(self, halt: Halt, entry: AuditEntry) -> None:
        self._halts[halt.graph] = _kept(halt)
        self._append(entry, HALTS, None)

    async def unhalt(self, graph: str, entry: AuditEntry) -> None:
        if self._halts.pop(graph, None):
            self._append(entry, HALTS, None)

    async def unhalt_ended(self, graph: str, entry: AuditEntry) -> None:
        if graph in self._halts and not self._halts[graph].holds(self._now):
            await self.unhalt(graph, entry)

    async def halts(self) -> Sequence[Halt]:
        return [self._halts[graph] for graph in sorted(self._halts)]

    async def unhalted(self, run: Run) -> None:
        if halt := self._halt_of(run.graph):
            raise Halted(halt)

    def _halt_of(self, graph: str) -> Halt | None:
        kept = (self._halts.get(name) for name in ("", graph))
        return next((halt for halt in kept if halt and halt.holds(self._now)), None)

    # ---- leases

    async def lease_held(self, id: RequestId) -> bool:
        return id in self._leases and self._leases[id][1] > self._now

    def renew(self, id: RequestId, worker: str, lease: timedelta) -> bool:
        if id not in self._leases or self._leases[id][0] != worker or self._leases[id][1] <= self._now:
            return False
        self._leases[id] = (worker, self._now + lease)
        return True

    async def close(self) -> None:
        return None


def _kept(value: T) -> T:
    """The record as any store keeps it: without what looks like a token."""
    body = canonical.encode(value)
    clean = withheld_json(body)
    return value if clean == body else canonical.decode(type(value), clean)
