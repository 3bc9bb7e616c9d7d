"""A place in which one process after another lives and dies: each is forked with everything imported, and told where to die.

Names nobody from outside: it reads "over" when the others are through, and writes what became of its processes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from line_processes import answer
from sayso.approvals import crash

#: So long a process may take to come by the point at which it dies, seconds; then it dies wherever it is, and the
#: next one may take a half longer.
PATIENCE = 10.0
#: So long one lives that dies nowhere, seconds; then it is asked to stop, as in a deployment.
HEALTHY = 10.0
_TURN = 0.01

#: What one process does, given its number, until the event is set.
Body = Callable[[int, asyncio.Event], Awaitable[None]]


class Slot:
    """One process at a time."""

    def __init__(self, body: Body, points: list[str], folder: Path) -> None:
        self._body = body
        self._left = points
        self._log = folder / "log"
        self._over = False
        self._number = 0
        self.deaths: Counter[str] = Counter()
        self.others: Counter[str] = Counter()

    def run(self) -> None:
        """Until every point was died at and "over" was read."""
        logging.basicConfig(filename=self._log, format="%(process)d %(asctime)s %(message)s %(_all)s")
        logging.getLogger().handlers[0].addFilter(_with_everything)
        answer("ready")
        patience = Counter[str]()
        while self._left and not self._over:
            point = self._left.pop(0)
            how = self._live(point, PATIENCE * 1.5 ** patience[point])
            patience[point] += 1
            logging.getLogger("storm").warning("%s died %s, left %s", point, how, self._left)
            (self.deaths if how == point else self.others)[how] += 1
            self._left += [point] * (how != point)
        answer(json.dumps("through"))
        while not self._over:
            self.others[self._live("", HEALTHY)] += 1
        answer(json.dumps({"deaths": self.deaths, "others": self.others}))

    def _live(self, point: str, seconds: float) -> str:
        """One life, and how it ended: at its point, killed, stopped, or fallen over."""
        pid, ends, asked = self._fork(point), time.monotonic() + seconds, ""
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                break
            if not asked and (time.monotonic() > ends or self._over):
                asked = "killed" if point else "stopped"
                os.kill(pid, signal.SIGKILL if point else signal.SIGTERM)
            self._listen()
        code = os.waitstatus_to_exitcode(status)
        return asked or point if code == -signal.SIGKILL else asked if code == 0 else "fell over"

    def _listen(self) -> None:
        if select.select([] if self._over else [sys.stdin], [], [], _TURN)[0]:
            sys.stdin.readline()
            self._over = True
        elif self._over:
            time.sleep(_TURN)

    def _fork(self, point: str) -> int:
        self._number += 1
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            os.environ[crash.CRASH_AT] = point
            random.seed()
            asyncio.run(self._until_stopped(parent))
            code = 0
        except BaseException:
            logging.getLogger("storm").exception("fell over")
        finally:
            os._exit(code)

    async def _until_stopped(self, parent: int) -> None:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        watching = asyncio.create_task(_not_alone(parent))
        await self._body(self._number, stopped)
        watching.cancel()


async def _not_alone(parent: int) -> None:
    """Nobody outlives the test."""
    while os.getppid() == parent:  # noqa: ASYNC110 nothing says it
        await asyncio.sleep(0.5)
    os._exit(1)


_PLAIN = frozenset(vars(logging.makeLogRecord({})))


def _with_everything(record: logging.LogRecord) -> bool:
    """What a line of the log carries besides its words."""
    record._all = {name: value for name, value in vars(record).items() if name not in _PLAIN}
    return True
