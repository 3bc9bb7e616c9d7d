"""What becomes of a piece of work, what a run says last, and what can be wrong with how a graph stops."""

from __future__ import annotations

from enum import Enum

from ..approvals.change import REPORT, Notice, NoticeKind
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
    """The last words of a run, told where it was asked for; none where there is nothing to say or nowhere.

    A service is told of the end even without words.
    """
    if not run.told_in or not (text.strip() or run.service):
        return ()
    return (
        Notice(
            key=REPORT,
            kind=NoticeKind.REPORT,
            place=run.told_in,
            thread=run.thread,
            text=text[:REPORT_LENGTH],
        ),
    )
