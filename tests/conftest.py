"""Real servers for the tests: our embedded Valkey, and Debian's Redis as the second where it is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sayso.approvals.connection import open_sync_redis
from sayso.bot.valkey import EmbeddedValkey


@pytest.fixture(scope="session")
def _embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One embedded Valkey for the whole test run (one per worker process)."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture(scope="session")
def _second_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Debian Redis for the whole test run."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed (apt install redis-server)")
    with EmbeddedValkey(tmp_path_factory.mktemp("redis"), binary=Path(binary)) as server:
        yield server.url


@pytest.fixture
def redis_url(_embedded_url: str) -> str:
    """An empty embedded Valkey."""
    return _emptied(_embedded_url)


@pytest.fixture
def second_redis_url(_second_url: str) -> str:
    """An empty Redis that is not ours; skips where there is none."""
    return _emptied(_second_url)


@pytest.fixture(params=["valkey", pytest.param("redis", marks=pytest.mark.second_server)])
def each_redis_url(request: pytest.FixtureRequest) -> str:
    """An empty server of each kind: the test runs once per kind."""
    name = "redis_url" if request.param == "valkey" else "second_redis_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of the embedded Valkey, to look at what was stored."""
    with open_sync_redis(redis_url) as client:
        yield client


def _emptied(url: str) -> str:
    with open_sync_redis(url) as client:
        client.flushall()
    return url
