"""Redis beyond one server, on loopback: a Cluster of three primaries, and a primary with replica and Sentinel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sayso.bot.valkey import _DIE_WITH_PARENT

#: A machine that does many things at once needs its time, seconds.
PATIENCE = 60.0


def free_ports(count: int) -> Sequence[int]:
    """Ports of the loopback that nobody listens on."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def until(true: Callable[[], object]) -> None:
    """Wait for what another process does. Raises: AssertionError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if true():
                return
        except RedisError:
            pass  # it is not up yet
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@dataclass
class Server:
    """One process of ours."""

    binary: Path
    folder: Path
    port: int
    options: Sequence[str] = ()
    password: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> Server:
        self.folder.mkdir(exist_ok=True)
        command = [
            str(self.binary), *(["server.conf"] if (self.folder / "server.conf").exists() else []),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--daemonize", "no", "--save", ""),
            *("--dir", str(self.folder), "--logfile", str(self.folder / "log"), *self.options),
        ]  # fmt: skip
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
            )  # fmt: skip
        until(lambda: self.ask("PING"))
        return self

    def ask(self, *command: Any) -> Any:
        """The raw answer to one command."""
        with redis.Redis(
            port=self.port, password=self.password or None, socket_timeout=5, retry=Retry(NoBackoff(), 0)
        ) as client:
            return client.execute_command(*command)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


AOF = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")


@contextmanager
def cluster(binary: Path, folder: Path, *, replicas: int = 0) -> Iterator[Sequence[Server]]:
    """Three primaries, each with a third of the slots, and then one replica of each of the first `replicas`."""
    count = 3 + replicas
    ports = free_ports(2 * count)
    shared = (
        *AOF,
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "3000",
        "--repl-diskless-sync-delay",
        "0",
    )
    nodes = [
        Server(binary, folder / f"node-{n}", ports[n], (*shared, "--cluster-port", str(ports[count + n])))
        for n in range(count)
    ]
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.kill)
            node.start()
            node.ask("CLUSTER", "MEET", "127.0.0.1", ports[0], ports[count])
        for node, (first, last) in zip(nodes, ((0, 5460), (5461, 10922), (10923, 16383)), strict=False):
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in nodes:
            until(partial(_whole, node, count))
        for primary, replica in zip(nodes, nodes[3:], strict=False):
            replica.ask("CLUSTER", "REPLICATE", primary.ask("CLUSTER", "MYID"))
            until(partial(follows, primary))
        yield nodes


def _whole(node: Server, count: int) -> bool:
    info = node.ask("CLUSTER", "INFO")
    facts = info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
    known = node.ask("CLUSTER", "SLOTS")
    return facts["cluster_state"] == "ok" and facts["cluster_known_nodes"] == str(count) and len(known) == 3


@dataclass
class Watched:
    """One primary, one replica, and one Sentinel whose word is enough."""

    primary: Server
    replica: Server
    sentinel: Server

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/ours?sentinel_password=watch"

    def named(self) -> int:
        """The port of the primary, as the Sentinel says."""
        return int(self.sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "ours")[1])

    def in_step(self) -> bool:
        """Whether the primary that is named has a replica that follows it."""
        return follows(next(one for one in (self.primary, self.replica) if one.port == self.named()))


@contextmanager
def replicated(
    binary: Path, folder: Path, *, least: int = 1, replica_options: Sequence[str] = ()
) -> Iterator[tuple[Server, Server]]:
    """A primary that takes writes only while `least` replicas follow, and a replica."""
    ports = free_ports(2)
    options = (
        *AOF,
        "--repl-diskless-sync-delay",
        "0",
        "--min-replicas-to-write",
        str(least),
        "--min-replicas-max-lag",
        "60",
    )
    primary = Server(binary, folder / "primary", ports[0], options)
    replica = Server(
        binary,
        folder / "replica",
        ports[1],
        (*options, "--replicaof", f"127.0.0.1 {ports[0]}", *replica_options),
    )
    with ExitStack() as stack:
        for one in (primary, replica):
            stack.callback(one.kill)
            one.start()
        until(partial(follows, primary))
        yield primary, replica


def follows(primary: Server) -> bool:
    """Whether a replica follows it."""
    facts = primary.ask("INFO", "replication")
    return bool(facts["connected_slaves"] == 1 and facts["slave0"]["state"] == "online")


@contextmanager
def watched(binary: Path, folder: Path) -> Iterator[Watched]:
    """The same under a Sentinel."""
    (port,) = free_ports(1)
    with replicated(binary, folder) as (primary, replica):
        watcher = folder / "sentinel"
        watcher.mkdir()
        (watcher / "server.conf").write_text(
            f"sentinel monitor ours 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds ours 1000\nsentinel failover-timeout ours 10000\n"
        )
        sentinel = Server(binary, watcher, port, ("--sentinel", "--requirepass", "watch"), password="watch")
        try:
            sentinel.start()
            both = Watched(primary, replica, sentinel)
            until(lambda: len(sentinel.ask("SENTINEL", "REPLICAS", "ours")) == 1)
            yield both
        finally:
            sentinel.kill()
