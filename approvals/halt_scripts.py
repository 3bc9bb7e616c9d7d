"""The Lua of pauses: what every script that starts something asks, and how a pause begins and ends."""

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
