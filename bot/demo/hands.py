"""What moves the whole demo: time passes, processes are killed and come back; one thing at a time, whoever wants it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from ...approvals.change import Event
from ...approvals.errors import SaysoError
from ...approvals.request import Request
from .process import Served
from .stage import Stage

T = TypeVar("T")

#: What the clock brings about.
BY_ITSELF = frozenset({Event.STEP, Event.PAGED, Event.EXPIRED, Event.STUCK})
#: How long what is due may take to happen, seconds.
HAPPENS_SECONDS = 15.0


class HandsFull(SaysoError):
    """One moment: what was pressed before is still being done."""


class Closing(SaysoError):
    """The demo is ending."""


class NothingDue(SaysoError):
    """Nothing is due."""


class NothingHappened(SaysoError):
    """What should happen now did not happen within 15 s. Are bot and worker up?"""


class Hands:
    """Prompt and page share one pair: a second wish while one is carried out is refused, and closing waits for it."""

    def __init__(self) -> None:
        self._held = threading.Lock()
        self._closing = False

    def close(self) -> None:
        """From now on nothing moves; waits for what is being carried out."""
        self._closing = True
        with self._held:
            pass

    def pass_time(self, stage: Stage, by: timedelta) -> list[str]:
        """Push the clock from one due moment to the next, so that everything on the way happens in its order.

        Returns: What happened, a sentence each; the story tells it as well.

        Raises: HandsFull, NothingHappened, Closing.
        """
        with self._turn():
            return self._pass_to(stage, stage.wait(stage.store.now()) + by)

    def pass_to_next(self, stage: Stage, due: Callable[[Sequence[Request]], datetime | None]) -> list[str]:
        """Push the clock just past the moment that `due` finds among the live requests.

        They are read once nobody else pushes: whoever presses twice goes on by two steps, and by no minute more.

        Returns, raises: As `pass_time`; NothingDue.
        """
        with self._turn():
            at = due(stage.wait(stage.store.live()))
            if at is None:
                raise NothingDue
            return self._pass_to(stage, max(at, stage.wait(stage.store.now())) + timedelta(seconds=1))

    def _pass_to(self, stage: Stage, ends: datetime) -> list[str]:
        happened: list[str] = []
        while (now := stage.wait(stage.store.now())) < ends:
            due = [
                (r.due_at, r) for r in stage.wait(stage.store.live()) if r.due_at and now < r.due_at <= ends
            ]
            if not due:
                stage.pass_time(ends - now)
                break
            at, request = min(due, key=lambda one: one[0])
            heard = len(stage.trail_of(request))
            stage.pass_time(at - now + timedelta(seconds=1))
            self.until(lambda r=request: stage.now(r).version > r.version)  # type: ignore[misc]
            for line in stage.trail_of(request)[heard:]:
                if line.request == request.id and line.entry.event in BY_ITSELF:
                    happened.append(f"{request.proposal.action.summary}: {line.entry.words}")
                    stage.story.tells(happened[-1])
        return happened

    def restart(self, stage: Stage, served: Sequence[Served]) -> str:
        """Kill processes as a crash would, and start them again; one sentence on who went and who came.

        Raises: HandsFull, DidNotStart, Closing.
        """
        with self._turn():
            violations, changed = stage.work.violations, stage.work.workplace.changes.happened
            earlier = violations.take()
            killed = ", ".join(f"{one.name} {one.kill()}" for one in served)
            stage.story.tells(f"killed: {killed}")
            for one in served:
                one.start()
            changed()
            for one in served:
                one.wait_ready()
            violations.take()  # nobody was there to deliver to meanwhile
            for violation in earlier:
                violations.note(violation.where, violation.what)
            started = ", ".join(f"{one.name} {one.pid}" for one in served)
            stage.story.tells(f"started: {started}")
            changed()
            return f"Killed (SIGKILL): {killed}. Started: {started}."

    def carry_out(self, work: Callable[[], str]) -> str:
        """Anything else that takes a moment; where it has to wait, it waits with `until`. Raises: HandsFull, Closing."""
        with self._turn():
            return work()

    def until(self, seen: Callable[[], T | None]) -> T:
        """The first truthy `seen()`. Raises: NothingHappened, Closing."""
        deadline = time.monotonic() + HAPPENS_SECONDS
        while not (found := seen()):
            if self._closing:
                raise Closing
            if time.monotonic() > deadline:
                raise NothingHappened
            time.sleep(0.05)
        return found

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._held.acquire(blocking=False):
            raise HandsFull
        try:
            if self._closing:  # looked at with full hands: `close` waits for whoever came before it
                raise Closing
            yield
        finally:
            self._held.release()
