"""The Lua of pauses, which every script that starts something asks about, and of authority that is handed over."""

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
