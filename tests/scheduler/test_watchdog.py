"""The heartbeat goes out while every clock is kept, and stays away as soon as one is late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sayso.approvals import machine
from sayso.approvals.memory import MemoryStore
from sayso.scheduler.watchdog import LATE, Watchdog
from scenes import a_request


async def test_the_heartbeat_stays_away_while_something_is_overdue(caplog: pytest.LogCaptureFixture) -> None:
    """P28: A reminder that nobody fires for half a minute silences it; once it has fired all is well again."""
    store, beats = MemoryStore(), list[int]()

    async def beat() -> None:
        beats.append(1)

    watchdog = Watchdog(store, beat)
    request = await store.open(machine.opened(a_request(opened_at=await store.now()).ask))
    assert await watchdog.look()
    store.advance(timedelta(hours=12) + LATE)
    assert await watchdog.look()  # due, and not late yet
    store.advance(timedelta(seconds=1))
    assert not await watchdog.look()
    assert (len(beats), "watchdog.overdue count=1 longest_s=31" in caplog.text) == (2, True)
    await store.change(request.id, machine.fire)
    assert await watchdog.look()
    assert len(beats) == 3
