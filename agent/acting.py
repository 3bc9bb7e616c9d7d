"""Runs an approved action exactly once: votes verified, token fetched, approval burnt, tool run, outcome written.

Nothing that stands in the record is believed but what the signed votes prove; the bytes of the action are those of
the graph's own state.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from langgraph.errors import GraphInterrupt

from ..approvals import canonical, effects, lacking, machine, signing
from ..approvals.change import AuditEntry, Change, Event
from ..approvals.crash import crash_point
from ..approvals.credential import DeadCredential, Mending
from ..approvals.errors import AlreadySettled, BadChange, BadVote, Halted
from ..approvals.request import Edits, EffectState, OutcomeKind, Proposal, Request, State
from ..approvals.risk import Oversight
from ..approvals.trust import Trust, ran_on
from . import artifacts
from .credentials import CredentialDead, Token
from .effect import AsksInside, Effect, NothingDone, SaysFailed, asks_itself
from .faults import facts_of
from .not_now import HeldBack, OutcomeUnknown, RunAgain, SignInAwaited, StillRunning
from .outcome import GateOutcome, allows_edited, outcome_of
from .outgrown import outgrown
from .resume import LeftOpen
from .runtime import Runtime, acting
from .schema import Answer
from .told_by_tools import broke_off, told
from .trusting import NOT_UNASKED, trust_in
from .watching import may_run_unasked, with_undo

_log = logging.getLogger(__name__)


class _NoToken(Exception):
    """One of the credentials does not work."""

    def __init__(self, dead: DeadCredential) -> None:
        super().__init__(dead.words)
        self.dead = dead


async def act(
    runtime: Runtime, tool: Effect, request: Request, answer: Answer | None, frozen: str
) -> GateOutcome:
    """Run the tool once, if verified votes (or its being free) allow it, and say how it ended.

    Args:
        answer: What the gate was resumed with; anything but an approval does nothing. None for a free action.
        frozen: The proposal's bytes from the graph's own state.

    Raises:
        StillRunning, HeldBack, OutcomeUnknown, SignInAwaited: Nothing was run now.
        RunAgain: Run an idempotent tool once more.
        CredentialSourceDown: Nothing was run; try again later.
    """
    if request.state is State.CLOSED or not _says_go(request, answer):
        return outcome_of(request, answer)
    ended = await _ended_before(runtime, tool, request)
    if ended is not None:
        return ended
    try:
        trust = await _trust(runtime, tool, request, frozen)
        revision = _warranted(runtime, tool, request, frozen, now=await runtime.store.now(), trust=trust)
        crash_point("act-verified")
        arguments, tokens = await _prepared(runtime, tool, revision)
        crash_point("act-token")
        burnt = await _burn(runtime, tool, request, frozen)
    except BadVote as error:
        await note_forgery(runtime, request, error)
        return await nothing_done(runtime, request, str(error), believed=False)
    except _NoToken as lack:
        return await _without_token(runtime, request, lack.dead)
    except BadChange as error:
        return await nothing_done(runtime, request, str(error))
    except AlreadySettled:
        return outcome_of(await runtime.store.get(request.id), None)
    crash_point("after-burn")
    return await _run(runtime, tool, burnt, arguments, tokens)


def _says_go(request: Request, answer: Answer | None) -> bool:
    """Whether the graph was resumed to act; that it may act is what the votes have to prove."""
    if answer is None or answer["type"] == "approve":
        return True
    return answer["type"] == "modify" and request.ask.edits is Edits.APPLY and allows_edited(request)


async def _ended_before(runtime: Runtime, tool: Effect, request: Request) -> GateOutcome | None:
    """How an earlier start ended, if that leaves nothing to run now. Raises: StillRunning, OutcomeUnknown."""
    effect = request.effect
    if effect is None:
        return None
    match effect.state:
        case EffectState.STARTED:
            if await runtime.store.lease_held(request.id):
                raise StillRunning
            if tool.idempotent:
                return None
            return await _unknown(runtime, request, f"{effect.worker} started the tool and never reported")
        case EffectState.UNKNOWN:
            if not effects.ordered_again(request):
                raise OutcomeUnknown
            return None
        case EffectState.DONE | EffectState.FAILED:
            return outcome_of(request, None)
        case _:
            assert_never(effect.state)


async def _trust(runtime: Runtime, tool: Effect, request: Request, frozen: str) -> Trust | None:
    """What lets it run although people decide about it; looked up each time, so that taking it back ends it."""
    proposal = canonical.decode(Proposal, frozen)
    if request.asked or request.ask.undoes or may_run_unasked(runtime, tool, proposal.action):
        return None
    return await trust_in(runtime, tool, proposal)


def _warranted(
    runtime: Runtime, tool: Effect, request: Request, frozen: str, *, now: datetime, trust: Trust | None
) -> Proposal:
    """What may run. The first run of a free, watched or trusted action needs no votes; everything else does.

    A checkpoint can be rewritten by whoever can write to Redis, so that nobody has to be asked is judged anew.

    Raises: BadVote; BadChange, where an edit needs more than its votes.
    """
    proposal = canonical.decode(Proposal, frozen)
    before = before_this_attempt(request)
    if not request.asked and not request.ask.undoes and before.effect is None:
        if (request.ask.first.frozen, request.ask.run.thread) != (frozen, runtime.run.thread):
            raise BadVote("The request does not show what this agent froze.")
        trusted = trust is not None and trust.holds(now)
        if not trusted and not may_run_unasked(runtime, tool, proposal.action):
            raise BadVote(NOT_UNASKED)
        return proposal
    granted = signing.warrant(before, runtime.verifier, thread=runtime.run.thread, frozen=frozen, now=now)
    if why := outgrown(tool, runtime.policy, request):
        raise BadChange({"": why})
    return granted.revision.proposal


def before_this_attempt(request: Request) -> Request:
    """The record as the votes saw it: a started run that is taken over is the one that they allowed."""
    effect = request.effect
    if effect is None or effect.state is not EffectState.STARTED:
        return request
    if effect.attempt == 1:
        return replace(request, effect=None)
    return replace(request, effect=replace(effect, attempt=effect.attempt - 1))


async def _prepared(
    runtime: Runtime, tool: Effect, proposal: Proposal
) -> tuple[dict[str, Any], tuple[Token, ...]]:
    """Arguments and tokens: whatever can fail does so before the approval is burnt. Raises: _NoToken."""
    arguments, tokens = tool.thaw(proposal.action.arguments), list[Token]()
    for ref in proposal.action.credentials:
        try:
            tokens.append(await runtime.broker.token(ref, lives=tool.limit))
        except CredentialDead as error:
            raise _NoToken(runtime.broker.dead(ref, error)) from error
    return arguments, tuple(tokens)


async def _without_token(runtime: Runtime, request: Request, dead: DeadCredential) -> GateOutcome:
    """Wait for whoever can sign in; where nobody can, or nobody was asked, it is over. Raises: SignInAwaited."""
    if dead.mending is Mending.ELSEWHERE or request.effect is not None or request.decision is None:
        return await nothing_done(runtime, request, dead.words)

    def step(record: Request, now: datetime) -> Change:
        _unmoved(record, request)
        return lacking.lacks(record, dead, runtime.worker, now)

    try:
        await runtime.store.change(request.id, step)
    except AlreadySettled:
        return outcome_of(await runtime.store.get(request.id), None)
    except effects.Burnt:
        raise StillRunning from None
    raise SignInAwaited(dead.words)


async def _burn(runtime: Runtime, tool: Effect, request: Request, frozen: str) -> Request:
    """Start the tool in the record; verified once more over exactly the version that is burnt."""
    trust = await _trust(runtime, tool, request, frozen)

    def step(record: Request, now: datetime) -> Change:
        _unmoved(record, request)
        _warranted(runtime, tool, record, frozen, now=now, trust=trust)
        if record.current.digest != request.current.digest:
            raise BadVote("What was decided changed while it was being started.")
        if record.effect is not None and record.effect.state is EffectState.STARTED:
            return effects.taken_over(record, worker=runtime.worker, lease=runtime.lease)
        attempt = record.effect.attempt + 1 if record.effect else 1
        begun = effects.begin(record, attempt=attempt, worker=runtime.worker, lease=runtime.lease, now=now)
        trusted = (ran_on(trust, runtime.worker),) if trust and attempt == 1 else ()
        return replace(
            begun, audit=(*trusted, *lacking.used(record.proposal.action, runtime.worker), *begun.audit)
        )

    try:
        applied = await runtime.store.change(request.id, step, token=f"burn-{uuid.uuid4().hex}")
    except effects.Burnt:
        raise StillRunning from None
    except Halted as halted:
        raise HeldBack(str(halted)) from None
    return applied.request


def _unmoved(record: Request, before: Request) -> None:
    """What another worker has begun since is that one's: its votes are used up, which makes them no forgery.

    Raises: AlreadySettled, Burnt.
    """
    if record.state is State.CLOSED:
        raise AlreadySettled(record.state)
    if record.effect != before.effect:
        raise effects.Burnt


async def _run(
    runtime: Runtime, tool: Effect, request: Request, arguments: Mapping[str, Any], tokens: tuple[Token, ...]
) -> GateOutcome:
    with runtime.keeper.effect(request.id), acting(request.id, tokens):
        task = asyncio.create_task(tool.run(arguments), name=f"tool {request.id}")
        try:
            await asyncio.wait({task}, timeout=tool.limit.total_seconds())
        except asyncio.CancelledError:
            task.cancel()
            raise
    if not task.done():
        return await _overran(runtime, tool, request, task)
    crash_point("after-tool")
    return await _report(runtime, tool, request, task)


async def _overran(runtime: Runtime, tool: Effect, request: Request, task: asyncio.Task[Any]) -> GateOutcome:
    """The tool did not end in time. A thread cannot be stopped: it may still say later what happened."""
    if tool.is_async:
        task.cancel()
    late = asyncio.create_task(_late_word(runtime, tool, request, task))
    runtime.late.add(late)
    late.add_done_callback(runtime.late.discard)
    return await _left_open(runtime, tool, request, f"did not end within {tool.limit}")


async def _late_word(runtime: Runtime, tool: Effect, request: Request, task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task})
    if task.cancelled():
        return
    try:
        await _report(runtime, tool, request, task)
    except (effects.Burnt, OutcomeUnknown, RunAgain):
        _log.warning("tool.late_word_dropped", extra={"request": request.id})


async def _report(runtime: Runtime, tool: Effect, request: Request, task: asyncio.Task[Any]) -> GateOutcome:
    """Write down how the tool ended."""
    error = task.exception() if not task.cancelled() else asyncio.CancelledError()
    if error is None:
        return await _done(runtime, request, tool, task.result())
    withhold = runtime.broker.live.withheld
    if isinstance(error, NothingDone):
        return await _failed(runtime, request, withhold(str(error)))
    if isinstance(error, SaysFailed):
        text, words = told(error.said, withhold)
        return await _failed(runtime, request, words or f"{tool.name} failed.", text)
    if _asked_inside(error):
        _log.error("tool.asks_itself", extra={"request": request.id, "tool": tool.name})
        return await _failed(runtime, request, asks_itself(tool.name), json.dumps(asks_itself(tool.name)))
    how = broke_off(error, withhold)
    _log.error("tool.raised", extra={"request": request.id, "words": how, **facts_of(error)})
    return await _left_open(runtime, tool, request, how)


def _asked_inside(error: BaseException) -> bool:
    """Whether an agent within the tool paused, or was kept from it: nobody is asked there."""
    return isinstance(error, GraphInterrupt) or (
        isinstance(error, LeftOpen) and isinstance(error.why, AsksInside)
    )


async def _failed(runtime: Runtime, request: Request, words: str, result: str = "") -> GateOutcome:
    applied = await runtime.store.change(
        request.id,
        lambda record, now: effects.failed(_same_run(record, request), runtime.worker, words, now, result=result),
        token=f"failed-{uuid.uuid4().hex}",
    )  # fmt: skip
    return outcome_of(applied.request, None)


async def _done(runtime: Runtime, request: Request, tool: Effect, result: object) -> GateOutcome:
    text, said = told(result, runtime.broker.live.withheld)
    words, artifact = said or f"{tool.name} ran.", artifacts.kept(result, runtime.broker.live, tool.name)

    def step(record: Request, now: datetime) -> Change:
        change = effects.done(_same_run(record, request), runtime.worker, text, words, now, artifact=artifact)
        return with_undo(change, tool, runtime.policy, now)

    applied = await runtime.store.change(request.id, step, token=f"done-{uuid.uuid4().hex}")
    crash_point("after-done")
    return outcome_of(applied.request, None)


def _same_run(record: Request, started: Request) -> Request:
    """The record, while this run of the tool is its newest: an earlier one has no say in it. Raises: Burnt."""
    newest, ours = record.effect, started.effect
    if newest is None or ours is None or newest.attempt != ours.attempt:
        raise effects.Burnt
    return record


async def _left_open(runtime: Runtime, tool: Effect, request: Request, how: str) -> GateOutcome:
    """What happened is not known: run again where that is harmless, else put to people."""
    if tool.idempotent:
        raise RunAgain(f"{tool.name} {how}; it is run again with the same key")
    return await _unknown(runtime, request, f"{tool.name} {how}", how)


async def _unknown(runtime: Runtime, request: Request, words: str, how: str = "") -> GateOutcome:
    """Raises: OutcomeUnknown where people have to settle it."""
    said = f"{words}; it may or may not have happened"
    applied = await runtime.store.change(request.id, lambda record, now: unknown(record, now, said, how))
    if applied.request.state is not State.CLOSED:
        raise OutcomeUnknown(said)
    return outcome_of(applied.request, None)


def unknown(request: Request, now: datetime, words: str = "", how: str = "") -> Change:
    """Nobody knows what happened: people settle it on the card.

    An action nobody was asked about has no card. It is closed as unknown, and its agent tells whoever asked.

    Args:
        how: How it broke off; empty where its worker never reported.

    Raises: Burnt when the tool is not started.
    """
    change = effects.unknown(request, now, words, how)
    if request.oversight is not Oversight.FREE:
        return change
    said = f"{words or 'Its worker never reported'}."
    ended = machine.closed(change.request, OutcomeKind.UNKNOWN, said, now)
    return replace(ended, audit=(*change.audit, *ended.audit))


async def nothing_done(
    runtime: Runtime, request: Request, words: str, *, believed: bool = True
) -> GateOutcome:
    """Close it as certainly not done; where an earlier run may have done it, it stays with the people.

    A decision that is not `believed` is taken out of the record, so that no card names people who never decided.

    Raises: OutcomeUnknown, StillRunning.
    """
    words = runtime.broker.live.withheld(words)
    if request.effect is not None:
        if request.effect.state is EffectState.STARTED:
            return await _unknown(runtime, request, words)
        raise OutcomeUnknown(words)

    def step(record: Request, now: Any) -> Change:
        _unmoved(record, request)
        kept = record if believed else replace(record, decision=None, votes=())
        return machine.closed(kept, OutcomeKind.FAILED, words, now, by=runtime.worker)

    try:
        applied = await runtime.store.change(request.id, step)
    except AlreadySettled:
        return outcome_of(await runtime.store.get(request.id), None)
    except effects.Burnt:
        raise StillRunning from None
    return outcome_of(applied.request, None)


async def note_forgery(runtime: Runtime, request: Request, error: BadVote) -> None:
    """Put it on record that votes were no warrant."""
    entry = AuditEntry(
        event=Event.VOTE_REJECTED, by=runtime.worker, words=str(error)[:300],
        facts={"digest": request.current.digest, "votes": str(len(request.votes))},
    )  # fmt: skip
    await runtime.store.note(
        entry, thread=runtime.run.thread, request=request.id, token=f"forged-{request.id}-{request.version}"
    )
