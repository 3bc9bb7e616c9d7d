"""Linking over real Redis: by any number of processes, never twice, and what is done behind our back is found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest
import redis
from sayso.approvals.inspecting import Inspection, Wrong
from sayso.approvals.linker import LEASE, Linker
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.sealing import Seal
from sayso.bot.evidence.checking import inspect_store
from trails import (
    ATTACKS,
    KEYS,
    Rows,
    drop,
    every_partition,
    insert,
    linked,
    rewrite,
    thread_in,
    truncate,
    write,
)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    """An empty store."""
    opened = await RedisStore.connect(redis_url)
    yield opened
    await opened.close()


async def inspected(store: RedisStore, partition: int) -> Inspection:
    return (await inspect_store(store, KEYS))[partition]


async def test_in_ten_thousand_records_each_alteration_is_found_and_located(
    store: RedisStore, redis_client: redis.Redis, record_property: Callable[[str, object], None]
) -> None:
    """P20: Seven partitions of sixteen are altered, each in another way; the check names those seven records and no other partition."""
    counts = every_partition(10_000)
    for partition, count in counts.items():
        await write(store, partition, count)
    assert await linked(store) == 10_000
    altered = {partition: 100 + 37 * partition for partition in range(len(ATTACKS))}
    for attack, (partition, at) in zip(ATTACKS, altered.items(), strict=True):
        rewrite(redis_client, partition, attack, at)
    found = await inspect_store(store, KEYS)
    named = {n: one.first.number for n, one in enumerate(found) if one.first}
    assert named == altered
    record_property(
        "figures",
        f"10,000 records, {len(altered)} altered, each in another way: {len(named)} found, each located",
    )
    assert sum(one.checked for one in found if not one.faults) == sum(
        count for partition, count in counts.items() if partition not in altered
    )


@pytest.mark.parametrize("attack", [*ATTACKS, insert])
async def test_each_alteration_alone_is_found(
    store: RedisStore, redis_client: redis.Redis, attack: object
) -> None:
    """P20: Thirty records, one of them altered; everything before it is right."""
    await write(store, 5, 30)
    await linked(store)
    rewrite(redis_client, 5, attack, 12)  # type: ignore[arg-type]
    found = await inspected(store, 5)
    assert found.first is not None
    assert found.first.number == (11 if attack is insert else 12)


async def test_a_record_that_lost_its_link_or_a_link_without_its_record_is_named(
    store: RedisStore, redis_client: redis.Redis
) -> None:
    """Links are a stream of their own: what is missing in either is said."""
    await write(store, 5, 30)
    await linked(store)
    rewrite(redis_client, 5, drop, 12, stream="links")
    found = await inspected(store, 5)
    assert [(fault.number, fault.wrong) for fault in found.faults] == [(12, Wrong.UNLINKED)]


async def test_what_is_not_linked_yet_is_counted_as_such(store: RedisStore) -> None:
    """Nothing is claimed about the newest records until they are linked."""
    await write(store, 5, 30)
    await linked(store)
    await write(store, 5, 4)
    found = await inspected(store, 5)
    assert (found.faults, found.checked, found.unlinked) == ([], 30, 4)
    assert await linked(store) == 4
    assert (await inspected(store, 5)).checked == 34


async def test_records_cut_off_before_they_were_linked_are_missed(
    store: RedisStore, redis_client: redis.Redis
) -> None:
    """The numbers that were given out say how many there were."""
    await write(store, 5, 30)
    await linked(store)
    await write(store, 5, 4)
    rewrite(redis_client, 5, truncate, 33)
    found = await inspected(store, 5)
    assert found.first is not None
    assert (found.first.number, found.first.last, found.first.wrong) == (33, 34, Wrong.CUT_OFF)


async def test_a_gap_stops_nothing_and_stays_visible(
    store: RedisStore, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that went before it was linked: the rest is linked, the log and every check name it."""
    await write(store, 5, 30)
    rewrite(redis_client, 5, drop, 12)
    assert await linked(store) == 30
    found = await inspected(store, 5)
    assert [(fault.number, fault.wrong) for fault in found.faults] == [(12, Wrong.MISSING)]
    assert "audit.records_lost partition=05 count=1 first=12" in caplog.text


async def test_a_number_that_nobody_gave_out_holds_up_nothing(
    store: RedisStore, redis_client: redis.Redis
) -> None:
    """A forged record far ahead is not linked, is not a billion gaps, and does not keep ours from their links."""
    await write(store, 5, 3)
    redis_client.xadd("sayso:{05}:audit", {"entry": "{}"}, id="9000000000-0")
    assert await linked(store) == 3
    found = await inspected(store, 5)
    assert (found.checked, [(fault.number, fault.last) for fault in found.faults][:1]) == (
        3,
        [(4, 8_999_999_999)],
    )


async def test_two_that_link_at_once_never_fork(store: RedisStore, redis_url: str) -> None:
    """The second to come adds nothing, whether or not it holds the lease."""
    await write(store, 5, 10)
    turn = await store.link_turn(5, "h1", LEASE)
    assert turn is not None
    assert await store.link_turn(5, "h2", LEASE) is None
    head, lines = turn
    links = KEYS.linked(head, lines)
    added = [await store.add_links(head, lines[:end], links[:end]) for end in (6, 10, 6)]
    assert added == [True, False, False]
    assert await linked(store) == 4
    assert (await inspected(store, 5)).checked == 10


async def test_many_linkers_share_the_work_of_writers_that_go_on(store: RedisStore, redis_url: str) -> None:
    """P20: Five linkers over their own connections while records are written: one line of links, no gap."""
    stores = [await RedisStore.connect(redis_url) for _ in range(5)]
    linkers = [Linker(one, KEYS, holder=f"h{number}") for number, one in enumerate(stores)]

    async def writes() -> None:
        for _ in range(10):
            await asyncio.gather(*(write(store, partition, 5) for partition in range(4)))

    async def links(one: Linker) -> int:
        return sum([await one.link() for _ in range(8)])

    writing = asyncio.create_task(writes())
    done = list(await asyncio.gather(*map(links, linkers)))
    await writing
    for held in range(16):  # their leases end
        await store._redis.delete(f"{store._stem(held)}linker")
    done.append(await linked(store))
    assert sum(done) == 200
    found = await inspect_store(store, KEYS)
    assert ([one.faults for one in found if one.faults], sum(one.checked for one in found)) == ([], 200)
    for one in stores:
        await one.close()


async def test_links_that_went_back_are_said_aloud(
    store: RedisStore, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Both streams cut off where nobody could tell from them: the process that linked further knows."""
    linker = Linker(store, KEYS, holder="h1")
    await write(store, 5, 30)
    await linker.link()
    for stream in ("audit", "links"):
        rewrite(redis_client, 5, truncate, 21, stream=stream)
    redis_client.set("sayso:{05}:number", 20)
    assert [one.faults for one in await inspect_store(store, KEYS) if one.faults] == []
    with caplog.at_level(logging.CRITICAL):
        await linker.link()
    assert "audit.went_back partition=05 from=30 to=20" in caplog.text


async def test_a_sealed_trail_is_linked_by_what_it_says(redis_url: str, redis_client: redis.Redis) -> None:
    """Changed ciphertext does not open, and that record is named."""
    store = await RedisStore.connect(redis_url, seal=Seal([b"s" * 32]))
    await write(store, 5, 10)
    await linked(store)
    assert (await inspected(store, 5)).checked == 10

    def garble(rows: Rows, at: int) -> None:
        rows[at - 1].fields[b"entry"] = rows[at - 1].fields[b"entry"][:-1] + b"?"

    rewrite(redis_client, 5, garble, 4)
    found = await inspected(store, 5)
    assert [(fault.number, fault.wrong) for fault in found.faults] == [(4, Wrong.UNREADABLE)]
    await store.close()


async def test_linking_holds_on_every_kind_of_redis(each_redis_url: str) -> None:
    """Ours, Debian's, and a Cluster, whose partitions are on different nodes."""
    store = await RedisStore.connect(each_redis_url)
    for partition in (0, 5, 15):
        await write(store, partition, 10)
    assert await linked(store) == 30
    found = await inspect_store(store, KEYS)
    assert ([one.faults for one in found if one.faults], sum(one.checked for one in found)) == ([], 30)
    assert [len(await store.trail(thread_in(n))) for n in (0, 5, 15)] == [10, 10, 10]
    await store.close()


async def test_a_record_written_in_another_hand_is_not_believed(
    store: RedisStore, redis_client: redis.Redis
) -> None:
    """JSON that reads the same and is not what we wrote (a name given twice) is no record of ours."""
    await write(store, 5, 3)
    await linked(store)

    def twice(rows: Rows, at: int) -> None:
        rows[at - 1].fields[b"entry"] = rows[at - 1].fields[b"entry"].replace(b'{"', b'{"by":"eve","', 1)

    rewrite(redis_client, 5, twice, 2)
    assert [fault.number for fault in (await inspected(store, 5)).faults] == [2]
