"""What one check of `sayso check` is, and how it says that something is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...approvals.errors import SaysoError

#: Looks at one thing and says in words what it found. Raises: SaysoError, with what is wrong and what to do.
Look = Callable[[], Awaitable[str]]


class Wrong(SaysoError):
    """Something is not as it has to be."""


class Doubtful(SaysoError):
    """Something works, but is probably not meant."""
