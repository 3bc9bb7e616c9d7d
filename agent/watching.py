"""Human on the loop: which action runs without asking although it is no trifle, and what can take it back afterwards."""

from __future__ import annotations

import inspect
import json
import logging
from dataclasses import replace
from datetime import datetime

from ..approvals import canonical
from ..approvals.action import Action, IncompleteAction, Json
from ..approvals.change import AuditEntry, Change, Event
from ..approvals.deadline import Deadline, Step, StepKind
from ..approvals.errors import BadChange
from ..approvals.naming import OWN, PauseKey, request_id
from ..approvals.request import Ask, Proposal, Request, Revision, Undoes
from ..approvals.risk import Oversight
from ..approvals.verdict import Way
from .effect import RESULT, Effect
from .policy import Policy
from .runtime import Runtime

_log = logging.getLogger(__name__)


def asks_first(runtime: Runtime, tool: Effect, action: Action, oversight: Oversight) -> bool:
    """Whether people decide before it runs: also about what is only to be watched, where nothing takes it back.

    A run in its owner's own process ends with it, and nobody could undo what it did.
    """
    match oversight:
        case Oversight.GATE:
            return True
        case Oversight.FREE:
            return False
        case Oversight.WATCH:
            undoable = tool.undo is not None and not runtime.run.graph.startswith(OWN)
            return not (undoable or tool.only_logged(action, runtime.policy))


def may_run_unasked(runtime: Runtime, tool: Effect, action: Action) -> bool:
    """What this worker's own policy says of it, whatever stands in a checkpoint or a record."""
    return not asks_first(runtime, tool, action, tool.judge(action, runtime.policy).oversight)


def with_undo(change: Change, tool: Effect, policy: Policy, now: datetime) -> Change:
    """The tool has reported: from now on people can undo it. What cannot be undone after all is logged as that.

    It must not fail: the tool has run.
    """
    done = change.request
    if tool.undo is None or not done.ask.watched:
        return change
    try:
        ask = _ask(done, tool.undo, frozen_undo(done, tool.undo), now, policy)
    except (BadChange, IncompleteAction) as error:
        _log.error("undo.not_offered", extra={"request": done.id, "error": type(error).__name__})
        words = f"Cannot be undone: {tool.undo.name} does not take what {tool.name} was given and returned"
        return replace(change, audit=(*change.audit, AuditEntry(event=Event.UNDOABLE, words=words[:300])))
    entry = AuditEntry(
        event=Event.UNDOABLE, words=f"Can be undone on route {ask.route} until {ask.deadline.expires_at:%d %b %H:%M} UTC",
        facts={"undo": ask.id, "digest": ask.first.digest},
    )  # fmt: skip
    return replace(
        change, request=replace(done, undo=ask.id), opens=(*change.opens, ask), audit=(*change.audit, entry)
    )


def frozen_undo(done: Request, undo: Effect) -> str:
    """The bytes of what takes back this action; the same for whoever makes them from its record.

    Raises: BadChange, IncompleteAction, when its tool does not take what the action's was given and returned.
    """
    assert done.effect is not None
    before, digest = done.proposal, done.current.digest
    given: dict[str, Json] = {**before.action.arguments, RESULT: json.loads(done.effect.result)}
    arguments = {name: given[name] for name in inspect.signature(undo.function).parameters if name in given}
    action = Action(
        tool=undo.name, arguments=undo.freeze(arguments), category=undo.category, goal=before.action.goal,
        summary=f"Undo: {before.action.summary}", reasoning=f"It takes back what request {done.id} did.",
        targets=before.action.targets, scope=before.action.scope,
        credential=undo.credential or before.action.credential,
    )  # fmt: skip
    proposal = Proposal(
        action=action, assessment=before.assessment, thread=before.thread, asked_by=before.asked_by, revises=digest
    )  # fmt: skip
    return canonical.encode(proposal).decode()


def _ask(done: Request, undo: Effect, frozen: str, now: datetime, policy: Policy) -> Ask:
    """Everything about who may answer and where stays as it was for the action; only the clock is its own."""
    assert done.outcome is not None
    until = now + policy.of(done.proposal.action.tool).undo_window
    key = PauseKey(thread=done.ask.run.thread, interrupt=f"undo:{done.id}")
    undoes = Undoes(request=done.id, frozen=done.current.frozen, words=done.outcome.words, at=now)
    return replace(
        done.ask, id=request_id(key), key=key, first=Revision(number=1, frozen=frozen), opened_at=now,
        deadline=Deadline(ends_at=until, expires_at=until, steps=(Step(at=until, kind=StepKind.EXPIRE),)),
        schema=undo.schema, fingerprint=undo.code, ways=(Way.UNDO,), watched=False, undoes=undoes,
    )  # fmt: skip
