-- Judges all the hits of a call and, if every one of them fits, records them.
--
-- KEYS: a counter for each hit, all different.
-- ARGV: algorithm, limit, window and cost of each hit.
-- Reply: {remaining, reset, wait, stamp} of each hit; wait is 0 for a hit that fits
-- and -1 for one that does not fit into an empty counter.
--
-- Times are integer microseconds: below 2^53, and so exact in Lua's doubles.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Redis may write a large number with an exponent, which LREM would not find.
local function integer(number)
  return string.format('%.0f', number)
end

-- A list of the times of the hits, newest first; a hit counts until a window later.
local log = {}

function log.read(counter)
  local key, window = counter.key, counter.window
  local oldest = tonumber(redis.call('LINDEX', key, -1))
  while oldest and oldest + window <= now do
    redis.call('RPOP', key)
    oldest = tonumber(redis.call('LINDEX', key, -1))
  end
  counter.used = oldest and redis.call('LLEN', key) or 0
  counter.remaining = math.max(0, counter.limit - counter.used)
  counter.reset = oldest and oldest + window - now or 0
end

function log.wait(counter)
  local excess = counter.used + counter.cost - counter.limit
  local expires_at = redis.call('LINDEX', counter.key, -excess) + counter.window
  return math.max(1, expires_at - now) -- the clock of a new primary may lag
end

function log.take(counter)
  local stamp, stamps = integer(now), {}
  for i = 1, counter.cost do
    stamps[i] = stamp
  end
  redis.call('LPUSH', counter.key, unpack(stamps))
  local expires_at = math.ceil((now + counter.window) / 1000)
  redis.call('PEXPIREAT', counter.key, integer(expires_at))
  if counter.used == 0 then
    counter.reset = counter.window
  end
  return now
end

-- When the counter will be full again: the theoretical arrival time of ITU-T I.371.
local gcra = {}

local function next_refill(debt, interval)
  return debt > 0 and (debt - 1) % interval + 1 or 0
end

function gcra.read(counter)
  local interval = math.ceil(counter.window / counter.limit)
  local full_at = tonumber(redis.call('GET', counter.key) or now)
  counter.interval, counter.debt = interval, math.max(0, full_at - now)
  counter.remaining = math.max(0, counter.limit - math.ceil(counter.debt / interval))
  counter.reset = next_refill(counter.debt, interval)
end

function gcra.wait(counter)
  return counter.debt - (counter.limit - counter.cost) * counter.interval
end

function gcra.take(counter)
  local debt = counter.debt + counter.cost * counter.interval
  local full_at = now + debt
  local expires_at = math.ceil(full_at / 1000)
  redis.call('SET', counter.key, integer(full_at), 'PXAT', integer(expires_at))
  counter.reset = next_refill(debt, counter.interval)
  return full_at
end

local counters, all_fit = {}, true
for i, key in ipairs(KEYS) do
  local at = 4 * i
  local algorithm = ARGV[at - 3] == 'log' and log or gcra
  local counter = {
    key = key,
    algorithm = algorithm,
    limit = tonumber(ARGV[at - 2]),
    window = tonumber(ARGV[at - 1]),
    cost = tonumber(ARGV[at]),
    wait = 0,
  }
  algorithm.read(counter)
  if counter.cost > counter.limit then
    counter.wait = -1
  elseif counter.cost > counter.remaining then
    counter.wait = algorithm.wait(counter)
  end
  all_fit = all_fit and counter.wait == 0
  counters[i] = counter
end

local reply = {}
for i, counter in ipairs(counters) do
  local stamp = 0
  if all_fit and counter.cost > 0 then
    stamp = counter.algorithm.take(counter)
    counter.remaining = counter.remaining - counter.cost
  end
  reply[i] = { counter.remaining, counter.reset, counter.wait, stamp }
end
return reply
