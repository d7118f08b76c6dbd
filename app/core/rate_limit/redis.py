"""The limiter that all processes share, with the clock of the Redis server."""

from collections.abc import Iterable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.core.rate_limit.policy import (
    Decision,
    Hit,
    Outcome,
    Policy,
    counter_key,
    decide,
    distinct_keys,
)


class Script:
    """A Lua script, sent by its digest; whole to a server that does not know it."""

    def __init__(self, client: Redis, name: str) -> None:
        self._client = client
        self._text = Path(__file__).with_name(name).read_text()
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[str], arguments: Iterable[str | int]) -> Any:
        count, parameters = len(keys), (*keys, *arguments)
        try:
            return await self._client.evalsha(self._digest, count, *parameters)
        except NoScriptError:  # a restart or SCRIPT FLUSH; EVAL makes it known again
            return await self._client.eval(self._text, count, *parameters)


class RedisRateLimiter:
    """Counts in Redis, in one round trip a call, however many hits it has.

    Made for a single node, or one behind Sentinel. Redis Cluster runs a script only
    on keys of one slot, and the hits of a call (an address, an account) lie in
    several: there, make one call for each partition, with a hash tag in the key, and
    refund the earlier ones when a later one refuses.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._hit = Script(client, "hit.lua")
        self._refund = Script(client, "refund.lua")

    async def hit(self, *hits: Hit) -> Decision:
        keys = distinct_keys(hits)
        reply = await self._hit.run(keys, [a for hit in hits for a in _arguments(hit)])
        return decide(hits, map(Outcome._make, reply))

    async def refund(self, decision: Decision) -> None:
        taken = decision.receipt.spend()
        if taken:
            arguments = [a for hit, stamp in taken for a in (*_arguments(hit), stamp)]
            await self._refund.run([hit.key for hit, _ in taken], arguments)

    async def reset(self, policy: Policy, partition: str) -> None:
        await self._client.delete(counter_key(policy, partition))


def _arguments(hit: Hit) -> tuple[str, int, int, int]:
    policy = hit.policy
    return policy.algorithm, policy.limit, policy.window_us, hit.cost
