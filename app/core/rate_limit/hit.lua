-- Judges all the hits of a call and, if every one of them fits, records them.
--
-- KEYS: a counter for each hit, all different.
-- ARGV: algorithm, limit, window and cost of each hit.
-- Reply: remaining, reset, wait and stamp of each hit; wait is 0 for a hit that fits
-- and -1 for one that does not fit into an empty counter.
--
-- Times are integer microseconds: exact in Lua's doubles, which are below 2^53.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Redis may convert a large number to an exponent, which LREM would not find.
local function integer(number)
  return string.format('%.0f', number)
end

-- A key may outlive its content, never the other way round.
local function milliseconds(time)
  return integer(math.ceil(time / 1000))
end

-- When each hit was, newest first; a hit counts until a window later.
local log = {}

local function stamp_at(counter, index)
  return tonumber(redis.call('LINDEX', counter.key, index)) -- nil past the end
end

function log.read(counter)
  -- After a failover the clock may lag: the list stays in order all the same.
  counter.stamp = math.max(now, stamp_at(counter, 0) or 0)
  counter.oldest = stamp_at(counter, -1)
  while counter.oldest and counter.oldest + counter.window <= counter.stamp do
    redis.call('RPOP', counter.key)
    counter.oldest = stamp_at(counter, -1)
  end
  counter.used = redis.call('LLEN', counter.key)
end

function log.wait(counter)
  local excess = counter.used + counter.cost - counter.limit
  if excess <= 0 then
    return 0
  end
  return stamp_at(counter, -excess) + counter.window - now
end

function log.take(counter)
  local stamps = {}
  for i = 1, counter.cost do
    stamps[i] = integer(counter.stamp)
  end
  redis.call('LPUSH', counter.key, unpack(stamps))
  redis.call('PEXPIREAT', counter.key, milliseconds(counter.stamp + counter.window))
  counter.oldest = counter.oldest or counter.stamp
  counter.used = counter.used + counter.cost
end

function log.quota(counter)
  local reset = counter.oldest and counter.oldest + counter.window - now or 0
  return math.max(0, counter.limit - counter.used), reset
end

-- When the counter will be full again: the theoretical arrival time of ITU-T I.371.
local gcra = {}

function gcra.read(counter)
  counter.interval = math.ceil(counter.window / counter.limit)
  counter.stamp = math.max(now, tonumber(redis.call('GET', counter.key) or 0))
end

function gcra.wait(counter)
  local room = (counter.limit - counter.cost) * counter.interval
  return math.max(0, counter.stamp - room - now)
end

function gcra.take(counter)
  counter.stamp = counter.stamp + counter.cost * counter.interval
  redis.call(
    'SET', counter.key, integer(counter.stamp), 'PXAT', milliseconds(counter.stamp)
  )
end

function gcra.quota(counter)
  local debt = counter.stamp - now
  local remaining = counter.limit - math.ceil(debt / counter.interval)
  local reset = debt > 0 and (debt - 1) % counter.interval + 1 or 0
  return math.max(0, remaining), reset
end

local algorithms = { log = log, gcra = gcra }
local counters, all_fit = {}, true
for i, key in ipairs(KEYS) do
  local at = 4 * (i - 1)
  local counter = {
    key = key,
    algorithm = algorithms[ARGV[at + 1]],
    limit = tonumber(ARGV[at + 2]),
    window = tonumber(ARGV[at + 3]),
    cost = tonumber(ARGV[at + 4]),
  }
  counter.algorithm.read(counter)
  if counter.cost > counter.limit then
    counter.wait = -1
  elseif counter.cost == 0 then
    counter.wait = 0 -- even when the limit was lowered under what is used
  else
    counter.wait = counter.algorithm.wait(counter)
  end
  all_fit = all_fit and counter.wait == 0
  counters[i] = counter
end

local reply = {}
for i, counter in ipairs(counters) do
  if all_fit and counter.cost > 0 then
    counter.algorithm.take(counter)
  end
  local at = 4 * (i - 1)
  reply[at + 1], reply[at + 2] = counter.algorithm.quota(counter)
  reply[at + 3], reply[at + 4] = counter.wait, counter.stamp
end
return reply
