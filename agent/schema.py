"""What a gate shows when it pauses, and what it takes as an answer: the published form, version 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,  # typing's own is refused by pydantic before Python 3.12
    TypeGuard,
)

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from ..approvals import canonical
from ..approvals.request import Proposal

#: Name and version of the payload; a reader refuses what it does not know.
SCHEMA: Final = "sayso.gate/1"
#: How every version of it begins.
OURS: Final = "sayso.gate/"
#: The same as JSON Schema, for readers in other languages.
SCHEMA_FILE = Path(__file__).with_name("payload.schema.json")


class TargetPayload(TypedDict):
    """One thing the action touches."""

    kind: str
    id: str
    name: str
    link: str
    facts: dict[str, str]


class EvidencePayload(TypedDict):
    """Something the conclusion rests on."""

    label: str
    link: str


class GatePayload(TypedDict):
    """What `interrupt` shows: for people in words, for programs as `frozen`, whose SHA-256 is `digest`."""

    schema: Literal["sayso.gate/1"]
    gate: Annotated[str, Field(description="Path of the gate in the graph, joined by |; empty for the root.")]
    namespace: NotRequired[Annotated[str, Field(description="The same with LangGraph's ids of its tasks.")]]
    thread: str
    action_type: Annotated[str, Field(description="Name of the tool.")]
    category: str
    targets: list[TargetPayload]
    parameters: Annotated[dict[str, Any], Field(description="What the tool will be called with.")]
    parameters_schema: Annotated[str, Field(description="JSON Schema of the parameters, as JSON text.")]
    goal: str
    explanation: Annotated[str, Field(description="One sentence: what will be done.")]
    reasoning: str
    evidence: list[EvidencePayload]
    confidence: Annotated[float | None, Field(ge=0, le=1)]
    unsure: str
    oversight: Literal["gate", "watch"]
    flags: list[str]
    revises: Annotated[str, Field(description="Id of the request it replaces; empty for a first one.")]
    frozen: Annotated[str, Field(description="Canonical bytes of everything that is decided.")]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@with_config(ConfigDict(extra="forbid"))
class Answer(TypedDict):
    """What a gate is resumed with: which request, and what became of it. It allows nothing by itself.

    The acting node reads votes and words from the record and verifies them there.
    """

    type: Literal["approve", "modify", "reject", "respond", "expired", "closed"]
    request: Annotated[str, Field(min_length=1, max_length=100)]


_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
_PAYLOAD: TypeAdapter[GatePayload] = TypeAdapter(GatePayload)


def checked_answer(answer: Mapping[str, Any]) -> Answer:
    """The answer, if it is one: a bad one sent to a paused node would poison it. Raises: ValidationError."""
    return _ANSWER.validate_python(dict(answer))


def is_ours(value: object) -> TypeGuard[GatePayload]:
    """Whether an interrupt's value was raised by a gate of ours, of a version we know."""
    return isinstance(value, dict) and value.get("schema") == SCHEMA


def checked_payload(value: object) -> GatePayload:
    """The payload, if it is whole. Raises: ValidationError."""
    return _PAYLOAD.validate_python(value)


def payload_of(
    proposal: Proposal, frozen: str, *, gate: str, parameters_schema: str, revises: str = "", namespace: str = "",
) -> GatePayload:  # fmt: skip
    """The payload of a proposal, plain JSON values only."""
    action, assessment = proposal.action, proposal.assessment
    return _PAYLOAD.validate_python({
        "schema": SCHEMA, "gate": gate, "namespace": namespace, "thread": proposal.thread,
        "action_type": action.tool, "category": action.category,
        "targets": [
            {"kind": t.kind, "id": t.id, "name": t.name, "link": t.link, "facts": dict(t.facts)} for t in action.targets
        ],
        "parameters": dict(action.arguments), "parameters_schema": parameters_schema,
        "goal": action.goal, "explanation": action.summary, "reasoning": action.reasoning,
        "evidence": [{"label": e.label, "link": e.link} for e in action.evidence],
        "confidence": action.confidence, "unsure": action.unsure,
        "oversight": assessment.oversight.value, "flags": list(assessment.flags),
        "revises": revises, "frozen": frozen, "digest": canonical.digest(frozen),
    })  # fmt: skip


def json_schema() -> str:
    """The published JSON Schema of payload and answer, as it stands in `payload.schema.json`."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_PAYLOAD.json_schema(),
        "x-answer": _ANSWER.json_schema(),
    }
    return json.dumps(document, indent=2) + "\n"
