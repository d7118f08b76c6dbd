-- Removes hits that have not expired.
--
-- KEYS: a counter for each hit.
-- ARGV: cost and stamp of each hit.

for i, key in ipairs(KEYS) do
  redis.call('LREM', key, ARGV[2 * i - 1], ARGV[2 * i])
end
