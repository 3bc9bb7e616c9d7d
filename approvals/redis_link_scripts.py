"""The Lua by which audit records are linked and cleared away; one key, the stem of a partition, as in `redis_scripts`.

<stem>links    STREAM  "<number>-0": link, and the name of its key; the last one is where the trail is linked to
<stem>linker   STRING  which process links this partition at the moment; expires
<stem>cleared  HASH    number, link, key of the last record that was cleared away, when, and the mac over all of that
<stem>anchored STRING  (first partition only) somebody anchors the trail in this minute; expires
"""

from __future__ import annotations

_HEAD_OF_LINKS = """
local function head()
  local last = redis.call('XREVRANGE', stem .. 'links', '+', '-', 'COUNT', 1)[1]
  if last then return string.match(last[1], '^%d+'), last[2][2], last[2][4] or '' end
  local cleared = redis.call('HMGET', stem .. 'cleared', 'number', 'link', 'key')
  return cleared[1] or '0', cleared[2] or '', cleared[3] or ''
end
"""

#: -> {number, link, key} of the last linked record
LINKED_TO = _HEAD_OF_LINKS + "return {head()}"

#: -> nothing while another process links here; else the last linked record and rows of the audit stream after it
LINK_TURN = (
    _HEAD_OF_LINKS
    + """
local holder, lease, limit = arg(), arg(), arg()
local held = redis.call('GET', stem .. 'linker')
if held and held ~= holder then return false end
redis.call('SET', stem .. 'linker', holder, 'PX', lease)
local number, link, key = head()
local given = redis.call('GET', stem .. 'number') or '0'  -- no record of ours has a higher one
return {number, link, key, redis.call('XRANGE', stem .. 'audit', (number + 1) .. '-0', given, 'COUNT', limit)}
"""
)

#: -> 1 when the links were added, 0 when the trail is linked further, or otherwise, already: it never forks.
ADD_LINKS = (
    _HEAD_OF_LINKS
    + """
local number, link = head()
if number ~= arg() or link ~= arg() then return 0 end
for _ = 1, tonumber(arg()) do
  redis.call('XADD', stem .. 'links', arg() .. '-0', 'link', arg(), 'key', arg())
end
return 1
"""
)

#: -> 1 when everything up to a linked record was cleared away, 0 when somebody else has been here
CLEAR = (
    _HEAD_OF_LINKS
    + """
local from, number, link, key, at, mac, thread = arg(), arg(), arg(), arg(), arg(), arg(), arg()
if (redis.call('HGET', stem .. 'cleared', 'number') or '0') ~= from then return 0 end
if tonumber((head())) <= tonumber(number) then return 0 end  -- the last link stays: the next one follows it
local ms = now()
redis.call('HSET', stem .. 'cleared', 'number', number, 'link', link, 'key', key, 'at', at, 'mac', mac)
redis.call('XTRIM', stem .. 'audit', 'MINID', (number + 1) .. '-0')
redis.call('XTRIM', stem .. 'links', 'MINID', (number + 1) .. '-0')
write_audit(ms, thread, '')
return 1
"""
)

#: -> 1 for the one process that anchors in this minute
ANCHOR_TURN = """
return redis.call('SET', stem .. 'anchored', arg(), 'NX', 'PX', arg()) and 1 or 0
"""
