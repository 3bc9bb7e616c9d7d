"""What a run was started for, in words, out of what its graph is given; it loads no agent library."""

from __future__ import annotations

from collections.abc import Mapping

#: Where a graph takes the words it is started with, the first that it has; a conversation takes them as a message.
GOAL, MESSAGES = "goal", "messages"


def goal_of(given: object) -> str:
    """In words, what a run was started for; empty where its input has none."""
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        return ""
    messages = given.get(MESSAGES)
    last = messages[-1] if isinstance(messages, list) and messages else None
    for words in (given.get(GOAL), getattr(last, "content", None), last.get("content") if isinstance(last, Mapping) else None):  # fmt: skip
        if isinstance(words, str) and words.strip():
            return words
    return ""
