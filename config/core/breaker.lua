-- Circuit breakers that all processes share (breaker.py): asked before each call, told after it.
--
-- KEYS 1 the breaker, 2 calls under way, 3 what staff forced, 4 what is counted for the health page
-- ARGV 1 admit|judge|note, 2 call, 3 ok (1|0), 4 latency field, 5 window ms, 6 min calls, 7 failure percent, 8 consecutive,
--      9 open ms, 10 probe ms, 11 waiting ms, 12 waiting calls
-- Answers {admitted 1|0, state, the state it moved to or '', ms until the next try, forced or ''}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local verb, call, ok = ARGV[1], ARGV[2], ARGV[3] == '1'
local window, min_calls, percent, consecutive = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local open_for, probe_for = tonumber(ARGV[9]), tonumber(ARGV[10])
local waiting_for, waiting_calls = tonumber(ARGV[11]), tonumber(ARGV[12])
local b = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do b[flat[i]] = flat[i + 1] end
local state = b.state or 'closed'
local forced = redis.call('GET', KEYS[3]) or ''
local moved = ''

local function move(to)
  state, moved = to, to
  redis.call('HSET', KEYS[1], 'state', to, 'changed_at', now)
  if to == 'open' then
    redis.call('HSET', KEYS[1], 'opened_at', now)
    redis.call('HDEL', KEYS[1], 'probe', 'probe_at')
    b.opened_at = now
  elseif to == 'closed' then
    for name in pairs(b) do
      if string.match(name, '^[nf]%d') then redis.call('HDEL', KEYS[1], name) end
    end
    redis.call('HDEL', KEYS[1], 'probe', 'probe_at', 'opened_at')
    redis.call('HSET', KEYS[1], 'streak', 0, 'recovered', 1)
  end
end

local function keep()
  redis.call('PEXPIRE', KEYS[1], 3600000)
end

if verb == 'judge' then
  if state == 'closed' and redis.call('ZCOUNT', KEYS[2], now - 180000, now - waiting_for) >= waiting_calls
      and now - tonumber(b.ok_at or 0) > waiting_for then
    move('open')
    keep()
  end
  return {0, state, moved, 0, forced}
end

if verb == 'admit' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 180000)
  if forced == 'open' then return {0, state, '', redis.call('PTTL', KEYS[3]), forced} end
  if forced ~= 'closed' then
    if state == 'closed' and redis.call('ZCOUNT', KEYS[2], '-inf', now - waiting_for) >= waiting_calls
        and now - tonumber(b.ok_at or 0) > waiting_for then
      move('open')
    end
    if state == 'open' and now - tonumber(b.opened_at) >= open_for then move('half_open') end
    if state == 'open' then
      keep()
      return {0, state, moved, open_for - (now - tonumber(b.opened_at)), forced}
    end
    if state == 'half_open' then
      local left = probe_for - (now - tonumber(b.probe_at or 0))
      if b.probe and left > 0 then return {0, state, moved, left, forced} end
      redis.call('HSET', KEYS[1], 'probe', call, 'probe_at', now)
    end
  end
  redis.call('ZADD', KEYS[2], now, call)
  redis.call('PEXPIRE', KEYS[2], 180000)
  keep()
  return {1, state, moved, 0, forced}
end

redis.call('ZREM', KEYS[2], call)
redis.call('HINCRBY', KEYS[4], ok and 'ok' or 'failed', 1)
redis.call('HINCRBY', KEYS[4], ARGV[4], 1)
redis.call('PEXPIRE', KEYS[4], 3600000)
redis.call('HSET', KEYS[1], ok and 'ok_at' or 'failed_at', now)
if state == 'half_open' and b.probe == call then
  move(ok and 'closed' or 'open')
elseif state == 'closed' then
  local bucket_ms = math.floor(window / 6)
  local bucket = math.floor(now / bucket_ms)
  b['n' .. bucket] = redis.call('HINCRBY', KEYS[1], 'n' .. bucket, 1)
  if ok then
    redis.call('HSET', KEYS[1], 'streak', 0)
  else
    b['f' .. bucket] = redis.call('HINCRBY', KEYS[1], 'f' .. bucket, 1)
    local streak = redis.call('HINCRBY', KEYS[1], 'streak', 1)
    local calls, failures = 0, 0
    for name, value in pairs(b) do
      local kind, number = string.match(name, '^([nf])(%d+)$')
      if kind and tonumber(number) <= bucket - 6 then
        redis.call('HDEL', KEYS[1], name)
      elseif kind == 'n' then
        calls = calls + tonumber(value)
      elseif kind == 'f' then
        failures = failures + tonumber(value)
      end
    end
    if streak >= consecutive or (calls >= min_calls and failures * 100 >= percent * calls) then move('open') end
  end
end
keep()
return {1, state, moved, 0, forced}
