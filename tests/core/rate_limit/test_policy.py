from datetime import timedelta

import pytest

from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import Hit, NoRateLimiter, Policy
from tests.core.rate_limit.model import ManualClock, policy

MINUTE = timedelta(minutes=1)
THREE = policy("three", 3)


class TestPolicy:
    def test_refuses_a_limit_above_a_thousand(self) -> None:
        Policy("busy", 1000, MINUTE)

        with pytest.raises(ValueError, match=r"busier: .* choose a shorter window"):
            Policy("busier", 1001, MINUTE)

    @pytest.mark.parametrize(("limit", "window"), [(0, MINUTE), (1, timedelta(0))])
    def test_refuses_a_limit_or_window_that_is_not_positive(
        self, limit: int, window: timedelta
    ) -> None:
        with pytest.raises(ValueError, match="must be positive"):
            Policy("closed", limit, window)


class TestHit:
    def test_refuses_a_negative_cost(self) -> None:
        with pytest.raises(ValueError, match="must not be negative"):
            Hit(THREE, "ann", cost=-1)

    @pytest.mark.parametrize("partition", ["ann", "x" * 10_000, "a:b\r\n", "\ud800"])
    def test_has_a_short_key_without_user_text(self, partition: str) -> None:
        key = Hit(THREE, partition).key

        assert key.startswith("rl:v2:three:")
        assert len(key) == len("rl:v2:three:") + 16
        assert partition not in key


class TestMemoryBound:
    async def test_forgets_the_counter_used_longest_ago(self) -> None:
        limiter = MemoryRateLimiter(max_keys=2)
        for partition in ("ann", "bob", "ann", "cat"):
            await limiter.hit(Hit(THREE, partition))

        looks = [Hit(THREE, partition, cost=0) for partition in ("ann", "bob", "cat")]
        quotas = (await limiter.hit(*looks)).quotas

        assert [quota.remaining for quota in quotas] == [1, 3, 2]

    async def test_keeps_the_counter_of_a_refused_caller(self) -> None:
        limiter = MemoryRateLimiter(max_keys=2)
        await limiter.hit(Hit(THREE, "ann", cost=3))
        await limiter.hit(Hit(THREE, "bob"))
        await limiter.hit(Hit(THREE, "ann"))
        await limiter.hit(Hit(THREE, "cat"))

        assert not (await limiter.hit(Hit(THREE, "ann"))).allowed

    async def test_keeps_nothing_for_a_hit_of_cost_zero(self) -> None:
        limiter = MemoryRateLimiter(max_keys=1)
        await limiter.hit(Hit(THREE, "ann"))
        await limiter.hit(Hit(THREE, "bob", cost=0))

        assert (await limiter.hit(Hit(THREE, "ann"))).quotas[0].remaining == 1

    async def test_forgets_expired_hits_that_redis_has_counted(self) -> None:
        """Mutant: expire hits only in a decision, which this process may never make."""
        clock = ManualClock()
        limiter = MemoryRateLimiter(clock=clock)
        limiter.record(Hit(THREE, "ann", cost=3))
        [log] = limiter._logs.values()
        clock.now += 1
        limiter.record(Hit(THREE, "ann"))

        assert len(log.stamps) == 1


class TestNoRateLimiter:
    async def test_allows_everything(self) -> None:
        limiter = NoRateLimiter()
        await limiter.refund(await limiter.hit(Hit(THREE, "ann")))
        await limiter.reset(THREE, "ann")

        decision = await limiter.hit(Hit(THREE, "ann", cost=4))

        assert decision.allowed
        assert decision.quotas[0].remaining == 3
