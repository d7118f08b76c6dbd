"""The limiter that all processes share. It uses the clock of the Redis server."""

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
    """A Lua script, called by its digest. A server that lost it gets the whole text."""

    def __init__(self, client: Redis, name: str) -> None:
        self._client = client
        self._text = Path(__file__).with_name(name).read_text()
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[str], arguments: Iterable[str | int]) -> Any:
        count, parameters = len(keys), (*keys, *arguments)
        try:
            return await self._client.evalsha(self._digest, count, *parameters)
        except NoScriptError:  # after a restart or SCRIPT FLUSH; EVAL stores it again
            return await self._client.eval(self._text, count, *parameters)


class RedisRateLimiter:
    """Counts in Redis, in one round trip for each call, however many hits it has.

    It needs a single node, or one behind Sentinel. Redis Cluster runs a script only
    if all its keys are in one slot, and the hits of a call (an address, an account)
    are in several. For a cluster, make one call for each partition, with a hash tag
    in the key, and refund the earlier calls when a later one refuses.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._hit = Script(client, "hit.lua")
        self._refund = Script(client, "refund.lua")

    async def hit(self, *hits: Hit) -> Decision:
        keys = distinct_keys(hits)
        arguments = [
            argument
            for hit in hits
            for argument in (hit.policy.limit, hit.policy.window_us, hit.cost)
        ]
        return decide(hits, map(Outcome._make, await self._hit.run(keys, arguments)))

    async def refund(self, decision: Decision) -> None:
        taken = decision.receipt.spend()
        if taken:
            arguments = [each for hit, stamp in taken for each in (hit.cost, stamp)]
            await self._refund.run([hit.key for hit, _ in taken], arguments)

    async def reset(self, policy: Policy, partition: str) -> None:
        await self._client.delete(counter_key(policy, partition))
