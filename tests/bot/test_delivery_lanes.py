"""The lanes go on whatever stands in them: a target that nobody can read holds up nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from desk_scene import PEOPLE
from office import ROUTE, office
from sayso.approvals import machine
from sayso.approvals.change import Change, Event
from sayso.approvals.people import Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.store import MessageRef, Target, TargetKind, Told
from sayso.bot.delivery import Deliverer
from sayso.bot.directory import ConfiguredDirectory
from sayso.sandbox.slack import Message
from sayso.sandbox.slack.places import BOT_ID
from scenes import a_request, a_run


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


async def test_a_new_card_does_not_wait_behind_a_thousand_redraws() -> None:
    """P16: Votes came in on a thousand requests at once; the next request's card stands before a tenth of them is drawn again."""
    async with office() as o:
        finance, slack = Place("slack:C0FINANCE"), o.slack.workspace
        for number in range(1000):
            message = Message(
                channel="C0FINANCE", ts=slack.new_ts(), user=o.slack.bot_user_id, bot_id=BOT_ID, text="A card.",
                name_of=slack.name_of,
            )  # fmt: skip
            slack.post(message)
            run = a_run(f"many-{number}", origin="")
            request = await o.store.open(machine.opened(a_request(run=run, route=ROUTE).ask))
            ref = MessageRef(platform="slack", channel=message.channel, message=message.ts)
            stands = Told(ref=ref, version=1, revision=1, at=await o.store.now())
            await o.store.set_told(Target(kind=TargetKind.CARD, id=request.id, where=finance), stands)
            await o.store.change(request.id, lambda record, _: Change(request=record))
        o.store.advance(timedelta(seconds=1))
        other = replace(ROUTE, places=(Place("slack:C0OPS"),))
        running = asyncio.create_task(o.deliverer.run())
        await o.slack.until(lambda: [one for one in o.slack.messages("#finance-approvals") if one.edits])
        await o.store.open(machine.opened(a_request(run=a_run("new", origin=""), route=other).ask))
        await o.slack.until(lambda: o.slack.messages("#ops-approvals"), what="the new card")
        drawn = sum(one.edits for one in o.slack.messages("#finance-approvals"))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert drawn < 100
