"""A worker process that watches an Agent Server: `python remote_worker.py REDIS_URL SERVER_URL`; dies where told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent_server import RemoteWorld, ServerProcess
from crashing_worker import LEASE
from sayso.agent.thread_lock import ThreadLock
from sayso.agent.worker import Worker
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.approvals.redis_store import RedisStore


@asynccontextmanager
async def remote_world(url: str, server: ServerProcess) -> AsyncIterator[RemoteWorld]:
    """Record and locks in Redis."""
    client, sync_client = open_redis(url), open_sync_redis(url)
    store = await RedisStore.connect(url, demo=True)
    world = RemoteWorld(server, store=store, locks=ThreadLock(client, sync_client))
    try:
        yield world
    finally:
        await world.close()
        await store.close()
        await client.aclose()
        sync_client.close()


def a_worker(world: RemoteWorld, name: str) -> Worker:
    """One that notices soon that another is gone."""
    return world.another_worker(name, lease=LEASE, idle=LEASE, concurrency=2)


async def main() -> None:
    server = ServerProcess(Path(), port=int(sys.argv[2].rpartition(":")[2]))
    async with remote_world(sys.argv[1], server) as world:
        try:
            await asyncio.wait_for(a_worker(world, "victim").run_forever(), 60)
        except TimeoutError:
            sys.exit("nothing killed this worker")


if __name__ == "__main__":
    asyncio.run(main())
