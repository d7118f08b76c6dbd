"""The behaviour that both rate limiters share, in memory and in Redis."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app.core.rate_limit.policy import Hit, RateLimiter
from tests.core.rate_limit.model import Stage, policy, remaining

MICROSECOND = 1e-6
THREE = policy("three", 3, seconds=10)
TEN = policy("ten", 10, seconds=60)
BRIEF = policy("brief", 10, seconds=1)
ANN = Hit(THREE, "ann")


class TestWindow:
    async def test_allows_up_to_the_limit(self, limiter: RateLimiter) -> None:
        decisions = [await limiter.hit(ANN) for _ in range(5)]

        assert [d.allowed for d in decisions] == [True, True, True, False, False]
        assert [d.quotas[0].remaining for d in decisions] == [2, 1, 0, 0, 0]

    async def test_counts_each_partition_separately(self, limiter: RateLimiter) -> None:
        await limiter.hit(Hit(THREE, "ann", cost=3))

        assert (await limiter.hit(Hit(THREE, "bob"))).allowed

    async def test_retry_after_is_exact(self, stage: Stage) -> None:
        await stage.limiter.hit(ANN)
        await stage.wait(4)
        await stage.limiter.hit(Hit(THREE, "ann", cost=2))
        refused = await stage.limiter.hit(ANN)

        await stage.wait(6 - MICROSECOND)
        early = await stage.limiter.hit(ANN)
        await stage.wait(MICROSECOND)
        in_time = await stage.limiter.hit(ANN)

        assert refused.retry_after == 6
        assert early.retry_after == MICROSECOND
        assert in_time.allowed
        assert in_time.retry_after is None

    async def test_retry_after_considers_the_cost(self, stage: Stage) -> None:
        for _ in range(3):
            await stage.limiter.hit(ANN)
            await stage.wait(1)

        refused = await stage.limiter.hit(Hit(THREE, "ann", cost=2))

        assert refused.retry_after == 8  # the second of the three is 2 seconds old

    async def test_refusals_do_not_extend_the_wait(self, stage: Stage) -> None:
        await stage.limiter.hit(Hit(THREE, "ann", cost=3))
        for _ in range(9):
            await stage.wait(1)
            assert not (await stage.limiter.hit(ANN)).allowed

        await stage.wait(1)

        assert (await stage.limiter.hit(ANN)).allowed

    async def test_shows_when_quota_returns(self, stage: Stage) -> None:
        full = await stage.limiter.hit(Hit(THREE, "ann", cost=0))
        await stage.limiter.hit(ANN)
        await stage.wait(4)
        used = await stage.limiter.hit(ANN)

        assert full.quotas[0].reset_after == 0
        assert used.quotas[0].reset_after == 6


class TestSeveralPolicies:
    async def test_a_refusal_consumes_no_quota_of_the_others(
        self, limiter: RateLimiter
    ) -> None:
        hits = [Hit(TEN, "ip"), ANN, Hit(BRIEF, "ann")]

        decisions = [await limiter.hit(*hits) for _ in range(5)]

        assert [d.allowed for d in decisions] == [True, True, True, False, False]
        assert [q.remaining for q in decisions[-1].quotas] == [7, 0, 7]
        assert await remaining(limiter, *hits) == [7, 0, 7]

    async def test_names_every_violated_policy(self, stage: Stage) -> None:
        await stage.limiter.hit(Hit(TEN, "ip", cost=10))
        await stage.wait(5)
        await stage.limiter.hit(Hit(THREE, "ann", cost=3))

        refused = await stage.limiter.hit(Hit(BRIEF, "x"), Hit(TEN, "ip"), ANN)

        assert refused.violated == ("ten", "three")
        assert refused.retry_after == 55

    async def test_refuses_two_hits_on_one_counter(self, limiter: RateLimiter) -> None:
        with pytest.raises(ValueError, match="share one counter"):
            await limiter.hit(ANN, ANN)


class TestCost:
    async def test_above_the_limit_never_fits(self, limiter: RateLimiter) -> None:
        with capture_logs() as logs:
            decision = await limiter.hit(Hit(TEN, "ip"), Hit(THREE, "ann", cost=4))

        assert not decision.allowed
        assert decision.retry_after is None
        assert decision.violated == ("three",)
        assert [line["event"] for line in logs] == ["rate_limit.cost_above_limit"]
        assert await remaining(limiter, Hit(TEN, "ip")) == [10]

    async def test_of_zero_reads_the_counter_without_counting(
        self, limiter: RateLimiter
    ) -> None:
        await limiter.hit(Hit(THREE, "ann", cost=3))

        look = await limiter.hit(Hit(THREE, "ann", cost=0))

        assert look.allowed
        assert look.quotas[0].remaining == 0

    async def test_of_zero_is_allowed_when_the_limit_was_lowered(
        self, limiter: RateLimiter
    ) -> None:
        await limiter.hit(Hit(THREE, "ann", cost=3))
        lower = policy("three", 1, seconds=10)

        look = await limiter.hit(Hit(lower, "ann", cost=0))
        refused = await limiter.hit(Hit(lower, "ann"))

        assert look.allowed
        assert look.quotas[0].remaining == 0
        assert refused.retry_after == 10


class TestConcurrency:
    async def test_never_allows_more_than_the_limit(self, limiter: RateLimiter) -> None:
        hit = Hit(TEN, "ann")

        decisions = await asyncio.gather(*(limiter.hit(hit) for _ in range(500)))

        assert sum(decision.allowed for decision in decisions) == 10
