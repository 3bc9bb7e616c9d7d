"""The names of things in a store: in which partition a thread lies, and the one id of a pause."""

from __future__ import annotations

import hashlib
import zlib

from .request import PauseKey
from .verdict import RequestId, ThreadId

#: How many partitions a new store gets; the number is kept in the store.
PARTITIONS = 16


def partition_of(thread: ThreadId, partitions: int = PARTITIONS) -> int:
    """The partition of everything that belongs to a thread (CRC-32 of its id)."""
    return zlib.crc32(thread.encode()) % partitions


def request_id(key: PauseKey, partitions: int = PARTITIONS) -> RequestId:
    """The one id of a pause: the same pause always gets the same id, which makes opening it idempotent."""
    text = f"{key.thread}\0{key.interrupt}\0{key.index}\0{key.round}"
    return RequestId(
        f"{partition_of(key.thread, partitions):02x}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    )
