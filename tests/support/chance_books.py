"""What random requests left behind, and what is wrong with it: ends, steps after a decision, people, effects, pages."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from chance_scene import Chance
from chance_world import SETS, run_of
from sayso.approvals.change import AuditRecord, Event
from sayso.approvals.deadline import StepKind
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.verdict import RequestId
from storm_agents import Book

#: After these nothing fires any more.
_SETTLED = (Event.DECIDED, Event.EXPIRED)


@dataclass(kw_only=True)
class ChanceBooks:
    """Everything, by request.

    Attributes:
        wrong: Sentences about what must not be.
        counts: Figures of the whole.
    """

    chance: Chance
    requests: dict[RequestId, Request] = field(default_factory=dict)
    trails: dict[RequestId, list[AuditRecord]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @classmethod
    async def read(cls, chance: Chance) -> ChanceBooks:
        """Ask the store about every run, and hold the pagers and the tools' ledger against it."""
        books = cls(chance=chance)
        for number in range(chance.runs):
            for record in await chance.store.trail(run_of(number).thread):
                if record.request:
                    books.trails[record.request].append(record)
        for id in books.trails:
            books.requests[id] = await chance.store.get(id)
        books.wrong += [f"{id}: pending after its end and a sweep" for id in chance.pending]
        done = Counter(line["key"] for line in Book(chance.folder / "ledger").read())
        for id, request in books.requests.items():
            events = Counter(record.entry.event for record in books.trails[id])
            books._ended_once(request, events)
            books._nothing_after(id)
            books._steps_once(request, events)
            books._decided_by_the_right(request)
            books._done_once(request, done[id])
            books._paged_once(request, events)
        books.wrong += [
            f"{one.dedup_key}: open at {name}" for name, pager in chance.pagers.items() for one in pager.open_incidents()
        ]  # fmt: skip
        return books

    def _ended_once(self, request: Request, events: Counter[Event]) -> None:
        settled, closed = sum(events[one] for one in _SETTLED), events[Event.CLOSED]
        if (request.state, settled, closed) != (State.CLOSED, 1, 1) or request.outcome is None:
            self.wrong.append(f"{request.id}: {request.state}, settled {settled} and closed {closed} times")
        else:
            self.counts[request.outcome.kind.value] += 1

    def _nothing_after(self, id: RequestId) -> None:
        events = [record.entry.event for record in self.trails[id]]
        at = next((n for n, event in enumerate(events) if event in _SETTLED), len(events))
        late = [
            event for event in events[at:] if event in (Event.STEP, Event.PAGED, Event.VOTED, Event.EDITED)
        ]
        if late:
            self.wrong.append(f"{id}: {late} after it was settled")

    def _steps_once(self, request: Request, events: Counter[Event]) -> None:
        planned = Counter(step.kind for step in request.ask.deadline.steps)
        pages, others = planned[StepKind.PAGE], planned[StepKind.REMIND] + planned[StepKind.WIDEN]
        self.counts["steps"] += events[Event.STEP] + events[Event.PAGED]
        if events[Event.PAGED] > pages or events[Event.STEP] > others:
            self.wrong.append(
                f"{request.id}: {events[Event.STEP]} steps and {events[Event.PAGED]} pages fired"
            )

    def _decided_by_the_right(self, request: Request) -> None:
        decision, named = request.decision, (*request.approver_sets, *request.ask.rule.veto)
        if decision is None:
            return
        may = {person for name in named for person in SETS[name]} - {"alex"}
        if not may.issuperset(decision.by) or decision.at >= request.ask.deadline.expires_at:
            self.wrong.append(f"{request.id}: decided by {decision.by} at {decision.at}")
        if decision.verdict.type == "approve" and len(set(decision.by)) < request.ask.rule.needed:
            self.wrong.append(
                f"{request.id}: approved by {decision.by}, {request.ask.rule.needed} are needed"
            )

    def _done_once(self, request: Request, times: int) -> None:
        kind = request.outcome.kind if request.outcome else None
        if times > 1 and not int(request.ask.run.graph.partition("_")[2]) % 2:
            self.wrong.append(f"{request.id}: done {times} times")
        if times and kind not in (OutcomeKind.EXECUTED, OutcomeKind.UNKNOWN):
            self.wrong.append(f"{request.id}: done, but {kind}")

    def _paged_once(self, request: Request, events: Counter[Event]) -> None:
        """As often as on-call was called at most: by each step, and once more where its agent did not come back."""
        wanted = events[Event.PAGED] + bool(events[Event.STUCK] or events[Event.EFFECT_UNKNOWN])
        for name, pager in self.chance.pagers.items():
            found = [one for one in pager.incidents if request.id in one.dedup_key]
            self.counts["pages"] += len(found)
            if len(found) > wanted or any(one.notifications > 1 for one in found):
                said = [(one.dedup_key, one.history) for one in found]
                self.wrong.append(f"{request.id}: {wanted} pages wanted, at {name} were {said}")

    def summary(self) -> str:
        """One line of figures."""
        chance = self.chance
        return (
            f"chance {chance.seed}: {len(self.requests)} requests, {dict(self.counts)}; "
            f"{sum(chance.outages.values())} outages of ten minutes {dict(chance.outages)}; "
            f"{sum(chance.deaths.values())} processes killed at {len(chance.deaths)} points; "
            f"{chance.passed.total_seconds() / 3600:.0f} hours passed in {chance.seconds:.0f} s; "
            f"{len(self.wrong)} wrong"
        )

    def stories(self, most: int = 3) -> str:
        """What happened to the first requests about which something is wrong."""
        ids = dict.fromkeys(RequestId(said.partition(":")[0].removeprefix("sayso")) for said in self.wrong)
        lines = []
        for id in list(ids)[:most]:
            lines += [f"{id}:", *(f"  {r.at:%d %H:%M:%S.%f} {r.entry.event} {r.entry.by}: {r.entry.words[:120]}"
                                  for r in self.trails.get(id, []))]  # fmt: skip
        return "\n".join(lines)
