"""The limiter that all processes share. It uses the clock of the Redis server."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha1
from itertools import islice
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
from app.core.round_trips import RoundTrips

CALLS_IN_A_TRIP = 64  # so that one script does not hold up other clients of Redis


class Script:
    """A Lua script, called by its digest. If Redis does not have it, send its text."""

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
    """Counts in Redis. Calls of the same moment share one round trip.

    It needs a single node, or a primary that Sentinel names. Redis Cluster runs a
    script only if all its keys are in one slot, but the hits of one call (for example
    on an address and on an account) are in several slots. To support a cluster, make
    one call for each partition, with a hash tag in the key, and refund the earlier
    calls if a later one is refused.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._hit = Script(client, "hit.lua")
        self._refund = Script(client, "refund.lua")
        self._trips = RoundTrips(self._count, most=CALLS_IN_A_TRIP)

    async def hit(self, *hits: Hit) -> Decision:
        distinct_keys(hits)
        return decide(hits, map(Outcome._make, await self._trips.ask(hits)))

    async def _count(self, calls: Sequence[Sequence[Hit]]) -> Iterator[list[list[int]]]:
        """Judge the calls one after the other, in their order."""
        arguments: list[int] = []
        for hits in calls:
            for hit in hits:
                arguments += hit.policy.limit, hit.policy.window_us, hit.cost, 0
            arguments[-1] = 1
        keys = [hit.key for hits in calls for hit in hits]
        outcomes = iter(await self._hit.run(keys, arguments))
        return (list(islice(outcomes, len(hits))) for hits in calls)

    async def refund(self, decision: Decision) -> None:
        taken = decision.receipt.spend()
        if taken:
            arguments = [each for hit, stamp in taken for each in (hit.cost, stamp)]
            await self._refund.run([hit.key for hit, _ in taken], arguments)

    async def reset(self, policy: Policy, partition: str) -> None:
        await self._client.delete(counter_key(policy, partition))
