"""How fast Slack may be written to: about one message a second per channel, with short bursts, and its 429s."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from ..channel import NotYet

#: Messages that may follow each other at once in one place; afterwards one a second.
BURST = 4
_QUIET_FOR_GOOD = 600  # places remembered before the idle ones are forgotten


class Pace:
    """Says no instead of waiting, so that one busy channel holds up no other."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._blocked: dict[str, float] = {}
        self._free_at: dict[str, float] = {}

    def take(self, method: str, place: str) -> None:
        """Count one call. Raises: NotYet, when it is not its turn yet (nothing is counted then)."""
        now = self._monotonic()
        if (left := self._blocked.get(method, now) - now) > 0:
            raise NotYet(timedelta(seconds=left))
        free_at = max(self._free_at.get(place, 0.0), now - BURST)
        if (left := free_at + 1 - now) > 0:
            raise NotYet(timedelta(seconds=left))
        if len(self._free_at) > _QUIET_FOR_GOOD:
            self._free_at = {one: at for one, at in self._free_at.items() if at > now - BURST}
        self._free_at[place] = free_at + 1

    def block(self, method: str, wait: timedelta) -> None:
        """Slack answered 429: its rule is per method and workspace, so no call of this method before."""
        self._blocked[method] = self._monotonic() + wait.total_seconds()
