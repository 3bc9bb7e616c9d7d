"""A pause that is no gate of ours, read for people: what it asks, the context it lacks, and who will read the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel

from ..approvals import canonical
from ..approvals.action import Action, Json
from ..approvals.request import Proposal, Run
from ..approvals.risk import Oversight, RiskAssessment
from ..approvals.verdict import Way
from .asking_tools import ask_together
from .dialects.asked import Asked, Dialect
from .dialects.middleware import BATCHED, PER_CALL
from .dialects.reading import EXPIRED, REJECT, Reading, dialect_of, with_schema
from .policy import Policy
from .resume import Graph
from .risk import NO_REASONING, assess
from .standing import Pause

#: In a compiled graph's metadata: the dialects whose every answer its code reads, by name.
READS = "sayso_reads"
#: In the same place: what its settings have it told where people said no, and where nobody answered.
ANSWERS = "sayso_answers"
#: Where LangChain's middleware itself reads the answer.
_LANGCHAIN = "langchain.agents.middleware.human_in_the_loop"
_NO_GOAL = "no goal given"
#: Flags of a card for what the pause does not bring, at most 40 characters.
GOAL_MISSING, NO_ENDS_IT = "No goal given", "A no ends the whole run"
_SUMMARY, _VALUE = 280, 60


def read(graph: Graph, pause: Pause) -> Reading:
    """What the pause asks, in whichever dialect, with the schema of its tools where this graph has them."""
    dialect, asked = dialect_of(pause.value, pause.schema)
    schemas = _tool_schemas(graph, pause.path)
    return Reading(
        dialect=dialect, value=pause.value, schema=pause.schema,
        asked=tuple(with_schema(one, schemas.get(one.tool, "")) for one in asked),
        certain=_is_certain(graph, pause, dialect, asked), answers=_metadata(graph).get(ANSWERS) or {},
    )  # fmt: skip


def cannot_be_bound(graph: Graph, pause: Pause) -> bool:
    """Whether LangGraph might give an answer to this pause to another tool than the one that people read about."""
    return ask_together(_runnable(graph, pause.path), pause)


def told(graph: Graph, answers: Mapping[str, Json]) -> Graph:
    """The graph with what its settings have it told, by `REJECT` and `EXPIRED`."""
    return graph.with_config(metadata={ANSWERS: dict(answers)}) if answers else graph


def proposal_of(run: Run, pause: Pause, reading: Reading, asked: Asked, policy: Policy) -> Proposal:
    """What is put to people about one action: what it lacks is filled in, and flagged where it stays missing."""
    action = Action(
        tool=asked.tool, arguments=asked.arguments, goal=run.goal.strip() or _NO_GOAL,
        summary=asked.summary or _summary(asked), reasoning=_reasoning(pause.state, asked),
    )  # fmt: skip
    return Proposal(
        action=action,
        assessment=_assessed(action, reading, asked, policy),
        thread=run.thread,
        asked_by=run.asked_by,
    )


def frozen_today(
    run: Run, pause: Pause, reading: Reading, asked: Asked, *, before: Proposal, policy: Policy
) -> str:
    """The bytes that `before` must have if it shows what the pause shows now; how it was assessed is its own."""
    proposal = proposal_of(run, pause, reading, asked, policy)
    return canonical.encode(replace(proposal, assessment=before.assessment)).decode()


def _assessed(action: Action, reading: Reading, asked: Asked, policy: Policy) -> RiskAssessment:
    """The policy's word; a pause that is there is put to people whatever the policy says."""
    assessment = assess(action, policy)
    flags = list(assessment.flags)
    if action.goal == _NO_GOAL:
        flags.append(GOAL_MISSING)
    if not (set(reading.answers) >= {REJECT, EXPIRED} or (reading.certain and Way.REJECT in asked.ways)):
        flags.append(NO_ENDS_IT)
    oversight = Oversight.WATCH if assessment.oversight is Oversight.FREE else assessment.oversight
    return replace(assessment, flags=tuple(flags), oversight=oversight)


def _summary(asked: Asked) -> str:
    said = ", ".join(f"{name} = {_short(value)}" for name, value in asked.arguments.items())
    text = f"{asked.tool}: {said}" if said else asked.tool
    return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]}…"


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"


def _reasoning(state: Mapping[str, Any], asked: Asked) -> str:
    """What the message said that made the call, and what the pause says besides."""
    said = [text for text in (_message_text(state, asked), asked.description) if text]
    return "\n".join(said) or NO_REASONING


def _message_text(state: Mapping[str, Any], asked: Asked) -> str:
    messages = state.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        calls = getattr(message, "tool_calls", None) or []
        if any(_is_call(call, asked) for call in calls):
            return _text(getattr(message, "content", ""))
    return ""


def _is_call(call: Any, asked: Asked) -> bool:
    if asked.call:
        return bool(call.get("id") == asked.call)
    return bool((call.get("name"), call.get("args")) == (asked.tool, dict(asked.arguments)))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content.strip()
    blocks = content if isinstance(content, list) else []
    texts = [
        one if isinstance(one, str) else one.get("text", "") for one in blocks if isinstance(one, str | dict)
    ]
    return "\n".join(text.strip() for text in texts if isinstance(text, str) and text.strip())


def _is_certain(graph: Graph, pause: Pause, dialect: Dialect, asked: Sequence[Asked]) -> bool:
    """Whether what reads the answer is LangChain's own middleware, or the graph says that it reads this dialect."""
    said = _metadata(graph).get(READS, ())
    if dialect.name in ([said] if isinstance(said, str) else said):
        return True
    node = _runnable(graph, pause.path)
    if dialect is BATCHED:
        readers = [node] if getattr(getattr(node, "func", None), "__module__", "") == _LANGCHAIN else []
    elif dialect is PER_CALL and isinstance(node, ToolNode):
        readers = [spec.runnable for spec in _beside(graph, pause.path).values()]
    else:
        return False
    return any(_gates_all(reader, asked) for reader in readers)


def _gates_all(reader: Any, asked: Sequence[Asked]) -> bool:
    """Whether this is LangChain's middleware and surely asks about each of them again when it is answered.

    What it does not gate any more runs whatever was answered. A `when` of its author's may say so each time anew.
    """
    func = getattr(reader, "func", None)
    if getattr(func, "__module__", "") != _LANGCHAIN:
        return False
    gated = getattr(getattr(func, "__self__", None), "interrupt_on", {})
    configs = [gated.get(one.tool) for one in asked]
    return all(isinstance(config, Mapping) and config.get("when") is None for config in configs)


def _metadata(graph: Graph) -> Mapping[str, Any]:
    return (graph.config or {}).get("metadata") or {}


def _runnable(graph: Graph, path: str) -> Any:
    """What runs at a node, in a graph inside graphs; None where the graph cannot be looked into."""
    return getattr(_beside(graph, path).get(path.rpartition("|")[2]), "runnable", None)


def _beside(graph: Graph, path: str) -> Mapping[str, Any]:
    """The nodes of the graph that a node stands in; none where that cannot be looked into."""
    around: Any = graph
    for name in path.split("|")[:-1]:
        around = dict(around.get_subgraphs()).get(name) if around is not None else None
    return getattr(getattr(around, "builder", None), "nodes", {})


def _tool_schemas(graph: Graph, path: str) -> dict[str, str]:
    """Tool -> JSON Schema of its arguments, of the tools that stand beside the paused node."""
    nodes = _beside(graph, path).values()
    return {tool.name: _schema(tool) for node in nodes for tool in _tools(node.runnable)}


def _tools(runnable: Any) -> Iterator[BaseTool]:
    if isinstance(runnable, ToolNode):
        yield from runnable.tools_by_name.values()


def _schema(tool: BaseTool) -> str:
    schema = tool.tool_call_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        schema = schema.model_json_schema()
    return canonical.encode(schema, dict).decode() if isinstance(schema, dict) else ""
