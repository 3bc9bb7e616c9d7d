"""What the checks of `sayso check` came to: made some at once, printed a line each, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...approvals.errors import SaysoError
from .looks import Doubtful, Look

#: A platform is asked this many things at once.
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Found:
    """What one check came to; `problem` and `doubt` are empty when all is well."""

    what: str
    words: str = ""
    problem: str = ""
    doubt: str = ""


@dataclass(slots=True)
class Checks:
    """The checks of one run of the command, in order."""

    out: Console
    found: list[Found] = field(default_factory=list)

    async def each(self, *looks: tuple[str, Look]) -> bool:
        """Make these checks, some at once, and print each; whether all were well."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(what: str, look: Look) -> Found:
            async with gate:
                return await _looked(what, look)

        made = await asyncio.gather(*(one(what, look) for what, look in looks))
        for found in made:
            self._tell(found)
        return not any(found.problem for found in made)

    def skipped(self, words: str) -> None:
        """Say what was not looked at, and why."""
        self.out.print(f"       ({words})", markup=False)

    def _tell(self, found: Found) -> None:
        self.found.append(found)
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=5)
        row.add_column(min_width=24, max_width=32 if self.out.is_terminal else None, overflow="fold")
        row.add_column(overflow="fold")
        row.add_row(
            _mark(found), Text(found.what), Text(harmless(found.problem or found.doubt or found.words))
        )
        self.out.print(row)


def harmless(words: str) -> str:
    """Names come from outside: none may move the cursor or change colours."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in words)


def _mark(found: Found) -> Text:
    if found.problem:
        return Text("WRONG", style="bold red")
    return Text("WARN", style="bold yellow") if found.doubt else Text("ok", style="green")


def summed(found: Sequence[Found]) -> str:
    """One line about all of them."""
    wrong = len([one for one in found if one.problem])
    doubts = len([one for one in found if one.doubt])
    words = f"{wrong} of {len(found)} checks {'is' if wrong == 1 else 'are'} wrong"
    rest = f" {doubts} {'has a warning' if doubts == 1 else 'have warnings'}." if doubts else ""
    return f"{words if wrong else f'All {len(found)} checks are ok'}.{rest}"


async def _looked(what: str, look: Look) -> Found:
    try:
        return Found(what, words=await look())
    except Doubtful as error:
        return Found(what, doubt=str(error))
    except SaysoError as error:
        return Found(what, problem=str(error).removesuffix(".") + ".")
