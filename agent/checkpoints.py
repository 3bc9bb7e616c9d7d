"""LangGraph's checkpoints in plain Redis or Valkey: one script per call, whole or not at all.

A Redis error always comes through: "no checkpoint" is only said when there is none, because LangGraph would start
the run from the beginning and the approval would be lost.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any, Self, TypeVar

import redis
import redis.asyncio
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..approvals.connection import open_redis, open_sync_redis
from ..approvals.together import Together
from . import checkpoint_scripts, upkeep_scripts
from .checkpoint_codec import Codec
from .checkpoint_scripts import Call
from .checkpoint_steps import EveryKey, Page, Steps, Verbs
from .serializer import StateSerializer
from .upkeep_steps import Upkeep

_T = TypeVar("_T")

#: Every script, to be registered with a client once.
SCRIPTS = (*checkpoint_scripts.SCRIPTS, *upkeep_scripts.SCRIPTS)
#: Calls of many threads that are sent together at most (measured: 8 is best, because they carry whole states).
TOGETHER = 8
#: How long the checkpoints of a finished run are kept; its record in the store goes after the same time.
KEEP = timedelta(days=30)


async def forget_later(saver: object, thread: str) -> None:
    """Let the state of a run that has ended go after a while, where its saver is ours; going on keeps it."""
    if isinstance(saver, RedisSaver):
        await saver.aexpire_thread(thread, KEEP)


class RedisSaver(BaseCheckpointSaver[str]):
    """A checkpoint saver whose writes carry the thread's fence (`config["configurable"]["sayso_fence"]`).

    Every method lets the client's errors through unchanged. Reads raise StateLost; writes raise StaleFence,
    MissingFence, TokenInState and UnknownType; upkeep raises ThreadHeld and ThreadExists.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        sync_client: redis.Redis,
        *,
        prefix: str = "sayso",
        serde: SerializerProtocol | None = None,
        require_fence: bool = False,
    ) -> None:
        super().__init__(serde=serde or StateSerializer())
        self._client = client
        self._sync_client = sync_client
        self._prefix = prefix
        self._require_fence = require_fence
        self._calls = Together(client, SCRIPTS, at_most=TOGETHER)
        self._sync_scripts = {text: sync_client.register_script(text) for text in SCRIPTS}

    @classmethod
    def at(cls, url: str, **options: Any) -> Self:
        """A saver with clients of its own; `options` are the constructor's."""
        return cls(open_redis(url), open_sync_redis(url), **options)

    async def aclose(self) -> None:
        """Close both clients."""
        self._sync_client.close()
        await self._client.aclose()

    def get_next_version(self, current: str | None, channel: None) -> str:
        """The next version of a channel; two branches of one thread never make the same."""
        count = int(current.partition(".")[0]) if current else 0
        return f"{count + 1:012d}.{secrets.token_hex(6)}"

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._run(self._verbs.get(config))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._arun(self._verbs.get(config))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self._run(self._verbs.put(config, checkpoint, metadata, new_versions))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self._arun(self._verbs.put(config, checkpoint, metadata, new_versions))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        self._run(self._verbs.put_writes(config, writes, task_id, task_path))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        await self._arun(self._verbs.put_writes(config, writes, task_id, task_path))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        left = limit
        for place in self._run(self._verbs.places(config)):
            page: Page | None = Page.first(place, before)
            while page is not None:
                found, page = self._run(self._verbs.turn(page, filter or {}))
                yield from found[:left]
                left = None if left is None else max(0, left - len(found))
                if left == 0:
                    return

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        left = limit
        for place in await self._arun(self._verbs.places(config)):
            page: Page | None = Page.first(place, before)
            while page is not None:
                found, page = await self._arun(self._verbs.turn(page, filter or {}))
                for one in found[:left]:
                    yield one
                left = None if left is None else max(0, left - len(found))
                if left == 0:
                    return

    def delete_thread(self, thread_id: str) -> None:
        self._run(self._upkeep.delete(thread_id))

    async def adelete_thread(self, thread_id: str) -> None:
        await self._arun(self._upkeep.delete(thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._run(self._upkeep.prune(thread_ids, strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self._arun(self._upkeep.prune(thread_ids, strategy))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._run(self._upkeep.delete_for_runs(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await self._arun(self._upkeep.delete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._run(self._upkeep.copy(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self._arun(self._upkeep.copy(source_thread_id, target_thread_id))

    async def aexpire_thread(self, thread_id: str, after: timedelta) -> None:
        """Forget a finished thread after a while; it is kept if it is written to before."""
        await self._arun(self._upkeep.expire(thread_id, after))

    @property
    def _verbs(self) -> Verbs:
        return Verbs(prefix=self._prefix, codec=Codec(self.serde), require_fence=self._require_fence)

    @property
    def _upkeep(self) -> Upkeep:
        return Upkeep(self._verbs)

    def _run(self, steps: Steps[_T]) -> _T:
        """Carry out the steps of a verb, blocking."""
        try:
            question = next(steps)
            while True:
                question = steps.send(self._ask(question))
        except StopIteration as end:
            result: _T = end.value
            return result

    async def _arun(self, steps: Steps[_T]) -> _T:
        """Carry out the steps of a verb on the event loop."""
        try:
            question = next(steps)
            while True:
                question = steps.send(await self._aask(question))
        except StopIteration as end:
            result: _T = end.value
            return result

    def _ask(self, question: Call | EveryKey) -> Any:
        match question:
            case Call(script, keys, args):
                return self._sync_scripts[script](keys=keys, args=args)
            case EveryKey(pattern):
                return list(self._sync_client.scan_iter(pattern, count=1000))

    async def _aask(self, question: Call | EveryKey) -> Any:
        match question:
            case Call(script, keys, args):
                return await self._calls.ask(script, keys, args)
            case EveryKey(pattern):
                return [key async for key in self._client.scan_iter(pattern, count=1000)]
