"""An agent asks, people answer, it acts once: on a Cluster, with a replica that hangs, and through a failover."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from crashing_worker import redis_world
from gated import World
from many_servers import Server, cluster, follows, replicated, until, watched
from redis.crc import key_slot
from sayso.agent.worker import Worker
from sayso.approvals import copies
from sayso.approvals.change import Event
from sayso.approvals.errors import NotCopied, StoreDown
from sayso.approvals.request import OutcomeKind, Request
from sayso.approvals.store import Lane, MessageRef, TargetKind, Told

pytestmark = pytest.mark.second_server

LANES = (Lane.PAGE, Lane.TELL, Lane.REDRAW)
SOON = timedelta(milliseconds=300)


@asynccontextmanager
async def world_at(url: str, file: Path) -> AsyncIterator[tuple[World, Worker]]:
    """The world of `gated` on this store, and a worker that takes up again soon what it had to leave."""
    async with redis_world(url, file) as world:
        worker = world.another_worker("w1", idle=SOON)
        yield world, worker


async def redrawn(world: World) -> set[str]:
    """Draw every card that is behind its record; what it then shows of it."""
    shown = set[str]()
    await world.store.woken(LANES, timedelta(0))
    for target in await world.store.claim(LANES, lease=timedelta(minutes=1), limit=100):
        if target.kind is TargetKind.CARD:
            record = await world.store.get(target.id)
            ref = MessageRef(platform="slack", channel="C1", message="1.0")
            await world.store.set_told(target, Told(ref=ref, version=record.version))
            shown.add(str(record.state))
    return shown


async def done(world: World, worker: Worker, request: Request) -> Request:
    """The request, once the agent has acted on it."""
    while (found := await world.request(request)).outcome is None:
        await world.work(worker)
    return found


def ledger(file: Path) -> int:
    """How often the tool ran."""
    return len(file.read_text().splitlines()) if file.exists() else 0


async def test_on_a_cluster_a_run_pauses_is_decided_resumes_and_is_redrawn(
    cluster_url: str, tmp_path: Path
) -> None:
    """Record, checkpoints, lock and work lie on different nodes, and nobody notices."""
    async with world_at(cluster_url, tmp_path / "ledger") as (world, worker):
        for thread in [f"t{n}" for n in range(6)]:
            await world.ask(thread=thread)
            request = await world.open_request()
            assert await redrawn(world) == {"open"}
            await world.answer(request)
            assert await redrawn(world) == {"decided"}
            outcome = (await done(world, worker, request)).outcome
            assert outcome is not None
            assert outcome.kind is OutcomeKind.EXECUTED
            assert await redrawn(world) == {"closed"}
            events = await world.events(thread)
            assert events[0] == Event.RUN_STARTED
            assert events[-1] == Event.RUN_FINISHED
        assert ledger(tmp_path / "ledger") == 6


async def test_while_the_replica_hangs_no_tool_starts_and_then_it_goes_on(
    each_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is told, the card claims nothing; nothing is given up meanwhile, and nobody is asked about it."""
    monkeypatch.setattr(copies, "COPY_MS", 1000)
    file = tmp_path / "ledger"
    with replicated(each_binary, tmp_path) as (primary, replica):
        async with world_at(f"redis://127.0.0.1:{primary.port}", file) as (world, worker):
            await world.ask()
            request = await world.open_request()
            replica.signal(signal.SIGSTOP)
            with pytest.raises(NotCopied):
                await world.answer(request)
            with pytest.raises(NotCopied):
                await redrawn(world)
            left = 0
            async with asyncio.timeout(60):
                while left < 3:
                    try:
                        await world.work(worker)
                    except StoreDown:
                        left += 1
            assert ledger(file) == 0
            replica.signal(signal.SIGCONT)
            assert (await done(world, worker, request)).outcome is not None
            assert ledger(file) == 1
            assert Event.EFFECT_UNKNOWN not in await world.events()


async def test_a_failover_loses_nothing_that_was_confirmed(valkey_binary: Path, tmp_path: Path) -> None:
    """The primary dies after the decision: the agent goes on with the new one, and acts once."""
    file = tmp_path / "ledger"
    with watched(valkey_binary, tmp_path) as three:
        async with world_at(three.url, file) as (world, worker):
            await world.ask()
            request = await world.open_request()
            await world.answer(request)
            three.primary.kill()
            until(lambda: three.named() == three.replica.port)
            with pytest.raises(StoreDown):  # alone, the new one has nobody to confirm what it is told
                await world.work(worker)
            assert ledger(file) == 0
            _rejoined(three.primary, three.replica)
            until(three.in_step)
            after = await done(world, worker, request)
            assert after.decision is not None
            assert after.outcome is not None
            assert after.outcome.kind is OutcomeKind.EXECUTED
            assert ledger(file) == 1
            assert (await world.events()).count(Event.DECIDED) == 1


async def test_a_cluster_fails_over_and_loses_nothing_that_was_confirmed(
    valkey_binary: Path, tmp_path: Path
) -> None:
    """The node that has the request dies after the decision; its replica takes over, and knows no script."""
    file = tmp_path / "ledger"
    with cluster(valkey_binary, tmp_path, replicas=3) as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        async with world_at(url, file) as (world, worker):
            await world.ask()
            request = await world.open_request()
            await world.answer(request)
            partition = f"sayso:{{{request.id[:2]}}}:work"
            old = next(
                n
                for n in nodes
                if partition.encode() in n.ask("CLUSTER", "GETKEYSINSLOT", _slot(partition), 99)
            )
            new = nodes[nodes.index(old) + 3]
            old.kill()
            until(lambda: new.ask("ROLE")[0] == b"master")
            assert (await world.request(request)).decision is not None
            with pytest.raises(NotCopied):  # alone, the new one has nobody to confirm what it is told
                await world.work(worker)
            assert ledger(file) == 0
            old.start()
            until(lambda: follows(new))
            after = await done(world, worker, request)
            assert after.outcome is not None
            assert after.outcome.kind is OutcomeKind.EXECUTED
            assert ledger(file) == 1


def _slot(key: str) -> int:
    return key_slot(key.encode())


def _rejoined(old: Server, new: Server) -> None:
    """The dead one comes back as its operator starts it: a replica of the one that took over."""
    old.options = (*old.options, "--replicaof", f"127.0.0.1 {new.port}")
    old.start()
