"""`Gate`: the subgraph that stands between an agent's plan and its consequence: assess -> review -> act.

`assess` freezes what is asked, `review` only pauses, `act` runs exactly what was allowed. None of them talks to a
chat: cards are posted from the record that the runner opens while the graph is paused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from ..approvals import canonical, machine
from ..approvals.action import Action, Entity, Evidence, Json
from ..approvals.credential import CredentialRef
from ..approvals.errors import RequestNotFound, SaysoError
from ..approvals.naming import PauseKey
from ..approvals.request import OutcomeKind, Proposal, Request, State
from ..approvals.risk import Oversight
from ..approvals.verdict import RequestId
from .acting import act, nothing_done
from .asking import ask_of
from .effect import Effect
from .outcome import GateOutcome, closing, outcome_of
from .runtime import Runtime, current
from .schema import Answer, GatePayload, payload_of
from .serializer import refuse_tokens
from .watching import asks_first

#: Which predecessors a new proposal revises: the people asked for a change of it.
_PLANNED_AGAIN = frozenset({OutcomeKind.REVISED, OutcomeKind.ANSWERED})

CODE_CHANGED = "The agent's code between the question and the action has changed."

#: Most characters of a frozen proposal: more than anybody would read, less than slows a store down.
LARGEST_PROPOSAL = 256_000

#: What a gated graph's state holds of ours: for the checkpoint serializer's closed list.
STATE_TYPES = (Action, Entity, Evidence, CredentialRef)


class BadGate(SaysoError):
    """The graph and its gate do not fit together; nothing was asked and nothing was done."""


def latest(_before: GateOutcome | None, after: GateOutcome | None) -> GateOutcome | None:
    """Of several gates that end at once, the last one's outcome; `outcomes` has them all."""
    return after


def merged(
    before: Mapping[str, GateOutcome] | None, after: Mapping[str, GateOutcome]
) -> dict[str, GateOutcome]:
    """All outcomes by request id; writing one twice changes nothing."""
    return {**(before or {}), **after}


class GateState(TypedDict, total=False):
    """What a graph shares with its gates: inherit your own state from it.

    `action` is what the agent wants to do; `outcome` is what became of the last one, `outcomes` of all, by request.
    """

    action: Action
    outcome: Annotated[GateOutcome | None, latest]
    outcomes: Annotated[dict[str, GateOutcome], merged]


class _Told(TypedDict, total=False):
    outcome: Annotated[GateOutcome | None, latest]
    outcomes: Annotated[dict[str, GateOutcome], merged]


class _Asked(TypedDict, total=False):
    action: Action
    outcome: Annotated[GateOutcome | None, latest]


class _Sealed(TypedDict):
    """What `assess` froze; `payload` is None where nobody is asked."""

    frozen: str
    digest: str
    key: str
    code: str
    payload: GatePayload | None


class _Inside(GateState, total=False):
    sayso: _Sealed
    answer: Answer


class GateGraph(StateGraph[_Inside, None, _Asked, _Told]):
    """A gate's own graph; workers find a gate in a bigger graph by this type."""

    gate: Gate


class Gate:
    """A gate in front of the named tools.

    Attributes:
        graph: The compiled subgraph.
        targets: Where the parent graph goes on, without doubles.
    """

    def __init__(
        self, *tools: Effect, on_modify: str = "plan", on_reject: str = "report", then: str = "report"
    ) -> None:
        """Name the parent's nodes: `then` after the action was done, `on_modify` when the agent has to plan again,
        `on_reject` whenever nothing was done (refused, expired, failed).

        Raises: BadGate without a tool, or with two of one name.
        """
        self.tools = {tool.name: tool for tool in tools}
        if not tools or len(self.tools) < len(tools):
            raise BadGate("A gate needs at least one tool, and each name once.")
        self._after = {
            OutcomeKind.EXECUTED: then, OutcomeKind.REVISED: on_modify, OutcomeKind.ANSWERED: on_modify,
        }  # fmt: skip
        self._on_reject = on_reject
        self.targets = list(dict.fromkeys((then, on_modify, on_reject)))
        self.graph = self._compiled()

    def add_to(self, builder: StateGraph[Any, Any, Any, Any], name: str = "gate") -> None:
        """Put the gate into a graph as a node, with the ways on that lead out of it."""
        builder.add_node(name, self.graph)
        builder.add_conditional_edges(name, self.route, self.targets)

    def route(self, state: Mapping[str, Any]) -> str:
        """The parent's next node after this gate."""
        outcome: GateOutcome | None = state.get("outcome")
        if outcome is None:
            raise BadGate("The graph's state has no `outcome`: inherit it from sayso's GateState.")
        return self._after.get(OutcomeKind(outcome["kind"]), self._on_reject)

    def _compiled(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        builder = GateGraph(_Inside, input_schema=_Asked, output_schema=_Told)
        builder.gate = self
        builder.add_node("assess", self._assess)
        builder.add_node("review", _review)
        builder.add_node("act", self._act)
        builder.add_edge(START, "assess")
        builder.add_conditional_edges("assess", _after_assess, ["review", "act"])
        builder.add_edge("review", "act")
        return builder.compile(name="gate")

    async def _assess(self, state: _Inside, config: RunnableConfig) -> dict[str, _Sealed]:
        runtime = current()
        action, tool = self._action(state)
        if config["configurable"]["thread_id"] != runtime.run.thread:
            raise BadGate("The graph runs in another thread than its worker was told.")
        before = _predecessor(await _recorded(runtime, state.get("outcome")), action)
        proposal = Proposal(
            action=action, assessment=tool.judge(action, runtime.policy), thread=runtime.run.thread,
            asked_by=runtime.run.asked_by, revises=before["digest"] if before else "",
            changes=_changes(before, action),
        )  # fmt: skip
        frozen = canonical.encode(proposal).decode()
        refuse_tokens({"action": canonical.plain(action)}, runtime.broker.live.kind_in)
        if len(frozen) > LARGEST_PROPOSAL:
            raise BadGate(f"An action of {len(frozen)} characters is too large to be shown to people.")
        namespace = str(config["configurable"].get("checkpoint_ns", ""))
        payload = None
        if asks_first(runtime, tool, action, proposal.assessment.oversight):
            payload = payload_of(
                proposal, frozen, gate=_path(namespace), parameters_schema=tool.schema,
                revises=before["request"] if before else "", namespace=namespace.rpartition("|")[0],
            )  # fmt: skip
        digest = canonical.digest(frozen)
        key = f"free:{canonical.digest(f'{namespace} {digest}')[:32]}"
        return {
            "sayso": {"frozen": frozen, "digest": digest, "key": key, "code": tool.code, "payload": payload}
        }

    def _action(self, state: _Inside) -> tuple[Action, Effect]:
        action: object = state.get("action")
        if isinstance(action, str):
            action = canonical.decode(
                Action, action
            )  # as `govern` hands it over: any checkpointer keeps text
        if not isinstance(action, Action):
            raise BadGate("The state holds no `action`: the node before a gate has to return one.")
        tool = self.tools.get(action.tool)
        if tool is None:
            raise BadGate(f"This gate does not stand in front of the tool {action.tool!r}.")
        return action, tool

    async def _act(self, state: _Inside) -> dict[str, Any]:
        runtime, sealed, answer = current(), state["sayso"], state.get("answer")
        if canonical.digest(sealed["frozen"]) != sealed["digest"]:
            raise BadGate("What was frozen was changed in the state afterwards.")
        proposal = canonical.decode(Proposal, sealed["frozen"])
        tool = self.tools[proposal.action.tool]
        request = await _request(runtime, sealed, proposal, answer, tool)
        if answer is not None and _is_other_code(sealed, tool, request):
            outcome = await nothing_done(runtime, request, CODE_CHANGED)
        else:
            outcome = await act(runtime, tool, request, answer, sealed["frozen"])
        return {"outcome": outcome, "outcomes": {request.id: outcome}}


def _review(state: _Inside) -> dict[str, Answer]:
    """Pauses, and nothing else: what stands here runs again with every resume of a neighbour."""
    return {"answer": interrupt(state["sayso"]["payload"], response_schema=Answer)}


def _after_assess(state: _Inside) -> str:
    return "act" if state["sayso"]["payload"] is None else "review"


async def _request(
    runtime: Runtime, sealed: _Sealed, proposal: Proposal, answer: Answer | None, tool: Effect
) -> Request:
    """The record that the answer names; where nobody is asked the one it opens, the same however often it runs."""
    if answer is not None:
        return await runtime.store.get(RequestId(answer["request"]))
    oversight = proposal.assessment.oversight
    if asks_first(runtime, tool, proposal.action, oversight):
        raise BadGate("An action that people have to decide came past its review.")
    ask = ask_of(
        runtime.run, sealed["frozen"], policy=runtime.policy, now=await runtime.store.now(), schema=tool.schema,
        key=PauseKey(thread=runtime.run.thread, interrupt=sealed["key"]), watched=oversight is Oversight.WATCH,
    )  # fmt: skip
    return await runtime.store.open(machine.opened_unasked(ask, runtime.worker))


def _is_other_code(sealed: _Sealed, tool: Effect, request: Request) -> bool:
    """Whether people were asked about other code and nothing was started: seen from here only in the first round.

    Who asks again has looked at this very code before; a gate that cannot be seen from outside is asked about once.
    """
    first = request.ask.key.round == 1 and request.state is not State.CLOSED and request.effect is None
    return first and sealed.get("code", tool.code) != tool.code


async def _recorded(runtime: Runtime, said: object) -> GateOutcome | None:
    """How an earlier request of this very run ended, or is about to; what a state says may have come from outside."""
    id = said.get("request") if isinstance(said, Mapping) else None
    if not isinstance(id, str):
        return None
    try:
        request = await runtime.store.get(RequestId(id))
    except RequestNotFound:
        return None
    if request.ask.run.thread != runtime.run.thread or request.state is State.OPEN:
        return None
    ended = closing(request) if request.outcome is None else None
    outcome = outcome_of(request, None)
    return {**outcome, "kind": ended[0].value, "words": ended[1]} if ended else outcome


def _predecessor(outcome: GateOutcome | None, action: Action) -> GateOutcome | None:
    """What this proposal revises: people asked for a change, or refused the same tool's last call."""
    if outcome is None:
        return None
    kind = OutcomeKind(outcome["kind"])
    same_refused = kind is OutcomeKind.REFUSED and outcome["tool"] == action.tool
    return outcome if kind in _PLANNED_AGAIN or same_refused else None


def _changes(before: GateOutcome | None, action: Action) -> dict[str, tuple[Json, Json]]:
    """Argument -> (before, after), for what differs from the predecessor."""
    if before is None or before["tool"] != action.tool:
        return {}
    old = before["arguments"]
    return {
        name: (old.get(name), value) for name, value in action.arguments.items() if old.get(name) != value
    }


def _path(namespace: str) -> str:
    """The gate's place in the graph, without task ids: "outer:1f..|gate:2e..|assess:77.." -> "outer|gate".

    A part without an id only counts the graphs that one node calls.
    """
    return "|".join(part.partition(":")[0] for part in namespace.split("|")[:-1] if ":" in part)
