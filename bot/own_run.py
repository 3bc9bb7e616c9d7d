"""`sayso.run`: an agent that is run in its owner's own process, and asks where sayso's bot runs, here or elsewhere.

No worker takes such a run: this process waits for what people decide and goes on itself. If it dies, everything
stays as it is until the owner runs the same thread again.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langgraph.graph import StateGraph

from ..agent.checkpoint_steps import StaleFence
from ..agent.credentials import CredentialSourceDown
from ..agent.faults import said_of
from ..agent.goals import goal_of
from ..agent.held_thread import HeldThread
from ..agent.keeper import Keeper
from ..agent.kept import UnfitSaver, check_saver, kept
from ..agent.not_now import OutcomeUnknown, RunAgain, StillRunning
from ..agent.resume import Graph
from ..agent.runner import TRIES, Runner, ThreadLost
from ..agent.standing import Standing
from ..agent.worker import worker_name
from ..approvals.change import Event
from ..approvals.connection import AWAY, is_away
from ..approvals.effects import not_known
from ..approvals.errors import BadSetting, SaysoError, StoreDown
from ..approvals.naming import OWN
from ..approvals.people import PersonId
from ..approvals.request import Request, Run, State
from ..approvals.store import Store
from ..approvals.verdict import RequestId, ThreadId
from .agents import Engine, open_engine
from .langgraph_version import check_langgraph
from .one_policy import OnePolicy
from .opening import connect, store_server
from .settings import Settings, load_settings
from .signing_keys import load_verifier

log = logging.getLogger(__name__)

#: How often the record is looked at while people decide, seconds.
LOOK_SECONDS = 0.5
#: Pause before a step that could not be done now is tried again, seconds.
AGAIN_SECONDS = 2.0


class RunEnded(SaysoError):
    """This run has been given up; start another one."""


async def run(
    graph: Graph | StateGraph[Any, Any, Any, Any], input: Any, *, asked_by: str | None = None,
    thread: str | None = None, settings: Path | None = None,
) -> Mapping[str, Any]:  # fmt: skip
    """Run an agent here until it has ended, however long people take to decide; its last state.

    Args:
        graph: Compiled, or a builder. A durable checkpointer of its own is kept.
        asked_by: Id of the person in the settings whom it acts for; they may not approve it. None where a route
            takes runs without a known human (`unattended`).
        thread: Name of the run, for an owner who wants to go on after a crash: the same name again goes on where
            it stood, and `input` is then of no account. Without it every call is a new run.
        settings: The settings file; `SAYSO_SETTINGS` or `sayso.toml` when it is not named.

    Raises:
        BadSetting: The settings, the graph's checkpointer or `asked_by` is not right; nothing was started.
        StoreDown: The store cannot be reached; nothing was started.
        RunEnded: A run of this name was given up before.
        Exception: What the graph itself raised; its open requests are closed aloud.
    """
    check_langgraph()
    chosen = await asyncio.to_thread(load_settings, settings)
    if asked_by is not None and asked_by not in chosen.people:
        raise BadSetting(f"asked_by: there is no [people.{asked_by}] in {chosen.file}")
    with store_server(chosen) as url:
        async with connect(url, chosen) as store, open_engine(chosen, url) as engine:
            await OnePolicy(store, chosen.policy).look()
            ready = kept(graph, engine.saver)
            if ready.own is not None:
                await _tried(ready.own)
            name = f"{OWN}{getattr(ready.graph, 'name', None) or 'graph'}"
            begun = Run(
                thread=ThreadId(thread or f"own-{uuid.uuid4()}"), graph=name, goal=goal_of(input)[:2000],
                asked_by=PersonId(asked_by) if asked_by else None,
            )  # fmt: skip
            return await _run(begun, ready.graph, input, store=store, engine=engine, settings=chosen)


async def _tried(saver: Any) -> None:
    try:
        await check_saver(saver)
    except UnfitSaver as error:
        raise BadSetting(f"The graph cannot pause: {error}") from error


async def _run(
    run: Run, graph: Graph, given: Any, *, store: Store, engine: Engine, settings: Settings
) -> Mapping[str, Any]:
    name, lease = worker_name("own"), settings.worker.lease
    keeper = Keeper(store, engine.locks, worker=name, lease=lease)
    keeper.start()
    try:
        if not await store.start(run):
            run = await _begun_before(run, store)
        runner = Runner(
            store=store, graphs={run.graph: graph}, locks=engine.locks, keeper=keeper, policy=settings.policy,
            verifier=load_verifier(settings), broker=engine.broker, worker=name, lease=lease,
            given=lambda _graph, _run: given,
        )  # fmt: skip
        return await _Owned(runner=runner, run=run).until_it_ends()
    finally:
        keeper.stop()


async def _begun_before(run: Run, store: Store) -> Run:
    """The run of this name as it was begun. Raises: BadSetting, RunEnded."""
    before = await store.run(run.thread)
    if before is None or before.graph != run.graph or before.asked_by != run.asked_by:
        raise BadSetting(f"thread: {run.thread} is the name of another run")
    trail = await store.trail(run.thread)
    if any(record.entry.event is Event.RUN_FAILED for record in trail):
        raise RunEnded
    return before


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owned:
    """One run while this process waits for it.

    Attributes:
        seen: Version of each request that was looked at last, and led as far as it could.
    """

    runner: Runner
    run: Run
    seen: dict[RequestId, int] = field(default_factory=dict)

    async def until_it_ends(self) -> Mapping[str, Any]:
        """Raises: what the graph raises; the run is then given up."""
        standing, tries = None, 0
        while standing is None or not standing.ended:
            try:
                standing = await self._look(standing)
            except (RunAgain, CredentialSourceDown) as error:
                tries += 1
                if tries == TRIES:
                    await self.runner.give_up(self.run, type(error).__name__)
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
            except (StoreDown, *AWAY) as error:
                await self._store_away(error)
            except (ThreadLost, StaleFence):
                standing = None  # another process runs this thread; how it stands is read when it lets go
                await asyncio.sleep(AGAIN_SECONDS)
            except Exception as error:
                if is_away(error):
                    await self._store_away(error)
                    continue
                await self.runner.give_up(self.run, said_of(error))
                raise
        return standing.values

    async def _store_away(self, error: Exception) -> None:
        log.warning("own_run.store_away", extra={"run": self.run.thread, "error": type(error).__name__})
        await asyncio.sleep(AGAIN_SECONDS)

    async def _look(self, before: Standing | None) -> Standing | None:
        """Lead the thread on if anything has changed, else wait a moment. None when nobody knows how it stands."""
        versions = await self._versions()
        if before is not None and versions == self.seen:
            await asyncio.sleep(LOOK_SECONDS)
            if len(versions) >= len(before.pauses):
                return before  # else one was closed before it was ever seen here
        try:
            async with self.runner.holding(self.run, _uncounted) as held:
                if held is None:
                    await asyncio.sleep(AGAIN_SECONDS)
                    return None
                standing = await _led_on(held, self._requests)
        except OutcomeUnknown:
            waits = {one.id: one.version for one in await self._requests() if not_known(one)}
            if not waits:  # people have settled it in between
                await asyncio.sleep(LOOK_SECONDS)
                return None
            versions |= waits
            standing = before or Standing(began=True, unfinished=True)  # people settle it: that is a change
        except StillRunning:
            await asyncio.sleep(AGAIN_SECONDS)
            return None
        self.seen.clear()
        self.seen.update(versions)
        return standing

    async def _versions(self) -> dict[RequestId, int]:
        return {request.id: request.version for request in await self._requests()}

    async def _requests(self) -> list[Request]:
        """What was asked and is not closed."""
        live = await self.runner.store.live()
        return [
            request for request in live
            if request.ask.run.thread == self.run.thread and request.asked
        ]  # fmt: skip


async def _led_on(held: HeldThread, requests: Callable[[], Any]) -> Standing:
    """Begin, bring back whatever was decided, go on with the rest, and see where the thread stands then."""
    if not (await held.standing()).began:
        await held.start()
    unknown = None
    for request in await requests():
        if request.state is not State.OPEN:
            try:
                await held.resume(request)
            except OutcomeUnknown as error:
                unknown = error  # the others do not have to wait for that
    if unknown is not None:
        raise unknown
    await held.start()
    for pause in (await held.standing()).pauses:
        newest = await held.pauses.newest(held.run.thread, pause.interrupt)
        if newest is not None and newest.state is State.CLOSED:
            await held.resume(newest)
    return await held.standing()


async def _uncounted() -> None:
    """What breaks here ends the run, so no tries are counted."""
