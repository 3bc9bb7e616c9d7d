"""How often a method may be called: a token bucket per method and channel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True, kw_only=True)
class Rate:
    """`burst` calls at once, then one more every `1 / per_second` seconds, for each channel apart."""

    per_second: float
    burst: int
    buckets: dict[str, _Bucket] = field(default_factory=dict)

    def wait_for(self, channel: str, now: float) -> int:
        """0 when the call may go ahead; else the whole seconds for `Retry-After`.

        Args:
            now: Monotonic seconds.
        """
        bucket = self.buckets.setdefault(channel, _Bucket(self.burst, now))
        bucket.tokens = min(self.burst, bucket.tokens + (now - bucket.at) * self.per_second)
        bucket.at = now
        if bucket.tokens < 1:
            return max(1, math.ceil((1 - bucket.tokens) / self.per_second))
        bucket.tokens -= 1
        return 0
