"""A real Agent Server for the tests of agents that run there, and our world beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from agent_server import RemoteWorld, ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One for all of them: every thread has its own name in the ledger."""
    process = ServerProcess(tmp_path_factory.mktemp("agent-server"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
async def world(server: ServerProcess) -> AsyncIterator[RemoteWorld]:
    """A store and a worker that watches it."""
    world = RemoteWorld(server)
    yield world
    await world.close()


@pytest.fixture
async def certain(server: ServerProcess) -> AsyncIterator[RemoteWorld]:
    """The settings say that its agents read the whole of LangChain's dialect."""
    world = RemoteWorld(server, reads=("langchain middleware",))
    yield world
    await world.close()
