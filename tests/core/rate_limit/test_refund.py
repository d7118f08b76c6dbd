"""Hits given back, and counters forgotten, in memory and in Redis alike."""

import pytest

from app.core.rate_limit import Hit, Policy, RateLimiter
from tests.core.rate_limit.model import Stage, policy, remaining

THREE = policy("three", 3, seconds=10)
TEN = policy("ten", 10, seconds=60)
SMOOTH = policy("smooth", 10, seconds=1, algorithm="gcra")
ANN = Hit(THREE, "ann")


class TestRefund:
    async def test_gives_back_every_counter(self, limiter: RateLimiter) -> None:
        hits = [Hit(TEN, "ip", cost=4), Hit(THREE, "ann", cost=2), Hit(SMOOTH, "ann")]
        decision = await limiter.hit(*hits)

        await limiter.refund(decision)

        assert await remaining(limiter, *hits) == [10, 3, 10]

    async def test_takes_nothing_of_the_same_microsecond(
        self, limiter: RateLimiter
    ) -> None:
        twin = await limiter.hit(Hit(TEN, "ann", cost=2))
        await limiter.hit(Hit(TEN, "ann", cost=3))

        await limiter.refund(twin)
        await limiter.refund(twin)

        assert await remaining(limiter, Hit(TEN, "ann")) == [7]

    async def test_leaves_the_others_their_time(self, stage: Stage) -> None:
        await stage.limiter.hit(ANN)
        await stage.wait(1)
        middle = await stage.limiter.hit(ANN)
        await stage.wait(1)
        await stage.limiter.hit(ANN)

        await stage.limiter.refund(middle)
        refused = await stage.limiter.hit(Hit(THREE, "ann", cost=3))

        assert refused.retry_after == 10

    async def test_of_what_has_expired_does_nothing(self, stage: Stage) -> None:
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

    async def test_gives_back_what_time_has_not(self, stage: Stage) -> None:
        decision = await stage.limiter.hit(Hit(SMOOTH, "ann", cost=4))
        await stage.wait(0.3)
        await stage.limiter.refund(decision)
        late = await stage.limiter.hit(Hit(SMOOTH, "ann", cost=4))
        await stage.wait(0.5)
        await stage.limiter.hit(Hit(SMOOTH, "ann", cost=2))
        await stage.limiter.refund(late)

        assert await remaining(stage.limiter, Hit(SMOOTH, "ann")) == [8]


class TestReset:
    @pytest.mark.parametrize("rule", [THREE, SMOOTH])
    async def test_forgets_one_counter(
        self, limiter: RateLimiter, rule: Policy
    ) -> None:
        await limiter.hit(Hit(rule, "ann", cost=3), Hit(rule, "bob", cost=3))

        await limiter.reset(rule, "ann")

        left = await remaining(limiter, Hit(rule, "ann"), Hit(rule, "bob"))
        assert left == [rule.limit, rule.limit - 3]
