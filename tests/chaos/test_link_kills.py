"""A process is killed while it links audit records: another goes on, without a gap and without a fork."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest
import redis
from line_processes import Process
from sayso.approvals.crash import CRASH_AT
from sayso.approvals.redis_store import RedisStore
from sayso.bot.evidence.checking import inspect_store
from trails import KEYS, every_partition, write

pytestmark = pytest.mark.chaos
RECORDS = 1_600


def end_leases(client: redis.Redis) -> None:
    """As if ten seconds had passed since the holder was last heard of."""
    for key in client.scan_iter("sayso:*:linker"):
        client.delete(key)


def links_of(client: redis.Redis) -> Counter[str]:
    """How often each number of each partition is linked."""
    keys = [key.decode() for key in client.scan_iter("sayso:*:links")]
    return Counter(f"{key} {name!r}" for key in keys for name, _ in client.xrange(key))  # type: ignore[union-attr] # its types mix sync and async


@pytest.mark.parametrize("point", ["link-before-added", "link-after-added"])
async def test_whoever_comes_next_goes_on_where_the_killed_one_was(
    redis_url: str, redis_client: redis.Redis, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P20: Killed with links made and not stored, or stored and not known of: each record has one link that fits."""
    store = await RedisStore.connect(redis_url)
    for partition, count in every_partition(RECORDS).items():
        await write(store, partition, count)
    with monkeypatch.context() as dying:
        dying.setenv(CRASH_AT, point)
        with Process("racing_linker.py", redis_url, "dies") as victim:
            victim.ready()
            victim.send("link")
            with pytest.raises(AssertionError, match="status -9"):
                victim.receive()
    killed_after = sum(links_of(redis_client).values())
    assert killed_after == (0 if point == "link-before-added" else every_partition(RECORDS)[0])
    done = []
    with ExitStack() as stack:
        heirs = [stack.enter_context(Process("racing_linker.py", redis_url, name)) for name in ("h1", "h2")]
        for heir in heirs:
            heir.ready()
        held = sum(1 for _ in redis_client.scan_iter("sayso:*:linker"))
        assert held == 1  # nobody touches what the killed one may still be at
        for turn in range(3):
            for heir in heirs:
                heir.send("link")
            done += [heir.receive() for heir in heirs]
            await write(store, turn, 50)
            end_leases(redis_client)
        heirs[0].send("link")
        done.append(heirs[0].receive())
    assert killed_after + sum(done) == RECORDS + 150
    assert set(links_of(redis_client).values()) == {1}
    found = await inspect_store(store, KEYS)
    assert [one.first for one in found if one.first] == []
    assert (sum(one.checked for one in found), sum(one.unlinked for one in found)) == (RECORDS + 150, 0)
    await store.close()
