"""How audit records are linked: each link is an HMAC-SHA-256 over the record and the link before it; pure.

Each part of a record goes in by a keyed digest of its own, so that a part may be withheld and the link still be checked.
What is found when links are checked is in `inspecting`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .errors import BadSetting, SaysoError

#: Where keys come from: base64 of 32 bytes each, separated by commas, the one that links first.
AUDIT_KEYS = "SAYSO_AUDIT_KEYS"

_KEY_BYTES = 32
#: JSON as `canonical` writes it; made once, because a trail has many parts.
compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
#: What names a part of an entry: ("words",) or ("facts", "digest").
Part = tuple[str, ...]


class UnknownLinkKey(SaysoError):
    """This was linked with a key that is not here."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Stands for a part that the reader may not see.

    Attributes:
        mac: The part's keyed digest, which is all that its link needs; 64 hex digits.
    """

    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in a partition's trail: everything up to `number`, and nothing else, led to `link`.

    Attributes:
        number: 0 before the first record.
        link: 64 hex digits; empty at 0.
        key: Name of the key that made the link, 8 hex digits; empty at 0.
    """

    partition: int
    number: int = 0
    link: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """What ties a record to the one before it: 64 hex digits, and the name of the key they were made with."""

    text: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One numbered record as it stands in a store or an export.

    Attributes:
        at_ms: The store's time, milliseconds since 1970.
        thread, request: What it is about; `request` is empty for a line about a run.
        entry: The entry's JSON values, or `Withheld` in their place; None where there is no such record.
        link: None where it is not linked.
        trouble: Why what stands there cannot be read; empty when it can.
    """

    partition: int
    number: int
    at_ms: int = 0
    thread: str = ""
    request: str = ""
    entry: Mapping[str, object] | None = None
    link: Link | None = None
    trouble: str = ""


class LinkKeys:
    """Makes links with the first key, and checks what any of them made."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take at least one key of 32 bytes."""
        self._keys = {_name(key): key for key in keys}
        self._first = _name(keys[0])

    @property
    def names(self) -> tuple[str, ...]:
        """A name of each key, 8 hex digits, the one that links first; it says nothing about the key."""
        return tuple(self._keys)

    def linked(self, before: Mark, lines: Sequence[Line]) -> Sequence[Link]:
        """The links of the lines that follow a place."""
        links, last = list[Link](), before.link
        for line in lines:
            links.append(Link(self._link(self._first, last, line), self._first))
            last = links[-1].text
        return links

    def fits(self, before: str, line: Line) -> bool:
        """Whether the line's own link is the one of this line after the link `before`. Raises: UnknownLinkKey."""
        if line.link is None:
            return False
        made = self._link(line.link.key, before, line)
        return hmac.compare_digest(made.encode(), line.link.text.encode())

    def without(self, line: Line, parts: Sequence[Part]) -> Line:
        """The line with these parts withheld. Raises: UnknownLinkKey."""
        if line.entry is None:
            return line
        key = line.link.key if line.link else self._first
        entry = dict(line.entry)
        for part in parts:
            inner = entry[part[0]]
            if len(part) == 1:
                entry[part[0]] = Withheld(self._part(key, line, part, inner))
            elif isinstance(inner, Mapping):
                mac = Withheld(self._part(key, line, part, inner[part[1]]))
                entry[part[0]] = {**inner, part[1]: mac}
        return replace(line, entry=entry)

    def mac(self, about: str, body: object) -> Link:
        """A keyed digest of JSON values that are no record: an anchor, the beginning or the end of an export."""
        return Link(self._mac(self._first, about, body), self._first)

    def made(self, mac: Link, about: str, body: object) -> bool:
        """Whether one of our keys made it of exactly this. Raises: UnknownLinkKey."""
        return hmac.compare_digest(self._mac(mac.key, about, body).encode(), mac.text.encode())

    def _link(self, key: str, before: str, line: Line) -> str:
        if line.entry is None:
            return self._mac(key, "no record", [before, line.partition, line.number])
        parts = [[*part, self._part(key, line, part, value)] for part, value in parts_of(line.entry)]
        about = [before, line.partition, line.number, line.at_ms, line.thread, line.request]
        return self._mac(key, "record", [*about, sorted(parts)])

    def _part(self, key: str, line: Line, part: Part, value: object) -> str:
        if isinstance(value, Withheld):
            return value.mac
        kind, text = ("text", value) if isinstance(value, str) else ("json", compact(value))
        place = f"{line.partition} {line.number} {len(part)} {len(part[-1])} {part[-1]}"
        return self._digest(key, f"sayso audit 1 part {place} {kind} {text}")

    def _mac(self, key: str, about: str, body: object) -> str:
        return self._digest(key, compact(["sayso audit 1", about, body]))

    def _digest(self, key: str, text: str) -> str:
        secret = self._keys.get(key)
        if secret is None:
            raise UnknownLinkKey(f"{AUDIT_KEYS} lacks the key {key!r} that this was linked with.")
        return hmac.digest(secret, text.encode(errors="surrogatepass"), "sha256").hex()


def parts_of(entry: Mapping[str, object]) -> Iterator[tuple[Part, object]]:
    """Each part of an entry by its name: its fields, and each fact by itself."""
    for name, value in entry.items():
        if name == "facts" and isinstance(value, Mapping):
            yield from (((name, fact), one) for fact, one in value.items())
        else:
            yield (name,), value


def read_link_keys(text: str) -> LinkKeys | None:
    """The keys as `AUDIT_KEYS` names them; None in an empty text. Raises: BadSetting, without a word of any key."""
    keys = [_key(number, part.strip()) for number, part in enumerate(text.split(","), 1) if part.strip()]
    if len(set(keys)) < len(keys):
        raise BadSetting(f"{AUDIT_KEYS} names one key twice.")
    return LinkKeys(keys) if keys else None


def _key(number: int, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise BadSetting(
            f"{AUDIT_KEYS}: key {number} is not base64 of 32 bytes; `openssl rand -base64 32` makes one."
        )
    return key


def _name(key: bytes) -> str:
    return hashlib.sha256(b"sayso audit key\0" + key).hexdigest()[:8]
