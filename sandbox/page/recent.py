"""How much of a conversation a tab is shown: its newest threads, whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Message = TypeVar("Message")

#: Threads per conversation; those last written in.
THREADS = 100


def newest_threads(messages: Sequence[Message], root_of: Callable[[Message], str]) -> list[Message]:
    """The messages of the newest threads, oldest first; `messages` are in order of arrival."""
    roots: dict[str, None] = {}
    for message in messages:
        root = root_of(message)
        roots.pop(root, None)
        roots[root] = None
    kept = set(list(roots)[-THREADS:])
    return [message for message in messages if root_of(message) in kept]
