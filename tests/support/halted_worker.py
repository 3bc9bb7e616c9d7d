"""One of the worker processes that are paused together: `python halted_worker.py REDIS_URL LEDGER_FILE NAME`.

For every line it reads it does all work that there is, and says how much that was.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from crashing_worker import a_worker, redis_world
from line_processes import answer


async def main(url: str, file: Path, name: str) -> None:
    """Work once through per line of input."""
    async with redis_world(url, file) as world:
        worker = a_worker(world, name)
        worker._keeper.start()
        answer("ready")
        while await asyncio.to_thread(sys.stdin.readline):
            done = 0
            while await worker.work_once():
                done += 1
            answer(json.dumps({"done": done}))
        worker._keeper.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
