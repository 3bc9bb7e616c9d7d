"""`sayso serve` for the demo: it ends when the demo does, however that ended, because its standard input closes then."""

from __future__ import annotations

import os
import sys
import threading

from ..cli import main as sayso


def main() -> None:
    """The command line of `sayso`, for as long as whoever started this process lives."""
    threading.Thread(target=_end_with_the_demo, name="bound", daemon=True).start()
    sayso()


def _end_with_the_demo() -> None:
    """What serves on under a dead demo would answer for a folder that the next demo takes over: it ends as a crash would."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
