"""The demo's page: the workplace to click in, with the panels that only the demo has beside it."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from ...sandbox.page import Page
from .audit import Audit
from .guide import Guide
from .hands import Hands
from .office import Office
from .panels import BackOffice, Clock, Processes
from .record import Record
from .stage import Stage
from .story import Story


@contextmanager
def opened_page(office: Office, hands: Hands) -> Iterator[Page]:
    """Serve the page until the block ends.

    Args:
        hands: What pushes the clock and kills processes, shared with whoever else does; they rest afterwards.
    """
    work = office.workplace
    with ExitStack() as stack:
        stage = Stage(office, Story(Console(quiet=True)))
        stack.callback(stage.close)
        record = Record(office, stage.store, work.workplace.changes.happened)
        stack.callback(lambda: work.run(record.stop()))
        work.run(record.start())
        page = Page(work.workplace, (
            Guide(stage, record, hands), Audit(stage, record), BackOffice(stage), Clock(stage, record, hands), Processes(stage, hands),
        ))  # fmt: skip
        stack.callback(lambda: work.run(page.stop()))
        work.run(page.start())
        stack.callback(hands.close)
        yield page


def show_in_browser(url: str) -> None:
    """Open it where somebody sits in front of a screen; elsewhere the address is enough."""
    screen = (
        sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if screen and sys.stdout.isatty():
        webbrowser.open(url)
