"""An agent that stays in its owner's program: it asks through sayso's bot, which may run on another machine.

`python examples/own_process.py 1042 129.90`, beside `sayso serve` on the same settings.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import sayso
from gated_graph import graph


async def main(order: str, amount: str, settings: Path = Path(__file__).with_name("sayso.toml")) -> str:
    """Ask for a refund as Alex, wait for whoever decides, and say what became of it.

    The name of the run makes it safe to start this program again after a crash: it goes on where it stood.
    """
    ended = await sayso.run(
        graph(),
        {"goal": f"refund order {order} {amount}"},
        asked_by="alex",
        thread=f"refund-{order}",
        settings=settings,
    )
    return str(ended["report"])


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:3])))
