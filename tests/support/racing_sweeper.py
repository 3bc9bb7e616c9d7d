"""One of the processes that sweep at once: for every line it reads it fires what is due until nothing is.

Writes how many requests it moved, and how many times it looked.
"""

from __future__ import annotations

import asyncio
import json
import sys

from line_processes import answer
from sayso.approvals.errors import NotAllowed
from sayso.approvals.people import Identity, Person, PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.scheduler.sweep import Sweeper


class Circles:
    """A directory in which every circle has one member, but nobody is among the supervisors."""

    async def person(self, identity: Identity) -> Person:
        raise NotAllowed

    async def members(self, approvers: str) -> frozenset[PersonId]:
        return frozenset() if approvers == "supervisors" else frozenset({PersonId("bo")})

    def known(self, id: PersonId) -> Person | None:
        return None


async def main(url: str) -> None:
    """Sweep once per line of input."""
    store = await RedisStore.connect(url, demo=True)
    sweeper = Sweeper(store, Circles())
    answer("ready")
    for _ in sys.stdin:
        moved = sweeps = 0
        while await store.due():
            moved += await sweeper.sweep()
            sweeps += 1
        answer(json.dumps({"moved": moved, "sweeps": sweeps}))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
