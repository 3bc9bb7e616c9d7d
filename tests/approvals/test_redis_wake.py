"""Waiting for work in Redis ends when it is told to end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sayso.approvals.redis_wake import Waker


async def test_who_is_stopped_while_work_arrives_stops(redis_url: str) -> None:
    """News and the end in one turn of the loop: `asyncio.wait_for` of Python 3.11 would forget the end."""
    waker = Waker(redis_url, "sayso:wake-test", 1)
    waker.look("tell")
    waiting = asyncio.create_task(waker.wait("tell", timedelta(minutes=1)))
    await asyncio.sleep(0)
    while waker._pending["tell"] or waiting.done():  # whatever happened before it listened
        waker.look("tell")
        waiting = asyncio.create_task(waker.wait("tell", timedelta(minutes=1)))
        await asyncio.sleep(0)
    waker._news([0])
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await waker.close()
