"""Keeps limiting while Redis does not answer: each process then counts alone."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import ParamSpec, TypeVar

from redis.exceptions import RedisError

from app.core.logging import get_logger
from app.core.metrics import circuit_open
from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import Decision, Hit, Policy, RateLimiter
from app.core.rate_limit.reply_timeout import ReplyTimeout
from app.core.request_context import waiting_for

P = ParamSpec("P")
Result = TypeVar("Result")

FAILURES = 3
WITHIN_SECONDS = 5.0
PAUSE_SECONDS = 5.0
REPLY_SECONDS = 0.1
CALLS_AT_ONCE = 16  # fewer than the connections of the pool, so no call waits for one
OUTAGE = (RedisError, OSError)  # includes every timeout and an exhausted pool

log = get_logger(__name__)


class CircuitOpen(Exception):
    """Redis failed a moment ago, so this call does not ask Redis."""


class CircuitBreaker:
    """Stops calls to Redis while Redis fails. After a pause, one call tries again.

    Meanwhile all other calls raise `CircuitOpen`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._open = False
        self._probe_at = 0.0
        self._probing = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run a call to Redis and note whether it failed, or raise `CircuitOpen`."""
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
            if probe:  # also after a cancellation, so that another call can try
                self._probing = False

    def _fail(self, error: Exception, *, probe: bool) -> None:
        now = self._clock()
        if probe:
            self._probe_at = now + PAUSE_SECONDS
        elif not self._open:  # otherwise an earlier call has failed late
            self._failures.append(now)
            recent = now - self._failures[0] <= WITHIN_SECONDS
            if len(self._failures) == FAILURES and recent:
                self._probe_at = now + PAUSE_SECONDS
                self._set_open(True)
                log.warning("rate_limit.degraded", error=type(error).__name__)

    def _set_open(self, is_open: bool) -> None:
        self._open = is_open
        circuit_open.labels("redis").set(is_open)

    def _close(self) -> None:
        self._set_open(False)
        self._failures.clear()
        log.warning("rate_limit.recovered")


class ResilientRateLimiter:
    """Asks the shared limiter. If it fails, each process allows a share of each limit.

    A process also counts the hits that the shared limiter allows. Otherwise an outage
    would begin with empty counters.
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
        # Return the policy with the share of the limit that this process has.
        self._share_of = cache(
            lambda policy: replace(policy, limit=-(-policy.limit // processes))
        )
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._timeout = ReplyTimeout(REPLY_SECONDS)

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
        """Remove the hits of a decision.

        In an outage, the hits in Redis stay until they expire.
        """
        if decision.degraded:
            await self._local.refund(decision)
            return
        if decision.receipt.local is not None:
            self._local.give_back(decision.receipt.local)
        with suppress(*OUTAGE, CircuitOpen):
            await self._ask(self._shared.refund, decision)

    async def reset(self, policy: Policy, partition: str) -> None:
        await self._local.reset(policy, partition)
        with suppress(*OUTAGE, CircuitOpen):
            await self._ask(self._shared.reset, policy, partition)

    async def _ask(
        self, call: Callable[P, Awaitable[Result]], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        # Ask the breaker after the wait, because Redis can fail during the wait.
        async with self._slots:
            with self._breaker.attempt(), waiting_for("redis"):
                return await self._timeout.wait(call(*args, **kwargs))

    def _share(self, hit: Hit) -> Hit:
        if self._processes == 1:
            return hit
        return Hit(self._share_of(hit.policy), hit.partition, hit.cost)
