-- Gives back what hits took, except what time has given back since.
--
-- KEYS: a counter for each hit.
-- ARGV: algorithm, limit, window, cost and stamp of each hit.

for i, key in ipairs(KEYS) do
  local at = 5 * (i - 1)
  local cost, stamp = ARGV[at + 4], ARGV[at + 5]
  if ARGV[at + 1] == 'log' then
    redis.call('LREM', key, cost, stamp)
  else
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local interval = math.ceil(ARGV[at + 3] / ARGV[at + 2])
    -- Counters drain oldest first: by its stamp a hit has drained.
    local owed = math.min(cost * interval, stamp - now)
    local full_at = tonumber(redis.call('GET', key) or 0) - owed
    if owed > 0 and full_at > now then
      redis.call(
        'SET', key, string.format('%.0f', full_at),
        'PXAT', string.format('%.0f', math.ceil(full_at / 1000))
      )
    elseif owed > 0 then
      redis.call('DEL', key)
    end
  end
end
