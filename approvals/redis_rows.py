"""How records look in Redis: JSON bytes in hash fields, milliseconds, and counted argument lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from . import canonical
from .change import AuditEntry, AuditRecord
from .request import Request
from .verdict import RequestId, ThreadId


def ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def ms_of(span: timedelta) -> int:
    """Whole milliseconds."""
    return round(span.total_seconds() * 1000)


def time(milliseconds: int) -> datetime:
    """UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def row(one: Request, *, whole: bool) -> list[object]:
    """What the commit script takes for one record; `whole` includes what never changes."""
    return [
        one.id,
        canonical.encode(one.ask) if whole else "",
        canonical.adapter(Request).dump_json(one, exclude={"ask", "version"}),
        one.version,
        str(one.state),
        ms(one.due_at) if one.due_at else "",
    ]


def request(body: bytes, mutable: bytes, version: int) -> Request:
    """The record of three hash fields."""
    whole = b'{"ask":%b,"version":%d,%b' % (body, version, mutable[1:])
    return canonical.decode(Request, whole)


def entries(some: Iterable[AuditEntry]) -> list[object]:
    """A count and that many encoded audit entries."""
    rows = [canonical.encode(entry) for entry in some]
    return [len(rows), *rows]


def record(number: int, found: Mapping[bytes, bytes]) -> AuditRecord:
    """One record of the audit stream."""
    about = found[b"request"].decode()
    return AuditRecord(
        number=number, at=time(int(found[b"at"])), thread=ThreadId(found[b"thread"].decode()),
        request=RequestId(about) if about else None, entry=canonical.decode(AuditEntry, found[b"entry"]),
    )  # fmt: skip
