"""The store goes away in the middle of a resume, on real servers: nothing is lost, and it goes on afterwards."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from crashing_worker import a_worker, redis_world
from gated import Fresh, World
from sayso.agent.credentials import Token
from sayso.approvals.credential import CredentialRef
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.bot.valkey import EmbeddedValkey


class Outage(Fresh):
    """A token service during whose answer the store goes away: the gate is passed, and the tool has not begun."""

    def __init__(self, server: EmbeddedValkey) -> None:
        super().__init__()
        self.server = server
        self.happened = asyncio.Event()

    async def fetch(self, ref: CredentialRef) -> Token:
        if not self.happened.is_set():
            await asyncio.to_thread(self.server.stop)
            self.happened.set()
        return await super().fetch(ref)


def a_server(kind: str, place: Path) -> EmbeddedValkey:
    """Ours, or Debian's Redis."""
    if kind == "valkey":
        return EmbeddedValkey(place)
    if (binary := shutil.which("redis-server")) is None:
        pytest.skip("redis-server is not installed (apt install redis-server)")
    return EmbeddedValkey(place, binary=Path(binary))


async def noticed(caplog: pytest.LogCaptureFixture) -> None:
    """The worker has found that nobody answers."""
    async with asyncio.timeout(60):
        while "worker.store_away" not in caplog.messages:  # noqa: ASYNC110 its log is all that it can say
            await asyncio.sleep(0.05)


async def until(world: World, request: Request, state: State) -> Request:
    """As soon as the record stands so."""
    async with asyncio.timeout(60):
        while (found := await world.request(request)).state is not state:  # noqa: ASYNC110 what is awaited happens in Redis
            await asyncio.sleep(0.05)
    return found


@pytest.mark.chaos
@pytest.mark.parametrize("kind", ["valkey", pytest.param("redis", marks=pytest.mark.second_server)])
async def test_an_outage_in_the_middle_of_a_resume_leaves_it_resumable(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker neither gives up nor acts; when the server is back the approval is carried out, once."""
    place, file = tmp_path / "store", tmp_path / "ledger"
    server = a_server(kind, place)
    server.start()
    async with redis_world(server.url, file) as world:
        await world.ask()
        request = await world.open_request()
        world.sources = {"entra": (outage := Outage(server))}
        worker = a_worker(world, "w2")
        await world.answer(request)
        running = asyncio.create_task(worker.run_forever())
        await asyncio.wait_for(outage.happened.wait(), 30)
        await noticed(caplog)
        assert not file.exists()
        with a_server(kind, place):
            ended = await until(world, request, State.CLOSED)
            worker.stop()
            await running
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED
    assert file.read_text().splitlines() == [f"1042 129.90 {request.id}"]
