-- Judges calls one after the other. If all the hits of a call fit, it records them.
--
-- KEYS: the counter of each hit. The counters of one call must be different. A counter
-- is a list of the times of its hits, newest first. A hit expires one window after its
-- time.
-- ARGV: for each hit its limit, its window, its cost, and 1 if it is the last hit of a
-- call, otherwise 0.
-- Reply: for each hit {remaining, reset, wait, stamp}. `wait` is 0 for a hit that fits,
-- and -1 for a hit whose cost exceeds its limit.
--
-- Times are integer microseconds: below 2^53, and so exact in Lua's doubles.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Otherwise a large number could be written with an exponent, and LREM would not find
-- it.
local function integer(number)
  return string.format('%.0f', number)
end

local function read(counter)
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

local function wait(counter)
  if counter.cost > counter.limit then
    return -1
  elseif counter.cost <= counter.remaining then
    return 0
  end
  local excess = counter.used + counter.cost - counter.limit
  local expires_at = redis.call('LINDEX', counter.key, -excess) + counter.window
  return math.max(1, expires_at - now) -- the clock of a new primary can be behind
end

local function take(counter)
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
  counter.remaining = counter.remaining - counter.cost
end

local reply, counters, all_fit = {}, {}, true
for i, key in ipairs(KEYS) do
  local at = 4 * i
  local counter = {
    key = key,
    limit = tonumber(ARGV[at - 3]),
    window = tonumber(ARGV[at - 2]),
    cost = tonumber(ARGV[at - 1]),
  }
  read(counter)
  counter.wait = wait(counter)
  all_fit = all_fit and counter.wait == 0
  counters[#counters + 1] = counter
  if ARGV[at] == '1' then
    for _, each in ipairs(counters) do
      if all_fit and each.cost > 0 then
        take(each)
      end
      reply[#reply + 1] = { each.remaining, each.reset, each.wait, now }
    end
    counters, all_fit = {}, true
  end
end
return reply
