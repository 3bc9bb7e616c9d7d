"""Processes of the chaos tests (scripts beside this file), spoken to line by line: one JSON line in, one JSON line out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent


def answer(line: str) -> None:
    """Say one line to whoever started this process."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Process:
    """A script of this folder, running until the end of the `with` block."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))},
        )  # fmt: skip

    def ready(self) -> None:
        """Wait until it has imported everything and is connected."""
        assert self._out.readline() == "ready\n"

    def send(self, message: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """Its answer; a process that ended instead fails the test here."""
        line = self._out.readline()
        assert line, f"it ended with status {self._process.wait(10)}"
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._process.communicate(timeout=10 if error is None else 1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    @property
    def _out(self) -> Any:
        return self._process.stdout
