"""One worker at a time on a thread: a lock with a lease, and a fence that outlives it.

The lock keeps two workers from starting; the fence keeps a worker that has lost its lock without noticing from
writing: every checkpoint write carries it and is refused once somebody else has taken the thread.
"""

from __future__ import annotations

from typing import NewType

import redis
import redis.asyncio

from .thread_keys import ThreadKeys

#: A higher number has the newer right to write.
Fence = NewType("Fence", int)

#: The same owner asking again gets its own first answer: the client repeats a call whose reply was lost.
#: A thread's first fence is the time: one that was deleted and begun again never has a fence that it had before.
_ACQUIRE = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(redis.call('GET', KEYS[2]))
end
if holder then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 0 then
  local now = redis.call('TIME')
  redis.call('SET', KEYS[2], now[1] .. string.format('%06d', now[2]))
end
redis.call('PERSIST', KEYS[2])
return redis.call('INCR', KEYS[2])
"""

_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class ThreadLock:
    """Who may run a thread now. `owner` is new for every acquisition, so that no two of them mix."""

    def __init__(
        self, client: redis.asyncio.Redis, sync_client: redis.Redis, *, prefix: str = "sayso"
    ) -> None:
        self._prefix = prefix
        self._acquire = client.register_script(_ACQUIRE)
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)
        self._renew_sync = sync_client.register_script(_RENEW)

    async def acquire(self, thread: str, owner: str, lease_ms: int) -> Fence | None:
        """Take the thread for `lease_ms` milliseconds; None while somebody else has it."""
        keys = ThreadKeys(self._prefix, thread)
        fence = await self._acquire(keys=[keys.lock, keys.fence], args=[owner, lease_ms])
        return None if fence is None else Fence(int(fence))

    async def renew(self, thread: str, owner: str, lease_ms: int) -> bool:
        """Begin the lease anew; False when it was lost, and then the work must stop."""
        keys = ThreadKeys(self._prefix, thread)
        return bool(await self._renew(keys=[keys.lock], args=[owner, lease_ms]))

    def renew_sync(self, thread: str, owner: str, lease_ms: int) -> bool:
        """`renew` for a thread of the operating system: a busy event loop must not lose the lease."""
        keys = ThreadKeys(self._prefix, thread)
        return bool(self._renew_sync(keys=[keys.lock], args=[owner, lease_ms]))

    async def release(self, thread: str, owner: str) -> bool:
        """Give the thread back; False when it was lost before."""
        keys = ThreadKeys(self._prefix, thread)
        return bool(await self._release(keys=[keys.lock], args=[owner]))
