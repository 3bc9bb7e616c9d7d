"""What a storm left behind, read from outside: the record, the ledger, and what people were told; and what is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from sayso.approvals import canonical, signing
from sayso.approvals.change import AuditRecord, Event
from sayso.approvals.errors import BadVote
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import OutcomeKind, Request
from sayso.approvals.signing import Verifier
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, Verdict
from storm_agents import NEEDED, Book
from storm_people import run_of
from storm_scene import BOTS, Storm

#: How a request may have ended, by what people decided; the second row is for agents that are not ours.
_GATE = {
    "expired": {OutcomeKind.EXPIRED}, "reject": {OutcomeKind.REFUSED}, "instruct": {OutcomeKind.REVISED},
    "go": {OutcomeKind.EXECUTED, OutcomeKind.UNKNOWN},
}  # fmt: skip
_FOREIGN = {
    "expired": {OutcomeKind.EXPIRED}, "reject": {OutcomeKind.REFUSED},
    "go": {OutcomeKind.ANSWERED, OutcomeKind.EXECUTED, OutcomeKind.UNKNOWN},
}  # fmt: skip
#: Done for certain, once.
_DONE = {OutcomeKind.EXECUTED, OutcomeKind.ANSWERED}


@dataclass(kw_only=True)
class Books:
    """Everything, by request.

    Attributes:
        wrong: Sentences about what must not be, by kind.
    """

    raging: Storm
    requests: dict[RequestId, Request] = field(default_factory=dict)
    trails: dict[str, list[AuditRecord]] = field(default_factory=dict)
    ledger: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    burns: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    asked: list[dict[str, Any]] = field(default_factory=list)
    ends: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    async def read(cls, raging: Storm, store: RedisStore) -> Books:
        books = cls(raging=raging)
        for number in count():
            thread = run_of(number).thread
            if not (trail := list(await store.trail(thread))):
                break
            books.trails[thread] = trail
            for id in {record.request for record in trail if record.request}:
                books.requests[id] = await store.get(id)
        for line in Book(raging.folder / "ledger").read():
            books.ledger[line["key"]].append(line)
        for line in Book(raging.folder / "burns").read():
            books.burns[line["key"]].append(line)
        for line in (line for name in BOTS for line in Book(raging.folder / f"said-{name}").read()):
            if "end" in line:
                books.ends[line["token"]].append(line)
            else:
                books.asked.append(line)
        await books._audit(store)
        books._check(Verifier([(raging.folder / "public").read_bytes()]))
        return books

    # ---- what must hold

    def _check(self, verifier: Verifier) -> None:
        if self.raging.stuck:
            self.wrong["stuck"].append(self.raging.stuck)
        keys = set[str]()
        for id, request in self.requests.items():
            keys.add(key := key_of(request))
            self._one_end(request)
            self._decision(id, request)
            self._effects(request, self.ledger.get(key, []), verifier)
        for key in self.ledger.keys() - keys:
            self.wrong["no votes"].append(f"{key}: done, but nobody was asked")
        for thread, trail in self.trails.items():
            ended = [r for r in trail if r.entry.event in (Event.RUN_FINISHED, Event.RUN_FAILED)]
            if len(ended) != 1:
                self.wrong["stuck"].append(f"{thread}: ended {len(ended)} times")

    def _one_end(self, request: Request) -> None:
        closed = [
            r
            for r in self.trails[request.ask.run.thread]
            if (r.request, r.entry.event) == (request.id, Event.CLOSED)
        ]
        if request.outcome is None or len(closed) != 1:
            self.wrong["stuck"].append(f"{request.id}: {request.state}, closed {len(closed)} times")
            return
        allowed = (_FOREIGN if request.ask.dialect else _GATE)[how(request)]
        if request.outcome.kind not in allowed and not self._is_excused(request):
            self.wrong["lost"].append(
                f"{request.id}: {how(request)}, but ended {request.outcome.kind}: {request.outcome.words}"
            )

    def _is_excused(self, request: Request) -> bool:
        """Closed aloud as not done: given up after five broken tries, or its run was ended at a sibling's gate."""
        assert request.outcome is not None
        given_up = request.outcome.words.startswith("The agent broke off")
        at_gate = bool(request.ask.dialect) and "run was ended" in request.outcome.words
        return request.outcome.kind in (OutcomeKind.FAILED, OutcomeKind.WITHDRAWN) and (given_up or at_gate)

    def _decision(self, id: RequestId, request: Request) -> None:
        """Whoever was told "counted" about what was decided is on record as having decided it, and nobody else is.

        A vote that is not among them was for a revision that somebody edited, or one of too few before a no or the end.
        """
        counted = [
            line for line in self.asked if line["id"] == id and "verdict" in line and self._is_counted(line)
        ]
        late = [line["token"] for line in counted if line.get("late")]
        if late:
            self.wrong["lost"].append(f"{id}: late answers were counted: {late}")
        last = [line for line in counted if _revision(line) == request.revision]
        yes, no = ([one for one in last if _is_yes(one) is wanted] for wanted in (True, False))
        decided = yes if how(request) == "go" else no
        kept = list(request.decision.by) if request.decision else []
        enough = _needed(request) if how(request) == "go" else 1 if kept else 0
        same = request.decision is None or _plain(request.decision.verdict) in [
            one["verdict"] for one in decided
        ]
        if not same or sorted(line["by"] for line in decided) != sorted(kept) or len(kept) != enough:
            self.wrong["lost"].append(
                f"{id}: told counted {[(line['token'], line['by']) for line in last]}, on record {kept}"
            )
        if how(request) != "go" and len(yes) >= _needed(request):
            self.wrong["lost"].append(f"{id}: {len(yes)} agreed, but it was decided otherwise")

    def _is_counted(self, line: dict[str, Any]) -> bool:
        ends = [one["end"] for one in self.ends[line["token"]]]
        if not ends or ends.count("counted") > 1 or len({"refused", "counted"} & set(ends)) > 1:
            self.wrong["lost"].append(f"{line['id']}: {line['token']} was answered {ends}")
        return "counted" in ends or "replayed" in ends

    def _effects(self, request: Request, lines: list[dict[str, Any]], verifier: Verifier) -> None:
        kind = request.outcome.kind if request.outcome else None
        go = how(request) == "go"
        if len(lines) > 1:
            self.wrong["double"].append(f"{request.id}: done {len(lines)} times: {lines}")
        if bool(lines) != (kind in _DONE and go):
            words = request.outcome.words if request.outcome else ""
            self.wrong["double"].append(
                f"{request.id}: {kind} ({words}), and done {len(lines)} times: {lines}"
            )
        for line in lines:
            burns = [burn for burn in self.burns[request.id] if burn["by"] == line["by"]]
            if not burns:
                self.wrong["no votes"].append(f"{request.id}: {line['by']} did it without a burnt approval")
            elif why := _unwarranted(burns[-1], line, verifier):
                self.wrong["no votes"].append(f"{request.id}: {why}")

    async def _audit(self, store: RedisStore) -> None:
        async for key in store._redis.scan_iter("sayso:*:audit"):
            entries: Any = await store._redis.xrange(key)
            numbers = [int(name.split(b"-")[0]) for name, _ in entries]
            if numbers != list(range(1, len(numbers) + 1)):
                self.wrong["lost"].append(f"{key.decode()}: the audit trail has gaps")

    # ---- words

    def stories(self, most: int = 4) -> str:
        """What happened to the first of those requests and runs about which something is wrong."""
        about = dict.fromkeys(said.partition(":")[0] for found in self.wrong.values() for said in found)
        return "\n".join(self._story(one) for one in list(about)[:most])

    def _story(self, about: str) -> str:
        request = self.requests.get(RequestId(about))
        thread = request.ask.run.thread if request else about
        lines = [f"{about}: {request.effect if request else ''}"]
        for record in self.trails.get(thread, []):
            entry = record.entry
            lines.append(
                f"  {record.at:%d %H:%M:%S.%f} {record.request} {entry.event} {entry.by}: {entry.words[:140]}"
            )
        lines += [f"  burnt by {b['by']}, attempt {b['attempt']}" for b in self.burns.get(about, [])]
        lines += [f"  done: {line}" for line in self.ledger.get(key_of(request), [])] if request else []
        lines += [f"  said: {line} {self.ends[line['token']]}" for line in self.asked if line["id"] == about]
        log = (self.raging.folder / "log").read_text().splitlines()
        return "\n".join([*lines, *(f"  log: {line[:300]}" for line in log if f"'{thread}'" in line)])

    # ---- figures

    def summary(self) -> str:
        raging, ends = self.raging, Counter(line["end"] for lines in self.ends.values() for line in lines)
        ways = Counter(line["way"] for line in self.asked if "way" in line and self._is_counted(line))
        outcomes = Counter(str(one.outcome.kind) for one in self.requests.values() if one.outcome)
        failed = [
            r.entry.words
            for trail in self.trails.values()
            for r in trail
            if r.entry.event is Event.RUN_FAILED
        ]
        gone = sum(words.startswith("Given up") for words in failed)
        return (
            f"storm {raging.seed}: {len(self.trails)} runs ({gone} given up aloud, {len(failed) - gone} ended at their gate), {len(self.requests)} requests {dict(outcomes)}; "
            f"died {sum(raging.deaths.values())} times at {len(raging.deaths)} points {dict(sorted(raging.deaths.items()))}, "
            f"otherwise {dict(raging.others)}; Valkey restarted {raging.restarts} times; stolen {dict(raging.stolen)}; "
            f"answers {dict(ends)}; unknown settled {dict(ways)}; {raging.seconds:.0f} s; "
            f"{len(self.wrong['double'])} double effects, {len(self.wrong['lost'])} lost decisions, "
            f"{len(self.wrong['no votes'])} effects without valid votes, {len(self.wrong['stuck'])} stuck\n"
        )  # fmt: skip


def key_of(request: Request) -> str:
    """What its line in the ledger is named after."""
    if not request.ask.dialect:
        return request.id
    return str(request.ask.first.proposal.action.arguments["to"])


def how(request: Request) -> str:
    """What was decided."""
    match request.decision.verdict if request.decision else None:
        case None:
            return "expired"
        case Approve() | Modify(instruction=""):
            return "go"
        case Reject():
            return "reject"
        case _:
            return "instruct"


def _needed(request: Request) -> int:
    return NEEDED[request.ask.first.proposal.action.tool]


def _plain(verdict: Verdict) -> dict[str, Any]:
    return canonical.decode(dict, canonical.encode(verdict))


def _is_yes(line: dict[str, Any]) -> bool:
    verdict = line["verdict"]
    return verdict["type"] == "approve" or (verdict["type"] == "modify" and not verdict.get("instruction"))


def _revision(line: dict[str, Any]) -> int:
    """What an answer counts for: an edit is a vote for what it makes."""
    edits = line["verdict"]["type"] == "modify" and not line["verdict"].get("instruction")
    return int(line["revision"]) + edits


def _unwarranted(burn: dict[str, Any], line: dict[str, Any], verifier: Verifier) -> str:
    """What is wrong with the votes that stood in the record when this was allowed; empty when nothing is."""
    record = canonical.decode(Request, burn["record"])
    assert record.effect is not None
    before = replace(record, effect=None)
    if burn["attempt"] > 1:
        before = replace(record, effect=replace(record.effect, attempt=burn["attempt"] - 1))
    try:
        granted = signing.warrant(
            before, verifier, thread=record.ask.run.thread, frozen=record.ask.first.frozen,
            now=record.effect.started_at,
        )  # fmt: skip
    except BadVote as bad:
        return str(bad)
    persons = {vote.person for vote in before.votes}
    if len(persons) < _needed(record):
        return f"only {sorted(persons)} agreed"
    shown = granted.revision.proposal.action.arguments
    done = {name: value for name, value in line["done"].items() if name in shown or value}
    return "" if done == dict(shown) else f"did {done}, but votes were for {dict(shown)}"
