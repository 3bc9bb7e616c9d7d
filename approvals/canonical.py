"""One way to turn our records into bytes and back: compact JSON in field order, and its SHA-256."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Pydantic's reader and writer of a record, made once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def encode(value: object, kind: Any = None) -> bytes:
    """Bytes of a record (RFC 8259, UTF-8, no blanks), fields in their declared order.

    Mappings keep their order, because a reviewer reads facts in the order the agent gave them.
    """
    return json.dumps(plain(value, kind), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def plain(value: object, kind: Any = None) -> Any:
    """A record as JSON values."""
    return adapter(kind or type(value)).dump_python(value, mode="json")


def decode(kind: type[T], raw: bytes | str) -> T:
    """The record that `encode` wrote. Raises: pydantic.ValidationError."""
    record: T = adapter(kind).validate_json(raw)
    return record


def digest(raw: bytes | str) -> str:
    """SHA-256 as 64 hex digits (FIPS 180-4)."""
    return hashlib.sha256(raw.encode() if isinstance(raw, str) else raw).hexdigest()
