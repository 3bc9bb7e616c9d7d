"""What a finished run leaves in Redis goes away with its record; what still waits stays."""

from __future__ import annotations

from pathlib import Path

import redis
from crashing_worker import redis_world
from sayso.agent.thread_keys import around_thread
from sayso.approvals.verdict import Reject

DAY = 24 * 3600


def lifetimes(client: redis.Redis) -> set[int]:
    """Days until each key of a thread goes away, rounded up; 0 for those that stay."""
    head, _ = around_thread("sayso")
    keys = [key for key in client.scan_iter() if key.startswith(head.encode()) and not key.endswith(b"lock")]
    assert keys
    return {max(0, -(-client.ttl(key) // DAY)) for key in keys}


async def test_the_checkpoints_of_a_finished_run_go_after_thirty_days(
    redis_client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """While people are asked all of it stays, however long that takes."""
    async with redis_world(redis_url, tmp_path / "ledger") as world:
        await world.ask()
        assert lifetimes(redis_client) == {0}
        await world.answer(await world.open_request(), Reject("Not today."))
        await world.work()
        assert await world.store.unfinished() == []
        assert lifetimes(redis_client) == {30}


async def test_the_checkpoints_of_a_run_that_was_given_up_go_too(
    redis_client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """Nobody will bring it back."""
    async with redis_world(redis_url, tmp_path / "ledger") as world:
        run = await world.ask()
        await world.worker.runner.give_up(run, "it broke")
        assert lifetimes(redis_client) == {30}
