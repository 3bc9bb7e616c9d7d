"""How records look in Redis: JSON bytes in hash fields, sealed where there is a key, milliseconds, and counted lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from . import canonical
from .change import AuditEntry, AuditRecord
from .looks import withheld_json
from .request import Request
from .sealing import Seal
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


def closed(seal: Seal, about: str, body: bytes) -> bytes:
    """A record's JSON as it is stored: what looks like a token is withheld from it, whoever wrote it."""
    return seal.close(about, withheld_json(body))


def row(one: Request, seal: Seal, *, whole: bool) -> list[object]:
    """What the commit script takes for one record; `whole` includes what never changes."""
    return [
        one.id,
        closed(seal, f"ask {one.id}", canonical.encode(one.ask)) if whole else "",
        closed(
            seal,
            f"record {one.id}",
            canonical.adapter(Request).dump_json(one, exclude={"ask", "version"}),
        ),
        one.version,
        str(one.state),
        ms(one.due_at) if one.due_at else "",
    ]


def request(id: RequestId, body: bytes, mutable: bytes, version: int, seal: Seal) -> Request:
    """The record of three hash fields. Raises: CannotOpen."""
    ask, rest = seal.open(f"ask {id}", body), seal.open(f"record {id}", mutable)
    return canonical.decode(Request, b'{"ask":%b,"version":%d,%b' % (ask, version, rest[1:]))


def entries(some: Iterable[AuditEntry], thread: ThreadId, seal: Seal) -> list[object]:
    """A count and that many encoded audit entries."""
    rows = [closed(seal, f"audit {thread}", canonical.encode(entry)) for entry in some]
    return [len(rows), *rows]


def record(number: int, found: Mapping[bytes, bytes], seal: Seal) -> AuditRecord:
    """One record of the audit stream. Raises: CannotOpen."""
    about, thread = found[b"request"].decode(), ThreadId(found[b"thread"].decode())
    entry = seal.open(f"audit {thread}", found[b"entry"])
    return AuditRecord(
        number=number, at=time(int(found[b"at"])), thread=thread,
        request=RequestId(about) if about else None, entry=canonical.decode(AuditEntry, entry),
    )  # fmt: skip
