"""How quick the audit trail is linked and checked: 10,000 records of an ordinary life over all partitions."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.linker import Linker
from sayso.approvals.linking import LinkKeys
from sayso.approvals.packed import pack
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.verdict import ThreadId
from sayso.bench.figures import machine, rate
from sayso.bench.store import together
from sayso.bot.evidence.checking import inspect_store
from sayso.bot.evidence.exporting import Wanted, jsonl
from sayso.bot.evidence.readers import Reader
from sayso.bot.evidence.reading import inspect_export, read_export
from sayso.bot.valkey import EmbeddedValkey

#: A card, as long as most are.
CARD = "\n".join(f"Argument {n}: a value that somebody has to read before saying yes" for n in range(24))


def entry(number: int) -> AuditEntry:
    """Every tenth one shows a card."""
    facts = {"digest": secrets.token_hex(32), "via": "slack:T0WORK/U0BO", "policy": "1f0c", "revision": "1"}
    shown = pack(CARD) if number % 10 == 0 else ""
    return AuditEntry(event=Event.VOTED, by="bo", words="Voted approve", facts=facts, shown=shown)


async def measure(store: RedisStore, count: int) -> None:
    """Print every figure."""
    keys = LinkKeys([secrets.token_bytes(32)])
    calls = [partial(store.note, entry(n), thread=ThreadId(f"bench-{n}")) for n in range(count)]
    print(rate("write records", count, await together(calls)))
    began = time.perf_counter()
    linked = await Linker(store, keys, holder="bench").link()
    print(rate("link them", linked, time.perf_counter() - began))
    began = time.perf_counter()
    found = await inspect_store(store, keys)
    print(rate("check the store", sum(one.checked for one in found), time.perf_counter() - began))
    began = time.perf_counter()
    wanted, now = Wanted(reader=Reader.AUDITOR), datetime.now(UTC)
    texts = [text async for text in jsonl(store, keys, wanted, now)]
    print(rate("export", linked, time.perf_counter() - began))
    began = time.perf_counter()
    found = inspect_export(read_export(texts), keys)
    print(rate("check the export", sum(one.checked for one in found), time.perf_counter() - began))
    assert [one.faults for one in found if one.faults] == []


async def main(url: str, count: int) -> None:
    store = await RedisStore.connect(url)
    try:
        await measure(store, count)
    finally:
        await store.close()


if __name__ == "__main__":
    print(machine())
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        asyncio.run(main(server.url, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
