"""The Lua of pauses, which every script that starts something asks about, of authority that is handed over, and of trust."""

from __future__ import annotations

#: The pause that holds for this graph at `ms`, or false; one whose end cannot be read holds.
CHECK = """
local function halted(graph, ms)
  for _, name in ipairs({'', graph}) do
    local found = redis.call('HGET', stem .. 'halt', name)
    local ends = found and string.match(found, '^(%d+) ')
    if found and not (ends and ms >= tonumber(ends)) then return found end
  end
  return false
end
"""

#: -> the pause that holds for a graph, or nothing
HALTED = """
local ms = now()
return halted(arg(), ms)
"""

HALT = """
redis.call('HSET', stem .. 'halt', arg(), arg())
local ms = now()
write_audit(ms, arg(), '')
return 1
"""

#: -> 1 when there was one; with `ended` only one whose time is over.
UNHALT = """
local graph, ended = arg(), arg()
local ms = now()
local ends = string.match(redis.call('HGET', stem .. 'halt', graph) or '', '^(%d+) ')
if ended ~= '' and not (ends and ms >= tonumber(ends)) then return 0 end
if redis.call('HDEL', stem .. 'halt', graph) == 0 then return 0 end
write_audit(ms, arg(), '')
wake()
return 1
"""

#: A person's authority in somebody's hands; without a body it is theirs again.
HAND_OVER = """
local by, body = arg(), arg()
if body == '' and redis.call('HDEL', stem .. 'handovers', by) == 0 then return 0 end
if body ~= '' then redis.call('HSET', stem .. 'handovers', by, body) end
local ms = now()
write_audit(ms, arg(), '')
return 1
"""

#: -> 1, or 0 when this token was used before, or nothing was there. What is trusted; without a body it is so no more. Those that have ended are put away with it.
TRUST = """
local token, token_ms, id, body, ended = arg(), arg(), arg(), arg(), tonumber(arg())
if token ~= '' and not redis.call('SET', stem .. 'tok:' .. token, id, 'PX', token_ms, 'NX') then return 0 end
for _ = 1, ended do redis.call('HDEL', stem .. 'trusts', arg()) end
if body == '' and redis.call('HDEL', stem .. 'trusts', id) == 0 then return 0 end
if body ~= '' then redis.call('HSET', stem .. 'trusts', id, body) end
local ms = now()
write_audit(ms, arg(), '')
return 1
"""

#: -> 1, or 0 when what is kept is not `before` any more. The same trust seen again; without a body it is over.
RETRUST = """
local id, before, body = arg(), arg(), arg()
if redis.call('HGET', stem .. 'trusts', id) ~= before then return 0 end
if body ~= '' then redis.call('HSET', stem .. 'trusts', id, body) else redis.call('HDEL', stem .. 'trusts', id) end
local ms = now()
write_audit(ms, arg(), '')
return 1
"""
