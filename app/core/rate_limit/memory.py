"""The limiter of one process: the algorithm of `hit.lua`, in Python."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress

from app.core.rate_limit.policy import (
    MICROSECONDS,
    NEVER,
    Decision,
    Hit,
    Outcome,
    Policy,
    Receipt,
    counter_key,
    decide,
    distinct_keys,
)


class SlidingLog:
    """The times of the hits, oldest first. A hit expires one window after its time."""

    def __init__(self) -> None:
        self.stamps: deque[int] = deque()

    def wait(self, hit: Hit, now: int) -> int:
        """Return the microseconds until the hit fits, or `NEVER`."""
        excess = len(self.stamps) + hit.cost - hit.policy.limit
        if hit.cost > hit.policy.limit:
            return NEVER
        if hit.cost and excess > 0:
            return self.stamps[excess - 1] + hit.policy.window_us - now
        return 0

    def outcome(self, policy: Policy, now: int, wait: int) -> Outcome:
        reset = self.stamps[0] + policy.window_us - now if self.stamps else 0
        return Outcome(max(0, policy.limit - len(self.stamps)), reset, wait, stamp=now)

    def add(self, hit: Hit, now: int) -> None:
        self.stamps.extend([now] * hit.cost)

    def remove(self, hit: Hit, stamp: int) -> None:
        with suppress(ValueError):  # the hit has expired
            for _ in range(hit.cost):
                self.stamps.remove(stamp)

    def expire(self, policy: Policy, now: int) -> None:
        stamps, end = self.stamps, now - policy.window_us
        while stamps and stamps[0] <= end:
            stamps.popleft()


class MemoryRateLimiter:
    """Counts in this process, with at most `max_keys` counters.

    If a new counter would exceed `max_keys`, the limiter forgets the counter that was
    used longest ago. No method awaits anything, so each method is atomic without a
    lock.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, max_keys: int = 50_000
    ) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._logs: OrderedDict[str, SlidingLog] = OrderedDict()

    async def hit(self, *hits: Hit) -> Decision:
        now = self._now()
        distinct_keys(hits)
        counted = [(self._find(hit, now), hit) for hit in hits]
        waits = [log.wait(hit, now) for log, hit in counted]
        if not any(waits):
            for log, hit in counted:
                self._add(log, hit, now)
        return decide(
            hits,
            [
                log.outcome(hit.policy, now, wait)
                for (log, hit), wait in zip(counted, waits, strict=True)
            ],
        )

    def record(self, *hits: Hit) -> Receipt:
        """Count hits that Redis has allowed, whether they fit here or not."""
        now = self._now()
        for hit in hits:
            self._add(self._find(hit, now), hit, now)
        return Receipt([(hit, now) for hit in hits])

    async def refund(self, decision: Decision) -> None:
        self.give_back(decision.receipt)

    def give_back(self, receipt: Receipt) -> None:
        for hit, stamp in receipt.spend():
            if (log := self._logs.get(hit.key)) is not None:
                log.remove(hit, stamp)

    async def reset(self, policy: Policy, partition: str) -> None:
        self._logs.pop(counter_key(policy, partition), None)

    def _now(self) -> int:
        return round(self._clock() * MICROSECONDS)

    def _find(self, hit: Hit, now: int) -> SlidingLog:
        """Find a counter and mark it as used, also for a hit that is then refused."""
        log = self._logs.get(hit.key)
        if log is None:
            return SlidingLog()
        self._logs.move_to_end(hit.key)
        log.expire(hit.policy, now)
        return log

    def _add(self, log: SlidingLog, hit: Hit, now: int) -> None:
        if not hit.cost:
            return
        self._logs[hit.key] = log
        if len(self._logs) > self._max_keys:
            self._logs.popitem(last=False)
        log.add(hit, now)
