"""What every bench prints: medians and p95s of measured seconds, and how busy the machine was meanwhile."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence


def line(what: str, seconds: Sequence[float]) -> str:
    """One line with p50, p95 and the slowest, in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return (
        f"  {what:<58} p50 {statistics.median(ordered) * 1000:8.1f} ms   p95 {p95 * 1000:8.1f} ms"
        f"   max {ordered[-1] * 1000:8.1f} ms   (n {len(ordered)})"
    )


def rate(what: str, count: int, seconds: float) -> str:
    """One line with how many a second."""
    return f"  {what:<58} {count / seconds:8.0f} /s   ({count} in {seconds:.1f} s)"


def machine() -> str:
    """Where this ran, and what else the machine was doing: figures of a busy one say little."""
    load = os.getloadavg()[0]
    cores = os.cpu_count() or 1
    noise = "quiet" if load < cores else "busy: other programs ran, expect a quiet machine to be faster"
    return f"Python {platform.python_version()}, {cores} cores, load {load:.1f} ({noise})"
