"""While a real Valkey hangs or is stopped, limits hold and no request fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from redis.asyncio import Redis

from app.core.rate_limit.client import create_redis_client
from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import Hit
from app.core.rate_limit.redis import RedisRateLimiter
from app.core.rate_limit.resilient import ResilientRateLimiter
from testbed.valkey import ValkeyServer
from tests.core.rate_limit.model import ManualClock, policy

ANN = Hit(policy("ten", 10, seconds=60), "ann")
Outage = Callable[[ValkeyServer], None]


@pytest.fixture
def valkey(valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    yield valkey
    valkey.resume()
    valkey.start()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def real(
    valkey: ValkeyServer, clock: ManualClock
) -> AsyncIterator[ResilientRateLimiter]:
    async with Redis.from_url(valkey.url) as patient:
        await patient.flushdb()
    async with create_redis_client(valkey.url) as client:
        yield ResilientRateLimiter(
            RedisRateLimiter(client), MemoryRateLimiter(), clock=clock
        )


async def hit_in_redis(limiter: ResilientRateLimiter, clock: ManualClock) -> None:
    """Repeat the hit until Redis counts it, because a busy machine can answer late."""
    for _ in range(50):
        if not (await limiter.hit(ANN)).degraded:
            return
        clock.now += 5
    pytest.fail("Redis did not answer.")


@pytest.mark.parametrize("end", [ValkeyServer.stop, ValkeyServer.pause])
class TestOutage:
    @pytest.fixture
    def patience(self) -> None:
        """Keep the timeouts of production, because this class tests them."""

    async def test_keeps_limiting_and_recovers(
        self,
        real: ResilientRateLimiter,
        valkey: ValkeyServer,
        clock: ManualClock,
        end: Outage,
    ) -> None:
        await hit_in_redis(real, clock)

        end(valkey)
        during = [await real.hit(ANN) for _ in range(12)]
        valkey.resume()
        valkey.start()

        assert all(decision.degraded for decision in during)
        # Mutant: start with empty counters when the outage begins. They allow ten more.
        assert 1 <= sum(decision.allowed for decision in during) <= 9
        assert not during[-1].allowed
        await hit_in_redis(real, clock)

    async def test_does_not_let_concurrent_requests_exceed_the_limit(
        self, real: ResilientRateLimiter, valkey: ValkeyServer, end: Outage
    ) -> None:
        end(valkey)

        decisions = await asyncio.gather(*(real.hit(ANN) for _ in range(300)))

        assert sum(decision.allowed for decision in decisions) == 10


class TestExhaustedPool:
    async def test_does_not_suspend_the_limit(self, real: ResilientRateLimiter) -> None:
        decisions = await asyncio.gather(*(real.hit(ANN) for _ in range(500)))

        assert 1 <= sum(decision.allowed for decision in decisions) <= 10
