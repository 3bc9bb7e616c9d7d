"""What each verb of the checkpoint saver does, as steps that a thread or an event loop can carry out.

A verb is a generator: it yields what to ask Redis and is sent the answer, so that the sync and the async form of a
verb are the same code.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from ..approvals.errors import SaysoError
from . import checkpoint_scripts as scripts
from .checkpoint_codec import Codec, Place
from .checkpoint_scripts import Call
from .thread_keys import ThreadKeys, around_thread, unescape
from .thread_lock import Fence

#: Checkpoints fetched at once while listing.
PAGE = 32

_T = TypeVar("_T")


class StaleFence(SaysoError):
    """Another worker has taken this thread over, so nothing was written.

    Attributes:
        carried: The fence of the write.
        newest: The fence of the worker that took the thread last.
    """

    def __init__(self, thread: str, carried: Fence | None, newest: int) -> None:
        super().__init__(f"Another worker has taken thread {thread!r} over, so nothing was written.")
        self.carried = carried
        self.newest = newest


class MissingFence(SaysoError):
    """Only the worker that holds a thread's lock may write its state; this write carried no fence."""


@dataclass(frozen=True, slots=True)
class EveryKey:
    """Asks for all keys like this pattern: the only question that looks at more than one thread."""

    pattern: str


Steps = Generator[Call | EveryKey, Any, _T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The next few checkpoints of one namespace.

    Attributes:
        newest: Lexical bound where it begins; see `checkpoint_scripts.read`.
        oldest: Lexical bound where the listing ends.
    """

    place: Place
    newest: str = "+"
    oldest: str = "-"

    @classmethod
    def first(cls, place: Place, before: RunnableConfig | None) -> Page:
        """Where a listing of this place begins: everything, one checkpoint, or those before another."""
        if place.id:
            return cls(place=place, newest=f"[{place.id}", oldest=f"[{place.id}")
        cursor = Place.of(before).id if before else ""
        return cls(place=place, newest=f"({cursor}" if cursor else "+")

    def after(self, found: Sequence[Sequence[Any]]) -> Page | None:
        """The page that follows what was found; None when this was the last."""
        if len(found) < PAGE:
            return None
        return Page(place=self.place, newest=f"({found[-1][0].decode()}", oldest=self.oldest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """The verbs of one installation.

    Attributes:
        prefix: What every key begins with.
        require_fence: Refuse writes of a run that does not hold its thread's lock.
    """

    prefix: str
    codec: Codec
    require_fence: bool

    def get(self, config: RunnableConfig) -> Steps[CheckpointTuple | None]:
        """The named checkpoint, or the newest."""
        place = Place.of(config)
        found = yield self.read(Page.first(place, None), count=1)
        return self.codec.whole(place, found[0]) if found else None

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Steps[RunnableConfig]:
        """Store a checkpoint. Raises: StaleFence, MissingFence, UnfitState."""
        place = self._writable(config)
        row = self.codec.row(config, checkpoint, metadata)
        blobs = self.codec.blobs(checkpoint, new_versions)
        keys = self.keys(place.thread)
        answer = yield scripts.put(
            keys, place.namespace, checkpoint["id"], fence=place.fence, row=row, blobs=blobs
        )
        _accept(place, answer)
        return place.config(checkpoint["id"])

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task: str, path: str
    ) -> Steps[None]:
        """Store pending writes. Raises: StaleFence, MissingFence, UnfitState."""
        place = self._writable(config)
        body = self.codec.writes(writes, task, path)
        keys = self.keys(place.thread)
        answer = yield scripts.put_writes(keys, place.namespace, place.id, place.fence, body)
        _accept(place, answer)

    def turn(
        self, page: Page, wanted: Mapping[str, Any]
    ) -> Steps[tuple[Sequence[CheckpointTuple], Page | None]]:
        """What a page holds of checkpoints with this metadata, and the page that follows."""
        found = yield self.read(page)
        fits = [one for one in found if wanted.items() <= self.codec.metadata(one).items()]
        return [self.codec.whole(page.place, one) for one in fits], page.after(found)

    def places(self, config: RunnableConfig | None) -> Steps[Sequence[Place]]:
        """The threads and namespaces that a config asks for; all of them when it is None."""
        if config is not None and "checkpoint_ns" in config["configurable"]:
            return [Place.of(config)]
        if config is not None:
            asked = Place.of(config)
            return (yield from self.namespaces(asked.thread, asked.id))
        places: list[Place] = []
        for thread in (yield from self.threads()):
            places += yield from self.namespaces(thread)
        return places

    def keys(self, thread: str) -> ThreadKeys:
        return ThreadKeys(self.prefix, thread)

    def read(self, page: Page, count: int = PAGE) -> Call:
        place = page.place
        return scripts.read(
            self.keys(place.thread), place.namespace, newest=page.newest, oldest=page.oldest, count=count
        )

    def namespaces(self, thread: str, id: str = "") -> Steps[Sequence[Place]]:
        names = yield scripts.namespaces(self.keys(thread))
        return [Place(thread, name, id) for name in sorted(unescape(raw.decode()) for raw in names)]

    def threads(self) -> Steps[Sequence[str]]:
        head, tail = around_thread(self.prefix)
        found = yield EveryKey(f"{_literal(head)}*{tail}ns")
        return sorted(unescape(key.decode().removeprefix(head).removesuffix(f"{tail}ns")) for key in found)

    def _writable(self, config: RunnableConfig) -> Place:
        place = Place.of(config)
        if place.fence is None and self.require_fence:
            raise MissingFence
        return place


def _accept(place: Place, answer: int) -> None:
    if answer != -1:
        raise StaleFence(place.thread, place.fence, answer)


def _literal(text: str) -> str:
    """Text that stands for itself in a key pattern."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in text)
