"""Refunds and resets, in memory and in Redis."""

from app.core.rate_limit.policy import Hit, RateLimiter
from tests.core.rate_limit.model import Stage, policy, remaining

THREE = policy("three", 3, seconds=10)
TEN = policy("ten", 10, seconds=60)
BRIEF = policy("brief", 10, seconds=1)
ANN = Hit(THREE, "ann")


class TestRefund:
    async def test_restores_every_counter(self, limiter: RateLimiter) -> None:
        hits = [Hit(TEN, "ip", cost=4), Hit(THREE, "ann", cost=2), Hit(BRIEF, "ann")]
        decision = await limiter.hit(*hits)

        await limiter.refund(decision)

        assert await remaining(limiter, *hits) == [10, 3, 10]

    async def test_keeps_other_hits_of_the_same_microsecond(
        self, limiter: RateLimiter
    ) -> None:
        twin = await limiter.hit(Hit(TEN, "ann", cost=2))
        await limiter.hit(Hit(TEN, "ann", cost=3))

        await limiter.refund(twin)
        await limiter.refund(twin)

        assert await remaining(limiter, Hit(TEN, "ann")) == [7]

    async def test_does_not_change_the_times_of_other_hits(self, stage: Stage) -> None:
        await stage.limiter.hit(ANN)
        await stage.wait(1)
        middle = await stage.limiter.hit(ANN)
        await stage.wait(1)
        await stage.limiter.hit(ANN)

        await stage.limiter.refund(middle)
        refused = await stage.limiter.hit(Hit(THREE, "ann", cost=3))

        assert refused.retry_after == 10

    async def test_of_an_expired_hit_does_nothing(self, stage: Stage) -> None:
        old = await stage.limiter.hit(ANN)
        await stage.wait(10)
        await stage.limiter.hit(ANN)

        await stage.limiter.refund(old)

        assert await remaining(stage.limiter, ANN) == [2]

    async def test_of_a_refusal_does_nothing(self, limiter: RateLimiter) -> None:
        await limiter.hit(Hit(THREE, "ann", cost=3))
        refused = await limiter.hit(ANN)

        await limiter.refund(refused)

        assert await remaining(limiter, ANN) == [0]


class TestReset:
    async def test_empties_one_counter(self, limiter: RateLimiter) -> None:
        await limiter.hit(Hit(THREE, "ann", cost=3), Hit(THREE, "bob", cost=3))

        await limiter.reset(THREE, "ann")

        left = await remaining(limiter, Hit(THREE, "ann"), Hit(THREE, "bob"))
        assert left == [3, 0]
