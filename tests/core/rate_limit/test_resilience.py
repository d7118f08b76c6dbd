"""Limiting while the shared limiter fails, and the circuit breaker."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from app.core.metrics import registry
from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import Decision, Hit, Policy
from app.core.rate_limit.resilient import ResilientRateLimiter
from tests.core.rate_limit.model import ManualClock, policy

TEN = policy("ten", 10, seconds=60)
ANN = Hit(TEN, "ann")


class ScriptedLimiter(MemoryRateLimiter):
    """A shared limiter that fails or hangs when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def hit(self, *hits: Hit) -> Decision:
        await self._ask()
        return await super().hit(*hits)

    async def refund(self, decision: Decision) -> None:
        await self._ask()
        await super().refund(decision)

    async def reset(self, policy: Policy, partition: str) -> None:
        await self._ask()
        await super().reset(policy, partition)

    async def _ask(self) -> None:
        self.asked += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def shared() -> ScriptedLimiter:
    return ScriptedLimiter()


@pytest.fixture
def limiter(shared: ScriptedLimiter, clock: ManualClock) -> ResilientRateLimiter:
    return ResilientRateLimiter(shared, MemoryRateLimiter(), processes=4, clock=clock)


async def fail(
    limiter: ResilientRateLimiter, shared: ScriptedLimiter, times: int
) -> None:
    shared.error = RedisConnectionError("gone")
    for _ in range(times):
        assert (await limiter.hit(ANN)).degraded


class TestFallback:
    async def test_allows_this_process_its_share_of_the_limit(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter
    ) -> None:
        shared.error = RedisConnectionError("gone")

        decisions = [await limiter.hit(ANN) for _ in range(6)]

        assert [d.allowed for d in decisions] == [True] * 3 + [False] * 3
        assert all(d.degraded for d in decisions)

    @pytest.mark.parametrize(
        "error", [RedisConnectionError("pool"), TimeoutError(), OSError()]
    )
    async def test_answers_in_every_kind_of_outage(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, error: Exception
    ) -> None:
        shared.error = error

        assert (await limiter.hit(ANN)).degraded

    async def test_refunds_in_the_limiter_that_counted_the_hit(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter
    ) -> None:
        here = await limiter.hit(ANN)
        shared.error = RedisConnectionError("gone")
        there = await limiter.hit(Hit(TEN, "ann", cost=2))
        await limiter.refund(there)
        locally = await limiter.hit(Hit(TEN, "ann", cost=0))
        shared.error = None

        await limiter.refund(here)

        assert there.allowed
        assert (
            locally.quotas[0].remaining == 2
        )  # `here` was also counted in this process
        assert (await limiter.hit(ANN)).quotas[0].remaining == 9

    async def test_refunds_and_resets_never_raise(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter
    ) -> None:
        decision = await limiter.hit(ANN)
        await fail(limiter, shared, times=1)

        await limiter.refund(decision)
        await limiter.reset(TEN, "ann")

        assert (await limiter.hit(ANN)).quotas[0].remaining == 2


class TestBreaker:
    async def test_opens_after_three_failures_and_stops_asking(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        with capture_logs() as logs:
            await fail(limiter, shared, times=5)
            clock.now += 4.9
            await fail(limiter, shared, times=1)

        assert shared.asked == 3
        assert [(line["event"], line["log_level"]) for line in logs] == [
            ("rate_limit.degraded", "warning")
        ]

    async def test_stays_closed_if_failures_are_rare(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        for _ in range(6):
            await fail(limiter, shared, times=1)
            clock.now += 2.6

        assert shared.asked == 6

    async def test_closes_when_a_probe_succeeds(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        await fail(limiter, shared, times=3)
        shared.error = None
        clock.now += 5

        with capture_logs() as logs:
            decisions = [await limiter.hit(ANN) for _ in range(3)]

        assert not any(d.degraded for d in decisions)
        assert [line["event"] for line in logs] == ["rate_limit.recovered"]

    async def test_shows_its_state_as_a_metric(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        """Mutant: set the metric only when the breaker opens."""

        def state() -> float | None:
            return registry.get_sample_value("circuit_state", {"name": "redis"})

        await fail(limiter, shared, times=3)
        opened = state()
        shared.error = None
        clock.now += 5
        await limiter.hit(ANN)

        assert (opened, state()) == (1, 0)

    async def test_forgets_earlier_failures_when_it_closes(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        await fail(limiter, shared, times=3)
        shared.error = None
        clock.now += 5
        await limiter.hit(ANN)

        await fail(limiter, shared, times=2)

        assert shared.asked == 3 + 1 + 2

    async def test_waits_again_when_a_probe_fails(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        await fail(limiter, shared, times=3)
        clock.now += 5

        with capture_logs() as logs:
            await fail(limiter, shared, times=2)
            clock.now += 4.9
            await fail(limiter, shared, times=1)

        assert shared.asked == 4
        assert logs == []

    async def test_sends_one_probe_at_a_time(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        await fail(limiter, shared, times=3)
        shared.error = None
        shared.gate.clear()
        clock.now += 5

        calls = [asyncio.create_task(limiter.hit(ANN)) for _ in range(3)]
        await asyncio.sleep(0)
        asked = shared.asked
        shared.gate.set()
        decisions = await asyncio.gather(*calls)

        assert asked == 4
        assert [decision.degraded for decision in decisions] == [False, True, True]

    async def test_sends_another_probe_if_one_is_cancelled(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        await fail(limiter, shared, times=3)
        shared.error = None
        shared.gate.clear()
        clock.now += 5

        probe = asyncio.create_task(limiter.hit(ANN))
        await asyncio.sleep(0)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        shared.gate.set()

        assert not (await limiter.hit(ANN)).degraded

    async def test_ignores_results_of_calls_that_began_before_it_opened(
        self, limiter: ResilientRateLimiter, shared: ScriptedLimiter, clock: ManualClock
    ) -> None:
        shared.gate.clear()
        stragglers = [asyncio.create_task(limiter.hit(ANN)) for _ in range(6)]
        await asyncio.sleep(0)
        shared.error = RedisConnectionError("gone")
        shared.gate.set()

        with capture_logs() as logs:
            await asyncio.gather(*stragglers)
        clock.now += 5
        shared.error = None

        assert [line["event"] for line in logs] == ["rate_limit.degraded"]
        assert not (await limiter.hit(ANN)).degraded
