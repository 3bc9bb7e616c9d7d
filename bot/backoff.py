"""How long to wait before the next try: longer each time up to a minute, and never shorter than we were told to."""

from __future__ import annotations

from datetime import timedelta

FIRST, LONGEST = timedelta(seconds=2), timedelta(minutes=1)


def pause(attempts: int, at_least: timedelta = timedelta(0), *, jitter: float) -> timedelta:
    """The wait after so many failed tries before this one.

    Args:
        jitter: 0 to 1; up to a quarter is added, so that what failed together is not tried again together.
    """
    doubled = min(FIRST * (1 << min(attempts, 10)), LONGEST)
    return max(doubled, at_least) * (1 + jitter / 4)
