"""The parts a process can play, and which of them belong to a chosen role."""

from __future__ import annotations

from collections.abc import Iterable

BOT, WORKER, SCHEDULER, ALL = "bot", "worker", "scheduler", "all"


def chosen(roles: Iterable[str]) -> frozenset[str]:
    """The parts that these roles mean."""
    names = frozenset(roles)
    return frozenset({BOT, WORKER, SCHEDULER}) if ALL in names else names
