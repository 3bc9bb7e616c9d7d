"""Audit trails for tests: written as our scripts write them, linked, and altered as an intruder in Redis would."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import redis
from sayso.approvals import redis_rows
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.linker import Linker
from sayso.approvals.linking import LinkKeys
from sayso.approvals.naming import PARTITIONS, partition_of
from sayso.approvals.redis_store import TOKEN_MS, RedisStore
from sayso.approvals.verdict import ThreadId

KEY = bytes(range(32))
KEYS = LinkKeys([KEY])


def thread_in(partition: int) -> ThreadId:
    """A thread whose lines stand in this partition."""
    names = (ThreadId(f"t{number}") for number in range(10_000))
    return next(name for name in names if partition_of(name) == partition)


async def write(store: RedisStore, partition: int, count: int) -> ThreadId:
    """So many records, in one step of the script that writes all of them."""
    thread = thread_in(partition)
    entries = [
        AuditEntry(
            event=Event.STEP, by="bo", words=f"Line {n}", facts={"digest": f"{n:064x}", "via": "slack:T1/UBO"}
        )
        for n in range(count)
    ]
    call = uuid.uuid4().hex
    await store._call(
        "NOTE", store._stem(partition), store._channel, call, call, TOKEN_MS, thread, "", "",
        *redis_rows.entries(entries, thread, store._seal),
    )  # fmt: skip
    return thread


async def linked(store: RedisStore, keys: LinkKeys = KEYS) -> int:
    """Link everything; how many records that were."""
    return await Linker(store, keys, holder="h1").link()


@dataclass
class Row:
    """An entry of a stream."""

    name: str
    fields: dict[bytes, bytes] = field(default_factory=dict)


Rows = list[Row]


def flip(rows: Rows, at: int) -> None:
    """One letter of what happened."""
    entry = rows[at - 1].fields[b"entry"]
    rows[at - 1].fields[b"entry"] = entry.replace(b'"by":"bo"', b'"by":"cy"')


def flip_time(rows: Rows, at: int) -> None:
    """When it happened."""
    rows[at - 1].fields[b"at"] = str(int(rows[at - 1].fields[b"at"]) - 1).encode()


def drop(rows: Rows, at: int) -> None:
    """One record less."""
    del rows[at - 1]


def renumbered(rows: Rows) -> None:
    for number, row in enumerate(rows, 1):
        row.name = f"{number}-0"


def drop_and_close_up(rows: Rows, at: int) -> None:
    """One record less, and no gap."""
    del rows[at - 1]
    renumbered(rows)


def insert(rows: Rows, at: int) -> None:
    """One record more, between two numbers."""
    rows.insert(at - 1, Row(f"{at - 1}-7", {**rows[at - 1].fields}))


def insert_and_move_up(rows: Rows, at: int) -> None:
    """One record more, and everything behind it one further."""
    rows.insert(at - 1, Row("", {**rows[at - 2].fields}))
    renumbered(rows)


def reorder(rows: Rows, at: int) -> None:
    """Two records in each other's place."""
    rows[at - 1].fields, rows[at].fields = rows[at].fields, rows[at - 1].fields


def truncate(rows: Rows, at: int) -> None:
    """Nothing from here on."""
    del rows[at - 1 :]


#: Each way to alter a trail; the first bad record is the one it is done at.
ATTACKS: Sequence[Callable[[Rows, int], None]] = (
    flip, flip_time, drop, drop_and_close_up, insert_and_move_up, reorder, truncate,
)  # fmt: skip


def rewrite(
    client: redis.Redis, partition: int, attack: Callable[[Rows, int], None], at: int, *, stream: str = "audit"
) -> None:  # fmt: skip
    """Alter a partition's trail behind our back."""
    key = f"sayso:{{{partition:02x}}}:{stream}"
    found: list[tuple[bytes, dict[bytes, bytes]]] = client.xrange(key)  # type: ignore[assignment] # its types mix sync and async
    rows = [Row(name.decode(), fields) for name, fields in found]
    attack(rows, at)
    with client.pipeline() as pipe:
        pipe.delete(key)
        for row in rows:
            pipe.xadd(key, row.fields, id=row.name)  # type: ignore[arg-type] # theirs is invariant
        pipe.execute()


def every_partition(count: int) -> dict[int, int]:
    """So many records spread evenly."""
    return {
        partition: count // PARTITIONS + (partition < count % PARTITIONS) for partition in range(PARTITIONS)
    }
