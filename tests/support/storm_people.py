"""A place for the storm's other process, which people talk to: `python storm_people.py REDIS_URL FOLDER SLOT SEED RUNS`.

It starts runs, counts people's answers and fires the clock, and dies at its own points meanwhile. Like a chat
platform, it delivers again what was never answered: what is on its way is written down before and after.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sayso.agent.policy_file import read_policy
from sayso.agent.risk import assess
from sayso.approvals.errors import AnswerRefused, NotAllowed, StoreDown
from sayso.approvals.people import Identity, Person, PersonId, Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import EffectState, Request, Run, State
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, ThreadId, Verdict, Way
from sayso.bot.asked import WayOn
from sayso.bot.desk import Answered, Desk
from sayso.scheduler.sweep import Sweeper
from storm_agents import POLICY, Book
from storm_slot import Slot

POINTS = ("decide-before-commit", "decide-after-commit", "step-before-fired", "step-after-fired")
PEOPLE = tuple(PersonId(name) for name in ("bo", "cy", "di", "eve"))
ALEX = PersonId("alex")
#: A file that is there once every process has died at every point.
ENOUGH = "enough"
#: Of a hundred requests, so many are left to expire.
FORGOTTEN = 8
#: So many runs are under way at most, so that all kinds of work are there throughout.
UNDER_WAY = 20
#: Seconds between two runs of one process.
PACE = 0.09
_VERDICT: TypeAdapter[Verdict] = TypeAdapter(Verdict)


def is_forgotten(id: RequestId) -> bool:
    """Whether everybody overlooks it: the same ones, whoever is asked."""
    return int(id[3:11], 16) % 100 < FORGOTTEN


def run_of(number: int) -> Run:
    """The run of this number; which agent it goes to follows from it."""
    graph = ("single", "governed", "row", "parallel", "mailer")[number % 5]
    return Run(
        thread=ThreadId(f"storm-{number}"), graph=graph, asked_by=ALEX, goal=str(number),
        origin=Place(f"slack:C0SUP/{number}.1"),
    )  # fmt: skip


class Circle:
    """A directory in which everybody is an approver."""

    async def person(self, identity: Identity) -> Person:
        if PersonId(identity.user) not in PEOPLE:
            raise NotAllowed
        return Person(id=PersonId(identity.user), name=identity.user)

    async def members(self, approvers: str) -> frozenset[PersonId]:
        return frozenset(PEOPLE)

    def known(self, id: PersonId) -> Person | None:
        return None


@dataclass(kw_only=True)
class People:
    """Everybody, as one process sees them."""

    store: RedisStore
    desk: Desk
    said: Book
    ledger: Book
    name: str
    dice: random.Random
    stale: dict[RequestId, int] = field(default_factory=dict)
    tokens: int = 0

    # ---- what is on its way

    async def deliver_again(self) -> None:
        """What an earlier process took and never answered."""
        book = self.said.read()
        told = {line["token"] for line in book if "end" in line}
        lost = {line["token"]: line for line in book if "end" not in line and line["token"] not in told}
        await asyncio.gather(*(self._delivered(line) for line in lost.values()))

    async def says(self, person: PersonId, request: Request, **what: Any) -> None:
        """Deliver one answer, twice at once."""
        self.tokens += 1
        line = {
            "token": f"{self.name}-{self.tokens}", "id": request.id, "by": person, "revision": request.revision,
            "shown": request.question[:24], **what,
        }  # fmt: skip
        self.said.write(line)
        await asyncio.gather(self._delivered(line), self._delivered(line))

    async def _delivered(self, line: dict[str, Any]) -> None:
        end: dict[str, str] = {}
        while not end:
            try:
                answered = await self._counted(line)
                end = {"end": "replayed" if answered.replayed else "counted"}
            except AnswerRefused as refusal:
                end = {"end": "refused", "why": type(refusal).__name__}
            except StoreDown:
                await asyncio.sleep(0.2)  # the platform delivers it again
        self.said.write({"token": line["token"], **end})

    async def _counted(self, line: dict[str, Any]) -> Answered:
        id, revision = RequestId(line["id"]), int(line["revision"])
        who = Identity(platform="slack", tenant="T1", user=line["by"])
        if "way" in line:
            way = WayOn(line["way"])
            return await self.desk.settle(id, revision, way, who, token=line["token"], shown=line["shown"])
        verdict = _VERDICT.validate_python(line["verdict"])
        return await self.desk.answer(id, revision, verdict, who, token=line["token"], shown=line["shown"])

    # ---- what people do

    async def start_all(self, runs: int, enough: Path, stopped: asyncio.Event) -> None:
        """Every run is started by every process, with the same token; more of them while there is dying to do."""
        told = {line["run"] for line in self.said.read() if "run" in line}
        for number in count():
            if number in told:
                continue
            if stopped.is_set() or (number >= runs and await asyncio.to_thread(enough.exists)):
                return
            started = await self._started(number)
            while not stopped.is_set() and await self._under_way() > UNDER_WAY:  # noqa: ASYNC110 in Redis
                await asyncio.sleep(PACE)
            self.said.write({"token": "", "end": "started", "run": number, "first": started})
            await asyncio.sleep(PACE)

    async def _started(self, number: int) -> bool:
        while True:
            try:
                return await self.store.start(run_of(number), token=f"mention-{number}")
            except StoreDown:
                await asyncio.sleep(0.2)

    async def _under_way(self) -> int:
        try:
            return len(await self.store.unfinished())
        except StoreDown:
            return 0

    async def look(self) -> None:
        """Answer some of what is open, settle what is unknown, and come too late for the rest."""
        answers = list[Awaitable[None]]()
        live = await self.store.live()
        for request in live:
            unknown = request.effect is not None and request.effect.state is EffectState.UNKNOWN
            if unknown:
                answers += self._settles(request)
            elif request.state is State.OPEN and is_forgotten(request.id):
                self.stale[request.id] = request.revision
            elif request.state is State.OPEN and self.dice.random() < 0.6:
                answers += self._race(request)
        open_ones = {request.id for request in live if request.state is State.OPEN}
        for id in [one for one in self.stale if one not in open_ones]:
            del self.stale[id]
            answers.append(self._late(id))
        await asyncio.gather(*answers)

    def _race(self, request: Request) -> list[Awaitable[None]]:
        """Two people with different answers at once; some of them look again later."""
        one, other = self.dice.sample(PEOPLE, 2)
        if self.dice.random() < 0.1:
            self.stale[request.id] = request.revision
        first, second = self.dice.sample(self._verdicts(request), 2)
        return [
            self.says(person, request, verdict=_VERDICT.dump_python(verdict, mode="json"))
            for person, verdict in ((one, first), (other, second))
        ]

    def _verdicts(self, request: Request) -> list[Verdict]:
        ways, offered = request.ways, list[Verdict]()
        offered += [Approve()] * 3 * request.ask.rule.needed if Way.APPROVE in ways else []
        offered += [Reject("Wrong customer.")] if Way.REJECT in ways else []
        if Way.EDIT in ways:
            edit: Any = (
                {"amount": "7.00"} if request.proposal.action.tool == "issue_refund" else {"urgent": True}
            )
            if edit.keys() <= request.proposal.action.arguments.keys():
                offered.append(Modify(edit))
        if Way.INSTRUCT in ways and request.ask.revises is None:
            offered.append(Modify(instruction="9.99"))
        return offered

    def _settles(self, request: Request) -> list[Awaitable[None]]:
        """Careful people: it happened if the books say so; again only if nobody can be at it any more."""
        assert request.effect is not None
        gone = not _is_alive(request.effect.worker)
        key = (
            str(request.id)
            if not request.ask.dialect
            else str(request.ask.first.proposal.action.arguments["to"])
        )
        if any(line["key"] == key for line in self.ledger.read()):
            way = WayOn.HAPPENED
        elif gone:
            way = WayOn.AGAIN if self.dice.random() < 0.7 else WayOn.GIVE_UP
        else:
            return []
        return [self.says(self.dice.choice(PEOPLE), request, way=way.value, attempt=request.effect.attempt)]

    async def _late(self, id: RequestId) -> None:
        request = await self.store.get(id)
        await self.says(self.dice.choice(PEOPLE), request, verdict={"type": "approve"}, late=True)


def _is_alive(worker: str) -> bool:
    """Whether the process of a worker is there; its name ends with its number."""
    try:
        os.kill(int(worker.rpartition("-")[2]), 0)
    except ProcessLookupError:
        return False
    return True


async def _again_and_again(
    act: Callable[[], Awaitable[object]], pause: float, stopped: asyncio.Event
) -> None:
    while not stopped.is_set():
        try:
            await act()
        except StoreDown:
            await asyncio.sleep(0.2)
        await asyncio.sleep(pause)


def main(url: str, folder: Path, slot: str, seed: str, runs: int) -> None:
    points = list(POINTS) * 2
    random.Random(f"{seed} {slot}").shuffle(points)
    policy = read_policy(POLICY)

    async def live(number: int, stopped: asyncio.Event) -> None:
        store = await RedisStore.connect(url, demo=True)
        signer = Signer((folder / "private").read_bytes())
        desk = Desk(
            store=store, directory=Circle(), rules=policy, signer=signer,
            assess=lambda action: assess(action, policy),
        )  # fmt: skip
        people = People(
            store=store, desk=desk, said=Book(folder / f"said-{slot}"), ledger=Book(folder / "ledger"),
            name=f"{slot}.{number}", dice=random.Random(f"{seed} {slot} {number}"),
        )  # fmt: skip
        sweeper = Sweeper(store, Circle())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(people.deliver_again())
            tasks.create_task(people.start_all(runs, folder / ENOUGH, stopped))
            tasks.create_task(_again_and_again(people.look, 0.15, stopped))
            tasks.create_task(_again_and_again(sweeper.sweep, 0.3, stopped))
        await store.close()

    Slot(live, points, folder).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
