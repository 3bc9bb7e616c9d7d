"""Takes back what a watched action did, once people have said so: as any tool runs, once, by their signed votes.

The agent has nothing to do with it: its thread is neither held nor entered, and it may be at work or long have ended.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..approvals import machine
from ..approvals.change import Change
from ..approvals.crash import crash_point
from ..approvals.errors import AlreadySettled, BadChange, RequestNotFound
from ..approvals.request import EffectState, OutcomeKind, Request, State
from ..approvals.verdict import RequestId
from .acting import act
from .effect import Effect
from .fingerprint import gates_of
from .handled import Handled
from .not_now import OutcomeUnknown, StillRunning
from .resume import Graph
from .runtime import Runtime
from .watching import frozen_undo

#: How long a worker whose code cannot undo it leaves it to one whose code can: a rolling deployment takes minutes.
ROLLING = timedelta(minutes=10)
GONE = "The agent's code cannot undo this any more; nothing was done."
UNLIKE = "This undo does not follow from what was done, so nothing was undone."


async def undo(runtime: Runtime, graph: Graph, id: RequestId) -> Handled:
    """Run the compensation that a request asks for, if verified votes allow it.

    Raises: RunAgain, CredentialSourceDown, when it has to be tried again.
    """
    try:
        request = await runtime.store.get(id)
        undoes = request.ask.undoes
        if undoes is None or request.state in (State.OPEN, State.CLOSED):
            return Handled.DONE
        done = await runtime.store.get(undoes.request)
    except RequestNotFound:
        return Handled.DONE  # it was cleared away
    tool = _tool(graph, request)
    if tool is None:
        if await runtime.store.now() < _decided_at(request) + ROLLING:
            return Handled.LEFT
        return await _not_done(runtime, request, GONE)
    try:
        frozen = _derived(done, tool)
        claimed = await _claimed(runtime, request) if frozen else None
        if frozen is None:
            return await _not_done(runtime, request, UNLIKE)
        if claimed is None:
            return Handled.DONE
        crash_point("undo-claimed")
        await act(runtime, tool, claimed, None, frozen)
    except OutcomeUnknown:
        return Handled.DONE  # people settle it, and that queues new work
    except StillRunning:
        return Handled.LEFT
    return Handled.DONE


def _tool(graph: Graph, request: Request) -> Effect | None:
    """What people were shown, in this worker's code; None when it has no such undo, or another one."""
    assert request.ask.undoes is not None
    name = request.ask.undoes.proposal.action.tool
    found = [gate.tools[name].undo for gate in gates_of(graph).values() if name in gate.tools]
    fits = [
        one
        for one in found
        if one and (one.name, one.code) == (request.proposal.action.tool, request.ask.fingerprint)
    ]
    return fits[0] if fits else None


def _derived(done: Request, tool: Effect) -> str | None:
    """What undoing this action has to look like; None when it was not done, so that nothing has to be undone."""
    if done.ask.undoes or done.effect is None or done.effect.state is not EffectState.DONE:
        return None
    try:
        return frozen_undo(done, tool)
    except BadChange:
        return None


async def _claimed(runtime: Runtime, request: Request) -> Request | None:
    """It is this worker's now; None when it was ended meanwhile."""
    if request.effect is not None and request.effect.state is EffectState.STARTED:
        return request  # whoever started it may still run it: `act` looks
    try:
        applied = await runtime.store.change(
            request.id, lambda record, now: machine.resuming(record, runtime.worker, now)
        )
    except AlreadySettled:
        return None
    return applied.request


async def _not_done(runtime: Runtime, request: Request, words: str) -> Handled:
    def step(record: Request, now: datetime) -> Change | None:
        if record.state is State.CLOSED or record.effect is not None:
            return None
        return machine.closed(record, OutcomeKind.FAILED, words, now, by=runtime.worker)

    await runtime.store.change(request.id, step)
    return Handled.DONE


def _decided_at(request: Request) -> datetime:
    return request.decision.at if request.decision else request.ask.opened_at
