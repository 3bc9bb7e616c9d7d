"""One press at a time: a person has one pair of hands per chat, however many tabs are open."""

from __future__ import annotations

import asyncio


class Turns:
    """A second press waits for the first, and then finds the screen as that one left it."""

    def __init__(self) -> None:
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    def of(self, chat: str, name: str) -> asyncio.Lock:
        """To be held while `name` presses something in `chat`."""
        return self._turns.setdefault((chat, name), asyncio.Lock())
