"""The limiter that all processes share, with the clock of the Redis server."""

from pathlib import Path

from redis.asyncio import Redis

from app.core.rate_limit.policy import (
    Decision,
    Hit,
    Outcome,
    Policy,
    counter_key,
    decide,
    distinct_keys,
)

HERE = Path(__file__).parent
HIT = (HERE / "hit.lua").read_text()
REFUND = (HERE / "refund.lua").read_text()


class RedisRateLimiter:
    """Counts in Redis, in one round trip a call, however many hits it has.

    Made for a single node, or one behind Sentinel. Redis Cluster runs a script only
    on keys of one slot, and the hits of a call (an address, an account) lie in
    several: there, make one call for each partition, with a hash tag in the key, and
    refund the earlier ones when a later one refuses.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        # Sends only the digest, or the whole script to a server that has lost it.
        self._hit = client.register_script(HIT)
        self._refund = client.register_script(REFUND)

    async def hit(self, *hits: Hit) -> Decision:
        keys = distinct_keys(hits)
        arguments = [argument for hit in hits for argument in _arguments(hit)]
        reply = await self._hit(keys, arguments)
        outcomes = [Outcome(*reply[at : at + 4]) for at in range(0, len(reply), 4)]
        return decide(hits, outcomes)

    async def refund(self, decision: Decision) -> None:
        taken = decision.receipt.spend()
        if taken:
            arguments = [a for hit, stamp in taken for a in (*_arguments(hit), stamp)]
            await self._refund([hit.key for hit, _ in taken], arguments)

    async def reset(self, policy: Policy, partition: str) -> None:
        await self._client.delete(counter_key(policy, partition))


def _arguments(hit: Hit) -> tuple[str, int, int, int]:
    policy = hit.policy
    return policy.algorithm, policy.limit, policy.window_us, hit.cost
