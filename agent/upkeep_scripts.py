"""The Lua that thins, copies and forgets stored threads; the keys are those of `checkpoint_scripts`.

Whoever tidies up reads first and decides then. What was read is summed up in a mark, and the writing script does nothing
when the mark is another one by then, or when a worker holds the thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from .checkpoint_scripts import BLOB_NAMES, EACH_KEY, SLICE, Call, pack_names
from .thread_keys import ThreadKeys, escape

#: The mark of a thread that a worker runs now.
HELD = b"held"

#: What is left of a copy whose process died goes away after this time.
STAGED = timedelta(days=1)

_MARK = """
local function mark(lock, fence, namespaces, stem)
  if redis.call('EXISTS', lock) == 1 then return 'held' end
  local parts, names = {redis.call('GET', fence) or ''}, redis.call('SMEMBERS', namespaces)
  table.sort(names)
  for _, ns in ipairs(names) do
    local base = stem .. ns .. ':'
    local newest = redis.call('ZREVRANGE', base .. 'i', 0, 0)[1] or ''
    local writes = redis.call('HLEN', base .. 'w:' .. newest)
    parts[#parts + 1] = table.concat({ns, redis.call('ZCARD', base .. 'i'), newest, writes}, ' ')
  end
  return table.concat(parts, '\\n')
end
"""

_LOOK = _MARK + "return mark(KEYS[1], KEYS[2], KEYS[3], ARGV[1])"

_DROP = (
    _MARK
    + BLOB_NAMES
    + """
local function tidy(base)
  if redis.call('ZCARD', base .. 'i') == 0 then
    for _, id in ipairs(redis.call('SMEMBERS', base .. 'p')) do redis.call('UNLINK', base .. 'w:' .. id) end
    return redis.call('UNLINK', base .. 'c', base .. 'b', base .. 'p')
  end
  local needed = {}
  for _, id in ipairs(redis.call('ZRANGE', base .. 'i', 0, -1)) do
    local list = redis.call('HGET', base .. 'c', id .. '/b') or ''
    for _, name in ipairs(blob_names(list)) do needed[name] = true end
  end
  for _, name in ipairs(redis.call('HKEYS', base .. 'b')) do
    if not needed[name] then redis.call('HDEL', base .. 'b', name) end
  end
end

if mark(KEYS[1], KEYS[2], KEYS[3], ARGV[1]) ~= ARGV[2] then return 0 end
local at = 3
while at <= #ARGV do
  local ns, base = ARGV[at], ARGV[1] .. ARGV[at] .. ':'
  local last = at + 1 + tonumber(ARGV[at + 1])
  for n = at + 2, last do
    redis.call('ZREM', base .. 'i', ARGV[n])
    redis.call('HDEL', base .. 'c', ARGV[n], ARGV[n] .. '/b')
    redis.call('SREM', base .. 'p', ARGV[n])
    redis.call('UNLINK', base .. 'w:' .. ARGV[n])
  end
  tidy(base)
  if redis.call('EXISTS', base .. 'i') == 0 then redis.call('SREM', KEYS[3], ns) end
  at = last + 1
end
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('DEL', KEYS[2]) end
return -1
"""
)

_DELETE = (
    EACH_KEY
    + """
each_key(KEYS[2], ARGV[1], function(key) redis.call('UNLINK', key) end)
redis.call('DEL', KEYS[1])
return -1
"""
)

_EXPIRE = (
    EACH_KEY
    + """
each_key(KEYS[2], ARGV[1], function(key) redis.call('PEXPIRE', key, ARGV[2]) end)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return -1
"""
)

#: Makes room for a copy, also after one that was cut off.
_CLEAR = (
    EACH_KEY
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for _, ns in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  if redis.call('EXISTS', ARGV[1] .. ns .. ':i') == 1 then return 0 end
end
each_key(KEYS[2], ARGV[1], function(key) redis.call('UNLINK', key) end)
return -1
"""
)

#: Stores a checkpoint that no reader sees yet: it is in no index.
_STAGE = f"""
local function hset(key, first, last)
  for at = first, last, {SLICE} do
    redis.call('HSET', key, unpack(ARGV, at, math.min(at + {SLICE} - 1, last)))
  end
end
local blobs = tonumber(ARGV[6])
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3], ARGV[2] .. '/b', ARGV[4])
hset(KEYS[3], 7, 6 + blobs)
if #ARGV > 6 + blobs then
  redis.call('SADD', KEYS[4], ARGV[2])
  hset(KEYS[5], 7 + blobs, #ARGV)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[5]) end
return -1
"""

_PUBLISH = (
    EACH_KEY
    + """
local function each_namespace(act)
  local at = 2
  while at <= #ARGV do
    local last = at + 1 + tonumber(ARGV[at + 1])
    if act(ARGV[1] .. ARGV[at] .. ':i', at + 2, last) then return true end
    at = last + 1
  end
end
local function taken(index, first)
  return redis.call('EXISTS', index) == 1 and not redis.call('ZSCORE', index, ARGV[first])
end
if redis.call('EXISTS', KEYS[1]) == 1 or each_namespace(taken) then return 0 end
each_namespace(function(index, first, last)
  for n = first, last do redis.call('ZADD', index, 0, ARGV[n]) end
end)
each_key(KEYS[2], ARGV[1], function(key) redis.call('PERSIST', key) end)
return -1
"""
)

#: Every script of this file, to be registered with a client once.
SCRIPTS = (_LOOK, _DROP, _DELETE, _EXPIRE, _CLEAR, _STAGE, _PUBLISH)


def look(keys: ThreadKeys) -> Call:
    """The thread's mark; `HELD` while a worker runs it."""
    return Call(_LOOK, (keys.lock, keys.fence, keys.namespaces), (keys.stem,))


def drop(keys: ThreadKeys, mark: bytes, ids: Mapping[str, Sequence[str]]) -> Call:
    """Forget some checkpoints of each namespace, and the blobs that no other one needs; 0 when the mark has changed."""
    listed = _by_namespace(ids)
    return Call(_DROP, (keys.lock, keys.fence, keys.namespaces), (keys.stem, mark, *listed))


def delete(keys: ThreadKeys) -> Call:
    """Forget a thread and its fence; a worker that still runs it can write no more, because no fence is its own."""
    return Call(_DELETE, (keys.fence, keys.namespaces), (keys.stem,))


def expire(keys: ThreadKeys, after: timedelta) -> Call:
    """Forget a thread after a while, unless it is written to before."""
    return Call(_EXPIRE, (keys.fence, keys.namespaces), (keys.stem, _milliseconds(after)))


def clear(keys: ThreadKeys) -> Call:
    """Make room for a copy; 0 when the thread has checkpoints, or a worker holds it."""
    return Call(_CLEAR, (keys.lock, keys.namespaces), (keys.stem,))


def stage(
    keys: ThreadKeys,
    namespace: str,
    id: str,
    *,
    row: bytes,
    names: Sequence[bytes],
    blobs: Mapping[bytes, bytes],
    writes: Sequence[bytes],
) -> Call:
    """Store a checkpoint of a copy; `names` are the blobs it needs, `writes` pairs of field and body."""
    parts = tuple(keys.of(namespace, part) for part in "cbp")
    start = (escape(namespace), id, row, pack_names(names), _milliseconds(STAGED), 2 * len(blobs))
    pairs = [part for pair in blobs.items() for part in pair]
    return Call(_STAGE, (keys.namespaces, *parts, keys.of(namespace, f"w:{id}")), (*start, *pairs, *writes))


def publish(keys: ThreadKeys, ids: Mapping[str, Sequence[str]]) -> Call:
    """Let the staged copy be seen, all of it at once; 0 when somebody else has begun a thread there."""
    return Call(_PUBLISH, (keys.lock, keys.namespaces), (keys.stem, *_by_namespace(ids)))


def _by_namespace(ids: Mapping[str, Sequence[str]]) -> list[str | int]:
    listed: list[str | int] = []
    for name, some in ids.items():
        listed += [escape(name), len(some), *some]
    return listed


def _milliseconds(span: timedelta) -> int:
    return int(span / timedelta(milliseconds=1))
