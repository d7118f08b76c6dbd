"""Both limiters with a clock that the test moves, and a simple model of them."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, NamedTuple, Protocol

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import NoScriptError

from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import Decision, Hit, Policy, RateLimiter
from app.core.rate_limit.redis import RedisRateLimiter

Kind = Literal["memory", "redis"]
KINDS: tuple[Kind, ...] = ("memory", "redis")
CLOCK = "test:clock"


def policy(name: str, limit: int, seconds: float = 1) -> Policy:
    return Policy(name, limit, timedelta(seconds=seconds))


class ManualClock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stage(Protocol):
    """A limiter and the clock that it reads."""

    limiter: RateLimiter
    now_us: int

    async def wait(self, seconds: float) -> None: ...


class MemoryStage:
    def __init__(self) -> None:
        self.now_us = 1_000_000_000
        self.limiter: RateLimiter = MemoryRateLimiter(clock=lambda: self.now_us / 1e6)

    async def wait(self, seconds: float) -> None:
        self.now_us += round(seconds * 1e6)


class SteppedRedis(Redis):
    """Lets the scripts read the clock of the test instead of the command TIME.

    This clock is a list in Redis with the two numbers that TIME would return. `evalsha`
    fails, so that each script is sent as text, and `eval` can change the text.
    """

    async def evalsha(self, *_: Any) -> Any:
        raise NoScriptError

    async def eval(self, script: str, *parameters: Any) -> Any:
        stepped = f"redis.call('LRANGE', '{CLOCK}', 0, 1)"
        text = script.replace("redis.call('TIME')", stepped)
        assert "'TIME'" not in text
        return await super().eval(text, *parameters)


class RedisStage:
    def __init__(self, client: Redis) -> None:
        self.client = client
        self.limiter: RateLimiter = RedisRateLimiter(client)
        # Begin a day ahead of the server, so that its own clock expires no key.
        self.now_us = (int(time.time()) + 86_400) * 1_000_000

    async def wait(self, seconds: float) -> None:
        self.now_us += round(seconds * 1e6)
        seconds, microseconds = divmod(self.now_us, 1_000_000)
        await self.client.lpush(CLOCK, microseconds)
        await self.client.lpush(CLOCK, seconds)


@asynccontextmanager
async def open_stage(kind: Kind, url: str) -> AsyncIterator[Stage]:
    if kind == "memory":
        yield MemoryStage()
        return
    pool = BlockingConnectionPool.from_url(url)
    async with SteppedRedis.from_pool(pool) as client:
        await client.flushdb()
        stage = RedisStage(client)
        await stage.wait(0)
        yield stage


class Answer(NamedTuple):
    """The public part of a decision."""

    allowed: bool
    remaining: tuple[int, ...]
    reset_after: tuple[float, ...]
    retry_after: float | None
    violated: tuple[str, ...]


def answer(decision: Decision) -> Answer:
    return Answer(
        decision.allowed,
        tuple(quota.remaining for quota in decision.quotas),
        tuple(quota.reset_after for quota in decision.quotas),
        decision.retry_after,
        decision.violated,
    )


async def remaining(limiter: RateLimiter, *hits: Hit) -> list[int]:
    looks = [Hit(hit.policy, hit.partition, cost=0) for hit in hits]
    return [quota.remaining for quota in (await limiter.hit(*looks)).quotas]


@dataclass
class LogModel:
    """Keeps every hit for ever and counts by reading all of them."""

    now_us: int = 0
    calls: int = 0
    hits: dict[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def hit(self, *hits: Hit) -> Answer:
        waits = [self._wait_us(hit) for hit in hits]
        allowed = not any(wait != 0 for wait in waits)
        if allowed:
            for hit in hits:
                entry = (self.now_us, self.calls)
                self.hits[hit.policy.name, hit.partition] += [entry] * hit.cost
        self.calls += 1
        live = [self._live(hit, self.now_us) for hit in hits]
        retry = [None if wait is None else wait / 1e6 for wait in waits]
        return Answer(
            allowed,
            tuple(h.policy.limit - len(at) for h, at in zip(hits, live, strict=True)),
            tuple(self._reset(h, at) for h, at in zip(hits, live, strict=True)),
            None if allowed or None in retry else max(r for r in retry if r),
            tuple(h.policy.name for h, w in zip(hits, waits, strict=True) if w != 0),
        )

    def refund(self, call: int) -> None:
        for entries in self.hits.values():
            entries[:] = [entry for entry in entries if entry[1] != call]

    def reset(self, policy: Policy, partition: str) -> None:
        self.hits.pop((policy.name, partition), None)

    def _live(self, hit: Hit, now_us: int) -> Sequence[int]:
        window = hit.policy.window // timedelta(microseconds=1)
        entries = self.hits[hit.policy.name, hit.partition]
        return [at for at, _ in entries if at + window > now_us]

    def _wait_us(self, hit: Hit) -> int | None:
        """Return how long the hit must wait, or None if it never fits.

        Try the present moment, and then each moment at which an earlier hit expires.
        """
        window = hit.policy.window // timedelta(microseconds=1)
        moments = (at + window for at in self._live(hit, self.now_us))
        for moment in [self.now_us, *sorted(moments)]:
            if len(self._live(hit, moment)) + hit.cost <= hit.policy.limit:
                return moment - self.now_us
        return None

    def _reset(self, hit: Hit, live: Sequence[int]) -> float:
        window = hit.policy.window // timedelta(microseconds=1)
        return (min(live) + window - self.now_us) / 1e6 if live else 0.0
