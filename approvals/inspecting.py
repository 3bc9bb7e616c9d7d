"""Checks a partition's linked records one after the other, and says what is wrong and where; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from .linking import Line, LinkKeys, Mark, UnknownLinkKey

#: So many hex digits of a link stand in an anchor.
ANCHORED_DIGITS = 32


class Wrong(StrEnum):
    """What can be wrong with a record; the value completes "record 17 ..."."""

    ALTERED = "was changed, or does not belong here"
    MISSING = "is missing"
    OUT_OF_PLACE = "was put in or moved here"
    UNLINKED = "has lost its link"
    UNREADABLE = "cannot be read"
    UNKNOWN_KEY = "was linked with a key that is not here"
    CUT_OFF = "was cut off at the end"
    REWRITTEN = "is not the one that was anchored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is not as it was written.

    Attributes:
        number: The first record concerned; `last` the last one.
        words: What else is known; may be empty.
    """

    partition: int
    number: int
    last: int
    wrong: Wrong
    words: str = ""

    def __str__(self) -> str:
        which = (
            f"record {self.number}" if self.number == self.last else f"records {self.number} to {self.last}"
        )
        more = f" ({self.words})" if self.words else ""
        wrong = self.wrong.value
        if self.number != self.last:
            wrong = wrong.replace("is ", "are ", 1).replace("was ", "were ", 1).replace("has ", "have ", 1)
        return f"partition {self.partition:02x}, {which}: {wrong}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """A place of the trail as it was published outside at a time (UTC)."""

    partition: int
    number: int
    link: str
    at: datetime


class Inspection:
    """Takes the lines of one partition in the order in which they stand, then its end.

    Attributes:
        faults: In the order of discovery; the one with the lowest number is where to look first.
        checked: Linked records whose link is right.
        unlinked: Records at the end that are not linked yet.
    """

    def __init__(self, keys: LinkKeys, start: Mark, *, head: int, anchors: Iterable[Anchored] = ()) -> None:
        """Take where the trail begins, and the number up to which everything is linked."""
        self.faults: list[Fault] = []
        self.checked = self.unlinked = 0
        self._keys = keys
        self._partition = start.partition
        self._head = head
        self._last = start.number
        self._last_linked = start.number
        self._before: str | None = start.link
        self._unknown: set[str] = set()
        self._anchors = defaultdict[int, list[Anchored]](list)
        for one in anchors:
            if one.partition == start.partition and one.number >= start.number:
                self._anchors[one.number].append(one)
        self._compare(start.number, start.link)

    @property
    def first(self) -> Fault | None:
        """The first bad record; None when all is well."""
        return min(self.faults, key=lambda fault: fault.number, default=None)

    def take(self, line: Line) -> None:
        """Check the next line."""
        if line.number <= self._last:
            self._say(line.number, Wrong.OUT_OF_PLACE, words=f"it stands behind {self._last}")
            return
        if line.number > self._last + 1:
            self._say(self._last + 1, Wrong.MISSING, last=line.number - 1)
            self._before = None  # what the next one was linked to is gone too
        self._last = line.number
        if line.link is None:
            self._without_link(line)
            return
        self._check(line)
        self._before, self._last_linked = line.link.text, line.number
        self._compare(line.number, line.link.text)

    def end(self, written: int = 0) -> None:
        """Say that no line follows; `written` is the number that was given out last, where that is known."""
        if self._last < max(self._head, written):
            self._say(self._last + 1, Wrong.CUT_OFF, last=max(self._head, written))
        for number in sorted(self._anchors):
            one = self._anchors[number][0]
            if number > max(self._last, self._head, written):
                self._say(self._last + 1, Wrong.CUT_OFF, last=number, words=f"anchored {_time(one.at)}")
            elif number > self._last_linked:
                self._say(number, Wrong.REWRITTEN, words=f"it was linked and anchored {_time(one.at)}")

    def _without_link(self, line: Line) -> None:
        if line.trouble:
            self._say(line.number, Wrong.UNREADABLE, words=line.trouble)
        if line.number <= self._head:
            self._say(line.number, Wrong.UNLINKED)
        else:
            self.unlinked += 1
        self._before = None

    def _check(self, line: Line) -> None:
        if line.trouble:
            self._say(line.number, Wrong.UNREADABLE, words=line.trouble)
        elif line.entry is None:
            self._say(line.number, Wrong.MISSING)
        elif self._before is None:
            return  # nothing says what it was linked to; the gap before it is said already
        else:
            self._check_link(line, self._before)

    def _check_link(self, line: Line, before: str) -> None:
        try:
            fits = self._keys.fits(before, line)
        except UnknownLinkKey as error:
            key = line.link.key if line.link else ""
            if key not in self._unknown:
                self._unknown.add(key)
                self._say(line.number, Wrong.UNKNOWN_KEY, words=str(error))
            return
        if fits:
            self.checked += 1
        else:
            self._say(line.number, Wrong.ALTERED)

    def _compare(self, number: int, link: str) -> None:
        for one in self._anchors.pop(number, ()):
            if number and one.link != link[:ANCHORED_DIGITS]:
                words = f"anchored {_time(one.at)}; it or one before it was replaced"
                self._say(number, Wrong.REWRITTEN, words=words)
                return

    def _say(self, number: int, wrong: Wrong, *, last: int = 0, words: str = "") -> None:
        fault = Fault(partition=self._partition, number=number, last=last or number, wrong=wrong, words=words)
        self.faults.append(fault)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
