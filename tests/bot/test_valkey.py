"""The embedded Valkey survives its owner, leaves no orphan, and is never two."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from sayso.approvals.connection import open_blocking_redis, open_redis, open_sync_redis
from sayso.bot.valkey import EmbeddedValkey, NoServerBinary, ServerDidNotStart, find_server_binary

OWNER = """
import sys
from pathlib import Path
from sayso.bot.valkey import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""


class Owner:
    """Another process of ours that uses a data directory; the first one to start owns the server."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def end(self, sign: signal.Signals) -> None:
        self.process.send_signal(sign)
        self.close()

    def close(self) -> None:
        """Close its input, which ends it, and wait for it."""
        self.process.communicate(timeout=20)


def until(reached: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.01)  # another process needs the processor


def no_server_runs(data_dir: Path) -> bool:
    """The server's own lock is free exactly when the server is gone."""
    with (data_dir / "server.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def server_process(url: str) -> int:
    with open_sync_redis(url) as client:
        return int(client.info("server")["process_id"])


async def test_a_waiting_worker_gets_the_next_message_after_the_owner_was_killed(tmp_path: Path) -> None:
    """The owner of the store dies by SIGKILL while a worker waits: nothing is lost, the worker is served."""
    owner = Owner(tmp_path)
    with EmbeddedValkey(tmp_path) as ours:
        client, waiting = open_redis(ours.url), open_blocking_redis(ours.url)
        for order in range(200):
            await client.set(f"order:{order}", "acknowledged")
        await client.xgroup_create("work", "workers", id="0", mkstream=True)
        worker = asyncio.ensure_future(waiting.xreadgroup("workers", "one", {"work": ">"}, count=1, block=0))
        await asyncio.to_thread(until, lambda: _blocked_clients(ours.url) == 1)

        owner.end(signal.SIGKILL)
        await asyncio.to_thread(until, lambda: ours.owns_server)
        await client.xadd("work", {"resume": "r1"})

        answer: Any = await asyncio.wait_for(worker, 15)
        [[_, [(_, fields)]]] = answer
        assert fields == {b"resume": b"r1"}
        assert len([key async for key in client.scan_iter("order:*")]) == 200
        await client.aclose()
        await waiting.aclose()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_no_server_is_left_when_its_owner_dies(tmp_path: Path, sign: signal.Signals) -> None:
    """A killed or terminated owner takes the server with it."""
    owner = Owner(tmp_path)
    assert not no_server_runs(tmp_path)
    owner.end(sign)
    until(lambda: no_server_runs(tmp_path))


def test_many_processes_on_one_directory_share_one_server(tmp_path: Path) -> None:
    """However many there are, exactly one server writes the files: at the start and after its owner was killed."""
    owner, other = Owner(tmp_path), Owner(tmp_path)
    sharers = [EmbeddedValkey(tmp_path) for _ in range(3)]
    for sharer in sharers:
        assert sharer.start() == owner.url == other.url
    first = server_process(owner.url)

    other.close()  # it did not own the server, so nothing changes
    assert server_process(owner.url) == first
    owner.end(signal.SIGKILL)
    until(lambda: any(sharer.owns_server for sharer in sharers))

    assert len({server_process(sharer.url) for sharer in sharers} - {first}) == 1
    assert [sharer.owns_server for sharer in sharers].count(True) == 1
    for sharer in sharers:
        sharer.stop()
    assert no_server_runs(tmp_path)


@pytest.mark.parametrize("stuck", [False, True])
def test_a_server_left_behind_is_ended_before_a_new_one_starts(
    tmp_path: Path, stuck: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server outlives its owner (macOS), the next owner ends it first, by force if it hangs."""
    monkeypatch.setattr("sayso.bot.valkey.STOP_SECONDS", 0.5)
    ownerless = EmbeddedValkey(tmp_path, binary=find_server_binary(os.environ))
    orphan = ownerless._launch()  # what a dead owner leaves: a running server, and nobody holds owner.lock
    with open_sync_redis(ownerless.url) as client:
        client.set("kept", "yes")
    if stuck:
        orphan.send_signal(signal.SIGSTOP)
    with EmbeddedValkey(tmp_path) as second:
        assert orphan.wait(5) == (-signal.SIGKILL if stuck else 0)
        assert server_process(second.url) != orphan.pid
        with open_sync_redis(second.url) as client:
            assert client.get("kept") == b"yes"


def test_a_crashed_server_is_started_again(tmp_path: Path) -> None:
    """The server itself is killed: its owner brings it back with every acknowledged write."""
    with EmbeddedValkey(tmp_path) as server, open_sync_redis(server.url) as client:
        client.set("kept", "yes")
        os.kill(server_process(server.url), signal.SIGKILL)
        assert client.get("kept") == b"yes"


def test_a_deep_directory_gets_a_short_socket(tmp_path: Path) -> None:
    """A socket path has about 100 bytes: a deeper directory gets a private one elsewhere, removed at the end."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedValkey(deep) as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert len(os.fsencode(socket)) <= 100
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        with EmbeddedValkey(deep) as follower:
            assert follower.url == server.url
    assert not socket.parent.exists()


def test_only_we_can_reach_it(tmp_path: Path) -> None:
    """No port, and a socket in a directory that nobody else may enter."""
    with EmbeddedValkey(tmp_path / "store") as server, open_sync_redis(server.url) as client:
        assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_the_named_program_comes_first(tmp_path: Path) -> None:
    """SAYSO_REDIS_BIN wins; a wrong one is named in the sentence."""
    assert find_server_binary({"SAYSO_REDIS_BIN": sys.executable}) == Path(sys.executable)
    with pytest.raises(NoServerBinary, match="SAYSO_REDIS_BIN names '/no/such'"):
        find_server_binary({"SAYSO_REDIS_BIN": "/no/such"})


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The caller reads one sentence with the server's last words, and nothing is left running."""
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(ServerDidNotStart, match=r"did not start: .+"):
        EmbeddedValkey(tmp_path).start()
    assert no_server_runs(tmp_path)


def _blocked_clients(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("clients")["blocked_clients"])
