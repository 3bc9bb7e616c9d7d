"""What a service may do with its runs: start one, look at one, wait for one. Of other people's it learns nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from ...agent.goals import goal_of
from ...agent.setting_words import did_you_mean
from ...approvals.change import AuditEntry, AuditRecord, Event
from ...approvals.crash import crash_point
from ...approvals.errors import RequestNotFound
from ...approvals.people import PersonId
from ...approvals.request import Request, Run
from ...approvals.store import Store
from ...approvals.verdict import RequestId, ThreadId
from ..desk import GOAL_CHARACTERS
from .addresses import BadAddress, CallbackHosts
from .keys import Service
from .problems import Problem, no_such
from .reading import StartRun
from .views import RequestView, RunView, Views, end_of, waits_for_people

log = logging.getLogger(__name__)

#: What every run's thread begins with; then the name of the service, and its name for the run.
THREADS = "api"
#: How often a run is looked at while a call waits, seconds.
LOOK_SECONDS = 0.25
#: Calls that wait at the same time, shared by all keys alike; one more of a key is answered without waiting.
MOST_WAITING = 64
#: Longest Idempotency-Key, characters.
LONGEST_KEY = 255

#: Whether the caller has hung up.
Gone = Callable[[], Awaitable[bool]]


class Runs:
    """Every run that was started by a key, over the store."""

    def __init__(
        self,
        *,
        store: Store,
        graphs: Collection[str],
        people: Collection[str],
        hosts: CallbackHosts,
        keys: int,
    ) -> None:
        """`keys`: how many there are."""
        self._store = store
        self._graphs = graphs
        self._people = people
        self._hosts = hosts
        self._views = Views(store)
        self._keys = keys
        self._waiting = Counter[str]()
        self._ending = asyncio.Event()

    def end_waits(self) -> None:
        """Answer everybody who waits as it stands now; the process is about to end."""
        self._ending.set()

    async def start(self, service: Service, said: StartRun, idempotency_key: str) -> Run:
        """Start a run, or find the one that this very call started before. Raises: Problem, StoreDown."""
        self._check(service, said)
        run = Run(
            thread=_thread(service, said, idempotency_key), graph=said.graph, owner=service.owner,
            asked_by=PersonId(said.asked_by) if said.asked_by else None, service=service.name,
            goal=goal_of(said.input)[:GOAL_CHARACTERS], callback=said.callback or "", asked_as=said.digest,
            input="" if isinstance(said.input, str) else json.dumps(said.input, ensure_ascii=False),
        )  # fmt: skip
        crash_point("run-before-start")
        asked = AuditEntry(event=Event.RUN_STARTED, by=f"service {service.name}", words="Asked for over HTTP")
        started = await self._store.start(run, audit=(asked,))
        crash_point("run-after-start")
        if started:
            log.info("api.started", extra={"run": run.thread, "service": service.name})
            return run
        before = await self._store.run(run.thread)
        if before is None or before.asked_as != run.asked_as:
            raise Problem(409, "This thread or Idempotency-Key has started another run already.")
        return before

    def _check(self, service: Service, said: StartRun) -> None:
        """Raises: Problem, when this may not be started."""
        if said.graph not in self._graphs:
            raise Problem(422, f"graph: there is no such graph{did_you_mean(said.graph, self._graphs)}.")
        if said.asked_by is not None and not service.acts_for(said.asked_by):
            raise Problem(403, "asked_by: this key may not act for this person.")
        if said.asked_by is not None and said.asked_by not in self._people:
            raise Problem(422, "asked_by: there is no such person in the settings.")
        if said.callback is None:
            return
        if service.callback_secret is None:
            raise Problem(422, "callback: this key has no secret that callbacks could be signed with.")
        try:
            self._hosts.address(said.callback)
        except BadAddress as error:
            raise Problem(422, f"callback: {error}") from None

    async def run(self, service: Service, id: str) -> Run:
        """A run of this service. Raises: Problem, StoreDown."""
        run = await self._store.run(ThreadId(id))
        if run is None or run.service != service.name:
            raise no_such("run")
        return run

    async def unfinished(self, service: Service, limit: int, after: str) -> tuple[Sequence[Run], bool]:
        """Its runs that have not ended, by their ids, from the one behind `after` on; and whether there are more."""
        mine = [run for run in await self._store.unfinished() if run.service == service.name]
        rest = sorted((run for run in mine if run.thread > after), key=lambda run: run.thread)
        return rest[:limit], len(rest) > limit

    async def request(self, service: Service, id: str) -> Request:
        """A request of one of its runs. Raises: Problem, StoreDown."""
        try:
            request = await self._store.get(RequestId(id))
        except RequestNotFound:
            raise no_such("request") from None
        if request.ask.run.service != service.name:
            raise no_such("request")
        return request

    async def requests(self, run: Run) -> Sequence[Request]:
        """What people were asked in it."""
        return await self._views.requests_of(await self._store.trail(run.thread))

    async def view(self, run: Run) -> RunView:
        """How it stands now."""
        return await self._views.run(run)

    async def request_view(self, request: Request) -> RequestView:
        """How a request stands now."""
        return await self._views.request(request)

    async def settled(self, run: Run, seconds: float, gone: Gone) -> RunView:
        """How it stands once it has ended or waits for people; as it stands after `seconds` at the latest."""
        loop = asyncio.get_running_loop()
        ends, seen = loop.time() + seconds, -1
        async with self._turn(run.service) as may_wait:
            while may_wait and loop.time() < ends and not self._ending.is_set():
                trail = await self._store.trail(run.thread)
                if len(trail) == seen and await self._rests(trail):  # nothing new since the last look
                    return await self._views.run(run, trail)
                seen = len(trail)
                if await gone():
                    break
                await self._nap(min(LOOK_SECONDS, ends - loop.time()))
        return await self.view(run)

    async def _rests(self, trail: Sequence[AuditRecord]) -> bool:
        """Whether it has ended, or waits for people."""
        if end_of(trail):
            return True
        return any(map(waits_for_people, await self._views.requests_of(trail)))

    @asynccontextmanager
    async def _turn(self, service: str) -> AsyncIterator[bool]:
        """Whether one more call of this service may wait: what others have left is theirs to use at any time."""
        if self._waiting[service] >= max(MOST_WAITING // self._keys, 1):
            log.warning("api.too_many_wait", extra={"service": service})
            yield False
            return
        self._waiting[service] += 1
        try:
            yield True
        finally:
            self._waiting[service] -= 1

    async def _nap(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._ending.wait(), max(seconds, 0))
        except TimeoutError:
            return


def _thread(service: Service, said: StartRun, key: str) -> ThreadId:
    """The run's thread: the same for the same name, or for the same Idempotency-Key. Raises: Problem."""
    if key and said.thread:
        raise Problem(422, "Give a thread or an Idempotency-Key: either makes it safe to repeat the call.")
    if len(key) > LONGEST_KEY or not key.isascii():
        raise Problem(422, f"An Idempotency-Key has at most {LONGEST_KEY} plain characters.")
    hashed = hashlib.sha256(key.encode()).hexdigest()[:32]
    name = said.thread or (f"once-{hashed}" if key else uuid.uuid4().hex)
    return ThreadId(f"{THREADS}:{service.name}:{name}")
