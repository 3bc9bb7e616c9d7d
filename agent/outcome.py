"""What the graph is told about an action after its gate: plain JSON values for the state, and where to go next."""

from __future__ import annotations

import json
from typing import Any

from typing_extensions import TypedDict

from ..approvals.request import Edits, EffectState, OutcomeKind, Request
from ..approvals.verdict import Modify, Reject, Respond
from .schema import Answer


class GateOutcome(TypedDict):
    """How one action ended.

    `kind` is an `OutcomeKind` value and `words` one sentence for people. `result` is what the tool returned, as
    JSON values, also where it says that it failed. `reason` stands with a rejection; `instruction` and `changes` stand with a modification that the
    agent has to plan for; `arguments` are those that were asked about.
    """

    kind: str
    words: str
    request: str
    digest: str
    tool: str
    summary: str
    arguments: dict[str, Any]
    by: list[str]
    result: Any
    reason: str
    instruction: str
    changes: dict[str, Any]


def outcome_of(request: Request, answer: Answer | None) -> GateOutcome:
    """What became of a request that is closed, or is about to be closed without having been done."""
    proposal = request.proposal
    verdict = request.decision.verdict if request.decision else None
    kind, words = _kind_and_words(request, answer)
    changes: dict[str, Any] = dict(verdict.changes) if isinstance(verdict, Modify) else {}
    instruction = (
        verdict.instruction
        if isinstance(verdict, Modify)
        else verdict.text
        if isinstance(verdict, Respond)
        else ""
    )
    done = request.says_failed or (request.effect is not None and request.effect.state is EffectState.DONE)
    revised = kind in (OutcomeKind.REVISED, OutcomeKind.ANSWERED)
    return {
        "kind": kind.value, "words": words, "request": request.id, "digest": request.ask.first.digest,
        "tool": proposal.action.tool, "summary": proposal.action.summary,
        "arguments": dict(proposal.action.arguments),
        "by": list(request.decision.by) if request.decision else [],
        "result": json.loads(request.effect.result, parse_int=_kept) if done and request.effect else None,
        "reason": verdict.reason if isinstance(verdict, Reject) else "",
        "instruction": instruction if revised else "", "changes": changes if revised else {},
    }  # fmt: skip


def _kept(digits: str) -> int | str:
    """A whole number as a graph's state can hold it: one beyond 64 bits stays text."""
    if len(digits) > 20:
        return digits
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else digits


def closing(request: Request) -> tuple[OutcomeKind, str] | None:
    """How a request ends whose people did not allow the action as it stands; None when they allowed it."""
    verdict = request.decision.verdict if request.decision else None
    match verdict:
        case None:
            return OutcomeKind.EXPIRED, "Nobody decided in time; nothing was done."
        case Reject(reason=reason):
            return OutcomeKind.REFUSED, f"The answer was no: {reason}"
        case Respond():
            return OutcomeKind.ANSWERED, "It was answered; the agent goes on with it."
        case Modify() if request.ask.edits is Edits.REPLAN or not allows_edited(request):
            return OutcomeKind.REVISED, "It was sent back with a correction."
        case _:
            return None


def allows_edited(request: Request) -> bool:
    """Whether people approved an edited revision that runs as edited. A claim of the record: votes prove it."""
    verdict = request.decision.verdict if request.decision else None
    edit = isinstance(verdict, Modify) and bool(verdict.changes) and not verdict.instruction
    return edit and request.revision > 1


def _kind_and_words(request: Request, answer: Answer | None) -> tuple[OutcomeKind, str]:
    if request.outcome is not None:
        return request.outcome.kind, request.outcome.words
    match answer["type"] if answer else "closed":
        case "expired":
            return OutcomeKind.EXPIRED, "Nobody decided in time; nothing was done."
        case "reject" | "modify" | "respond":
            return closing(request) or (
                OutcomeKind.FAILED,
                "The answer does not fit the record; nothing was done.",
            )
        case _:
            return OutcomeKind.FAILED, "The gate was left without an approval; nothing was done."
