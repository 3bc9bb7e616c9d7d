"""How the commands print: colours and wrapping for people, plain whole lines for pipes; and times in words."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from rich.console import Console

from ..settings import Settings

#: Lines are not broken before this width when nobody looks at them.
PIPE_WIDTH = 400


def console() -> Console:
    """Standard output; `COLUMNS` and `NO_COLOR` are obeyed."""
    shown = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not shown.is_terminal and not os.environ.get("COLUMNS"):
        shown.width = PIPE_WIDTH
    return shown


def local_zone() -> tzinfo:
    """The zone of the machine that the command runs on."""
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    return zone


def namer(settings: Settings) -> Callable[[str], str]:
    """A person's name from the settings; anybody else by what the record says."""
    return lambda person: settings.people[person].name if person in settings.people else person


def span_words(span: timedelta, units: int = 2) -> str:
    """A length of time in its largest units: "3 min 20 s", "2 d 4 h"; the rest is cut off."""
    seconds = int(abs(span).total_seconds())
    parts = [
        (seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"),
    ]  # fmt: skip
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + units] if count) or "0 s"


def fitted(text: str, width: int, label: int) -> str:
    """A card's text in fewer columns: what goes on begins under its value, so no agent's words begin a line.

    Args:
        label: Width of the column of labels, in characters.
    """
    return "\n".join(_fitted(line, width, label) for line in text.split("\n"))


def _fitted(line: str, width: int, label: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * label + ("| " if line[label:].startswith("| ") else "")
    pieces = textwrap.wrap(
        line, width, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True, replace_whitespace=False
    )  # fmt: skip
    return "\n".join(pieces)
