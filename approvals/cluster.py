"""A Redis Cluster: each command goes to the primary that keeps its key's slot, with our own pools and patience.

While a slot is being moved, half of its keys are on either side. A script that followed the server's hint to the other
side (ASK) would find records missing and make them anew, so such a slot counts as away until it has moved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.commands.core import AsyncScript, Script
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, NoScriptError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

T = TypeVar("T")

Place = tuple[str, int]  #: host, port

#: Pauses before a command is sent again, seconds; 3 in all, as with a single server.
PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5)

#: What may pass: a node that is gone, an election, a slot that is being moved.
_PASSING = (RedisConnectionError, RedisTimeoutError, ClusterDownError, TryAgainError, AskError)


class SlotMoving(RedisConnectionError):
    """The keys of this slot are being moved to another node; nothing was done."""

    def __init__(self) -> None:
        super().__init__("a slot is being moved to another node")


class Slots:
    """Which primary keeps which slot, as last heard; knows no client."""

    def __init__(self, seeds: Sequence[Place]) -> None:
        self._seeds = tuple(seeds)
        self._ranges: tuple[tuple[int, int, Place], ...] = ()
        self._moved: dict[int, Place] = {}
        self.heard = 0  #: how often the whole map was heard

    def of(self, key: str | bytes) -> Place | None:
        """The primary of a key; None when nobody has told yet."""
        slot = key_slot(key.encode() if isinstance(key, str) else key)
        if slot in self._moved:
            return self._moved[slot]
        return next((place for first, last, place in self._ranges if first <= slot <= last), None)

    @property
    def primaries(self) -> tuple[Place, ...]:
        """Every primary, each once."""
        return tuple(dict.fromkeys((*(place for _, _, place in self._ranges), *self._moved.values())))

    @property
    def to_ask(self) -> tuple[Place, ...]:
        """Who may know the map."""
        return tuple(dict.fromkeys((*self.primaries, *self._seeds)))

    def learn(self, moved: MovedError, asked: Place) -> None:
        """One slot is somewhere else."""
        self._moved[moved.slot_id] = (moved.host or asked[0], moved.port)

    def hear(self, reply: Sequence[Any], asked: Place) -> None:
        """Take the answer to CLUSTER SLOTS, from `asked`."""
        found = []
        for first, last, primary, *_ in reply:
            host = primary[0].decode() if isinstance(primary[0], bytes) else primary[0]
            found.append(
                (int(first), int(last), (host if host and host != "?" else asked[0], int(primary[1])))
            )
        self._ranges, self._moved = tuple(found), {}
        self.heard += 1


def key_of(command: Sequence[Any]) -> str | bytes | None:
    """The key that decides where a command goes; None when it may go anywhere. All keys of ours share a slot."""
    name = str(command[0]).upper()
    if name in ("EVALSHA", "EVAL"):
        return command[3] if int(command[2]) else None
    if name.partition(" ")[0] in ("CLUSTER", "CONFIG", "INFO", "PING", "PUBLISH", "SCRIPT", "ECHO", "TIME"):
        return None
    return command[1] if len(command) > 1 else None


class ClusterRedis(redis.asyncio.Redis):
    """An asyncio client for all nodes: what needs no key goes to any of them."""

    def __init__(
        self, seeds: Sequence[Place], open_node: Callable[[Place], redis.asyncio.Redis], anybody: Any
    ) -> None:
        super().__init__(connection_pool=anybody)
        self.auto_close_connection_pool = True
        self._slots = Slots(seeds)
        self._open_node = open_node
        self._nodes: dict[Place, redis.asyncio.Redis] = {}
        self._asking = asyncio.Lock()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        key = key_of(args)
        if key is None:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

        async def ask(node: Any) -> Any:
            return await node.execute_command(*args, **options)

        return await self.routed(key, ask)

    async def routed(self, key: str | bytes, ask: Callable[[redis.asyncio.Redis], Awaitable[T]]) -> T:
        """Ask the primary that keeps `key`; `ask` may be called again on another one.

        Raises: what is still wrong after a few seconds.
        """
        problem: RedisError = RedisConnectionError("No node of the Cluster can be reached.")
        for pause in PAUSES:
            if pause:
                await asyncio.sleep(pause)
            heard = self._slots.heard
            try:
                return await self._asked(key, ask)
            except _PASSING as error:
                problem = _named(error)
                if not isinstance(error, AskError):
                    await self._hear(heard)
        raise problem

    def place_of(self, key: str) -> Place | None:
        """Where this key is kept, as far as is known."""
        return self._slots.of(key)

    async def primaries(self) -> Sequence[redis.asyncio.Redis]:
        """A client of each primary. Raises: ConnectionError."""
        await self._hear(self._slots.heard)
        if not self._slots.primaries:
            raise RedisConnectionError("No node of the Cluster can be reached.")
        return [self._node(place) for place in self._slots.primaries]

    async def scan_iter(  # type: ignore[override] # theirs is declared for either kind of client
        self, match: Any = None, count: int | None = None, _type: str | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        """Keys of every node."""
        for node in await self.primaries():
            async for key in node.scan_iter(match, count, _type, **options):
                yield key

    def register_script(self, script: Any) -> AsyncScript:  # type: ignore[override] # as above
        return _AsyncScript(self, script)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Any:  # noqa: FBT001, FBT002 theirs
        """Not here: a pipeline belongs to one node, which `routed` finds by a key."""
        raise NotImplementedError

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 theirs
        for node in self._nodes.values():
            await node.aclose()
        await super().aclose(close_connection_pool)

    async def _asked(self, key: str | bytes, ask: Callable[[redis.asyncio.Redis], Awaitable[T]]) -> T:
        for _ in range(5):
            place = self._slots.of(key)
            if place is None:
                raise ClusterDownError("No node of the Cluster is known to keep this slot.")
            try:
                return await ask(self._node(place))
            except MovedError as moved:
                self._slots.learn(moved, place)
        raise ClusterDownError("The nodes of the Cluster do not agree on where this slot is.")

    def _node(self, place: Place) -> redis.asyncio.Redis:
        if place not in self._nodes:
            self._nodes[place] = self._open_node(place)
        return self._nodes[place]

    async def _hear(self, heard: int) -> None:
        """Ask around where the slots are now, unless somebody has meanwhile."""
        async with self._asking:
            for place in self._slots.to_ask:
                if self._slots.heard != heard:
                    return
                try:
                    reply = await self._node(place).execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
                except (RedisConnectionError, RedisTimeoutError):
                    continue  # the next one may know
                self._slots.hear(reply, place)


class SyncClusterRedis(redis.Redis):
    """The same for threads."""

    def __init__(
        self, seeds: Sequence[Place], open_node: Callable[[Place], redis.Redis], anybody: Any
    ) -> None:
        super().__init__(connection_pool=anybody)
        self.auto_close_connection_pool = True
        self._slots = Slots(seeds)
        self._open_node = open_node
        self._nodes: dict[Place, redis.Redis] = {}

    def execute_command(self, *args: Any, **options: Any) -> Any:
        key = key_of(args)
        if key is None:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        problem: RedisError = RedisConnectionError("No node of the Cluster can be reached.")
        for pause in PAUSES:
            if pause:
                time.sleep(pause)
            heard = self._slots.heard
            try:
                return self._asked(key, args, options)
            except _PASSING as error:
                problem = _named(error)
                if not isinstance(error, AskError):
                    self._hear(heard)
        raise problem

    def scan_iter(self, match: Any = None, count: int | None = None, **options: Any) -> Iterator[Any]:  # type: ignore[override]
        """Keys of every node."""
        self._hear(self._slots.heard)
        if not self._slots.primaries:
            raise RedisConnectionError("No node of the Cluster can be reached.")
        for place in self._slots.primaries:
            yield from self._node(place).scan_iter(match, count, **options)

    def register_script(self, script: Any) -> Script:
        return _SyncScript(self, script)

    def close(self) -> None:
        for node in self._nodes.values():
            node.close()
        super().close()

    def _asked(self, key: str | bytes, args: Sequence[Any], options: Any) -> Any:
        for _ in range(5):
            place = self._slots.of(key)
            if place is None:
                raise ClusterDownError("No node of the Cluster is known to keep this slot.")
            try:
                return self._node(place).execute_command(*args, **options)  # type: ignore[no-untyped-call]
            except MovedError as moved:
                self._slots.learn(moved, place)
        raise ClusterDownError("The nodes of the Cluster do not agree on where this slot is.")

    def _node(self, place: Place) -> redis.Redis:
        return self._nodes.get(place) or self._nodes.setdefault(place, self._open_node(place))

    def _hear(self, heard: int) -> None:
        for place in self._slots.to_ask:
            if self._slots.heard != heard:
                return
            try:
                reply = self._node(place).execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
            except (RedisConnectionError, RedisTimeoutError):
                continue  # the next one may know
            self._slots.hear(reply, place)


def _named(error: RedisError) -> RedisError:
    """The client takes ASK for an answer of its own kind; ours is "away"."""
    return SlotMoving() if isinstance(error, AskError) else error


class _AsyncScript(AsyncScript):
    """Brings its text along to a node that does not know it."""

    async def __call__(self, keys: Any = None, args: Any = None, client: Any = None) -> Any:
        asked: Any = client or self.registered_client
        try:
            return await asked.evalsha(self.sha, len(keys or ()), *(keys or ()), *(args or ()))
        except NoScriptError:
            return await asked.eval(self.script, len(keys or ()), *(keys or ()), *(args or ()))


class _SyncScript(Script):
    """Brings its text along to a node that does not know it."""

    def __call__(self, keys: Any = None, args: Any = None, client: Any = None) -> Any:
        asked: Any = client or self.registered_client
        try:
            return asked.evalsha(self.sha, len(keys or ()), *(keys or ()), *(args or ()))
        except NoScriptError:
            return asked.eval(self.script, len(keys or ()), *(keys or ()), *(args or ()))
