"""What runs agents in this process: their graphs, their state, their thread's lock, their credentials; no chat platform."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..agent.checkpoints import RedisSaver
from ..agent.credentials import Broker
from ..agent.foreign import told
from ..agent.gate import STATE_TYPES
from ..agent.resume import Graph
from ..agent.sealed_state import sealed
from ..agent.secrets import LiveTokens
from ..agent.serializer import StateSerializer
from ..agent.thread_lock import ThreadLock
from ..agent.unguarded import check_guarded
from ..agent.worker import Worker
from ..approvals.connection import open_redis, open_sync_redis
from ..approvals.errors import BadSetting
from ..approvals.redis_store import RedisStore
from . import logs
from .credentials import sources
from .graphs import GraphLoader
from .servers import open_servers
from .settings import Settings
from .signing_keys import load_verifier

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What every agent of this process stands on."""

    saver: RedisSaver
    locks: ThreadLock
    broker: Broker


@asynccontextmanager
async def open_engine(settings: Settings, url: str) -> AsyncIterator[Engine]:
    """Checkpoints in Redis, where every write carries its thread's fence. Raises: BadSetting."""
    live = LiveTokens()
    logs.withhold_also(live.withheld)
    client, sync_client = open_redis(url), open_sync_redis(url)
    serde = sealed(StateSerializer(STATE_TYPES, live=live), settings.seal)
    prefix = settings.store.prefix
    try:
        broker = Broker(sources(settings, client, url), live)
        yield Engine(
            saver=RedisSaver(client, sync_client, prefix=prefix, serde=serde, require_fence=True),
            locks=ThreadLock(client, sync_client, prefix=prefix), broker=broker,
        )  # fmt: skip
    finally:
        await client.aclose()
        sync_client.close()


@asynccontextmanager
async def open_worker(settings: Settings, store: RedisStore, url: str) -> AsyncIterator[Worker]:
    """The worker of the settings. Raises: BadSetting, also when none of their graphs can be run."""
    async with (
        open_engine(settings, url) as engine, open_graphs(settings, engine.saver) as graphs,
        open_servers(settings) as servers,
    ):  # fmt: skip
        yield Worker(
            store, graphs, servers=servers, locks=engine.locks, policy=settings.policy, verifier=load_verifier(settings),
            broker=engine.broker, concurrency=settings.worker.concurrency, idle=settings.worker.lease,
            lease=settings.worker.lease,
        )  # fmt: skip


@asynccontextmanager
async def open_graphs(
    settings: Settings, saver: BaseCheckpointSaver[Any]
) -> AsyncIterator[Mapping[str, Graph]]:
    """Every graph that can be run; of each other one the log says why not, and its runs are left to other workers.

    Raises: BadSetting, when there is none, nor a server.
    """
    loader, graphs, broken = GraphLoader(settings.file.parent), dict[str, Graph](), dict[str, BadSetting]()
    async with AsyncExitStack() as stack:
        for name, spec in settings.graphs.items():
            try:
                kept = await stack.enter_async_context(loader.opened(spec, saver))
                if name not in settings.unguarded:
                    check_guarded(kept.graph, settings.policy)
            except BadSetting as error:
                broken[name] = error
            else:
                graphs[name] = told(kept.graph, settings.answers[name])
                log.info("graph.ready", extra={"graph": name, "words": kept.words})
        if not graphs and not settings.servers:
            raise BadSetting("; ".join(f"graphs.{name}: {error}" for name, error in broken.items()))
        for name, why in broken.items():
            log.error("graph.broken", extra={"graph": name, "words": str(why)})
        yield graphs
