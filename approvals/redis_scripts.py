"""The Lua of the Redis store: every transition is one script; all reads and checks come before the first write.

Every script gets one key, the stem of a partition ("sayso:{07}:"); all keys it touches begin with it and share
its cluster slot. Arguments are read one after the other with `arg()`. Bodies are opaque bytes.

<stem>req:<id>      HASH    body (what was asked, never changes), mutable, version, state
<stem>due, live     ZSET    request -> when its clock comes (store ms), when it was opened
<stem>run:<thread>  HASH    body;  <stem>unfinished SET of threads whose graph has not ended
<stem>tok:<token>   STRING  which call applied this token; expires
<stem>audit         STREAM  numbered records;  <stem>trail:<thread> LIST of their numbers; links: `redis_link_scripts`
<stem>work          STREAM  with group "workers";  <stem>tries:<id> SET of entries into graph code
<stem>lane:<lane>   ZSET    dirty target -> when (wall ms);  <stem>leased ZSET;  <stem>lanes HASH target -> lane
<stem>told:<id>     HASH    target -> what it shows;  <stem>notice:<id> STRING;  <stem>at:<place> SET of requests
<stem>dead          ZSET    target that is a dead letter -> since when (store ms);  <stem>dead:<id> HASH target -> letter
<stem>lease:<id>    STRING  the worker whose tool runs; expires
<stem>halt          HASH    graph, or "" for all -> when a pause of it ends (store ms; "" never), a blank, its body
<stem>handovers     HASH    (one partition only) who gave their authority away -> to whom, signed
<stem>trusts        HASH    (one partition only) what runs without asking for a while -> who trusts it, signed
<stem>policy        STRING  (first partition only) by which policy the bot works
<stem>clock         STRING  the largest time seen;  <stem>offset (demo stores only) what the clock is pushed by
"""

from __future__ import annotations

from . import halt_scripts
from .redis_link_scripts import ADD_LINKS, ANCHOR_TURN, CLEAR, LINK_TURN, LINKED_TO
from .store import MOST_LETTERS

GROUP = "workers"
#: Published when there is work or something to tell: "<partition>" as two hex digits.
WAKE = "wake"
#: How long a closed request is kept, milliseconds (30 days).
KEEP_MS = 30 * 24 * 3600 * 1000

_HEAD = """
local stem, taken = KEYS[1], 0
local function arg() taken = taken + 1; return ARGV[taken] end
local asked
local function wall()
  if not asked then
    local t = redis.call('TIME')
    asked = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
  end
  return asked
end
"""

_TIME = """
local function now()
  local ms = wall()
  local seen = tonumber(redis.call('GET', stem .. 'clock') or '0')
  if ms < seen then return seen, seen - ms end
  return ms, 0
end
"""

#: Only in demo stores: hours pass by pushing the clock.
_REAL_MS = "local ms = wall()"
_DEMO_MS = _REAL_MS + " + tonumber(redis.call('GET', stem .. 'offset') or '0')"

_WRITERS = """
local channel = arg()
local lanes = {'page', 'tell', 'redraw'}
local function mark(lane, target)
  local first  -- the most urgent one of this lane and where it waits already
  for _, other in ipairs(lanes) do
    local waits = redis.call('ZREM', stem .. 'lane:' .. other, target) == 1
    if not first and (waits or other == lane) then first = other end
  end
  redis.call('ZADD', stem .. 'lane:' .. first, wall(), target)
  redis.call('HSET', stem .. 'lanes', target, first)
end
local function write_audit(ms, thread, request, untold)
  for _ = 1, tonumber(arg()) do
    local n = redis.call('INCR', stem .. 'number')
    redis.call('XADD', stem .. 'audit', n .. '-0', 'at', ms, 'thread', thread, 'request', request, 'entry', arg())
    if not untold then redis.call('RPUSH', stem .. 'trail:' .. thread, n) end
  end
end
local function write_notices()
  for _ = 1, tonumber(arg()) do
    local id, body = arg(), arg()
    if redis.call('SETNX', stem .. 'notice:' .. id, body) == 1 then mark('tell', 'notice|' .. id .. '|') end
  end
end
local function write_work()
  for _ = 1, tonumber(arg()) do redis.call('XADD', stem .. 'work', '*', 'body', arg()) end
end
local function write_run(thread, body)
  if redis.call('HSETNX', stem .. 'run:' .. thread, 'body', body) == 1 then
    redis.call('SADD', stem .. 'unfinished', thread)
  end
end
local function wake() redis.call('PUBLISH', channel, string.match(stem, '{(%x+)}')) end
"""

#: -> {verdict, now, ms the clock went back}; verdict is done | replayed | exists | missing | moved | late | halted, with the pause.
COMMIT = f"""
local id, call, token, token_ms, expected, before = arg(), arg(), arg(), arg(), arg(), arg()
local acts, graph = arg(), arg()
local req, ms, back = stem .. 'req:' .. id, now()
local used = redis.call('GET', stem .. 'tok:' .. token)
if used then return {{used == call and 'done' or 'replayed', ms, back}} end
local version = redis.call('HGET', req, 'version')
if expected == '0' and version then return {{'exists', ms, back}} end
if expected ~= '0' and not version then return {{'missing', ms, back}} end
if expected ~= '0' and version ~= expected then return {{'moved', ms, back}} end
if before ~= '' and ms >= tonumber(before) then return {{'late', ms, back}} end
local halt = acts ~= '' and halted(graph, ms)
if halt then return {{'halted', ms, back, halt}} end
redis.call('SET', stem .. 'clock', ms)
redis.call('SET', stem .. 'tok:' .. token, call, 'PX', token_ms)
for _ = 1, tonumber(arg()) do
  local rid, body, mutable, number, state, due = arg(), arg(), arg(), arg(), arg(), arg()
  local key = stem .. 'req:' .. rid
  if rid == id or redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'mutable', mutable, 'version', number, 'state', state)
    if body ~= '' then redis.call('HSET', key, 'body', body) end
    if due == '' then
      redis.call('ZREM', stem .. 'due', rid)
      redis.call('ZREM', stem .. 'live', rid)
      redis.call('PEXPIRE', key, {KEEP_MS})
      redis.call('PEXPIRE', stem .. 'told:' .. rid, {KEEP_MS})
      redis.call('PEXPIRE', stem .. 'dead:' .. rid, {KEEP_MS})
    else
      redis.call('ZADD', stem .. 'due', due, rid)
      redis.call('ZADD', stem .. 'live', 'NX', ms, rid)
    end
  end
end
local thread, run, lease = arg(), arg(), arg()
write_run(thread, run)
if lease ~= '' then redis.call('SET', stem .. 'lease:' .. id, arg(), 'PX', lease) end
write_audit(ms, thread, id)
write_notices()
write_work()
for _ = 1, tonumber(arg()) do mark(arg(), arg()) end
wake()
return {{'done', ms, back}}
"""

#: -> {body, mutable, version, now}
LOAD = """
local found = redis.call('HMGET', stem .. 'req:' .. arg(), 'body', 'mutable', 'version')
local ms = now()
return {found[1], found[2], found[3], ms}
"""

NOW = "return {now()}"

#: Takes as many partitions as lie on one server; an idle look at all of them is one round trip, and few commands.
DUE = """
local limit, found, clocks = arg(), {}, {}
for n, partition in ipairs(KEYS) do clocks[n] = partition .. 'clock' end
for n, seen in ipairs(redis.call('MGET', unpack(clocks))) do
  stem = KEYS[n]
  local ms = wall()
  ms = math.max(ms, tonumber(seen or '0'))
  if redis.call('ZCOUNT', stem .. 'due', '-inf', ms) > 0 then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', stem .. 'due', '-inf', ms, 'LIMIT', 0, limit)) do
      found[#found + 1] = id
    end
  end
end
return found
"""

#: -> 1 when appended
NOTE = """
local call, token, token_ms, thread, request, untold = arg(), arg(), arg(), arg(), arg(), arg()
if redis.call('EXISTS', stem .. 'tok:' .. token) == 1 then return 0 end
redis.call('SET', stem .. 'tok:' .. token, call, 'PX', token_ms)
local ms = now()
write_audit(ms, thread, request, untold ~= '')
return 1
"""

#: -> 1 when this call (or this token before) started it, 0 when the thread has a run already; with `again`, 0 only
#: while that one goes on
START = """
local call, token, token_ms, again, thread, run = arg(), arg(), arg(), arg(), arg(), arg()
local used = redis.call('GET', stem .. 'tok:' .. token)
if used then return used == call and 1 or 0 end
local known = redis.call('EXISTS', stem .. 'run:' .. thread) == 1
if known and (again == '' or redis.call('SISMEMBER', stem .. 'unfinished', thread) == 1) then return 0 end
redis.call('SET', stem .. 'tok:' .. token, call, 'PX', token_ms)
redis.call('DEL', stem .. 'run:' .. thread)
redis.call('PERSIST', stem .. 'trail:' .. thread)
write_run(thread, run)
local ms = now()
write_audit(ms, thread, '')
write_work()
wake()
return 1
"""

FINISH_RUN = f"""
local thread = arg()
if redis.call('SREM', stem .. 'unfinished', thread) == 0 then return 0 end
local ms = now()
write_audit(ms, thread, '')
write_notices()
redis.call('PEXPIRE', stem .. 'run:' .. thread, {KEEP_MS})
redis.call('PEXPIRE', stem .. 'trail:' .. thread, {KEEP_MS})
wake()
return 1
"""

#: -> {id, body, tries} or nothing, as while everything is paused; work of a silent worker goes first (XAUTOCLAIM looks at ten entries at most,
#: so behind ten long runs it would not find it).
TAKE = f"""
local worker, idle = arg(), arg()
local ms = now()
if halted('', ms) then return false end
local stream = stem .. 'work'
local silent = redis.call('XPENDING', stream, '{GROUP}', 'IDLE', idle, '-', '+', 1)[1]
local entry = silent and redis.call('XCLAIM', stream, '{GROUP}', worker, idle, silent[1])[1]
if not entry then
  local fresh = redis.call('XREADGROUP', 'GROUP', '{GROUP}', worker, 'COUNT', 1, 'STREAMS', stream, '>')
  entry = fresh and fresh[1] and fresh[1][2][1]
end
if not entry then return false end
return {{entry[1], entry[2][2], redis.call('SCARD', stem .. 'tries:' .. entry[1])}}
"""

_OWNED = f"""
local item, worker = arg(), arg()
local stream = stem .. 'work'
local pending = redis.call('XPENDING', stream, '{GROUP}', item, item, 1)
if not pending[1] or pending[1][2] ~= worker then return -1 end
"""

ENTERED = (
    _OWNED
    + f"""
redis.call('SADD', stem .. 'tries:' .. item, arg())
redis.call('PEXPIRE', stem .. 'tries:' .. item, {KEEP_MS})
return redis.call('SCARD', stem .. 'tries:' .. item)
"""
)

KEEP = (
    _OWNED
    + f"""
redis.call('XCLAIM', stream, '{GROUP}', worker, 0, item, 'JUSTID')
return 1
"""
)

FINISH = (
    _OWNED
    + f"""
redis.call('XACK', stream, '{GROUP}', item)
redis.call('XDEL', stream, item)
redis.call('DEL', stem .. 'tries:' .. item)
return 1
"""
)

#: -> targets; a leased target stays out of reach until it is released or its lease has ended.
CLAIM = """
local lease, limit, ms = tonumber(arg()), tonumber(arg()), wall()
local found = {}
for _, target in ipairs(redis.call('ZRANGEBYSCORE', stem .. 'leased', '-inf', ms, 'LIMIT', 0, 100)) do
  redis.call('ZREM', stem .. 'leased', target)
  local lane = redis.call('HGET', stem .. 'lanes', target) or 'tell'
  redis.call('ZADD', stem .. 'lane:' .. lane, 'NX', ms, target)
end
for _ = 1, tonumber(arg()) do
  local lane = stem .. 'lane:' .. arg()
  for _, target in ipairs(redis.call('ZRANGEBYSCORE', lane, '-inf', ms, 'LIMIT', 0, limit)) do
    local until_ = redis.call('ZSCORE', stem .. 'leased', target)
    if until_ then
      redis.call('ZADD', lane, until_, target)
    elseif #found < limit then
      redis.call('ZREM', lane, target)
      redis.call('ZADD', stem .. 'leased', ms + lease, target)
      found[#found + 1] = target
    end
  end
end
return found
"""

#: With a letter and its time the target is buried; without one it is a letter no more once it is clean.
SET_TOLD = f"""
local target, kind, id, told, version, again, place = arg(), arg(), arg(), arg(), arg(), arg(), arg()
local letter, since = arg(), arg()
local function unbury(one)
  redis.call('ZREM', stem .. 'dead', one)
  redis.call('HDEL', stem .. 'dead:' .. string.match(one, '|([^|]*)|'), one)
end
redis.call('HSET', stem .. 'told:' .. id, target, told)
redis.call('ZREM', stem .. 'leased', target)
if letter ~= '' then
  redis.call('HSET', stem .. 'dead:' .. id, target, letter)
  redis.call('ZADD', stem .. 'dead', 'NX', since, target)
  for _, oldest in ipairs(redis.call('ZRANGE', stem .. 'dead', 0, -{MOST_LETTERS + 1})) do unbury(oldest) end
end
local newest, state = unpack(redis.call('HMGET', stem .. 'req:' .. id, 'version', 'state'))
if not newest or state == 'closed' then
  redis.call('PEXPIRE', stem .. 'told:' .. id, {KEEP_MS})
  redis.call('PEXPIRE', stem .. 'dead:' .. id, {KEEP_MS})
end
if place ~= '' then
  redis.call('SADD', stem .. 'at:' .. place, id)
  redis.call('PEXPIRE', stem .. 'at:' .. place, {KEEP_MS})
end
local lane = redis.call('HGET', stem .. 'lanes', target) or 'tell'
local marked = redis.call('ZSCORE', stem .. 'lane:' .. lane, target)
if again ~= '' then
  redis.call('ZADD', stem .. 'lane:' .. lane, wall() + tonumber(again), target)
  redis.call('HSET', stem .. 'lanes', target, lane)
elseif newest and tonumber(version) < tonumber(newest) then
  redis.call('ZADD', stem .. 'lane:' .. lane, wall(), target)
  redis.call('HSET', stem .. 'lanes', target, lane)
  wake()
else
  if marked then redis.call('ZREM', stem .. 'lane:' .. lane, target) end
  redis.call('HDEL', stem .. 'lanes', target)
  if letter == '' then unbury(target) end
  if kind == 'notice' then redis.call('PEXPIRE', stem .. 'notice:' .. id, {KEEP_MS}) end
end
return 1
"""

#: -> {letter, since, ...}, oldest first; those whose request was cleared away go.
DEAD_LETTERS = """
local found, rows = {}, redis.call('ZRANGE', stem .. 'dead', 0, -1, 'WITHSCORES')
for n = 1, #rows, 2 do
  local letter = redis.call('HGET', stem .. 'dead:' .. string.match(rows[n], '|([^|]*)|'), rows[n])
  if letter then
    found[#found + 1] = letter
    found[#found + 1] = rows[n + 1]
  else
    redis.call('ZREM', stem .. 'dead', rows[n])
  end
end
return found
"""

#: -> 1 when it was a dead letter. A notice that nobody heard is said again in all its places.
REPLAY = """
local target = arg()
local kind, id = string.match(target, '^(%a+)|([^|]*)|')
if redis.call('ZREM', stem .. 'dead', target) == 0 then return 0 end
redis.call('HDEL', stem .. 'dead:' .. id, target)
if kind == 'notice' then redis.call('DEL', stem .. 'told:' .. id) end
mark(kind == 'page' and 'page' or 'tell', target)
wake()
return 1
"""

#: Requests that have a card in this thread and still live or, with `closed`, are kept.
STANDING_IN = """
local found, place, closed = {}, arg(), arg()
for _, id in ipairs(redis.call('SMEMBERS', stem .. 'at:' .. place)) do
  local kept = closed ~= '' and redis.call('EXISTS', stem .. 'req:' .. id) == 1
  if kept or redis.call('ZSCORE', stem .. 'live', id) then found[#found + 1] = id end
end
return found
"""

RENEW = """
local key, worker, ms = stem .. 'lease:' .. arg(), arg(), arg()
if redis.call('GET', key) ~= worker then return 0 end
return redis.call('PEXPIRE', key, ms)
"""

SAY = """
write_notices()
wake()
return 1
"""

PUSH_CLOCK = "return redis.call('INCRBY', stem .. 'offset', arg())"

_PLAIN = {"ENTERED": ENTERED, "KEEP": KEEP, "FINISH": FINISH, "CLAIM": CLAIM,
          "STANDING_IN": STANDING_IN, "DEAD_LETTERS": DEAD_LETTERS, "RENEW": RENEW,
          "LINK_TURN": LINK_TURN, "LINKED_TO": LINKED_TO, "ADD_LINKS": ADD_LINKS, "ANCHOR_TURN": ANCHOR_TURN}  # fmt: skip
_TIMED = {"LOAD": LOAD, "NOW": NOW, "DUE": DUE, "TAKE": TAKE, "HALTED": halt_scripts.HALTED}
_WRITING = {"COMMIT": COMMIT, "NOTE": NOTE, "START": START, "FINISH_RUN": FINISH_RUN, "SET_TOLD": SET_TOLD,
            "REPLAY": REPLAY, "CLEAR": CLEAR, "SAY": SAY, "HALT": halt_scripts.HALT, "UNHALT": halt_scripts.UNHALT,
            "HAND_OVER": halt_scripts.HAND_OVER, "TRUST": halt_scripts.TRUST, "RETRUST": halt_scripts.RETRUST}  # fmt: skip


def texts(*, demo: bool) -> dict[str, str]:
    """Every script by name, whole; production scripts contain no way to push the clock."""
    whole = {name: _HEAD + body for name, body in _PLAIN.items()}
    whole |= {name: _HEAD + _TIME + halt_scripts.CHECK + body for name, body in _TIMED.items()}
    whole |= {name: _HEAD + _TIME + halt_scripts.CHECK + _WRITERS + body for name, body in _WRITING.items()}
    if demo:
        whole = {name: text.replace(_REAL_MS, _DEMO_MS) for name, text in whole.items()}
        whole["PUSH_CLOCK"] = _HEAD + PUSH_CLOCK
    return whole
