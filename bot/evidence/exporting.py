"""Audit records as lines of a file: JSON that can be checked without the store, or CSV for a spreadsheet.

The first line of a JSON export says what it is, then come each partition's beginning and its records with their links,
and the last line says where each partition ends, under a mac. What a role may not see is withheld from a record part
by part; its link can be checked all the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ...approvals import redis_rows
from ...approvals.linking import Line, LinkKeys, Mark, Withheld, parts_of
from ...approvals.naming import PARTITIONS
from ...approvals.redis_store import RedisStore
from ...cards.escape import line as one_line
from .readers import Reader, is_seen

#: What the mac in the last line is about.
EXPORT = "export"


COLUMNS = ("partition", "number", "at", "thread", "request", "event", "by", "words", "facts", "link", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be exported.

    Attributes:
        since: UTC; records from this instant on.
    """

    reader: Reader
    since: datetime | None = None


async def jsonl(store: RedisStore, keys: LinkKeys, wanted: Wanted, at: datetime) -> AsyncIterator[str]:
    """The lines of an export, whole ones. Raises: StoreDown, UnknownLinkKey."""
    head = {"sayso_audit": 1, "at": _iso(at), "for": wanted.reader.value}
    begins, ends = dict[str, list[object]](), dict[str, list[object]]()
    yield _text(head)
    for partition in range(PARTITIONS):
        extent = await store.extent(partition)
        begun, last = False, extent.cleared.mark
        async for line in _since(store, partition, last, wanted):
            if not begun:
                begun, last = True, line.before
                begins[f"{partition:02x}"] = [last.number, last.link]
                yield _text({"partition": f"{partition:02x}", "after": last.number, "link": last.link})
            yield _text(_record(redacted(keys, line.line, wanted.reader)))
            last = replace(last, number=line.line.number)
        if begun:
            ends[f"{partition:02x}"] = [last.number, min(extent.head.number, last.number)]
    mac = keys.mac(EXPORT, [head, begins, ends])
    yield _text({"ends": ends, "key": mac.key, "mac": mac.text})


async def table(store: RedisStore, keys: LinkKeys, wanted: Wanted) -> AsyncIterator[str]:
    """The same as CSV for people; nothing in it begins a formula. Raises: as `jsonl`."""
    yield _row(COLUMNS)
    for partition in range(PARTITIONS):
        start = (await store.extent(partition)).cleared.mark
        async for one in _since(store, partition, start, wanted):
            yield _row(_cells(redacted(keys, one.line, wanted.reader)))


@dataclass(frozen=True, slots=True)
class _Following:
    """A record, and the place it follows."""

    line: Line
    before: Mark


async def _since(store: RedisStore, partition: int, start: Mark, wanted: Wanted) -> AsyncIterator[_Following]:
    since = redis_rows.ms(wanted.since) if wanted.since else 0
    before, begun = start, False
    async for line in store.lines(partition):
        begun = begun or line.at_ms >= since
        if begun:
            yield _Following(line, before)
        else:
            link, key = (line.link.text, line.link.key) if line.link else ("", "")
            before = Mark(partition=partition, number=line.number, link=link, key=key)


def redacted(keys: LinkKeys, line: Line, reader: Reader) -> Line:
    """The line without the parts that this reader may not see."""
    if line.entry is None:
        return line
    hidden = [part for part, value in parts_of(line.entry) if value != "" and not is_seen(part, reader)]
    return keys.without(line, hidden)


def _record(line: Line) -> dict[str, object]:
    said: dict[str, object] = {
        "partition": f"{line.partition:02x}", "number": line.number, "at": _iso_ms(line.at_ms),
        "thread": line.thread, "request": line.request, "entry": _plain(line.entry),
    }  # fmt: skip
    if line.trouble:
        said["trouble"] = line.trouble
    if line.link:
        said |= {"link": line.link.text, "key": line.link.key}
    return said


def _plain(value: object) -> object:
    if isinstance(value, Withheld):
        return {"withheld": value.mac}
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, Mapping) else value


def _cells(line: Line) -> Iterator[str]:
    entry = line.entry or {"event": "(no record)"}
    yield from (f"{line.partition:02x}", str(line.number), _iso_ms(line.at_ms), line.thread, line.request)
    yield from (
        "(withheld)" if isinstance(one := entry.get(name, ""), Withheld) else str(one)
        for name in ("event", "by", "words")
    )
    facts = entry.get("facts")
    shown = facts.items() if isinstance(facts, Mapping) else ()
    yield json.dumps({name: one for name, one in shown if not isinstance(one, Withheld)}, ensure_ascii=False)
    yield from (line.link.text, line.link.key) if line.link else ("", "")


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(hardened(cell) for cell in cells)
    return text.getvalue()


def hardened(cell: str) -> str:
    """The cell on one line, and so that no spreadsheet takes it for a formula, whatever stands before its sign."""
    clean = one_line(cell)
    return f"'{clean}" if clean.lstrip()[:1] in tuple("=+-@＝＋－＠|%") else clean


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _iso_ms(ms: int) -> str:
    return redis_rows.time(ms).isoformat(timespec="milliseconds")
