"""How fast Teams may be written to, and how long a call may take: Microsoft's figures per conversation, and its 429s."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from ..channel import NotYet

#: (messages, seconds): so many in any such stretch of time, in one conversation.
WINDOWS = ((7, 1.0), (60, 30.0), (1_800, 3_600.0))
#: How long one call may take to connect, and then to answer; seconds.
PATIENCE = 10
#: Calls under way at once; the next ones wait.
AT_ONCE = 8
#: Members of a roster asked for at once.
PAGE = 500
#: A roster of more pages is taken for a loop: no team has more than 25,000 members.
MOST_PAGES = 100
_QUIET_FOR_GOOD = 600  # conversations remembered before the idle ones are forgotten


class Pace:
    """Says no instead of waiting, so that one busy conversation holds up no other."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._blocked: dict[str, float] = {}
        self._sent: dict[str, deque[float]] = {}

    def take(self, conversation: str) -> None:
        """Count one call. Raises: NotYet, when it is not its turn yet (nothing is counted then)."""
        now = self._monotonic()
        free_at = max(self._blocked.get(conversation, now), self._free_at(conversation, now))
        if free_at > now:
            raise NotYet(timedelta(seconds=free_at - now))
        if len(self._sent) > _QUIET_FOR_GOOD:
            self._sent = {one: sent for one, sent in self._sent.items() if sent[-1] > now - WINDOWS[-1][1]}
            self._blocked = {one: until for one, until in self._blocked.items() if until > now}
        self._sent.setdefault(conversation, deque(maxlen=WINDOWS[-1][0])).append(now)

    def block(self, conversation: str, wait: timedelta) -> None:
        """Teams answered 429 there."""
        self._blocked[conversation] = self._monotonic() + wait.total_seconds()

    def _free_at(self, conversation: str, now: float) -> float:
        """When the fullest window has room again, in monotonic seconds."""
        sent = self._sent.get(conversation, ())
        return max((sent[-most] + long for most, long in WINDOWS if len(sent) >= most), default=now)
