"""How a process logs: one line per event with its ids; never a payload, a token or free text from people.

Whatever any library or thread says goes through one handler, which withholds tokens from words, values and traces.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from ..approvals.looks import withheld

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: Libraries that log a line per tick, call or request.
_TALKATIVE = ("apscheduler", "httpx", "uvicorn", "slack_sdk", "slack_bolt", "msal", "aiosqlite")

log = logging.getLogger(__name__)


class _Line(logging.Formatter):
    """Time, level, logger, event, and what the event was given as `extra` ("request=07-…").

    Attributes:
        withhold: What takes tokens out of a line, its values and trace included.
    """

    withhold: Callable[[str], str] = staticmethod(withheld)

    def format(self, record: logging.LogRecord) -> str:
        line = self.withhold(super().format(record))  # before it is taken apart: a key has many lines
        given = " ".join(f"{name}={value}" for name, value in vars(record).items() if name not in _PLAIN)
        head, newline, trace = line.partition("\n")
        return f"{head} {self.withhold(given)}{newline}{trace}" if given else line


def set_up() -> None:
    """Log to standard error from now on, also what Python itself would write there: warnings, and errors nobody caught."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda said: _uncaught(said.exc_type, said.exc_value, said.exc_traceback)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def withhold_also(withhold: Callable[[str], str]) -> None:
    """From now on take tokens out of the log this way: this process hands out tokens, and knows which."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Line):
            handler.formatter.withhold = withhold


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, (SystemExit, KeyboardInterrupt)):
        log.critical("process.uncaught", exc_info=(kind, error or kind(), trace))
