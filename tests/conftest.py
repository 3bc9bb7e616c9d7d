"""Real servers for the tests: our embedded Valkey, a Cluster of it, and Debian's Redis where it is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis
from many_servers import Server, cluster
from sayso.approvals.connection import open_sync_redis
from sayso.bot.valkey import EmbeddedValkey, find_server_binary


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


@pytest.fixture(scope="session")
def valkey_binary() -> Path:
    """The server that sayso brings along."""
    return find_server_binary(os.environ)


@pytest.fixture(scope="session", params=["valkey", "redis"])
def each_binary(request: pytest.FixtureRequest, valkey_binary: Path) -> Path:
    """A server program of each kind; Debian's Redis knows no WAITAOF."""
    found = shutil.which("redis-server")
    if request.param == "redis" and found is None:
        pytest.skip("redis-server is not installed (apt install redis-server)")
    return Path(found) if request.param == "redis" and found else valkey_binary


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory, valkey_binary: Path) -> Iterator[Sequence[Server]]:
    """Three nodes for the whole test run."""
    with cluster(valkey_binary, tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def cluster_nodes(_cluster: Sequence[Server]) -> Sequence[Server]:
    """The three nodes of an empty Cluster."""
    for node in _cluster:
        node.ask("FLUSHALL")
    return _cluster


@pytest.fixture
def cluster_url(cluster_nodes: Sequence[Server]) -> str:
    """An empty Cluster, by two of its three nodes."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster_nodes[:2])


@pytest.fixture
def redis_url(_embedded_url: str) -> str:
    """An empty embedded Valkey."""
    return _emptied(_embedded_url)


@pytest.fixture
def second_redis_url(_second_url: str) -> str:
    """An empty Redis that is not ours; skips where there is none."""
    return _emptied(_second_url)


@pytest.fixture(
    params=[
        "redis_url",
        pytest.param("second_redis_url", marks=pytest.mark.second_server),
        pytest.param("cluster_url", marks=pytest.mark.second_server),
    ],
    ids=["valkey", "redis", "cluster"],
)
def each_redis_url(request: pytest.FixtureRequest) -> str:
    """An empty store of each kind: the test runs once per kind."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of the embedded Valkey, to look at what was stored."""
    with open_sync_redis(redis_url) as client:
        yield client


def _emptied(url: str) -> str:
    with open_sync_redis(url) as client:
        client.flushall()
    return url
