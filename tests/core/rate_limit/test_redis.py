"""The limiter on a real server: its clock, keys, scripts and round trips."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis

from app.core.rate_limit.policy import Hit, RateLimiter
from app.core.rate_limit.redis import RedisRateLimiter
from testbed.valkey import ValkeyServer
from tests.core.rate_limit.model import policy

SHORT = policy("short", 3, seconds=0.3)
LONG = policy("long", 10, seconds=60)
LARGE = policy("large", 1000, seconds=30)


class RecordingRedis(Redis):
    """Records the commands that it sends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: list[str] = []

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        self.sent.append(args[0])
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


@pytest.fixture
async def client(valkey: ValkeyServer) -> AsyncIterator[RecordingRedis]:
    pool = BlockingConnectionPool.from_url(valkey.url)
    async with RecordingRedis.from_pool(pool) as client:
        assert isinstance(client, RecordingRedis)
        await client.flushdb()
        yield client


@pytest.fixture
def limiter(client: RecordingRedis) -> RateLimiter:
    return RedisRateLimiter(client)


async def server_time(client: Redis) -> float:
    seconds, microseconds = await client.time()
    return float(seconds + microseconds / 1e6)


class TestServerClock:
    async def test_retry_after_is_exact(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        earliest = await server_time(client)
        await limiter.hit(Hit(SHORT, "ann", cost=3))
        latest = await server_time(client)

        asked_at = await server_time(client)
        decision = await limiter.hit(Hit(SHORT, "ann"))
        while not decision.allowed:
            assert decision.retry_after is not None
            assert asked_at + decision.retry_after <= latest + 0.3
            answered_at = await server_time(client)
            assert answered_at + decision.retry_after >= earliest + 0.3
            asked_at = answered_at
            decision = await limiter.hit(Hit(SHORT, "ann"))

        assert await server_time(client) >= earliest + 0.3

    async def test_a_caller_who_waits_is_allowed(self, limiter: RateLimiter) -> None:
        asked = await limiter.hit(Hit(SHORT, "ann", cost=3))
        while asked.allowed:  # a slow machine: the window ended before the next call
            asked = await limiter.hit(Hit(SHORT, "ann", cost=3))
        assert asked.retry_after is not None

        await asyncio.sleep(asked.retry_after)

        assert (await limiter.hit(Hit(SHORT, "ann"))).allowed

    async def test_no_window_contains_more_concurrent_hits_than_the_limit(
        self, limiter: RateLimiter
    ) -> None:
        stamps: list[int] = []

        async def visit_often() -> None:
            for visit in range(40):
                await asyncio.sleep(0.01 * (visit * 7 % 5))
                decision = await limiter.hit(Hit(SHORT, "ann"))
                stamps.extend(stamp for _, stamp in decision.receipt.taken)

        await asyncio.gather(*(visit_often() for _ in range(5)))

        stamps.sort()
        gaps = [b - a for a, b in zip(stamps, stamps[3:], strict=False)]
        assert gaps
        assert min(gaps) >= 300_000


class TestKeys:
    async def test_live_as_long_as_their_newest_hit(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        for hit in (Hit(LONG, "ann"), Hit(LARGE, "ann", cost=1000)):
            decision = await limiter.hit(hit)

            [(_, stamp)] = decision.receipt.taken
            expires_at_us = stamp + hit.policy.window_us
            expires_at_ms = await client.pexpiretime(hit.key)
            assert 0 <= expires_at_ms * 1000 - expires_at_us < 1000

    async def test_do_not_change_when_a_hit_is_refused_or_costs_nothing(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        full = [Hit(LONG, "ann", cost=10), Hit(LARGE, "ann", cost=1000)]
        await limiter.hit(*full)
        before = [await client.dump(hit.key) for hit in full]
        expiries = [await client.pexpiretime(hit.key) for hit in full]

        await limiter.hit(Hit(LONG, "ann"), Hit(LARGE, "ann"))
        await limiter.hit(Hit(LONG, "ann", cost=0), Hit(LARGE, "ann", cost=0))

        assert [await client.dump(hit.key) for hit in full] == before
        assert [await client.pexpiretime(hit.key) for hit in full] == expiries

    async def test_exist_only_for_counted_hits(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        decision = await limiter.hit(Hit(LONG, "ann"), Hit(LARGE, "ann"))
        await limiter.refund(decision)
        await limiter.hit(Hit(LONG, "bob", cost=0), Hit(LARGE, "bob", cost=0))

        assert await client.keys() == []

    async def test_still_count_after_the_clock_was_set_back(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        hit = Hit(SHORT, "ann")
        now = await server_time(client)
        # The server's clock went back and forth: the second hit of these three, which
        # has expired, was written after the first.
        for second in (now + 10, now - 10, now):
            await client.lpush(hit.key, int(second * 1e6))

        decision = await limiter.hit(Hit(SHORT, "ann", cost=2))

        assert not decision.allowed
        assert decision.retry_after == 1e-6


class TestRoundTrips:
    async def test_are_one_for_all_hits_of_a_call(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        hits = [Hit(LONG, "ip"), Hit(LONG, "ann"), Hit(LARGE, "ann")]
        await limiter.hit(*hits)
        client.sent.clear()

        decision = await limiter.hit(*hits)
        await limiter.refund(await limiter.hit(Hit(LONG, "ip", cost=11)))

        assert decision.allowed
        assert client.sent == ["EVALSHA", "EVALSHA"]

    async def test_are_shared_by_calls_of_the_same_moment(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        """Mutants: judge all calls before recording one; mix up the answers."""
        calls = [
            [Hit(LONG, f"ann {n % 7}"), *[Hit(LARGE, "all")] * (n % 2)]
            for n in range(300)
        ]
        await limiter.hit(Hit(LONG, "bob"))  # stores the script
        client.sent.clear()

        decisions = await asyncio.gather(*(limiter.hit(*call) for call in calls))

        used: Counter[str] = Counter()
        for call, decision in zip(calls, decisions, strict=True):
            fits = used[call[0].key] < LONG.limit
            used.update(hit.key for hit in call if fits)
            left = tuple(hit.policy.limit - used[hit.key] for hit in call)
            assert decision.allowed == fits
            assert tuple(quota.remaining for quota in decision.quotas) == left
        assert client.sent == ["EVALSHA"] * 5  # of at most 64 calls each

    async def test_send_a_script_again_that_the_server_lost(
        self, client: RecordingRedis, limiter: RateLimiter
    ) -> None:
        first = await limiter.hit(Hit(LONG, "ann", cost=2))
        await client.script_flush()
        await limiter.refund(first)
        await client.script_flush()

        second = await limiter.hit(Hit(LONG, "ann"))

        assert second.quotas[0].remaining == 9
