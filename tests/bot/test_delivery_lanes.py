"""The lanes go on whatever stands in them: a target that nobody can read holds up nothing."""

from __future__ import annotations

import asyncio

import pytest
import redis
from desk_scene import PEOPLE
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.store import Target
from sayso.bot.delivery import Deliverer
from sayso.bot.directory import ConfiguredDirectory
from scenes import a_request


async def no_pages(target: Target) -> None:
    """There is no pager here."""


@pytest.mark.parametrize("target", ["nonsense", "card|zz-1|slack:C1", "card|99-1|slack:C1", "notice|zz-1|"])
async def test_a_target_that_nobody_can_read_ends_no_lane(
    redis_client: redis.Redis, redis_url: str, target: str
) -> None:
    """Four of them, one for each task of the lane; the next card is brought on its way all the same."""
    store = await RedisStore.connect(redis_url)
    directory = ConfiguredDirectory(people=PEOPLE, sets={}, platforms={})
    deliverer = Deliverer(store=store, channels={}, directory=directory, pages=no_pages)
    for partition in range(4):
        redis_client.zadd(f"sayso:{{{partition:02x}}}:lane:tell", {target: 0})
    running = asyncio.create_task(deliverer.run())
    try:
        async with asyncio.timeout(10):
            while any(redis_client.zcard(f"sayso:{{{n:02x}}}:lane:tell") for n in range(4)):  # noqa: ASYNC110 in Redis
                await asyncio.sleep(0.02)
            request = await store.open(machine.opened(a_request().ask))
            while Event.UNDELIVERABLE not in [
                r.entry.event for r in await store.trail(request.ask.run.thread)
            ]:
                assert not running.done()
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.close()
