"""How a checkpoint becomes bytes in Redis and comes back whole; nothing here talks to Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import ormsgpack
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..approvals.errors import SaysoError
from .checkpoint_scripts import Write, unpack_names
from .serializer import UnfitState
from .thread_lock import Fence

#: Where a run's config carries the fence of its thread.
FENCE_KEY = "sayso_fence"


class StateLost(SaysoError):
    """Part of a thread's saved state is gone, so its run cannot go on from there.

    Attributes:
        thread: The thread's id.
        missing: The channels whose values are gone.
    """

    def __init__(self, thread: str, missing: Sequence[str]) -> None:
        super().__init__(f"The saved state of thread {thread!r} is not whole: {', '.join(missing)} is gone.")
        self.thread = thread
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a config points.

    Attributes:
        namespace: Of a subgraph; empty for the graph itself.
        id: Of a checkpoint; empty for the newest.
        fence: The right to write that the run carries; None when it carries none.
    """

    thread: str
    namespace: str = ""
    id: str = ""
    fence: Fence | None = None

    @classmethod
    def of(cls, config: RunnableConfig) -> Place:
        """The place that LangGraph's config names."""
        names = config["configurable"]
        return cls(
            str(names["thread_id"]),
            names.get("checkpoint_ns") or "",
            names.get("checkpoint_id") or "",
            names.get(FENCE_KEY),
        )

    def config(self, id: str) -> RunnableConfig:
        """LangGraph's config for the checkpoint `id` of this thread and namespace."""
        return {
            "configurable": {
                "thread_id": self.thread,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": id,
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a checkpoint hangs on, without its values.

    Attributes:
        parent: Id of the checkpoint before it; empty for the first.
        labels: Its metadata.
        channels: Those whose whole value it holds.
        delta: Those that are spread over the writes since some ancestor.
    """

    id: str
    parent: str
    labels: Mapping[str, Any]
    channels: frozenset[str]
    delta: frozenset[str]


class Codec:
    """Turns checkpoints, writes and what Redis returns into one another."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde = serde

    def row(self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata) -> bytes:
        """A checkpoint without its values, as stored."""
        rest = {name: value for name, value in checkpoint.items() if name != "channel_values"}
        labels = cast("dict[str, Any]", get_checkpoint_metadata(config, metadata))
        labels.pop(FENCE_KEY, None)
        parent = Place.of(config).id
        return ormsgpack.packb([parent, self._pack("checkpoint", rest), self._pack("metadata", labels)])

    def blobs(self, checkpoint: Checkpoint, new: ChannelVersions) -> dict[bytes, bytes | None]:
        """Every blob the checkpoint needs, with bytes for those that are new."""
        versions = checkpoint["channel_versions"]
        return {
            _blob_name(channel, versions[channel]): (
                self._pack(f"channel_values.{channel}", value) if channel in new else None
            )
            for channel, value in checkpoint["channel_values"].items()
            if channel in versions
        }

    def writes(self, writes: Sequence[tuple[str, Any]], task: str, path: str) -> list[Write]:
        """Pending writes of one task, as stored."""
        packed = []
        for position, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, position)
            body = ormsgpack.packb([path, channel, self._pack(f"writes.{channel}", value)])
            packed.append(Write(field=f"{task}\0{index}".encode(), body=body, replaces=index < 0))
        return packed

    def metadata(self, found: Sequence[Any]) -> dict[str, Any]:
        """Only the metadata of what the read script found, to filter by."""
        return cast("dict[str, Any]", self._unpack(ormsgpack.unpackb(found[1])[2]))

    def outline(self, thread: str, found: Sequence[Any]) -> Outline:
        """What the script of rows found. Raises: StateLost."""
        id, row, names = found
        if row is None:
            raise StateLost(thread, ["the checkpoint"])
        parent, _, packed = ormsgpack.unpackb(row)
        labels = self._unpack(packed)
        return Outline(
            id=id.decode(), parent=parent, labels=labels, channels=frozenset(map(_channel, unpack_names(names))),
            delta=frozenset(labels.get("counters_since_delta_snapshot", {})),
        )  # fmt: skip

    def whole(self, place: Place, found: Sequence[Any]) -> CheckpointTuple:
        """LangGraph's form of what the read script found. Raises: StateLost."""
        id, row, names, blobs, writes = found
        if row is None:
            raise StateLost(place.thread, ["the checkpoint"])
        parent, rest, labels = ormsgpack.unpackb(row)
        channels = [_channel(name) for name in names]
        missing = [channel for channel, blob in zip(channels, blobs, strict=True) if blob is None]
        if missing:
            raise StateLost(place.thread, missing)
        values = {channel: self._unpack(blob) for channel, blob in zip(channels, blobs, strict=True)}
        return CheckpointTuple(
            config=place.config(id.decode()),
            checkpoint=cast("Checkpoint", {**self._unpack(rest), "channel_values": values}),
            metadata=self._unpack(labels),
            parent_config=place.config(parent) if parent else None,
            pending_writes=self._pending(writes),
        )

    def _pending(self, flat: Sequence[bytes]) -> list[tuple[str, str, Any]]:
        """Pending writes in the order in which the run applies them."""
        rows = []
        for field, body in zip(flat[::2], flat[1::2], strict=True):
            task, _, index = field.decode().rpartition("\0")
            path, channel, value = ormsgpack.unpackb(body)
            rows.append((writes_sort_key(path, task, int(index)), (task, channel, value)))
        rows.sort(key=lambda row: row[0])
        return [(task, channel, self._unpack(value)) for _, (task, channel, value) in rows]

    def _pack(self, path: str, value: Any) -> bytes:
        try:
            kind, body = self._serde.dumps_typed(value)
        except UnfitState as error:
            raise error.under(path) from None
        return kind.encode() + b"\0" + body

    def _unpack(self, stored: bytes) -> Any:
        kind, _, body = stored.partition(b"\0")
        return self._serde.loads_typed((kind.decode(), body))


def _blob_name(channel: str, version: str | float) -> bytes:
    return f"{version}\0{channel}".encode()


def _channel(name: bytes) -> str:
    return name.split(b"\0", 1)[1].decode()
