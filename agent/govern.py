"""`govern`: tools as a model calls them, each behind a gate of its own; what comes back is a message for the model.

A governed tool runs a small graph (freeze, pause, act) inside its task. That graph has its own checkpoints, so what
people were shown is what resumes, however often LangGraph runs the task around it again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, tool
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt import ToolRuntime

from ..approvals import canonical
from ..approvals.action import Action, Json
from ..approvals.errors import BadChange, RequestNotFound, SaysoError
from ..approvals.request import OutcomeKind
from ..approvals.verdict import RequestId
from . import artifacts
from .called import Called, CalledTool, Unreadable, opened
from .effect import AsksInside, Effect
from .gate import LARGEST_PROPOSAL, BadGate, Gate
from .outcome import GateOutcome
from .policy import Policy
from .resume import LeftOpen
from .risk import NO_REASONING
from .runtime import current, is_acting, worker_loop
from .tool_words import words_for_model

#: In a tool message's `response_metadata`: what became of its call, for the next call of the same tool; and why what the
#: tool handed on besides is not in its artifact.
OUTCOME, LEFT_OUT = "sayso", "sayso_artifact"
#: An event loop that does nothing for so long is blocked.
BLOCKED_SECONDS = 30.0
#: How deep objects and lists may stand in one another in a call: as over HTTP, and far from what any reader stops at.
DEEPEST = 32
#: Arguments that LangChain fills in itself.
_TAKEN = frozenset({"runtime", "config", "run_manager", "callbacks"})
_NO_GOAL = "no goal given"
_SUMMARY, _VALUE = 280, 60
#: LangGraph's names, in a task's configuration, for: its counters, where its state is kept and by whom, its way out.
_SCRATCHPAD, _NAMESPACE = "__pregel_scratchpad", "checkpoint_ns"
_SAVER, _SEND = "__pregel_checkpointer", "__pregel_send"


class Governed(StructuredTool):
    """A tool behind a gate; workers find it in a graph by this type."""

    gate: Gate


def govern(
    tools: Sequence[BaseTool | Effect | Callable[..., Any]], policy: Policy | None = None
) -> list[BaseTool]:
    """The same tools for `create_agent` or a `ToolNode`: each call asks people or runs by itself, as the policy says.

    Args:
        tools: Of LangChain's, plain functions, and `@effect` tools, whose declarations then count.
        policy: Asks for more than the policy of the worker does, never for less.

    Raises: Unreadable for a tool whose arguments cannot be shown; ValueError for two of one name.
    """
    governed = [one if isinstance(one, Governed) else _governed(_called(one, policy)) for one in tools]
    names = [one.name for one in governed]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two tools are called {', '.join(sorted(doubled))}")
    return list(governed)


def _called(given: BaseTool | Effect | Callable[..., Any], policy: Policy | None) -> Called:
    if isinstance(given, Effect):
        return Called.by_model(given, policy)
    return CalledTool.of(given if isinstance(given, BaseTool) else tool(given), policy)


def _governed(effect: Called) -> Governed:
    if {":", "|"} & set(effect.name):
        raise Unreadable(f"{effect.name!r} is no name for a tool: LangGraph separates by these signs")
    if taken := _TAKEN & set(json.loads(effect.schema).get("properties", {})):
        raise Unreadable(f"{effect.name}: LangChain keeps the argument {min(taken)!r} for itself")
    gate = Gate(effect)

    async def call(runtime: ToolRuntime, **arguments: Any) -> ToolMessage:
        return await _call(effect, gate, runtime, arguments)

    def call_in_thread(runtime: ToolRuntime, **arguments: Any) -> ToolMessage:
        return _on_its_loop(call(runtime, **arguments))

    given = getattr(effect, "tool", None)
    return Governed(
        name=effect.name, description=effect.description, args_schema=effect.model_schema, coroutine=call,
        func=call_in_thread, gate=gate, return_direct=bool(given and given.return_direct),
        tags=given.tags if given else None, metadata=given.metadata if given else None,
    )  # fmt: skip


def _on_its_loop(coroutine: Coroutine[Any, Any, ToolMessage]) -> ToolMessage:
    """From an agent that was run with `invoke`: the store lives on the loop of the worker, which must be free.

    Raises: LeftOpen where `invoke` blocks that very loop, which would wait for itself.
    """
    try:
        loop = worker_loop()
        if not _is_free(loop):
            raise BadGate("An async tool runs its agent with `invoke`: write `await agent.ainvoke(...)`.")
    except SaysoError as error:
        coroutine.close()
        raise LeftOpen(error) from error
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


def _is_free(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        if asyncio.get_running_loop() is loop:
            return False
    except RuntimeError:
        pass  # a thread without a loop, as it should be
    answered = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)
    try:
        answered.result(timeout=BLOCKED_SECONDS)
    except TimeoutError:
        return False
    return True


async def _call(
    effect: Called, gate: Gate, runtime: ToolRuntime[Any, Any], arguments: Mapping[str, Any]
) -> ToolMessage:
    """One call, from freezing to what the model reads. Raises: LeftOpen, and LangGraph's own pause."""
    if is_acting():
        raise LeftOpen(AsksInside())
    try:
        frozen = effect.freeze(arguments)
    except BadChange as error:
        return _message(effect, runtime, effect.refusal(error), None)
    if _too_much(frozen):
        return _message(effect, runtime, "Not done: these arguments cannot be shown to people.", None)
    async with _one_by_one(runtime):
        given = {
            "action": canonical.encode(_action(effect, frozen, runtime)).decode(),
            "outcome": _before(runtime.state, effect.name),
        }
        mark = _mark(effect, runtime, _which(effect, runtime, frozen))
        inside = _config(effect, runtime, mark)
        if not _is_first(runtime, inside):
            return _message(
                effect, runtime, "Not done: it is the same call as another one of this turn.", None
            )
        with opened(replace(runtime, tool_call_id=runtime.tool_call_id or f"call-{mark}")):
            ended = await gate.graph.ainvoke(given, inside)
    outcome: GateOutcome = ended["outcome"]
    message = _message(effect, runtime, words_for_model(outcome, frozen), outcome)
    return await _with_artifact(message, outcome)


async def _with_artifact(message: ToolMessage, outcome: GateOutcome) -> ToolMessage:
    """With what the tool handed on, as the record has it: it may have run in another process."""
    try:
        effect = (await current().store.get(RequestId(outcome["request"]))).effect
    except RequestNotFound:
        return message  # cleared away, long after it ended
    artifact, why = artifacts.read(effect.artifact if effect else "")
    metadata = {**message.response_metadata, **({LEFT_OUT: why} if why else {})}
    return message.model_copy(update={"artifact": artifact, "response_metadata": metadata})


@dataclass(slots=True)
class _Task:
    """One execution of a task: how its first call left it, if that was not with a result, and where its calls stand."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: GraphBubbleUp | None = None
    made: set[str] = field(default_factory=set)


_TASKS: WeakKeyDictionary[Any, _Task] = WeakKeyDictionary()


@asynccontextmanager
async def _one_by_one(runtime: ToolRuntime[Any, Any]) -> AsyncIterator[None]:
    """Calls that a tool node makes in one task take turns, and none begins once one of them pauses or breaks off.

    The tool node would leave such a call behind, running unseen while the task is already run again elsewhere.

    Raises: LeftOpen for whatever comes out of a gate: it is for the runner, and no message for the model.
    """
    mark = runtime.config.get("configurable", {}).get(_SEND)
    if mark is None:
        raise LeftOpen(BadGate("A governed tool can only be called by a model, in an agent or a ToolNode."))
    task = _TASKS.setdefault(mark, _Task())
    async with task.turn:
        if task.left is not None:
            raise task.left
        try:
            yield
        except GraphBubbleUp as pause:
            task.left = pause
            raise
        except Exception as error:
            task.left = LeftOpen(error)
            raise task.left from error


def _is_first(runtime: ToolRuntime[Any, Any], inside: RunnableConfig) -> bool:
    """Whether no other call of this task has the same tool, id and arguments: the two would share one answer."""
    made = _TASKS[runtime.config["configurable"][_SEND]].made
    namespace = inside["configurable"][_NAMESPACE]
    if namespace in made:
        return False
    made.add(namespace)
    return True


def _message(
    effect: Called, runtime: ToolRuntime[Any, Any], words: str, outcome: GateOutcome | None
) -> ToolMessage:
    ran = outcome is not None and outcome["kind"] == OutcomeKind.EXECUTED
    return ToolMessage(
        content=words, name=effect.name, tool_call_id=runtime.tool_call_id or "", status="success" if ran else "error",
        response_metadata={OUTCOME: outcome} if outcome else {},
    )  # fmt: skip


def _action(effect: Called, frozen: Mapping[str, Json], runtime: ToolRuntime[Any, Any]) -> Action:
    """What a bare call of a tool lacks is taken from its run and from the message that made it."""
    return Action(
        tool=effect.name, arguments=frozen, category=effect.category,
        goal=current().run.goal.strip() or _NO_GOAL, summary=_summary(effect, frozen),
        reasoning=_reasoning(runtime.state, runtime.tool_call_id) or NO_REASONING, credential=effect.credential,
    )  # fmt: skip


def _too_much(frozen: Mapping[str, Json]) -> bool:
    """More or deeper than people would be shown, or no text at all; what is revised shows it twice over."""
    try:
        size = len(canonical.encode(dict(frozen)))
    except (ValueError, RecursionError):
        return True
    return size > LARGEST_PROPOSAL // 4 or _deeper(frozen, DEEPEST)


def _deeper(value: object, left: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return left < 0 or any(_deeper(one, left - 1) for one in inner)


def _summary(effect: Called, frozen: Mapping[str, Json]) -> str:
    if effect.summary:
        return _cut(effect.summary.format_map({**frozen}), _SUMMARY) or effect.name
    said = ", ".join(f"{name} = {_cut(value, _VALUE)}" for name, value in frozen.items())
    return _cut(f"{effect.name}: {said}" if said else effect.name, _SUMMARY)


def _cut(value: object, length: int) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= length else f"{text[:length]}…"


def _reasoning(state: Any, call: str | None) -> str:
    """What the model said in the message that made this call."""
    for message in reversed(_messages(state)):
        if isinstance(message, AIMessage) and any(one["id"] == call for one in message.tool_calls):
            return str(message.text).strip()
    return ""


def _before(state: Any, name: str) -> object:
    """What became of the last call of the same tool, as the state has it; the gate asks the record."""
    for message in reversed(_messages(state)):
        if isinstance(message, ToolMessage) and message.name == name:
            return message.response_metadata.get(OUTCOME)
    return None


def _which(effect: Called, runtime: ToolRuntime[Any, Any], frozen: Mapping[str, Json]) -> int:
    """The number of this call among those of the same tool and id: some models give one id to several.

    Only what the model said is compared: a default may be another one each time.
    """
    for message in reversed(_messages(runtime.state)):
        made = message.tool_calls if isinstance(message, AIMessage) else []
        twins = [
            one["args"] for one in made if (one["id"], one["name"]) == (runtime.tool_call_id, effect.name)
        ]
        if len(twins) > 1:
            return next((at for at, said in enumerate(twins) if _reads_as(effect, said, frozen)), 0)
        if twins:
            break
    return 0


def _reads_as(effect: Called, said: Mapping[str, Any], frozen: Mapping[str, Json]) -> bool:
    try:
        read = effect.freeze(said)
    except BadChange:
        return False
    return all(value == frozen.get(name) for name, value in read.items() if name in said)


def _messages(state: Any) -> list[BaseMessage]:
    found = state.get("messages") if isinstance(state, Mapping) else getattr(state, "messages", state)
    return [one for one in found if isinstance(one, BaseMessage)] if isinstance(found, list) else []


def _mark(effect: Called, runtime: ToolRuntime[Any, Any], which: int) -> str:
    """The same for the same call: from its id, or from the message that made it where the model gave none; 32 hex digits."""
    made = runtime.tool_call_id
    if not made:
        messages = reversed(_messages(runtime.state))
        made = next((f"of {one.id}" for one in messages if isinstance(one, AIMessage)), "")
    return hashlib.sha256(f"{effect.name}\0{made}\0{which}".encode()).hexdigest()[:32]


def _config(effect: Called, runtime: ToolRuntime[Any, Any], mark: str) -> RunnableConfig:
    """Where this call keeps its state: by a name of its own, because a task may make several calls, in any order.

    LangGraph numbers the graphs that one task calls as they come; with that, one call could find another's pause.
    """
    inside = dict(runtime.config.get("configurable", {}))
    if not inside.get(_SAVER):
        raise BadGate(f"{effect.name} is governed, and the agent that calls it keeps no state.")
    inside[_NAMESPACE] = f"{inside[_NAMESPACE]}|{effect.name}:{mark}"
    inside[_SCRATCHPAD] = replace(inside[_SCRATCHPAD], subgraph_counter=lambda: 0)
    return {**runtime.config, "configurable": inside}
