"""What the shared limiter does while Redis is away: count here, never let all by."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import ParamSpec, TypeVar

import structlog
from redis.exceptions import RedisError

from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import Decision, Hit, Policy, RateLimiter
from app.core.rate_limit.reply_timeout import Countdown

P = ParamSpec("P")
Result = TypeVar("Result")

FAILURES = 3
WITHIN_SECONDS = 5.0
PAUSE_SECONDS = 5.0
REPLY_SECONDS = 0.1
CALLS_AT_ONCE = 16  # fewer than the pool has connections: nobody waits for one
OUTAGE = (RedisError, OSError)  # an exhausted pool and every timeout are among them

log = structlog.stdlib.get_logger(__name__)


class CircuitOpen(Exception):
    """Redis failed a moment ago, and is not asked."""


class CircuitBreaker:
    """Spares the callers a Redis that keeps failing; one of them tries it in time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._open = False
        self._probe_at = 0.0
        self._probing = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run the body against Redis, and learn from how it ends.

        Raises:
            CircuitOpen: The body must not run.
        """
        probe = self._open
        if probe:
            if self._probing or self._clock() < self._probe_at:
                raise CircuitOpen
            self._probing = True
        try:
            yield
        except OUTAGE as error:
            self._fail(error, probe=probe)
            raise
        else:
            if probe:
                self._close()
        finally:
            if probe:  # a cancelled probe, too, leaves the way to the next
                self._probing = False

    def _fail(self, error: Exception, *, probe: bool) -> None:
        now = self._clock()
        if probe:
            self._probe_at = now + PAUSE_SECONDS
        elif not self._open:  # else a call begun before it opened: nothing new
            self._failures.append(now)
            recent = now - self._failures[0] <= WITHIN_SECONDS
            if len(self._failures) == FAILURES and recent:
                self._open, self._probe_at = True, now + PAUSE_SECONDS
                log.warning("rate_limit.degraded", error=type(error).__name__)

    def _close(self) -> None:
        self._open = False
        self._failures.clear()
        log.warning("rate_limit.recovered")


class ResilientRateLimiter:
    """The shared limiter, or this process's share of each limit while it is away.

    What the shared limiter lets through is counted here as well, so that an outage
    does not begin with empty counters.
    """

    def __init__(
        self,
        shared: RateLimiter,
        local: MemoryRateLimiter,
        *,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._local = local
        self._processes = processes
        self._breaker = CircuitBreaker(clock)
        self._share_of = cache(self._make_share)
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._patience = Countdown(REPLY_SECONDS)

    async def hit(self, *hits: Hit) -> Decision:
        try:
            decision = await self._ask(self._shared.hit, *hits)
        except (*OUTAGE, CircuitOpen):
            decision = await self._local.hit(*map(self._share, hits))
            decision.degraded = True
        else:
            if decision.allowed:
                decision.receipt.local = self._local.record(*map(self._share, hits))
        return decision

    async def refund(self, decision: Decision) -> None:
        """Give back what the decision took, unless Redis is away: it expires anyway."""
        if decision.degraded:
            await self._local.refund(decision)
            return
        if decision.receipt.local is not None:
            self._local.give_back(decision.receipt.local)
        with suppress(*OUTAGE, CircuitOpen):
            await self._ask(self._shared.refund, decision)

    async def reset(self, policy: Policy, partition: str) -> None:
        """Forget a counter, unless Redis is away: it expires anyway."""
        await self._local.reset(policy, partition)
        with suppress(*OUTAGE, CircuitOpen):
            await self._ask(self._shared.reset, policy, partition)

    async def _ask(
        self, call: Callable[P, Awaitable[Result]], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        # Whoever waited for a slot asks the breaker then, not before.
        async with self._slots:
            with self._breaker.attempt():
                return await self._patience.wait(call(*args, **kwargs))

    def _share(self, hit: Hit) -> Hit:
        if self._processes == 1:
            return hit
        return Hit(self._share_of(hit.policy), hit.partition, hit.cost)

    def _make_share(self, policy: Policy) -> Policy:
        return replace(policy, limit=-(-policy.limit // self._processes))
