"""One of the processes that race to undo one thing: `python undo_racer.py REDIS_URL NAME`.

Reads the request's id and a number of clicks, per line; answers how many counted and why the others did not.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from datetime import datetime

from line_processes import answer
from sayso.approvals import machine
from sayso.approvals.change import Change
from sayso.approvals.errors import AnswerRefused
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import RequestId, Undo
from scenes import a_vote

PEOPLE = tuple(PersonId(f"person{n}") for n in range(20))
SIGNER = Signer(b"s" * 32)


async def clicked(store: RedisStore, id: RequestId, token: str, person: PersonId) -> str:
    """One click on Undo, delivered twice as platforms do."""

    def step(request: Request, now: datetime) -> Change:
        vote = a_vote(request, person, Undo(), at=now, signer=SIGNER)
        return machine.vote(request, vote, frozenset(PEOPLE), 1, now)

    try:
        await store.change(id, step, token=token)
        again = await store.change(id, step, token=token)
    except AnswerRefused as error:
        return type(error).__name__
    return "counted" if again.replayed else "counted twice"


async def main(url: str, name: str) -> None:
    """Race once per line of input."""
    store = await RedisStore.connect(url, demo=True)
    answer("ready")
    for line in sys.stdin:
        id, clicks = json.loads(line)
        calls = [clicked(store, id, f"{name}-{n}", PEOPLE[n % len(PEOPLE)]) for n in range(clicks)]
        answer(json.dumps(Counter(await asyncio.gather(*calls))))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
