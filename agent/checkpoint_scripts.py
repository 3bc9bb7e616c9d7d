"""The Lua that reads and writes checkpoints; one typed function per script.

Keys of one thread and namespace (names in `thread_keys`; all in one cluster slot):

i  ZSET, score 0       checkpoint ids; they sort by time, so the last in lexical order is the newest
c  HASH id -> row      the checkpoint without its values; `<id>/b` lists the blobs it needs
b  HASH name -> blob   one copy of a channel's value per version
p  SET                 ids of the checkpoints that have pending writes
w:<id>  HASH           task NUL index -> write
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .thread_keys import ThreadKeys, escape

#: Lua can pass some 8,000 values to one command; pairs are sent in slices of this many values.
SLICE = 4000

#: A thread's keys one by one. Writing to a thread that was about to expire keeps all of it.
EACH_KEY = """
local function each_key(namespaces, stem, act)
  for _, ns in ipairs(redis.call('SMEMBERS', namespaces)) do
    local base = stem .. ns .. ':'
    for _, id in ipairs(redis.call('SMEMBERS', base .. 'p')) do act(base .. 'w:' .. id) end
    for _, part in ipairs({'i', 'c', 'b', 'p'}) do act(base .. part) end
  end
  act(namespaces)
end
"""

#: KEYS[1] fence, KEYS[2] namespaces; ARGV[1] the fence carried or '', ARGV[2] stem, ARGV[3] namespace.
_WRITE = (
    EACH_KEY
    + """
local newest = tonumber(redis.call('GET', KEYS[1]) or '0')
if ARGV[1] ~= '' and newest ~= tonumber(ARGV[1]) then return newest end
if redis.call('PTTL', KEYS[2]) >= 0 then
  each_key(KEYS[2], ARGV[2], function(key) redis.call('PERSIST', key) end)
  redis.call('PERSIST', KEYS[1])
end
redis.call('SADD', KEYS[2], ARGV[3])
"""
)

_PUT = (
    _WRITE
    + f"""
for first = 7, #ARGV, {SLICE} do
  redis.call('HSET', KEYS[5], unpack(ARGV, first, math.min(first + {SLICE} - 1, #ARGV)))
end
redis.call('HSET', KEYS[4], ARGV[4], ARGV[5], ARGV[4] .. '/b', ARGV[6])
redis.call('ZADD', KEYS[3], 0, ARGV[4])
return -1
"""
)

_PUT_WRITES = (
    _WRITE
    + """
redis.call('SADD', KEYS[3], ARGV[4])
for at = 5, #ARGV, 3 do
  redis.call(ARGV[at], KEYS[4], ARGV[at + 1], ARGV[at + 2])
end
return -1
"""
)

BLOB_NAMES = """
local function blob_names(list)
  local names, at = {}, 1
  while at <= #list do names[#names + 1], at = struct.unpack('>I2c0', list, at) end
  return names
end
"""

_READ = (
    BLOB_NAMES
    + f"""
local found = {{}}
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])) do
  local row, list = unpack(redis.call('HMGET', KEYS[2], id, id .. '/b'))
  local names, blobs = blob_names(list or ''), {{}}
  for first = 1, #names, {SLICE} do
    local last = math.min(first + {SLICE} - 1, #names)
    for _, blob in ipairs(redis.call('HMGET', KEYS[3], unpack(names, first, last))) do
      blobs[#blobs + 1] = blob
    end
  end
  found[#found + 1] = {{id, row, names, blobs, redis.call('HGETALL', ARGV[1] .. id)}}
end
return found
"""
)

#: Only the rows: what is needed to know which checkpoint hangs on which.
_ROWS = """
local found = {}
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], '-', 'LIMIT', 0, ARGV[2])) do
  local row, list = unpack(redis.call('HMGET', KEYS[2], id, id .. '/b'))
  found[#found + 1] = {id, row, list or ''}
end
return found
"""

_NAMESPACES = "return redis.call('SMEMBERS', KEYS[1])"

#: Every script of this file, to be registered with a client once.
SCRIPTS = (_PUT, _PUT_WRITES, _READ, _ROWS, _NAMESPACES)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one script.

    A writing script answers -1, or the newest fence when it was given another one (0 when the thread was deleted).
    """

    script: str
    keys: tuple[str, ...]
    args: tuple[str | bytes | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One pending write as it is stored.

    Attributes:
        field: Task and index.
        body: Opaque bytes.
        replaces: True for errors, interrupts and answers; an ordinary write is kept as it was first written.
    """

    field: bytes
    body: bytes
    replaces: bool


def put(
    keys: ThreadKeys,
    namespace: str,
    id: str,
    *,
    fence: int | None,
    row: bytes,
    blobs: Mapping[bytes, bytes | None],
) -> Call:
    """Store a checkpoint; `blobs` are all it needs, with bytes for those that are new."""
    names = pack_names(blobs)
    new = [part for name, blob in blobs.items() if blob is not None for part in (name, blob)]
    parts = tuple(keys.of(namespace, part) for part in "icb")
    start = (_fence(fence), keys.stem, escape(namespace))
    return Call(_PUT, (keys.fence, keys.namespaces, *parts), (*start, id, row, names, *new))


def pack_names(names: Iterable[bytes]) -> bytes:
    """Names of blobs in a row."""
    return b"".join(struct.pack(">H", len(name)) + name for name in names)


def unpack_names(packed: bytes) -> Sequence[bytes]:
    """What `pack_names` was given."""
    names, at = list[bytes](), 0
    while at < len(packed):
        (length,) = struct.unpack_from(">H", packed, at)
        names.append(packed[at + 2 : at + 2 + length])
        at += 2 + length
    return names


def put_writes(keys: ThreadKeys, namespace: str, id: str, fence: int | None, writes: Sequence[Write]) -> Call:
    """Store writes of one task beside a checkpoint, which may be stored later than they."""
    parts = (keys.of(namespace, "p"), keys.of(namespace, f"w:{id}"))
    start = (_fence(fence), keys.stem, escape(namespace))
    body = [
        part for write in writes for part in ("HSET" if write.replaces else "HSETNX", write.field, write.body)
    ]
    return Call(_PUT_WRITES, (keys.fence, keys.namespaces, *parts), (*start, id, *body))


def read(keys: ThreadKeys, namespace: str, *, newest: str, oldest: str, count: int) -> Call:
    """Up to `count` checkpoints, newest first, each with its blobs and writes.

    `newest` and `oldest` are lexical bounds: "+" and "-" are open ends, "[id" includes, "(id" leaves out.
    """
    parts = tuple(keys.of(namespace, part) for part in "icb")
    return Call(_READ, parts, (keys.of(namespace, "w:"), newest, oldest, count))


def rows(keys: ThreadKeys, namespace: str, *, newest: str, count: int) -> Call:
    """Id, row and packed blob names of up to `count` checkpoints, newest first; `newest` as for `read`."""
    return Call(_ROWS, tuple(keys.of(namespace, part) for part in "ic"), (newest, count))


def namespaces(keys: ThreadKeys) -> Call:
    """The thread's namespaces, escaped, in no order."""
    return Call(_NAMESPACES, (keys.namespaces,), ())


def _fence(fence: int | None) -> str:
    return "" if fence is None else str(fence)
