"""One `sayso serve` process of the demo: started, watched, and killed for real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from ...approvals.errors import SaysoError

#: How long a process may take to stand, seconds.
START_SECONDS = 30.0
#: It is on this machine: no proxy stands between.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DidNotStart(SaysoError):
    """A process of the demo did not start."""


class Served:
    """`sayso serve` with some roles; its output goes to a log file."""

    def __init__(
        self, name: str, roles: tuple[str, ...], *, settings: Path, env: Mapping[str, str], log: Path, ready_url: str = ""
    ) -> None:  # fmt: skip
        """`ready_url`: asked until it answers 200; without one the log has to say that it is ready."""
        self.name = name
        self._command = [sys.executable, "-c", "from sayso.bot.demo.bound import main; main()", "serve"]
        self._command += [part for role in roles for part in ("--role", role)] + ["--settings", str(settings)]
        self._env = dict(env)
        self._log = log
        self._ready_url = ready_url
        self._log_before = 0
        self._has_answered = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 while it does not run."""
        process = self._process
        return process.pid if process else 0

    @property
    def up(self) -> bool:
        """It has answered since it was started, and runs; from any thread."""
        process = self._process
        return process is not None and self._has_answered and process.poll() is None

    def start(self) -> None:
        """Start it; returns at once."""
        with self._log.open("ab") as log:
            self._log_before = log.tell()
            self._process = subprocess.Popen(
                self._command, env={**os.environ, **self._env}, stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def wait_ready(self) -> None:
        """Wait until it answers. Raises: DidNotStart, with the end of its log."""
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"The {self.name} did not start. The end of {self._log}:\n{self._tail()}")
            time.sleep(0.05)
        self._has_answered = True

    def kill(self) -> int:
        """End it as a crash would (SIGKILL); its process id."""
        return self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it finish (SIGTERM), at most ten seconds."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        self._has_answered = False
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()
        return process.pid

    def _ready(self) -> bool:
        if not self._ready_url:
            return b"serve.ready" in self._log.read_bytes()[self._log_before :]
        try:
            with _DIRECT.open(self._ready_url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _tail(self) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-15:])
