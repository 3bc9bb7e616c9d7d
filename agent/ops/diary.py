"""How often the ops agent planned, and on what words: proof that a resumed run does not plan again."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path


class Diary:
    """A table of its own beside the back office's; any number of processes may write."""

    def __init__(self, path: Path) -> None:
        """`path`: a database that exists when the first note is made."""
        self._path = path

    async def note(self, thread: str, words: str) -> None:
        """The agent plans now, on these words, in this thread."""
        await asyncio.to_thread(self._note, thread, words)

    async def plans(self, thread: str) -> tuple[str, ...]:
        """The words of every plan made in this thread, oldest first."""
        return await asyncio.to_thread(self._plans, thread)

    def _note(self, thread: str, words: str) -> None:
        with closing(self._open()) as db, db:
            db.execute("INSERT INTO plans (thread, words) VALUES (?, ?)", (thread, words))

    def _plans(self, thread: str) -> tuple[str, ...]:
        with closing(self._open()) as db:
            rows = db.execute(
                "SELECT words FROM plans WHERE thread = ? ORDER BY number", (thread,)
            ).fetchall()
        return tuple(row[0] for row in rows)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=10)
        db.execute(
            "CREATE TABLE IF NOT EXISTS plans (number INTEGER PRIMARY KEY, thread TEXT NOT NULL, words TEXT NOT NULL)"
        )
        return db
