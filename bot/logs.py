"""How a process logs: one line per event with its ids; never a payload, a token or free text from people."""

from __future__ import annotations

import logging
import sys

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: Libraries that log a line per tick, call or request.
_TALKATIVE = ("apscheduler", "httpx", "uvicorn", "slack_sdk", "slack_bolt", "msal", "aiosqlite")


class _Line(logging.Formatter):
    """Time, level, logger, event, and what the event was given as `extra` ("request=07-…")."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        given = " ".join(f"{name}={value}" for name, value in vars(record).items() if name not in _PLAIN)
        head, newline, trace = line.partition("\n")
        return f"{head} {given}{newline}{trace}" if given else line


def set_up() -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
