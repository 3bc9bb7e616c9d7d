"""Compares paused threads with open requests, both ways, and puts right what a crash or a deployment left apart."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from ..approvals.connection import AWAY
from ..approvals.errors import StoreDown
from ..approvals.request import Request, Run, State
from ..approvals.verdict import RequestId, ThreadId
from .faults import facts_of
from .held_thread import HeldThread
from .not_now import OutcomeUnknown, StillRunning
from .remote.gone import end_gone
from .remote.server import ServerAway, ThreadGone
from .runner import Runner
from .standing import Standing

_log = logging.getLogger(__name__)


class Reconciler:
    """Runs at a worker's start, and then every minute. A thread that somebody holds is left alone."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def reconcile(self) -> None:
        """Compare every unfinished run of the graphs known here. Raises what the store raises while it is away."""
        asked = defaultdict[ThreadId, list[RequestId]](list)
        for request in await self._runner.store.live():
            asked[request.ask.run.thread].append(request.id)
        for run in await self._runner.store.unfinished():
            if run.graph in self._runner.graphs:
                await self._reconciled(run, asked[run.thread])

    async def reconcile_run(self, run: Run) -> None:
        """Compare one of them. Raises as `reconcile`."""
        live = await self._runner.store.live()
        await self._reconciled(run, [one.id for one in live if one.ask.run.thread == run.thread])

    async def _reconciled(self, run: Run, asked: Sequence[RequestId]) -> None:
        try:
            await self._compare(run, asked)
        except (OutcomeUnknown, StillRunning):
            return  # people, or its own worker, have it
        except (StoreDown, *AWAY):
            raise
        except ServerAway as error:
            _log.warning("reconcile.server_away", extra={"run": run.thread, "words": str(error)})
        except ThreadGone:
            await end_gone(self._runner.store, run, self._runner.worker)
        except Exception as error:  # noqa: BLE001 one broken thread must not hide the others
            _log.error("reconcile.failed", extra={"run": run.thread, **facts_of(error)})

    async def _compare(self, run: Run, asked: Sequence[RequestId]) -> None:
        async with self._runner.holding(run, _uncounted) as held:
            if held is None:
                return
            standing = await held.standing()
            if not standing.began:
                return  # its start is still queued
            for id in asked:
                await self._compare_request(held, standing, await self._runner.store.get(id))
            await self._compare_pauses(held, standing)

    async def _asks(self, run: Run) -> bool:
        """Whether people are, or were, asked something that is not closed: all live requests are read for it."""
        live = await self._runner.store.live()
        return any(r.ask.run.thread == run.thread and r.asked for r in live)

    async def _compare_request(self, held: HeldThread, standing: Standing, request: Request) -> None:
        """People are asked again before they decide, not after; what nobody waits for is not asked any more."""
        if request.state is not State.OPEN or not request.asked:
            return  # its work is queued, and its clock queues it again
        pause = standing.pause(request.ask.key.interrupt)
        if pause is None:
            if not standing.unfinished and held.pauses.knows(held.graph, request):
                await held.pauses.moved_on(request)
            return  # else whoever runs what is left comes by a pause; or its node is gone here, and another worker has it
        misfit = held.pauses.misfit(held.graph, request, pause)
        if misfit:
            await held.invalidate(request, pause, misfit)

    async def _compare_pauses(self, held: HeldThread, standing: Standing) -> None:
        """Every pause has its request, and none waits for one that was closed."""
        for pause in standing.pauses:
            newest = await held.pauses.newest(held.run.thread, pause.interrupt)
            if newest is not None and newest.state is State.CLOSED:
                await held.resume(newest)
        if not standing.unfinished and (standing.pauses or not await self._asks(held.run)):
            await held.settle()  # what was decided and not brought back yet is not the end of a run


async def _uncounted() -> None:
    """Telling an agent that its request was closed counts as no try."""
