"""One of the processes that link audit records at once: for every line it reads it links until nothing is left.

`python racing_linker.py REDIS_URL HOLDER`; it writes how many records it linked, and dies where SAYSO_CRASH_AT says.
"""

from __future__ import annotations

import asyncio
import json
import sys

from line_processes import answer
from sayso.approvals.linker import Linker
from sayso.approvals.redis_store import RedisStore
from trails import KEYS


async def main(url: str, holder: str) -> None:
    """Link once per line of input."""
    store = await RedisStore.connect(url)
    linker = Linker(store, KEYS, holder=holder)
    answer("ready")
    for _ in sys.stdin:
        answer(json.dumps(await linker.link()))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
