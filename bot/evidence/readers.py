"""For whom an export of the audit trail is, and what each of them sees."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reader(StrEnum):
    """For whom an export is."""

    AUDITOR = "auditor"  #: everything
    ENGINEER = "engineer"  #: what happened to which request, without persons, words and cards
    STATISTICS = "statistics"  #: which events, and when


#: The parts of an entry that each reader sees besides its event; None means all. What is new is withheld until named here.
SEEN: Mapping[Reader, frozenset[str] | None] = {
    Reader.AUDITOR: None,
    Reader.ENGINEER: frozenset(
        {"attempt", "before", "card_digest", "digest", "from", "graph", "key", "lines", "link", "message", "needed", "outcome",
         "oversight", "policy", "revision", "route", "seconds", "sets", "to", "tool", "why"}
    ),
    Reader.STATISTICS: frozenset(),
}  # fmt: skip


def is_seen(part: tuple[str, ...], reader: Reader) -> bool:
    """Whether this reader sees this part of an entry, named as links name it."""
    seen = SEEN[reader]
    return seen is None or part == ("event",) or (part[0] == "facts" and part[1:] != () and part[1] in seen)
