"""From a paused graph to the record: opens one request per pause, and asks again where what was asked no longer fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from ..approvals import canonical, machine
from ..approvals.change import Change
from ..approvals.errors import AlreadySettled, BadChange, RequestNotFound, SaysoError
from ..approvals.request import Ask, OutcomeKind, PauseKey, Request, Run, State, request_id
from ..approvals.risk import Oversight
from ..approvals.store import Store
from ..approvals.verdict import RequestId, ThreadId
from .asking import ask_of
from .fingerprint import fingerprint, fingerprints, gates_of
from .policy import Policy
from .resume import Graph
from .schema import GatePayload, checked_payload, is_ours
from .standing import Pause, Standing

#: How often one pause is asked about before it is given up: people who were asked three times are not asked for ever.
ROUNDS = 3


class ForeignPause(SaysoError):
    """The graph paused for something that is no sayso gate, so nobody can be asked."""


CODE_CHANGED = "The agent's code between the question and the action has changed."
ACTION_CHANGED = "What the agent is about to do is no longer what was asked."


class Pauses:
    """Keeps record and paused graph in step."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._policy = policy

    async def open_all(self, graph: Graph, run: Run, standing: Standing) -> None:
        """One request per pause; a pause that has one keeps it. Raises: ForeignPause, CannotAsk, UnknownRoute."""
        for pause in standing.pauses:
            newest = await self.newest(run.thread, pause.interrupt)
            if newest is None:
                ask = self._ask(graph, run, pause, 1, await self._store.now())
                await self._store.open(machine.opened(ask))

    async def newest(self, thread: ThreadId, interrupt: str) -> Request | None:
        """The request of the last round of a pause."""
        found = None
        for round in range(1, ROUNDS + 1):
            key = PauseKey(thread=thread, interrupt=interrupt, round=round)
            try:
                found = await self._store.get(request_id(key))
            except RequestNotFound:
                break
        return found

    def knows(self, graph: Graph, request: Request) -> bool:
        """Whether this worker's code is what people were asked about; a tool that has started is past asking."""
        past = request.effect is not None or request.oversight is Oversight.FREE
        return past or request.ask.fingerprint in fingerprints(graph)

    def misfit(self, graph: Graph, request: Request, pause: Pause) -> str:
        """What speaks against answering this pause with this request's answer; empty when nothing does."""
        payload = _payload(pause)
        if payload["frozen"] != request.ask.first.frozen:
            return ACTION_CHANGED
        if fingerprint(graph, payload["gate"], payload["action_type"]) != request.ask.fingerprint:
            return CODE_CHANGED
        return ""

    async def invalidate(
        self, graph: Graph, request: Request, pause: Pause | None, why: str
    ) -> Request | None:
        """End a request that no longer fits, and ask again in the same step where that can help.

        Returns: The next round; None when nobody is asked again.
        """
        again: Ask | None = None

        def step(record: Request, now: datetime) -> Change:
            nonlocal again
            again = self._next(graph, record, pause, now)
            if again is None and pause is not None:
                words = f"{why} It could not be asked again; nothing was done."
                return machine.closed(record, OutcomeKind.FAILED, words, now)
            return machine.invalidated(record, why, now, again)

        try:
            await self._store.change(request.id, step)
        except AlreadySettled:
            return None
        return await self._store.get(again.id) if again else None

    async def moved_on(self, request: Request) -> None:
        """End an open request whose agent waits for it no more."""

        def step(record: Request, now: datetime) -> Change | None:
            if record.state is not State.OPEN:
                return None
            return machine.invalidated(record, "The agent has moved on without an answer.", now)

        await self._store.change(request.id, step)

    def _next(self, graph: Graph, request: Request, pause: Pause | None, now: datetime) -> Ask | None:
        """The same pause asked once more; None where that cannot help."""
        round = request.ask.key.round + 1
        if pause is None or round > ROUNDS or not self._runs_today(graph, _payload(pause)):
            return None
        return self._ask(graph, request.ask.run, pause, round, now)

    def _runs_today(self, graph: Graph, payload: GatePayload) -> bool:
        """Whether today's tool takes the arguments that were frozen."""
        gate = gates_of(graph).get(payload["gate"])
        tool = gate.tools.get(payload["action_type"]) if gate else None
        if tool is None:
            return False
        try:
            return dict(tool.freeze(payload["parameters"])) == payload["parameters"]
        except BadChange:
            return False

    def _ask(self, graph: Graph, run: Run, pause: Pause, round: int, now: datetime) -> Ask:
        payload = _payload(pause)
        gate = gates_of(graph).get(payload["gate"])
        tool = gate.tools.get(payload["action_type"]) if gate else None
        ask = ask_of(
            run, payload["frozen"], key=PauseKey(thread=run.thread, interrupt=pause.interrupt, round=round),
            policy=self._policy, now=now, schema=tool.schema if tool else payload["parameters_schema"],
            fingerprint=fingerprint(graph, payload["gate"], payload["action_type"]),
        )  # fmt: skip
        return replace(ask, revises=RequestId(payload["revises"]) if payload["revises"] else None)


def _payload(pause: Pause) -> GatePayload:
    if not is_ours(pause.value):
        raise ForeignPause
    try:
        payload = checked_payload(pause.value)
    except ValidationError as error:
        raise ForeignPause(f"A gate's payload is not whole: {error.error_count()} problems.") from None
    if canonical.digest(payload["frozen"]) != payload["digest"]:
        raise ForeignPause("A gate's payload was changed after it was frozen.")
    return payload
