"""A worker process over Redis for chaos tests: `python crashing_worker.py REDIS_URL LEDGER_FILE KIND [POSTGRES_URL]`.

It dies where it is told to. With a fourth argument its graph keeps its state in PostgreSQL, as its author had it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from correcting import correcting_agent
from foreign import Scripted, call, mailing_agent, says
from gated import Ledger, World, a_serializer
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from postgres_server import in_postgres
from sayso import govern
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.effect import Effect, effect
from sayso.agent.runtime import idempotency_key
from sayso.agent.thread_lock import ThreadLock
from sayso.agent.worker import Worker
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.approvals.redis_store import RedisStore

#: Short enough for a test, long enough for a busy machine to renew.
LEASE = timedelta(milliseconds=900)


def filing_tool(file: Path, *, idempotent: bool = False) -> Effect:
    """Appends a line per run."""

    @effect(name="issue_refund", idempotent=idempotent)
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> str:
        with file.open("a") as ledger:
            ledger.write(f"{order} {amount} {idempotency_key()}\n")
        return "Refunded."

    return issue_refund


def filing_agent(file: Path) -> Any:
    """LangChain's agent behind its own middleware, with a tool that appends a line per run."""

    def sends() -> None:
        with file.open("a") as ledger:
            ledger.write("sent\n")

    return mailing_agent([], [says("Dana asked for it.", call(1, "dana@example.com"))], breaks=sends)


def governed_agent(file: Path) -> Any:
    """LangChain's agent with the first tool governed."""
    refund = {"name": "issue_refund", "args": {"order": 1042, "amount": "129.90"}, "id": "call-1"}
    return create_agent(Scripted(turns=[says("It is due.", refund)]), govern([filing_tool(file)]))


def handing_agent(file: Path) -> Any:
    """The same with a tool that hands its graph something besides its words."""

    @tool(response_format="content_and_artifact")
    async def issue_refund(order: int, amount: Decimal) -> tuple[str, dict[str, Any]]:
        """Pay money back."""
        with file.open("a") as ledger:
            ledger.write(f"{order} {amount} {idempotency_key()}\n")
        return "Refunded.", {"paid": amount, "of": [order]}

    refund = {"name": "issue_refund", "args": {"order": 1042, "amount": "129.90"}, "id": "call-1"}
    return create_agent(Scripted(turns=[says("It is due.", refund)]), govern([issue_refund]))


def corrected_agent(file: Path) -> Any:
    """One that ends its run when it is told "nothing"."""
    return correcting_agent(filing_tool(file), Ledger())


def agent_of(kind: str, file: Path) -> Any:
    """Another agent than the usual one, for this kind of scene."""
    make = {
        "foreign": filing_agent, "governed": governed_agent, "handing": handing_agent, "corrected": corrected_agent,
    }.get(kind)  # fmt: skip
    return make(file) if make else None


@asynccontextmanager
async def redis_world(
    url: str, file: Path, *, idempotent: bool = False, graph: Any = None, own: str = ""
) -> AsyncIterator[World]:
    """The world of `gated`, on Redis throughout: record, checkpoints with fence, locks.

    `graph` is another agent; `own` the URL of a PostgreSQL in which its author keeps its state.
    """
    client, sync_client = open_redis(url), open_sync_redis(url)
    store = await RedisStore.connect(url, demo=True)
    try:
        async with AsyncExitStack() as stack:
            saver: BaseCheckpointSaver[Any] = (
                await stack.enter_async_context(in_postgres(own))
                if own
                else RedisSaver(client, sync_client, serde=a_serializer(), require_fence=True)
            )
            yield World(
                filing_tool(file, idempotent=idempotent), store=store, saver=saver, graph=graph,
                locks=ThreadLock(client, sync_client),
            )  # fmt: skip
    finally:
        await store.close()
        await client.aclose()
        sync_client.close()


def a_worker(world: World, name: str) -> Worker:
    """One that notices soon that another is gone."""
    return world.another_worker(name, lease=LEASE, idle=LEASE, concurrency=2)


async def main() -> None:
    url, file, kind = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    own, graph = sys.argv[4] if len(sys.argv) > 4 else "", agent_of(kind, file)
    async with redis_world(url, file, idempotent=kind == "idempotent", graph=graph, own=own) as world:
        worker = a_worker(world, "victim")
        try:
            await asyncio.wait_for(worker.run_forever(), 20)
        except TimeoutError:
            sys.exit("nothing killed this worker")


if __name__ == "__main__":
    asyncio.run(main())
