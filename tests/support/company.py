"""The demo company with its ops agent, on a worker of its own: say a sentence, answer what it asks, look at the rows."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from sayso.agent.credentials import Broker
from sayso.agent.kept import compiled
from sayso.agent.memory_lock import MemoryLock
from sayso.agent.ops.backoffice import BackOffice
from sayso.agent.ops.diary import Diary
from sayso.agent.ops.graph import make
from sayso.agent.policy_file import load_policy
from sayso.agent.secrets import LiveTokens
from sayso.agent.worker import Worker
from sayso.approvals import machine
from sayso.approvals.action import Action
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Place
from sayso.approvals.request import Request, Run, State
from sayso.approvals.signing import Signer, Verifier
from sayso.approvals.verdict import ThreadId, Verdict
from scenes import ALEX, BO, a_vote

TODAY = datetime(2030, 11, 20, 9, tzinfo=UTC)


class Company:
    """The ops agent at work.

    Attributes:
        office: To look at what really changed.
        graph: The agent, kept in memory.
    """

    def __init__(self, folder: Path, env: dict[str, str], broker: Broker | None = None) -> None:
        database = folder / "ops.sqlite3"
        self.office = BackOffice(database, "https://backoffice.test", lambda: TODAY)
        self.diary = Diary(database)
        self.store = MemoryStore(TODAY)
        settings = {
            "SAYSO_OPS_DATABASE": str(database),
            "SAYSO_OPS_BASE_URL": "https://backoffice.test",
            **env,
        }
        self.graph = compiled(make(settings), InMemorySaver())
        self.signer = Signer(bytes(range(32)))
        self.worker = Worker(
            self.store, {"ops": self.graph}, locks=MemoryLock(),
            policy=load_policy(Path(str(resources.files("sayso.agent.ops") / "catalog.toml"))),
            verifier=Verifier([self.signer.public_key]), broker=broker or Broker({}, LiveTokens()),
        )  # fmt: skip
        self._threads = itertools.count(1)

    async def told(self, words: str) -> Talk:
        """Alex says this to the agent, and it goes as far as it can."""
        thread = ThreadId(f"t{next(self._threads)}")
        run = Run(thread=thread, graph="ops", asked_by=ALEX, origin=Place("slack:C1/1.1"), goal=words)
        assert await self.store.start(run)
        assert await self.worker.work_once()
        return Talk(self, thread)

    async def open_requests(self, thread: ThreadId) -> list[Request]:
        """What waits for people."""
        return [
            request
            for request in await self.store.live()
            if request.ask.run.thread == thread and request.state is State.OPEN
        ]


class Talk:
    """One run of the agent."""

    def __init__(self, company: Company, thread: ThreadId) -> None:
        self._company = company
        self.thread = thread
        self.config: Any = {"configurable": {"thread_id": thread}}

    async def asked(self) -> Request:
        """The one thing people are asked now."""
        [request] = await self._company.open_requests(self.thread)
        return request

    async def action(self) -> Action:
        """What it wants to do."""
        return (await self.asked()).proposal.action

    async def report(self) -> str:
        """Its last words."""
        assert not await self._company.open_requests(self.thread), "the agent waits for an answer"
        snapshot = await self._company.graph.aget_state(self.config)
        assert not snapshot.next, "the agent has not ended"
        return str(snapshot.values["report"])

    async def plans(self) -> tuple[str, ...]:
        """What it planned on, once for each time."""
        return await self._company.diary.plans(self.thread)

    async def answered(self, verdict: Verdict) -> None:
        """Bo answers, and the agent goes on."""
        request = await self.asked()
        vote = a_vote(request, BO, verdict, at=TODAY, signer=self._company.signer)
        await self._company.store.change(
            request.id, lambda r, now: machine.vote(r, vote, frozenset({BO}), 1, now)
        )
        assert await self._company.worker.work_once()

    async def left_alone(self) -> None:
        """Nobody answers until it is too late."""
        request, store = await self.asked(), self._company.store
        store.advance(request.ask.deadline.expires_at - await store.now())
        await store.change(request.id, machine.fire)
        assert await self._company.worker.work_once()
