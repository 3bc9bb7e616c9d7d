"""The daily line: what ran yesterday without anybody being asked, once in each place, whoever looks and how often."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from sayso.approvals import machine
from sayso.approvals.change import Notice, NoticeKind
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.risk import Oversight
from sayso.approvals.store import Lane, Told
from sayso.cards.spans import plain
from sayso.cards.words import notice_text
from sayso.scheduler.daily import DailyLines, Hour
from scenes import FINANCE, NOON, an_action, an_ask, an_assessment

NINE, MIDNIGHT = Hour(hour=9, zone="Europe/Berlin"), Hour(hour=0, zone="Europe/Berlin")
HARMLESS = an_assessment(oversight=Oversight.FREE, flags=(), reasons=("Nothing is at stake.",))
TWO_PLACES = replace(FINANCE, places=(Place("slack:C0FIN"), Place("teams:19:fin@thread.tacv2")))


def lines(store: MemoryStore) -> DailyLines:
    """One scheduler that tells at nine in Berlin."""
    return DailyLines(store, {"finance": TWO_PLACES}, default_route="finance", usual=NINE)


async def ran(store: MemoryStore, tool: str, number: int, route: str = "finance") -> None:
    """An agent did something nobody was asked about."""
    ask = an_ask(thread=f"{tool}-{number}", action=an_action(tool=tool), assessment=HARMLESS, opened_at=NOON)
    await store.open(machine.opened_unasked(replace(ask, route=route), "w"))


def said(store: MemoryStore) -> list[Notice]:
    return [notice for notice in store._notices.values() if notice.kind is NoticeKind.DAILY]


async def test_yesterday_is_told_once_in_every_place() -> None:
    """Two schedulers look again and again; what runs today is not in it."""
    store = MemoryStore(NOON)
    for number in range(3):
        await ran(store, "look_up", number)
    await ran(store, "label", 1, route="gone")
    one, other = lines(store), lines(store)
    store.advance(timedelta(hours=19))  # 07:00 UTC of the next day is 08:00 in Berlin
    await one.look()
    assert said(store) == []
    await ran(store, "look_up", 4)
    store.advance(timedelta(hours=1))
    for scheduler in (one, other, one, other):
        await scheduler.look()
    words = "Yesterday (1 Jan) 4 free actions by ops: 3 look_up, 1 label."
    assert [(notice.place, notice.text) for notice in said(store)] == [
        (one, words) for one in TWO_PLACES.places
    ]
    (row,) = notice_text(said(store)[0], None, name=str)
    assert plain(row.spans) == words


async def test_what_still_waits_is_told_by_route() -> None:
    """How many, since when, and until when; what is decided or can only be undone waits for nobody."""
    store = MemoryStore(NOON)
    await store.open(machine.opened(an_ask(thread="first", opened_at=NOON)))
    store.advance(timedelta(hours=4))
    await store.open(machine.opened(an_ask(thread="second", opened_at=NOON + timedelta(hours=4))))
    decided = await store.open(machine.opened(an_ask(thread="third", opened_at=NOON + timedelta(hours=4))))
    await store.change(decided.id, lambda now_is, now: machine.withdrawn(now_is, "bo", "no", now))
    store.advance(timedelta(hours=17))
    await lines(store).look()
    words = (
        "2 requests still wait on finance; the oldest was asked Tue 1 Jan 13:00, the next one is cancelled "
        "Wed 2 Jan 14:00."
    )
    assert [notice.text for notice in said(store)] == [words] * 2


async def test_each_route_has_its_own_hour_and_day() -> None:
    """New York reads at eight of its own morning; Berlin's places are not told again."""
    store = MemoryStore(NOON)
    ops = replace(FINANCE, name="ops", places=(Place("slack:C0OPS"),))
    york = Hour(hour=8, zone="America/New_York")
    both = DailyLines(
        store, {"finance": TWO_PLACES, "ops": ops}, default_route="finance", usual=NINE, others={"ops": york}
    )
    ask = an_ask(thread="waits", opened_at=NOON)
    await store.open(machine.opened(replace(ask, route="ops")))
    await ran(store, "look_up", 1)
    store.advance(timedelta(hours=20))  # 09:00 in Berlin, 03:00 in New York
    await both.look()
    assert {notice.place for notice in said(store)} == set(TWO_PLACES.places)
    store.advance(timedelta(hours=5))
    for _ in range(2):
        await both.look()
    (told,) = [notice for notice in said(store) if notice.place == "slack:C0OPS"]
    assert told.text == "1 request still waits on ops: asked Tue 1 Jan 07:00, cancelled Wed 2 Jan 08:00."
    assert len(said(store)) == 3


async def test_a_day_on_which_nothing_ran_is_not_worth_a_line() -> None:
    """And a scheduler that was down at the hour makes up for it later that day."""
    store = MemoryStore(NOON)
    await ran(store, "look_up", 1)
    store.advance(timedelta(hours=32))
    await lines(store).look()
    assert [notice.text for notice in said(store)] == [
        "Yesterday (1 Jan) 1 free action by ops: 1 look_up."
    ] * 2
    store.advance(timedelta(days=1))
    await lines(store).look()
    assert len(said(store)) == 2


async def test_many_tools_are_not_all_named() -> None:
    """The most used first."""
    store = MemoryStore(NOON)
    for number in range(12):
        await ran(store, f"tool{number:02}", 1)
    await ran(store, "tool11", 2)
    store.advance(timedelta(days=1))
    await lines(store).look()
    assert said(store)[0].text.startswith("Yesterday (1 Jan) 13 free actions by ops: 2 tool11, 1 tool00, ")
    assert said(store)[0].text.endswith(", 1 tool08, and 2 more tools.")


async def test_over_redis_two_schedulers_at_once_say_it_once(redis_url: str) -> None:
    """What was said is not said again, also once it was delivered."""
    store = await RedisStore.connect(redis_url, demo=True)
    try:
        ask = an_ask(action=an_action(tool="look_up"), assessment=HARMLESS, opened_at=await store.now())
        await store.open(machine.opened_unasked(ask, "w"))
        await store.push_clock(timedelta(days=1))
        schedulers = [
            DailyLines(store, {"finance": TWO_PLACES}, default_route="", usual=MIDNIGHT) for _ in range(2)
        ]
        await asyncio.gather(*(one.look() for one in schedulers))
        targets = await store.claim((Lane.TELL,), lease=timedelta(minutes=1))
        notices = [await store.notice(target.id) for target in targets]
        assert sorted(one.place for one in notices if one) == sorted(TWO_PLACES.places)
        for target in targets:
            await store.set_told(target, Told())
        await DailyLines(store, {"finance": TWO_PLACES}, default_route="", usual=MIDNIGHT).look()
        assert list(await store.claim((Lane.TELL,), lease=timedelta(minutes=1))) == []
    finally:
        await store.close()
