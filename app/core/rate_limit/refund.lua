-- Removes hits that have not expired.
--
-- KEYS: the counter of each hit.
-- ARGV: for each hit its cost and its stamp.

for i, key in ipairs(KEYS) do
  redis.call('LREM', key, ARGV[2 * i - 1], ARGV[2 * i])
end
