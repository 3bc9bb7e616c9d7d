"""The names of things in a store: in which partition a thread lies, and the one id of a pause."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

from .verdict import RequestId, ThreadId

#: How the names of graphs begin whose runs are resumed by the process that asked for them, and by no worker.
OWN = "own:"
#: How many partitions a new store gets; the number is kept in the store.
PARTITIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseKey:
    """Which pause of which thread: the identity of a request.

    Attributes:
        interrupt: LangGraph's interrupt id (or the effect's key for an action nobody is asked about).
        index: Position of the action within the interrupt.
        round: 1, and one more each time the request had to be invalidated; at most 3.
    """

    thread: ThreadId
    interrupt: str
    index: int = 0
    round: int = 1


def partition_of(thread: ThreadId, partitions: int = PARTITIONS) -> int:
    """The partition of everything that belongs to a thread (CRC-32 of its id)."""
    return zlib.crc32(thread.encode()) % partitions


def request_id(key: PauseKey, partitions: int = PARTITIONS) -> RequestId:
    """The one id of a pause: the same pause always gets the same id, which makes opening it idempotent."""
    text = f"{key.thread}\0{key.interrupt}\0{key.index}\0{key.round}"
    return RequestId(
        f"{partition_of(key.thread, partitions):02x}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    )
