"""One of the processes that race for decisions: told the ids of a wave, it answers each of them many times at once.

Reads one JSON list of request ids per line, and writes one JSON list of its attempts per wave.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import replace
from datetime import datetime

from line_processes import answer
from sayso.approvals import machine
from sayso.approvals.change import Change
from sayso.approvals.editing import edited
from sayso.approvals.errors import AlreadySettled
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, Verdict
from scenes import a_vote, an_assessment

#: What is attempted, in this proportion; "expire" is what a sweeper does.
KINDS = ("approve", "approve", "reject", "edit", "instruct", "expire")
VERDICTS: dict[str, Verdict] = {
    "approve": Approve(),
    "reject": Reject("not this one"),
    "edit": Modify({"amount": "100.00"}),
    "instruct": Modify(instruction="ask Dana first"),
}
PEOPLE = tuple(PersonId(f"person{n}") for n in range(20))


class Racer:
    """Answers like people and like the clock, against one store."""

    def __init__(self, store: RedisStore, name: str, signer: Signer) -> None:
        self._store = store
        self._name = name
        self._signer = signer

    async def wave(self, ids: list[str], attempts: int) -> list[dict[str, str]]:
        """`attempts` on each request, all at once, in an order of this process's own."""
        calls = [self._attempt(RequestId(id), n) for id in ids for n in range(attempts)]
        random.shuffle(calls)
        return list(await asyncio.gather(*calls))

    async def _attempt(self, id: RequestId, number: int) -> dict[str, str]:
        kind = random.choice(KINDS)
        attempt = {"id": id, "kind": kind, "token": f"{self._name}-{number}"}
        if kind == "expire":
            return attempt | await self._expire(id)
        return attempt | await self._answer(id, kind, attempt["token"])

    async def _answer(self, id: RequestId, kind: str, token: str) -> dict[str, str]:
        person = random.choice(PEOPLE)

        def step(request: Request, now: datetime) -> Change:
            if kind == "edit" and request.state is State.OPEN:
                new, rises = edited(request, {"amount": "100.00"}, person, lambda _: an_assessment())
                shown = replace(request, revisions=(*request.revisions, new))
                vote = a_vote(shown, person, VERDICTS[kind], at=now, signer=self._signer)
                return machine.edit(request, new, vote, frozenset(PEOPLE), 1, ask_again=rises, now=now)
            vote = a_vote(request, person, VERDICTS[kind], at=now, signer=self._signer)
            return machine.vote(request, vote, frozenset(PEOPLE), 1, now)

        try:
            applied = await self._store.change(id, step, token=token)
        except AlreadySettled as refusal:
            return {"end": "refused", "state": refusal.state, "by": ",".join(refusal.by)}
        if applied.request.decision is None:
            return {"end": "won", "how": "expired"}  # the deadline came first, and this click was what saw it
        again = await self._store.change(id, step, token=token)  # the platform delivers it twice
        return {"end": "won", "how": str(applied.request.decision.verdict.type), "again": str(again.replayed)}

    async def _expire(self, id: RequestId) -> dict[str, str]:
        """Like a sweeper: looks until the clock has come or somebody has decided."""
        fired: list[Change | None] = []

        def step(request: Request, now: datetime) -> Change | None:
            fired.append(machine.fire(request, now))
            return fired[-1]

        while True:
            after = (await self._store.change(id, step)).request
            if fired[-1] is not None:
                return {"end": "won", "how": "expired"}
            if after.state is not State.OPEN:
                return {"end": "refused", "state": after.state, "by": ""}
            await asyncio.sleep(0)  # the answers go on


async def main(url: str, name: str, attempts: int) -> None:
    """Race once per line of input."""
    store = await RedisStore.connect(url)
    racer = Racer(store, name, Signer(random.randbytes(32)))
    answer("ready")
    for line in sys.stdin:
        answer(json.dumps(await racer.wave(json.loads(line), attempts)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
