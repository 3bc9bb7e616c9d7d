"""Second copies: where the store has replicas, only what one of them has confirmed is claimed or acted on.

A decision is written on the primary first, and a failover before a replica has it takes it back. So a transition that
`needs_copy` is sent together with WAIT in one pipeline, and a record that nobody here has seen confirmed is confirmed
before it is handed out: card, tool and caller all read it. (Lists of what is open are not: what acts, reads again.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import redis.asyncio
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

from .connection import at_primary, has_stand_in, primaries
from .errors import NotCopied
from .request import Request, State

#: How long a replica may take to confirm, milliseconds.
COPY_MS = 3_000
#: How long the key lives that is written so that there is something to confirm, milliseconds.
MARK_MS = 60_000
#: Records remembered as confirmed.
_REMEMBERED = 10_000


def needs_copy(request: Request) -> bool:
    """Whether somebody is told of this state as settled: anything that a person or a tool has brought about."""
    return request.state is not State.OPEN or bool(request.votes)


class Copies:
    """Asks the replicas of one store, if it has any; without replicas it costs nothing."""

    def __init__(self, client: redis.asyncio.Redis, *, failover: bool) -> None:
        self._client = client
        self._failover = failover
        self._confirmed: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self.asked = False  #: whether this store has replicas whose word is waited for

    async def look(self) -> None:
        """See whether there are replicas; once there are Sentinels, there are, whether they follow now or not."""
        servers = [await node.info() for node in await primaries(self._client)]
        failover = self._failover or await has_stand_in(self._client)
        self.asked = failover or any(map(has_replicas, servers))

    def lacks(self, request: Request, mutable: bytes) -> bool:
        """Whether this record still has to be confirmed before anybody hears of it."""
        known = self._confirmed.get(request.id)
        return self.asked and needs_copy(request) and known != (request.version, hash(mutable))

    def has(self, request: Request, mutable: bytes) -> None:
        """Remember that a replica has this record."""
        self._confirmed[request.id] = (request.version, hash(mutable))
        self._confirmed.move_to_end(request.id)
        if len(self._confirmed) > _REMEMBERED:
            self._confirmed.popitem(last=False)

    async def call(self, script: AsyncScript, stem: str, args: Sequence[Any]) -> Any:
        """Run the script; its answer, once a replica has everything that stood there by then.

        WAIT speaks of the last write of its own connection only, and a script that is sent again after a lost reply
        writes nothing: so a mark is written between the two.

        Raises: NotCopied.
        """

        async def ask(node: redis.asyncio.Redis) -> Any:
            for run in (("EVALSHA", script.sha), ("EVAL", script.script)):
                async with node.pipeline(transaction=False) as pipe:
                    pipe.execute_command(*run, 1, stem, *args)
                    pipe.execute_command("SET", f"{stem}copied", "", "PX", MARK_MS)
                    pipe.execute_command("WAIT", 1, COPY_MS)
                    answer, marked, copies = await pipe.execute(raise_on_error=False)
                if not isinstance(answer, NoScriptError):
                    break
            if isinstance(answer, Exception):
                raise answer
            if isinstance(marked, Exception) and str(marked).startswith("NOREPLICAS"):
                raise NotCopied  # the server does not even see one
            for error in (marked, copies):
                if isinstance(error, Exception):
                    raise error
            if copies < 1:
                raise NotCopied
            return answer

        return await at_primary(self._client, stem, ask)


def has_replicas(facts: Mapping[str, Any]) -> bool:
    """By a server's `INFO`: one follows it, or it takes no writes without one."""
    return int(facts.get("connected_slaves", 0)) > 0 or "min_slaves_good_slaves" in facts


def version(facts: Mapping[str, Any]) -> tuple[int, ...]:
    """Of the server, by its `INFO`; Valkey says which Redis it stands for."""
    return tuple(
        int(part) for part in str(facts.get("redis_version", "0")).split(".")[:2] if part.isdecimal()
    )
