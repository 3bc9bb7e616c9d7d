"""What becomes of a piece of work, what a run says last, and what can be wrong with how a graph stops."""

from __future__ import annotations

from enum import Enum

from ..approvals.change import Notice, NoticeKind
from ..approvals.errors import SaysoError
from ..approvals.request import Run

#: The longest report that is told.
REPORT_LENGTH = 3000


class Handled(Enum):
    """What became of a piece of work: it is done, or left to be taken again later."""

    DONE = "done"
    LEFT = "left"


class GateHeld(SaysoError):
    """The gate was answered and went on waiting."""


class Breakpoint(SaysoError):
    """The graph stopped for nobody: static breakpoints are no gates."""


def report_notices(run: Run, text: str) -> tuple[Notice, ...]:
    """The last words of a run, told where it was asked for; none where there is nothing to say or nowhere."""
    if not text.strip() or not run.origin:
        return ()
    return (
        Notice(
            key="report", kind=NoticeKind.REPORT, place=run.origin, thread=run.thread,
            text=text[:REPORT_LENGTH],
        ),
    )  # fmt: skip
