"""APScheduler only ticks: a few jobs again and again in this process; what is due stands in the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to do again and again.

    Attributes:
        name: For the log, and unique.
        every: Pause between two beginnings; a run that takes longer delays the next.
        run: Called in the event loop; what it raises is logged and it is called again.
    """

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]


@asynccontextmanager
async def ticking(*jobs: Job) -> AsyncIterator[None]:
    """Run the jobs in the running loop, each for the first time at once, until the block is left."""
    scheduler, ends = AsyncIOScheduler(timezone=UTC), asyncio.Event()
    for job in jobs:
        scheduler.add_job(
            _guarded, "interval", seconds=job.every.total_seconds(), args=(job, ends), id=job.name,
            next_run_time=datetime.now(UTC), misfire_grace_time=None, coalesce=True, max_instances=1,
        )  # fmt: skip
    scheduler.start()
    try:
        yield
    finally:
        ends.set()
        scheduler.shutdown(wait=False)


async def _guarded(job: Job, ends: asyncio.Event) -> None:
    try:
        await job.run()
    except asyncio.CancelledError:
        if not ends.is_set():
            raise
    except Exception:  # the outermost edge of a tick: the next one must come
        log.exception("tick.failed job=%s", job.name)
