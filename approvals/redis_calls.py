"""What every role of the Redis store stands on: its clients, its scripts, and where each partition's keys are."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from redis.exceptions import RedisError

from . import canonical, redis_rows, redis_scripts
from .address import Kind, read_address
from .connection import is_away, open_redis, open_sync_redis
from .copies import Copies
from .errors import RequestNotFound, StoreDown
from .naming import PARTITIONS, partition_of
from .redis_wake import Waker
from .sealing import UNSEALED, Seal
from .together import Together
from .verdict import ThreadId

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Calls of one turn of the event loop that are sent together at most.
TOGETHER = 32


def down(verb: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The verb, which says StoreDown when the server cannot be reached, is not up yet or takes no writes."""

    @wraps(verb)
    async def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await verb(*args, **kwargs)
        except RedisError as error:
            if not is_away(error):
                raise
            raise StoreDown(
                f"Redis cannot be reached or takes no writes ({type(error).__name__})."
            ) from error

    return translated


class RedisCalls:
    """One Redis and the scripts in it."""

    def __init__(self, url: str, *, prefix: str = "sayso", demo: bool = False, seal: Seal = UNSEALED) -> None:
        self._redis: Any = open_redis(url)  # its own types mix str and bytes
        self._sync = open_sync_redis(url)
        self._prefix = prefix
        self._demo = demo
        self._seal = seal
        self._sources = sources = redis_scripts.texts(demo=demo)
        self._scripts = {name: self._redis.register_script(text) for name, text in sources.items()}
        self._calls = Together(
            self._redis, [sources[name] for name in ("DUE", "LOAD", "COMMIT")], at_most=TOGETHER
        )
        self._renew = self._sync.register_script(sources["RENEW"])
        kind, stems = read_address(url).kind, [self._stem(partition) for partition in range(PARTITIONS)]
        #: Partitions that one script may look at; each by itself on a Cluster, where they lie on several servers.
        self._together = [[stem] for stem in stems] if kind is Kind.CLUSTER else [stems]
        failover = kind is Kind.SENTINEL
        self._copies = Copies(self._redis, failover=failover)
        self._waker = Waker(url, self._channel, PARTITIONS)
        #: Milliseconds the server's clock was seen to go back; 0 is healthy.
        self.clock_went_back_ms = 0

    def _stem(self, partition: int) -> str:
        return f"{self._prefix}:{{{partition:02x}}}:"

    def _stem_of(self, id: str) -> str:
        """Raises: RequestNotFound when the id is not one of ours."""
        try:
            partition = int(id[:2], 16)
        except ValueError:
            raise RequestNotFound from None
        if id[2:3] != "-" or partition >= PARTITIONS:
            raise RequestNotFound
        return self._stem(partition)

    async def _call(self, name: str, stem: str, *args: Any) -> Any:
        return await self._scripts[name](keys=[stem], args=list(args))

    async def _call_together(self, name: str, stem: str, *args: Any) -> Any:
        """The same, in one round trip with others of this turn of the event loop: for what is done to many at once."""
        return await self._calls.ask(self._sources[name], [stem], args)

    def _closed(self, about: str, value: object) -> bytes:
        return redis_rows.closed(self._seal, about, canonical.encode(value))

    def _opened(self, about: str, kind: type[T], raw: bytes) -> T:
        return canonical.decode(kind, self._seal.open(about, raw))

    async def _call_copied(self, name: str, stem: str, *args: Any) -> Any:
        """The same, answered once a replica has it. Raises: NotCopied."""
        return await self._copies.call(self._scripts[name], stem, args)

    @property
    def _channel(self) -> str:
        return f"{self._prefix}:{redis_scripts.WAKE}"

    def _stem_of_thread(self, thread: ThreadId) -> str:
        return self._stem(partition_of(thread, PARTITIONS))
