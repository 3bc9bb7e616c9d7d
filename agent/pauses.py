"""From a paused graph to the record: opens one request per pause, and asks again where what was asked no longer fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from ..approvals import canonical, lacking, machine
from ..approvals.action import Action
from ..approvals.change import Change
from ..approvals.credential import CredentialRef, DeadCredential
from ..approvals.deadline import Chain
from ..approvals.errors import AlreadySettled, BadChange, RequestNotFound, SaysoError
from ..approvals.naming import PauseKey, request_id
from ..approvals.request import Ask, Edits, OutcomeKind, Proposal, Request, Run, State
from ..approvals.store import Store
from ..approvals.verdict import RequestId, ThreadId, Way
from .asking import CannotAsk, ask_of
from .credentials import Broker
from .dialects.reading import Reading, ways_of
from .fingerprint import fingerprint, fingerprint_of_node, fingerprints, gates_of
from .foreign import cannot_be_bound, frozen_today, proposal_of, read
from .gate import CODE_CHANGED, LARGEST_PROPOSAL
from .outgrown import outgrown
from .policy import Policy
from .resume import Graph
from .schema import GatePayload, checked_payload, is_ours
from .serializer import refuse_tokens
from .standing import Pause, Standing

#: How often one pause is asked about before it is given up: people who were asked three times are not asked for ever.
ROUNDS = 3
#: How often an agent is told to think again about the same thing.
REVISIONS = 5


class BadPayload(SaysoError):
    """A gate of ours paused with something that cannot be put to people."""


TOGETHER = (
    "Several of its tools ask in one node, where LangGraph gives an answer to whichever asks first: "
    "give each call a task of its own (`Send`, as `create_agent` does), or ask in the node before the tools."
)
ACTION_CHANGED = "What the agent is about to do is no longer what was asked."


class Pauses:
    """Keeps record and paused graph in step."""

    def __init__(self, store: Store, policy: Policy, broker: Broker) -> None:
        self._store = store
        self._policy = policy
        self._broker = broker

    async def open_all(self, graph: Graph, run: Run, standing: Standing) -> None:
        """One request per action of a pause; what has one keeps it. What pauses at once shares one clock.

        Raises: BadPayload, CannotAsk, UnknownRoute.
        """
        newest = {pause.interrupt: await self.all_newest(graph, run, pause) for pause in standing.pauses}
        at_once = [pause for pause in standing.pauses if not any(newest[pause.interrupt])]
        chain, now = self._chain(graph, run, at_once), await self._store.now()
        problems = dict[CredentialRef, DeadCredential | None]()
        for pause in standing.pauses:
            before = [one.ask for one in newest[pause.interrupt] if one]
            for index, found in enumerate(newest[pause.interrupt]):
                if found is None:
                    ask = self._ask(
                        graph, run, pause, index=index, round=1, chain=None if before else chain,
                        now=min((one.opened_at for one in before), default=now),
                    )  # fmt: skip
                    opened = machine.opened(await self._bounded(ask))
                    refs = ask.first.proposal.action.credentials
                    for ref in refs:
                        if ref not in problems:
                            problems[ref] = await self._broker.problem(ref)
                    dead = next(filter(None, map(problems.get, refs)), None)
                    await self._store.open(lacking.flagged(opened, dead) if dead else opened)

    async def _bounded(self, ask: Ask) -> Ask:
        """An agent that was told to think again so often is only told yes or no from then on."""
        before, revisions = ask.revises, 0
        while before is not None and revisions < REVISIONS:
            revisions += 1
            try:
                before = (await self._store.get(before)).ask.revises
            except RequestNotFound:
                break  # cleared away
        if revisions < REVISIONS:
            return ask
        again = {Way.INSTRUCT, Way.EDIT} if ask.edits is Edits.REPLAN else {Way.INSTRUCT}
        return replace(ask, ways=tuple(way for way in ask.ways if way not in again))

    def _chain(self, graph: Graph, run: Run, pauses: Sequence[Pause]) -> Chain | None:
        """The shortest clock of everything these pauses ask about; None where they ask about nothing."""
        chains = [
            self._policy.chain_for(action) for pause in pauses for action in self._actions(graph, run, pause)
        ]
        return min(chains, key=lambda one: one.ttl + one.grace, default=None)

    def _actions(self, graph: Graph, run: Run, pause: Pause) -> list[Action]:
        """What a pause asks about."""
        if pause.ours:
            return [canonical.decode(Proposal, _payload(pause)["frozen"]).action]
        reading = read(graph, pause)
        return [proposal_of(run, pause, reading, one, self._policy).action for one in reading.asked]

    async def all_newest(self, graph: Graph, run: Run, pause: Pause) -> tuple[Request | None, ...]:
        """The last request about each action that a pause asks about; None where it has none."""
        actions = 1 if pause.ours else len(read(graph, pause).asked)
        return tuple([await self.newest(run.thread, pause.interrupt, index) for index in range(actions)])

    async def newest(self, thread: ThreadId, interrupt: str, index: int = 0) -> Request | None:
        """The request of the last round of one action of a pause."""
        found = None
        for round in range(1, ROUNDS + 1):
            key = PauseKey(thread=thread, interrupt=interrupt, index=index, round=round)
            try:
                found = await self._store.get(request_id(key))
            except RequestNotFound:
                break
        return found

    def knows(self, graph: Graph, request: Request) -> bool:
        """Whether this worker's code is what people were asked about; a tool that has started is past asking."""
        past = request.effect is not None or not request.asked
        return past or request.ask.fingerprint in fingerprints(graph)

    def misfit(self, graph: Graph, request: Request, pause: Pause) -> str:
        """What speaks against answering this pause with this request's answer; empty when nothing does."""
        if not pause.ours:
            return self._foreign_misfit(graph, request, pause)
        payload = _payload(pause)
        if payload["frozen"] != request.ask.first.frozen:
            return ACTION_CHANGED
        if fingerprint(graph, payload["gate"], payload["action_type"]) != request.ask.fingerprint:
            return CODE_CHANGED
        return self._outgrown(graph, request, payload)

    def _outgrown(self, graph: Graph, request: Request, payload: GatePayload) -> str:
        """Why an edit that people decided on has to be asked about again; empty where it has not.

        A gate that is made anew in every call is not in sight here: it looks itself before it acts.
        """
        gate = gates_of(graph).get(payload["gate"])
        if request.decision is None or gate is None:
            return ""
        return outgrown(gate.tools[payload["action_type"]], self._policy, request)

    def _foreign_misfit(self, graph: Graph, request: Request, pause: Pause) -> str:
        reading, index = read(graph, pause), request.ask.key.index
        if index >= len(reading.asked) or reading.dialect.name != request.ask.dialect:
            return ACTION_CHANGED
        if self.frozen(reading, request.ask.run, pause, request) != request.ask.first.frozen:
            return ACTION_CHANGED
        same_code = request.ask.fingerprint == fingerprint_of_node(graph, pause.path)
        return "" if same_code and request.ask.schema == reading.asked[index].schema else CODE_CHANGED

    def frozen(self, reading: Reading, run: Run, pause: Pause, request: Request) -> str:
        """The bytes that a request about a foreign pause must show, made anew from the pause itself."""
        asked, first = reading.asked[request.ask.key.index], request.ask.first.proposal
        return frozen_today(run, pause, reading, asked, before=first, policy=self._policy)

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
        round, index = request.ask.key.round + 1, request.ask.key.index
        if pause is None or round > ROUNDS or not self._runs_today(graph, pause, index):
            return None
        again = self._ask(graph, request.ask.run, pause, index=index, round=round, now=now)
        if not pause.ours:
            return again
        ways = request.ask.ways
        if self._outgrown(graph, request, _payload(pause)):  # the same edit would come to the same end
            ways = tuple(way for way in ways if way is not Way.EDIT)
        return replace(again, ways=ways)

    def _runs_today(self, graph: Graph, pause: Pause, index: int) -> bool:
        """Whether today's tool takes the arguments that were frozen; of a foreign pause, whether its node is there."""
        if not pause.ours:
            known = bool(fingerprint_of_node(graph, pause.path))
            return known and index < len(read(graph, pause).asked)
        payload = _payload(pause)
        gate = gates_of(graph).get(payload["gate"])
        tool = gate.tools.get(payload["action_type"]) if gate else None
        if tool is None:
            return False
        try:
            return dict(tool.freeze(payload["parameters"])) == payload["parameters"]
        except BadChange:
            return False

    def _ask(
        self, graph: Graph, run: Run, pause: Pause, *, index: int, round: int, now: datetime,
        chain: Chain | None = None,
    ) -> Ask:  # fmt: skip
        chain = chain or self._chain(graph, run, [pause])
        if not pause.ours:
            return self._foreign_ask(graph, run, pause, index=index, round=round, now=now, chain=chain)
        payload = _payload(pause)
        gate = gates_of(graph).get(payload["gate"])
        tool = gate.tools.get(payload["action_type"]) if gate else None
        ask = ask_of(
            run, payload["frozen"], key=PauseKey(thread=run.thread, interrupt=pause.interrupt, round=round),
            policy=self._policy, now=now, schema=tool.schema if tool else payload["parameters_schema"], chain=chain,
            fingerprint=fingerprint(graph, payload["gate"], payload["action_type"]),
        )  # fmt: skip
        return replace(ask, revises=RequestId(payload["revises"]) if payload["revises"] else None)

    def _foreign_ask(
        self, graph: Graph, run: Run, pause: Pause, *, index: int, round: int, now: datetime, chain: Chain | None
    ) -> Ask:  # fmt: skip
        if cannot_be_bound(graph, pause):
            raise CannotAsk(TOGETHER)
        reading = read(graph, pause)
        asked = reading.asked[index]
        proposal = proposal_of(run, pause, reading, asked, self._policy)
        refuse_tokens({"action": canonical.plain(proposal.action)})  # the graph's own checkpointer took it
        frozen = canonical.encode(proposal).decode()
        if len(frozen) > LARGEST_PROPOSAL:
            raise CannotAsk(f"A pause of {len(frozen)} characters is too large to be shown to people.")
        ask = ask_of(
            run, frozen, key=PauseKey(thread=run.thread, interrupt=pause.interrupt, index=index, round=round),
            policy=self._policy, now=now, schema=asked.schema, chain=chain,
            fingerprint=fingerprint_of_node(graph, pause.path),
        )  # fmt: skip
        ways = ways_of(asked, certain=reading.certain)
        if not asked.arguments or (ask.edits is Edits.REPLAN and not asked.written):
            ways = tuple(way for way in ways if way is not Way.EDIT)
        if not reading.certain and ask.rule.needed > 1:  # a text is one person's, and may make it act
            ways = tuple(way for way in ways if way is not Way.RESPOND)
        return replace(ask, dialect=reading.dialect.name, ways=ways, edits=Edits.APPLY)


def _payload(pause: Pause) -> GatePayload:
    if not is_ours(pause.value):
        raise BadPayload
    try:
        payload = checked_payload(pause.value)
    except ValidationError as error:
        raise BadPayload(f"A gate's payload is not whole: {error.error_count()} problems.") from None
    if canonical.digest(payload["frozen"]) != payload["digest"]:
        raise BadPayload("A gate's payload was changed after it was frozen.")
    return payload
