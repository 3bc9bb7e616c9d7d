"""A place for workers in the storm: `python storm_worker.py REDIS_URL FOLDER SLOT SEED`."""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from pathlib import Path

from sayso.approvals import crash
from storm_agents import Book, a_worker, agents
from storm_slot import Slot

#: Every named point in the process that runs agents.
POINTS = tuple(re.findall(r"`([a-z]+-[a-z-]+)`", (crash.__doc__ or "").partition("talks to people")[0]))


def main(url: str, folder: Path, slot: str, seed: str) -> None:
    graphs = agents(Book(folder / "ledger"))
    points = list(POINTS)
    random.Random(f"{seed} {slot}").shuffle(points)

    async def live(number: int, stopped: asyncio.Event) -> None:
        name = f"{slot}.{number}-{os.getpid()}"
        async with a_worker(url, folder, graphs, name) as worker:
            working = asyncio.create_task(worker.run_forever())
            await stopped.wait()
            worker.stop()
            await working

    Slot(live, points, folder).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
