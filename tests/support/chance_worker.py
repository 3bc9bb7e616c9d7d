"""A place for workers among random requests: `python chance_worker.py REDIS_URL FOLDER SLOT SEED RUNS`."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

import chance_world
from storm_agents import Book, a_worker, one_after_the_other, refunds
from storm_slot import Slot
from storm_worker import POINTS

#: They share the points at which they die.
WORKERS = 2


def agents(folder: Path) -> dict[str, Any]:
    """One for each tool; every other tool may be run again with its key."""
    ledger = Book(folder / "ledger")
    return {
        f"refund_{number}": one_after_the_other(
            refunds(ledger, f"refund_{number}", idempotent=bool(number % 2)), gates=1
        )
        for number in range(chance_world.TOOLS)
    }


def main(url: str, folder: Path, slot: str, seed: str, runs: int) -> None:
    """One worker after the other, each killed somewhere, until all points were had."""
    graphs, policy = agents(folder), chance_world.policy(seed)
    points = [point for point in POINTS if not point.startswith("report-corrected")]
    random.Random(seed).shuffle(points)
    points = points[int(slot[1:]) - 1 :: WORKERS] * (1 + runs // 100)

    async def live(number: int, stopped: asyncio.Event) -> None:
        async with a_worker(url, folder, graphs, f"{slot}.{number}-{os.getpid()}", policy) as worker:
            working = asyncio.create_task(worker.run_forever())
            await stopped.wait()
            worker.stop()
            await working

    Slot(live, points, folder).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
