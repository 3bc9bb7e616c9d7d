"""Tells the tour in the terminal: scenes, who does what, cards as text, and each check as it is made."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.rule import Rule

from ...approvals.errors import SaysoError


class TourFailed(SaysoError):
    """The tour found something that is not as promised."""


class Story:
    """Prints the story and keeps the count of what was checked."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self.checks = 0

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return time.monotonic() - self._began

    def scene(self, title: str) -> None:
        """A new scene."""
        self._console.print()
        self._console.print(Rule(f"[bold]{escape(title)}", align="left", style="cyan"))

    def says(self, who: str, words: str) -> None:
        """Somebody says or does something."""
        self._console.print(f"  [bold cyan]{escape(who)}[/] {escape(words)}", highlight=False)

    def tells(self, words: str) -> None:
        """What happens by itself."""
        self._console.print(f"  [dim]{escape(words)}[/]", highlight=False)

    def shows(self, where: str, text: str) -> None:
        """A card, a message or a page as people see it."""
        self._console.print(
            Panel(escape(text.strip()), title=f"[dim]{escape(where)}", title_align="left", border_style="dim", expand=False),
            highlight=False,
        )  # fmt: skip

    def check(self, what: str, holds: object) -> None:
        """One promise, looked at. Raises: TourFailed."""
        self.checks += 1
        if not holds:
            self._console.print(f"  [bold red]✗ {escape(what)}", highlight=False)
            raise TourFailed(f"The tour expected: {what}")
        self._console.print(f"  [green]✓[/] {escape(what)}", highlight=False)
